//! What goes between a transfer and its runtime: steps out, events in, and how it ended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::brake::DeletePermit;
use crate::composite::CompositeCopy;
use crate::error::TransferError;
use crate::exchange::{Authority, Sink, TransportError};
use crate::gcs::Generation;
use crate::integrity::{Digest, Digests, Proof};
use crate::message::CarriedSession;
use crate::route::Route;

/// What the runtime is to do next. Each is answered by exactly one [`Event`].
#[derive(Debug)]
pub enum Step {
    /// [`crate::port::Port::send`], with a credential; answered by `Reply`, `TransportError` or `Unauthorized`.
    Send(Authority, Request<Bytes>),
    /// [`crate::port::Port::open`], signed for AWS; answered by `Reply`, `TransportError` or `Unauthorized`.
    Open(Request<Bytes>),
    /// [`crate::port::Port::pipe`], with a credential; answered by `Reply`, `TransportError` or `Unauthorized`.
    Pipe {
        /// Which.
        pass: Authority,
        /// Where the open body goes.
        sink: Sink,
        /// How many of its bytes.
        length: u64,
        /// Which checksums run over them, if any.
        digest: Option<Digest>,
    },
    /// [`crate::port::Port::hold`]; answered by `Digested` or `TransportError`.
    Hold {
        /// How many bytes are left.
        length: u64,
        /// Which checksums run over them.
        digest: Digest,
    },
    /// [`crate::port::Port::may_delete`]; answered by `DeletePermit`.
    MayDelete(Arc<Route>),
    /// [`crate::port::Port::wait_until`]; answered by `Woken`.
    WaitUntil(Timestamp),
    /// [`crate::port::Port::digest`]; answered by `Digested` or `TransportError`.
    Digest {
        /// How many bytes are left.
        length: u64,
        /// Which checksums run over them.
        digest: Digest,
    },
    /// The end; nothing answers it.
    Done(Ending),
    /// The end; [`crate::retry::after_delivery`] says what follows.
    Failed(TransferError),
}

impl Step {
    /// Whose credential its request is to carry.
    pub(crate) fn pass(&self) -> Authority {
        match self {
            Self::Send(pass, _) | Self::Pipe { pass, .. } => *pass,
            Self::Open(_) => Authority::Aws,
            _ => Authority::None,
        }
    }

    /// Gives its request that credential, but for AWS's: [`crate::renew::ask_aws`] signs.
    ///
    /// # Errors
    /// See [`Access::authorize`].
    pub(crate) fn authorize(
        &mut self,
        access: &Access,
        now: Timestamp,
    ) -> Result<(), TransferError> {
        let pass = self.pass();
        match self {
            Self::Send(_, request) => access.authorize(pass, request, now),
            Self::Pipe { sink, .. } => access.authorize(pass, &mut sink.request, now),
            _ => Ok(()),
        }
    }
}

/// What came of the last step.
#[derive(Debug)]
pub enum Event {
    /// Nothing yet: the first call.
    Start,
    /// A reply, whatever its status.
    Reply(Response<Bytes>),
    /// No reply, or a body that broke.
    TransportError(TransportError),
    /// What the checksums of the open body came to.
    Digested(Digests),
    /// Whether a delete may go, or why nobody says.
    DeletePermit(Result<DeletePermit, String>),
    /// The request was not sent: why there is no credential for it.
    Unauthorized(TransferError),
    /// The time has come.
    Woken,
}

impl Event {
    /// The variant's name. `Debug` would show a reply's headers, and a session's URI with them.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Reply(_) => "Reply",
            Self::TransportError(_) => "TransportError",
            Self::Digested(_) => "Digested",
            Self::DeletePermit(_) => "DeletePermit",
            Self::Unauthorized(_) => "Unauthorized",
            Self::Woken => "Woken",
        }
    }
}

impl From<Result<Digests, TransportError>> for Event {
    fn from(result: Result<Digests, TransportError>) -> Self {
        result.map_or_else(Self::TransportError, Self::Digested)
    }
}

impl From<Result<Response<Bytes>, TransportError>> for Event {
    fn from(result: Result<Response<Bytes>, TransportError>) -> Self {
        result.map_or_else(Self::TransportError, Self::Reply)
    }
}

impl<T: Into<Self>> From<Result<T, TransferError>> for Event {
    fn from(result: Result<T, TransferError>) -> Self {
        result.map_or_else(Self::Unauthorized, Into::into)
    }
}

/// How a transfer ended well, as far as its message is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Nothing is left to do.
    Settled(Outcome),
    /// The object is to be made of parts.
    Parts(Box<CompositeCopy>),
    /// Its upload goes on with another message, which carries the session.
    Carry {
        /// The session.
        session: Box<CarriedSession>,
        /// How long to wait before.
        delay: Duration,
    },
}

/// The name of [`Outcome::ListedGone`].
pub const LISTED_GONE: &str = "listed-gone";

/// How an object's copy ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The object was written and GCS checked its bytes.
    Copied {
        /// What stands there now.
        generation: Generation,
        /// Its size in bytes.
        size: u64,
        /// How its bytes were proven.
        proof: Proof,
        /// What of its metadata did not fit or could not be read, as `causeway-omitted` names it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        omitted: Option<String>,
    },
    /// The same object stood there already; no bytes moved.
    Identical {
        /// What stands there.
        generation: Generation,
    },
    /// The source has no such key, and its copy was deleted.
    Deleted {
        /// What stood there.
        generation: Generation,
    },
    /// What stands there is no copy of this key, and is left alone.
    Kept {
        /// What stands there.
        generation: Generation,
    },
    /// The source has no such key now, and nothing was to be done about it.
    SourceGone,
    /// The same, though a listing of the source had the key: it went away meanwhile, or cannot be asked for
    /// as it was listed.
    ListedGone,
    /// The key is the marker of the route's own folder: no name is left for a copy, and nothing to copy.
    FolderMarker,
}

impl Outcome {
    /// Its name in the log and in the ledger.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Copied { .. } => "copied",
            Self::Identical { .. } => "identical",
            Self::Deleted { .. } => "deleted",
            Self::Kept { .. } => "kept",
            Self::SourceGone => "source-gone",
            Self::ListedGone => LISTED_GONE,
            Self::FolderMarker => "folder-marker",
        }
    }
}
