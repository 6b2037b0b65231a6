//! Faults that a test asks the server for: the next request that matches fails in a named way.
//!
//! Names are those of Google's storage-testbench where it has one; `reset-after-commit` ("committed,
//! but the reply was lost") is ours.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};

use super::state::lock;

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

/// One fault and the requests it is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSpec {
    /// Only requests with this method; `None`: any.
    pub method: Option<Method>,
    /// Only requests whose path and query, as sent, contain this; empty: any.
    pub path_contains: String,
    /// What happens to the first of them.
    pub fault: Fault,
}

/// The faults asked for and not yet suffered.
#[derive(Default)]
pub struct Faults {
    waiting: Mutex<Vec<FaultSpec>>,
    consumed: AtomicUsize,
}

impl Faults {
    /// Lets the next matching request fail. Faults that match the same request are used up one a
    /// request, in the order they were asked for.
    pub fn fail_next(&self, spec: FaultSpec) {
        lock(&self.waiting).push(spec);
    }

    /// How many faults were suffered.
    #[must_use]
    pub fn consumed(&self) -> usize {
        self.consumed.load(Ordering::Relaxed)
    }

    /// The faults that no request has met yet.
    #[must_use]
    pub fn pending(&self) -> Vec<FaultSpec> {
        lock(&self.waiting).clone()
    }

    /// For the end of a test.
    ///
    /// # Panics
    ///
    /// When a fault is still waiting: the test did not test what it meant to.
    pub fn assert_consumed(&self) {
        let pending = self.pending();
        assert!(
            pending.is_empty(),
            "faults that no request met: {pending:?}"
        );
    }

    pub(super) fn take(&self, method: &Method, path_and_query: &str) -> Option<Fault> {
        let mut waiting = lock(&self.waiting);
        let at = waiting.iter().position(|spec| {
            spec.method.as_ref().is_none_or(|wanted| wanted == method)
                && path_and_query.contains(&spec.path_contains)
        })?;
        self.consumed.fetch_add(1, Ordering::Relaxed);
        Some(waiting.remove(at).fault)
    }
}
