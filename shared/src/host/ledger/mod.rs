//! The Durable Object behind a route's ledger: its counts, its brake and its quarantine, stored as
//! [`crate::ledger`] has them.
//!
//! One a route, written once a batch. It is told things by the functions here, from the queue's consumer,
//! the coordinators, the walks and the API.

mod entries;
mod gather;
mod report;
mod tell;
#[cfg(test)]
pub(super) mod tests;

use std::cell::RefCell;

use super::held::{Held, Stored};
use super::{Platform, Storage, from_json, to_json};
use crate::api::{Entry, RouteStatus, Taken, Transfer, Transfers, metrics};
use crate::brake::{Brake, DeletePermit};
use crate::breaker::Passage;
use crate::ledger::{Ledger, Load, Record};

pub use entries::QUARANTINE;
pub use report::{Query, Report};
pub(super) use tell::{
    is_deletable, may_run, note_deletable, objects, quarantine, record, record_all, return_permits,
    run_ended, walked,
};
pub use tell::{may_delete, tell};

/// Where all but the quarantine is stored.
pub const LEDGER: &str = "ledger";
/// What stands before the names of ledgers that have something in quarantine, or had: a route may be renamed
/// or removed, and what it has left is found by its name.
const NAMES: &str = "ledger/";
/// How many of them are listed.
const MOST_NAMES: usize = 1000;
/// How many entries are read from storage, given to a page at most, or replayed at once.
pub const PAGE: usize = 100;
/// The longest value of a parameter, in characters: an id has a bucket and a key.
pub const LONGEST: usize = 1280;

/// The Durable Object.
#[derive(Debug)]
pub struct RouteLedger<P, S> {
    platform: P,
    storage: S,
    ledger: Held<Ledger>,
    load: RefCell<Load>,
}

impl Stored for Ledger {
    async fn read(storage: &impl Storage) -> Result<Self, String> {
        let Some(text) = storage.get(LEDGER).await? else {
            return Ok(Self::default());
        };
        Self::read(&text).map_err(|error| error.to_string())
    }
}

impl<P: Platform, S: Storage> RouteLedger<P, S> {
    /// One that keeps itself in `storage`.
    pub fn new(platform: P, storage: S) -> Self {
        Self {
            platform,
            storage,
            ledger: Held::default(),
            load: RefCell::default(),
        }
    }

    /// Answers a [`Report`].
    ///
    /// # Errors
    /// The platform's error, or why the report cannot be read.
    pub async fn answer(&self, report: &str) -> Result<String, String> {
        let taken = self.take(from_json(report)?);
        self.ledger.attempt(&self.storage, taken).await
    }

    /// Stores it, as it is now.
    async fn store(&self) -> Result<(), String> {
        let text = self.ledger.with(|ledger| to_json(ledger))?;
        self.storage.put(vec![(LEDGER.to_owned(), text)]).await
    }

    /// Changes the ledger and stores it; there is nothing to say of it.
    async fn change(&self, act: impl FnOnce(&mut Ledger)) -> Result<String, String> {
        self.ledger.with(act)?;
        self.store().await?;
        Ok(to_json(&()))
    }

