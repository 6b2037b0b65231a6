//! What an isolate remembers of routes from batch to batch, so that it need not ask their ledgers each time. Any
//! of it may be gone at any time, and nothing is lost with it.

use std::cell::{RefCell, RefMut};

use jiff::Timestamp;

use crate::brake::DeletePermit;

/// The memory of one isolate.
#[derive(Debug, Default)]
pub struct Isolate {
    /// There are few: a list is found through as fast as a map, and is smaller.
    routes: RefCell<Vec<(String, Remembered)>>,
    /// Names of objects that carried out a share for this isolate and have none now.
    pub(super) idle: RefCell<Vec<String>>,
}

/// What is remembered of a route.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// Its breaker is open; until then nothing is begun, and the ledger is not asked.
    pub(super) held_until: Option<Timestamp>,
    /// As many of its large objects are copied as may be; until then its ledger is not asked whether another may.
    pub(super) full_until: Option<Timestamp>,
    /// Its ledger is told too much; until then what was done is told to one that gathers for it.
    pub(super) gathered_until: Option<Timestamp>,
    /// Deletes that its brake has granted and that were not made yet.
    pub(super) permits: u32,
    /// How many are asked for next: twice as many as before, as long as all are used.
    pub(super) lease: u32,
    /// What its brake said to all, and until when that is taken for its answer.
    pub(super) braked: Option<(Timestamp, DeletePermit)>,
}

impl Remembered {
    /// The answer to one delete at `now`, if the brake need not be asked.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<DeletePermit> {
        if self.permits > 0 {
            self.permits -= 1;
            return Some(DeletePermit::Granted);
        }
        let braked = self.braked.filter(|(until, _)| now < *until);
        braked.map(|(_, permit)| permit)
    }
}

impl Isolate {
    /// What is remembered of `route`; not to be held over an await.
    pub(super) fn of(&self, route: &str) -> RefMut<'_, Remembered> {
        let mut routes = self.routes.borrow_mut();
        let known = routes.iter().position(|(name, _)| name == route);
        let at = known.unwrap_or(routes.len());
        if known.is_none() {
            routes.push((route.to_owned(), Remembered::default()));
        }
        RefMut::map(routes, |routes| &mut routes[at].1)
    }

    /// The routes that have granted deletes which were not made.
    pub(super) fn with_permits(&self) -> Vec<String> {
        let routes = self.routes.borrow();
        let leased = routes.iter().filter(|(_, known)| known.permits > 0);
        leased.map(|(route, _)| route.clone()).collect()
    }
}
