//! The Durable Object behind a route's ledger: its counts, its brake and its quarantine, stored as
//! [`crate::ledger`] has them.
//!
//! One a route, written once a batch. It is told things by the functions here, from the queue's consumer,
//! the coordinators, the walks and the API.

mod entries;

use serde::{Deserialize, Serialize};

use super::held::{Held, Stored};
use super::{Class, Platform, Storage, from_json, log, to_json};
use crate::api::{Entry, RouteStatus, Taken, Transfer, Transfers, metrics};
use crate::brake::{Brake, DeletePermit};
use crate::error::ErrorKind;
use crate::ledger::{Ledger, Record, Selector};
use crate::message::DeadLetter;
use crate::route::{Route, UNROUTED};
use crate::walk::Walk;

pub use entries::QUARANTINE;

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

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// These were done.
    Record(Vec<Record>),
    /// Somebody wants to delete once.
    MayDelete(Brake),
    /// These are for quarantine.
    Quarantine(Vec<DeadLetter>),
    /// This walk has ended.
    Walked(Box<Walk>),
    /// How many objects had the source, when all were last counted?
    Objects,
    /// Could parts be deleted there lately?
    IsDeletable(String),
    /// They could.
    Deletable(String),
    /// Answered with a [`RouteStatus`] of the route of that name.
    Status(String),
    /// Answered with the [`metrics::samples`] of the route of that name, which are no JSON.
    Metrics(String),
    /// Answered with [`Transfers`].
    Transfers {
        /// How many, at most.
        limit: usize,
        /// The number of the record that they are older than.
        after: Option<u64>,
    },
    /// Answered with the last [`Transfer`] of that id, or null.
    Transfer(String),
    /// Answered with [`crate::api::Entries`].
    List(Query),
    /// These are to be sent back to the queue; answered with [`Taken`].
    Replay {
        /// Which.
        selector: Selector,
        /// Whether deletes among them are meant, whatever the reason that they are here for.
        release: bool,
    },
    /// These are to be forgotten; answered with [`Taken`].
    Drop(Selector),
    /// The ledger of this name has something in quarantine. Told to the ledger of what belongs to no route.
    Register(String),
    /// Answered by that one with the names that it was told.
    Ledgers,
}

/// Which items of a list are looked at, in the quarantine or elsewhere.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Query {
    /// Only those with this reason.
    pub kind: Option<ErrorKind>,
    /// Only keys that begin with this.
    pub key: Option<String>,
    /// Only items after this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// The Durable Object.
#[derive(Debug)]
pub struct RouteLedger<P, S> {
    platform: P,
    storage: S,
    ledger: Held<Ledger>,
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

    async fn take(&self, report: Report) -> Result<String, String> {
        Ok(match report {
            Report::Record(records) => {
                self.mend(&records).await?;
                self.ledger.with(|ledger| ledger.record(records))?;
                self.store().await?;
                to_json(&())
            }
            Report::MayDelete(brake) => to_json(&self.may_delete(&brake).await?),
            Report::Quarantine(letters) => {
                self.quarantine(letters).await?;
                to_json(&())
            }
            Report::Walked(walk) => {
                self.ledger.with(|ledger| ledger.walked(*walk))?;
                self.store().await?;
                to_json(&())
            }
            Report::Objects => self.ledger.with(|ledger| to_json(&ledger.objects))?,
            Report::IsDeletable(place) => {
                let now = self.platform.now();
                let known = |ledger: &mut Ledger| ledger.is_deletable(&place, now);
                to_json(&self.ledger.with(known)?)
            }
            Report::Deletable(place) => {
                let now = self.platform.now();
                self.ledger
                    .with(|ledger| ledger.note_deletable(place, now))?;
                self.store().await?;
                to_json(&())
            }
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
            Report::Replay { selector, release } => {
                to_json(&self.replay(&selector, release).await?)
            }
            Report::Drop(selector) => {
                let (taken, more) = self.select(&selector).await?;
                let ids = taken.into_iter().map(|(id, _)| id).collect();
                let count = self.remove(ids).await?;
                to_json(&Taken { count, more })
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

    /// Asks the brake; what it grants is counted before anybody hears of it.
    async fn may_delete(&self, brake: &Brake) -> Result<DeletePermit, String> {
        let now = self.platform.now();
        let leave = self.ledger.with(|ledger| ledger.ask(brake, now))?;
        if leave == DeletePermit::Granted {
            self.store().await?;
        }
        Ok(leave)
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

/// Tells the ledger `name` something; gives its answer as it is.
///
/// # Errors
/// The platform's words; so for all that follow.
pub async fn tell(platform: &impl Platform, name: &str, report: &Report) -> Result<String, String> {
    platform
        .call(Class::RouteLedger, name, to_json(report))
        .await
}

/// Writes `records` into the ledger of `route`. They are for people: without them nothing is lost but
/// a count.
pub(super) async fn record(platform: &impl Platform, route: &str, records: Vec<Record>) {
    let written = tell(platform, route, &Report::Record(records)).await;
    if let Err(reason) = written {
        log::ledger_silent(platform, route, &reason);
    }
}

/// Asks the brake of `route` for one delete.
///
/// # Errors
/// The platform's words.
pub async fn may_delete(platform: &impl Platform, route: &Route) -> Result<DeletePermit, String> {
    let report = Report::MayDelete(route.brake);
    from_json(&tell(platform, &route.name, &report).await?)
}

/// Puts `letters` into the quarantine of `name`; they are there when this returns. The name goes first: what is
/// there is then found, whatever becomes of the route.
///
/// # Errors
/// The platform's words.
pub(super) async fn quarantine(
    platform: &impl Platform,
    name: &str,
    letters: Vec<DeadLetter>,
) -> Result<(), String> {
    if name != UNROUTED {
        let report = Report::Register(name.to_owned());
        tell(platform, UNROUTED, &report).await?;
    }
    let report = Report::Quarantine(letters);
    tell(platform, name, &report).await.map(drop)
}

/// How many objects the source had when all were last counted.
///
/// # Errors
/// The platform's words.
pub(super) async fn objects(platform: &impl Platform, route: &str) -> Result<Option<u64>, String> {
    from_json(&tell(platform, route, &Report::Objects).await?)
}

/// Whether parts could be deleted at `place` lately, as the ledger of `route` knows it.
pub(super) async fn is_deletable(platform: &impl Platform, route: &str, place: &str) -> bool {
    let report = Report::IsDeletable(place.to_owned());
    let known = tell(platform, route, &report).await;
    known.is_ok_and(|known| known == "true")
}

/// Writes down that they could. Without it they are tried again.
pub(super) async fn note_deletable(platform: &impl Platform, route: &str, place: String) {
    if let Err(reason) = tell(platform, route, &Report::Deletable(place)).await {
        log::ledger_silent(platform, route, &reason);
    }
}

/// Writes down a walk that has ended, and what it counted.
///
/// # Errors
/// The platform's words.
pub(super) async fn walked(platform: &impl Platform, walk: Walk) -> Result<(), String> {
    let route = walk.route.clone();
    let report = Report::Walked(Box::new(walk));
    tell(platform, &route, &report).await.map(drop)
}