    async fn take(&self, report: Report) -> Result<String, String> {
        Ok(match report {
            Report::Record(records) => to_json(&self.note(records).await?),
            report @ Report::Gather(..) => {
                self.gather(&report).await?;
                to_json(&())
            }
            Report::MayDelete(brake, count) => to_json(&self.may_delete(&brake, count).await?),
            Report::NotDeleted(count) => self.change(|ledger| ledger.brake.returned(count)).await?,
            Report::Refused(key, error) => {
                let now = self.platform.now();
                let judged = self.ledger.with(|ledger| {
                    let opens = ledger.breaker.refused(&key, error, now);
                    (opens, ledger.breaker.ask(now))
                })?;
                self.store().await?;
                to_json(&judged)
            }
            Report::Passage => {
                let now = self.platform.now();
                let passage = self.ledger.with(|ledger| ledger.breaker.ask(now))?;
                if passage == Passage::Attempt {
                    self.store().await?;
                }
                to_json(&passage)
            }
            Report::Quarantine(letters) => {
                self.quarantine(letters).await?;
                to_json(&())
            }
            Report::Walked(walk) => self.change(|ledger| ledger.walked(*walk)).await?,
            Report::Objects => self.ledger.with(|ledger| to_json(&ledger.objects))?,
            Report::IsDeletable(place) => {
                let now = self.platform.now();
                let known = |ledger: &mut Ledger| ledger.is_deletable(&place, now);
                to_json(&self.ledger.with(known)?)
            }
            Report::Deletable(place) => {
                let now = self.platform.now();
                self.change(|ledger| ledger.note_deletable(place, now))
                    .await?
            }
            Report::MayRun(id) => {
                let now = self.platform.now();
                let may = self.ledger.with(|ledger| ledger.may_run(id, now))?;
                if may {
                    self.store().await?;
                }
                to_json(&may)
            }
            Report::RunEnded(id) => self.change(|ledger| ledger.run_ended(&id)).await?,
            Report::Status(name) => self.status(&name)?,
            Report::Metrics(name) => self.ledger.with(|ledger| metrics::samples(&name, ledger))?,
            Report::Transfers { limit, after } => {
                let page = |ledger: &mut _| to_json(&Transfers::of(ledger, limit, after));
                self.ledger.with(page)?
            }
            Report::Transfer(id) => {
                let entry = self.entry(&id).await?;
                let entry = entry.map(|entry| Entry::new(id.clone(), entry));
                let last = |ledger: &mut _| to_json(&Transfer::last(ledger, &id, entry));
                self.ledger.with(last)?
            }
            Report::List(query) => to_json(&self.list(&query).await?),
            Report::Replay(selector, release, after) => {
                to_json(&self.replay(&selector, release, after.as_deref()).await?)
            }
            Report::Drop(selector, after) => {
                let (taken, next) = self.select(&selector, after.as_deref()).await?;
                let ids = taken.into_iter().map(|(id, _)| id).collect();
                to_json(&Taken::new(self.remove(ids).await?, next))
            }
            Report::Register(name) => {
                let name = format!("{NAMES}{name}");
                if self.storage.get(&name).await?.is_none() {
                    self.storage.put(vec![(name, String::new())]).await?;
                }
                to_json(&())
            }
            Report::Ledgers => {
                let stored = self.storage.list(NAMES, None, Some(MOST_NAMES)).await?;
                let names = stored
                    .iter()
                    .filter_map(|(name, _)| name.strip_prefix(NAMES));
                to_json(&names.collect::<Vec<_>>())
            }
        })
    }

    /// Takes in what was done. Gives whether it is told too much, and whether that closes the breaker.
    async fn note(&self, records: Vec<Record>) -> Result<(bool, bool), String> {
        self.mend(&records).await?;
        let now = self.platform.now();
        let has_passed = records.iter().any(Record::passed);
        let has_settled = records.iter().any(Record::settles);
        let closes = self.ledger.with(|ledger| {
            ledger.record(records);
            if has_settled {
                ledger.breaker.settled(now);
            }
            has_passed && ledger.breaker.passed()
        })?;
        self.store().await?;
        let is_busy = self.load.borrow_mut().call(now);
        Ok((is_busy, closes))
    }

    /// Asks the brake; what it grants is counted before anybody hears of it.
    async fn may_delete(&self, brake: &Brake, count: u32) -> Result<(u32, DeletePermit), String> {
        let now = self.platform.now();
        let answer = self.ledger.with(|ledger| ledger.ask(brake, now, count))?;
        if answer.0 > 0 {
            self.store().await?;
        }
        Ok(answer)
    }

    /// What there is to be seen of the route `name`, as JSON.
    fn status(&self, name: &str) -> Result<String, String> {
        let (routes, now) = (self.platform.routes().ok(), self.platform.now());
        let route = routes.as_ref().and_then(|routes| routes.get(name));
        let route = route.map(|route| &**route);
        self.ledger
            .with(|ledger| to_json(&RouteStatus::new(name, route, ledger, now)))
    }
}
