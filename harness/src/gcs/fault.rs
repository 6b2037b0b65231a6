//! What a request to the embedded GCS can suffer.
//!
//! Names are those of Google's storage-testbench where it has one; `reset-after-commit` ("committed,
//! but the reply was lost") is ours.

use std::time::Duration;

use http::StatusCode;

/// What a matching request suffers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `return-X`: an error status before anything is done.
    Return {
        /// The status.
        status: StatusCode,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u64>,
    },
    /// An error status before anything is done, with a reason of one's own.
    Refuse {
        /// The status.
        status: StatusCode,
        /// The reason, which is for programs.
        reason: &'static str,
        /// The message, which is for people.
        message: &'static str,
    },
    /// The request takes effect, and is answered 200 with this text in place of what GCS says.
    Garble {
        /// The text.
        with: &'static str,
    },
    /// `return-X-after-YK`: an error status after this many bytes of the request's body were taken.
    ReturnAfter {
        /// The status.
        status: StatusCode,
        /// Bytes.
        after: u64,
    },
    /// `return-reset-connection`: the connection is reset before anything is done.
    ResetConnection,
    /// `reset-after-commit`: the request takes effect, then the connection is reset.
    ResetAfterCommit,
    /// `return-broken-stream-final-chunk-after-YB`: the connection is reset after this many bytes of
    /// the request's body were taken.
    BreakUpload {
        /// Bytes.
        after: u64,
    },
    /// `return-broken-stream-after-YK`: the response's body breaks off after this many bytes.
    BreakDownload {
        /// Bytes.
        after: u64,
    },
    /// `return-corrupted-data`: a bit of the response's body is flipped.
    CorruptDownload,
    /// `stall-for-Ts-after-YK`: the body (the request's if it has one, else the response's) stalls.
    Stall {
        /// How long.
        pause: Duration,
        /// After how many bytes.
        after: u64,
    },
}

/// A fault and the requests it is meant for.
pub type FaultSpec = crate::fault::FaultSpec<Fault>;

/// The faults of one server.
pub type Faults = crate::fault::Faults<Fault>;
