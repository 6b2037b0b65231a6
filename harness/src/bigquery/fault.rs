//! What a request to the embedded BigQuery, or the job that it asks for, can suffer.

use std::time::Duration;

use http::StatusCode;

use super::state::JobFault;

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
    /// The request takes effect, and is answered 200 with this text in place of what BigQuery says.
    Garble {
        /// The text.
        with: &'static str,
    },
    /// `return-reset-connection`: the connection is reset before anything is done.
    ResetConnection,
    /// `reset-after-commit`: the request takes effect, such as that the job is taken, then the connection is
    /// reset.
    ResetAfterCommit,
    /// The answer comes late.
    Stall {
        /// How late.
        pause: Duration,
    },
    /// The request is served, and this happens to the job that it asks for.
    Job(JobFault),
}

/// A fault and the requests it is meant for.
pub type FaultSpec = crate::fault::FaultSpec<Fault>;

/// The faults of one server.
pub type Faults = crate::fault::Faults<Fault>;
