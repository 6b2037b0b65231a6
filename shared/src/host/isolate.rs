//! What an isolate remembers of routes from batch to batch, so that it need not ask their ledgers each time. Any
//! of it may be gone at any time, and nothing is lost with it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::brake::DeletePermit;

/// The memory of one isolate.
#[derive(Debug, Default)]
pub struct Isolate(RefCell<BTreeMap<String, Remembered>>);

/// What is remembered of a route.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// Its breaker is open; until then nothing is begun, and the ledger is not asked.
    pub(super) held_until: Option<Timestamp>,
    /// Its ledger is told too much; until then what was done is told to one that gathers for it.
    pub(super) gathered_until: Option<Timestamp>,
    /// Deletes that its brake has granted and that were not made yet.
    pub(super) permits: u32,
    /// How many are asked for next: twice as many as before, as long as all are used.
    pub(super) lease: u32,
    /// What its brake said to all, and until when that is taken for its answer.
    pub(super) braked: Option<(Timestamp, DeletePermit)>,
}

impl Isolate {
    /// Runs `act` on what is remembered of `route`.
    pub(super) fn of<R>(&self, route: &str, act: impl FnOnce(&mut Remembered) -> R) -> R {
        act(self.0.borrow_mut().entry(route.to_owned()).or_default())
    }

    /// The routes that have granted deletes which were not made.
    pub(super) fn with_permits(&self) -> Vec<String> {
        let routes = self.0.borrow();
        let leased = routes.iter().filter(|(_, known)| known.permits > 0);
        leased.map(|(route, _)| route.clone()).collect()
    }
}
