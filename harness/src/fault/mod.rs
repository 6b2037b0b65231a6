//! Faults that a test asks an embedded store for: the next request that matches fails in a named way,
//! once. What faults there are is each store's own: `gcs::Fault`, `s3::Fault`.

mod spoil;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Method;
use tokio::sync::watch;

pub(crate) use spoil::{Spoil, spoil};

/// One fault and the requests it is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSpec<F> {
    /// Only requests with this method; `None`: any.
    pub method: Option<Method>,
    /// Only requests whose path and query, as sent, contain this; empty: any. Where the request has a
    /// `Range` or `Content-Range` header, a space and its value follow the query, so that
    /// `bytes=0-` finds the request for the first part of an object.
    pub path_contains: String,
    /// What happens to the first of them.
    pub fault: F,
}

/// The faults asked for and not yet suffered.
pub struct Faults<F> {
    waiting: Mutex<Vec<FaultSpec<F>>>,
    consumed: watch::Sender<usize>,
}

impl<F> Default for Faults<F> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            consumed: watch::Sender::new(0),
        }
    }
}

impl<F: Clone + fmt::Debug> Faults<F> {
    /// Lets the next matching request fail. Faults that match the same request are used up one a
    /// request, in the order they were asked for.
    pub fn fail_next(&self, spec: FaultSpec<F>) {
        self.lock().push(spec);
    }

    /// How many faults were suffered.
    #[must_use]
    pub fn consumed(&self) -> usize {
        *self.consumed.borrow()
    }

    /// The faults that no request has met yet.
    #[must_use]
    pub fn pending(&self) -> Vec<FaultSpec<F>> {
        self.lock().clone()
    }

    /// Waits until no fault that `is_meant` holds of is waiting.
    pub async fn until_consumed(&self, is_meant: impl Fn(&FaultSpec<F>) -> bool) {
        let mut consumed = self.consumed.subscribe();
        // The sender lives as long as `self`.
        let _ = consumed
            .wait_for(|_| !self.lock().iter().any(&is_meant))
            .await;
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

    /// The fault that this request suffers.
    pub(crate) fn take(&self, request: &http::request::Parts) -> Option<F> {
        let mut waiting = self.lock();
        if waiting.is_empty() {
            return None;
        }
        let target = target(request);
        let at = waiting.iter().position(|spec| {
            spec.method
                .as_ref()
                .is_none_or(|wanted| wanted == request.method)
                && target.contains(&spec.path_contains)
        })?;
        let fault = waiting.remove(at).fault;
        drop(waiting);
        self.consumed.send_modify(|consumed| *consumed += 1);
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<FaultSpec<F>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`FaultSpec::path_contains`] is looked for in.
fn target(request: &http::request::Parts) -> String {
    let target = request.uri.path_and_query();
    let mut text = target.map_or("", |target| target.as_str()).to_owned();
    for name in [http::header::RANGE, http::header::CONTENT_RANGE] {
        if let Some(range) = request.headers.get(name)
            && let Ok(range) = range.to_str()
        {
            text.push(' ');
            text.push_str(range);
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, range: Option<&str>) -> http::request::Parts {
        let mut request = http::Request::builder().method(method).uri(target);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_fault_is_met_once_by_a_request_it_is_meant_for() {
        let faults = Faults::default();
        let ask = |method: Option<Method>, path_contains: &str, fault| {
            faults.fail_next(FaultSpec {
                method,
                path_contains: path_contains.into(),
                fault,
            });
        };
        ask(Some(Method::GET), "/b/k", 1);
        ask(None, "bytes=64-", 2);
        ask(None, "", 3);
        let take = |method, target, range| faults.take(&request(method, target, range));
        assert_eq!(take("PUT", "/b/k?x", None), Some(3));
        assert_eq!(take("PUT", "/b/k?x", None), None);
        assert_eq!(take("GET", "/b/other", Some("bytes=0-63")), None);
        assert_eq!(take("GET", "/b/other", Some("bytes=64-127")), Some(2));
        assert_eq!((faults.pending().len(), faults.consumed()), (1, 2));
        assert_eq!(take("GET", "/b/k?x", None), Some(1));
        faults.assert_consumed();
    }
}
