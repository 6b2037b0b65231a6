//! What a request to the embedded S3 can suffer. Faults concern answers and their bodies; what a
//! request does to the store it has done.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

/// What a matching request suffers. Those that concern a body do nothing to an answer without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error status before anything is done, with the code that S3 has for it: `SlowDown` for 503.
    Return {
        /// The status.
        status: StatusCode,
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u64>,
    },
    /// An error status before anything is done, with a code and a message of one's own.
    Refuse {
        /// The status.
        status: StatusCode,
        /// The code.
        code: &'static str,
        /// The message.
        message: &'static str,
    },
    /// The request takes effect, and is answered 200 with this text in place of what S3 says.
    Garble {
        /// The text.
        with: &'static str,
    },
    /// The connection is reset before anything is done.
    ResetConnection,
    /// The request takes effect, then the connection is reset.
    ResetAfterCommit,
    /// The body breaks off and the connection closes after this many bytes.
    Break {
        /// Bytes.
        after: u64,
    },
    /// The body ends in good order after this many bytes, and Content-Length says so.
    Truncate {
        /// Bytes.
        after: u64,
    },
    /// The body has this many more bytes than it should, and Content-Length says so.
    Lengthen {
        /// Bytes.
        by: u64,
    },
    /// The body is sent without a Content-Length, chunked.
    HideLength,
    /// A bit of this byte of the body is flipped.
    Corrupt {
        /// The byte's offset in the body.
        at: u64,
    },
    /// The body stalls after this many bytes.
    Stall {
        /// How long.
        pause: Duration,
        /// After how many bytes.
        after: u64,
    },
    /// The checksums in the headers are not those of the bytes.
    WrongChecksum,
    /// When this many bytes of the body were sent, somebody writes another object under the key. The
    /// body goes on with the old one, as S3's does.
    Overwrite {
        /// Bytes.
        after: u64,
        /// What is written.
        with: Bytes,
    },
}

/// A fault and the requests it is meant for.
pub type FaultSpec = crate::fault::FaultSpec<Fault>;

/// The faults of one server.
pub type Faults = crate::fault::Faults<Fault>;
