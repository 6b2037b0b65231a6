//! The Durable Object behind a table: it is told what has landed, keeps what waits, and carries out in its alarm what
//! [`crate::tables::Loader`] says.
//!
//! One a table, called as the table is: routes of one table share its quota, and a route that is renamed finds what was
//! loaded. What it stores beside its state:
//!
//! - `p/<route>/…`: what waits: a version (`v/<format>/<name>\n<generation>`), or a partition to be replaced
//!   (`p/<prefix>`), with what was told of it last.
//! - `r/<bucket>/<name>\n<generation>`: the receipt of a version: the run that took it. A version has one from the
//!   moment it leaves `p/`, in one write with its place in a job, so that it is never in two.
//! - `j/<run>/<chunk>`: the files of a job, a hundred each.
//! - `q/<partition>`: what a partition was replaced with last; nothing while a job may change it, and where files were
//!   refused. A table has one route that replaces.
//! - `l/<number>`: loads that have ended, the last thousand.

mod bad;
mod compare;
mod gather;
mod keys;
mod replace;
mod report;
mod run;
mod settle;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use super::held::{Held, Stored};
use super::{Platform, RouteAccess, Storage, from_json, log, seed, to_json};
use crate::bigquery::{Refused, Remedy, RowError};
use crate::error::{ErrorKind, TransferError};
use crate::route::{Route, Routes};
use crate::tables::{Failed, Job, Loader, Phase, Task, another_table};

pub use report::Report;
pub use tell::tell;
pub(in crate::host) use tell::{ForTable, compare, landed_of, tell_all, tell_one};

use keys::{STATE, WAITING};

/// The alarm that goes off if this isolate dies with a step in hand.
const NET: Duration = Duration::from_mins(16);
/// Steps that an alarm takes: each is a hundred requests at most, of the 1,000 that an invocation may make.
const STEPS: usize = 8;

/// The Durable Object.
#[derive(Debug)]
pub struct TableLoader<P, S> {
    platform: P,
    storage: S,
    state: Held<Loader>,
}

impl Stored for Loader {
    async fn read(storage: &impl Storage) -> Result<Self, String> {
        let mut loader = match storage.get(STATE).await? {
            Some(text) => from_json(&text)?,
            None => Self::default(),
        };
        // What waits is stored before the state says so.
        if !storage.list(WAITING, None, Some(1)).await?.is_empty() {
            loader.something_waits();
        }
        Ok(loader)
    }
}

impl<P: Platform, S: Storage> TableLoader<P, S> {
    /// One that keeps itself in `storage`.
    pub fn new(platform: P, storage: S) -> Self {
        Self {
            platform,
            storage,
            state: Held::default(),
        }
    }

    /// Answers a report.
    ///
    /// # Errors
    /// The platform's error, or why the report cannot be read.
    pub async fn answer(&self, report: &str) -> Result<String, String> {
        let taken = self.take(from_json(report)?);
        self.state.attempt(&self.storage, taken).await
    }

    /// Does what is to be done now.
    ///
    /// # Errors
    /// The platform's words where not even another alarm can be set.
    pub async fn alarm(&self) -> Result<(), String> {
        let worked = async {
            // Before anything that may fail: the platform drops an alarm after six failures.
            self.storage.set_alarm(Some(NET)).await?;
            self.state.attempt(&self.storage, self.work()).await
        };
        let worked = worked.await;
        let (platform, storage) = (&self.platform, &self.storage);
        self.state
            .end_alarm(platform, storage, "loader-failed", worked)
            .await
    }

    async fn take(&self, report: Report) -> Result<String, String> {
        match report {
            Report::Landed(table, landed) => {
                self.take_landed(&table, landed).await?;
                Ok(String::new())
            }
            Report::Compare(table, landed, is_dry) => {
                Ok(to_json(&self.compare(&table, landed, is_dry).await?))
            }
            Report::Loads(before) => Ok(self.loads(before).await?.to_string()),
            Report::Load(id) => self.load(&id).await,
        }
    }

    fn state_entry(&self) -> Result<(String, String), String> {
        let text = self.state.with(|loader| to_json(loader))?;
        Ok((STATE.to_owned(), text))
    }

    async fn wake_now(&self) -> Result<(), String> {
        self.storage.set_alarm(Some(Duration::ZERO)).await
    }

    async fn store(&self) -> Result<(), String> {
        self.storage.put(vec![self.state_entry()?]).await
    }

    /// Deletes `keys` and stores `entries` and the state, or nothing of it.
    async fn store_with(
        &self,
        keys: Vec<String>,
        mut entries: Vec<(String, String)>,
    ) -> Result<(), String> {
        entries.push(self.state_entry()?);
        self.storage.replace(keys, entries).await
    }

    /// Runs tasks until none is due, or as many as an alarm may.
    async fn work(&self) -> Result<(), String> {
        for _ in 0..STEPS {
            let now = self.platform.now();
            match self.state.with(|loader| loader.wake(now))? {
                Task::Wait(time) => {
                    let wait = time.duration_since(self.platform.now());
                    let wait = Duration::try_from(wait).unwrap_or_default();
                    return self.storage.set_alarm(Some(wait)).await;
                }
                Task::Rest => return self.storage.set_alarm(None).await,
                Task::Plan => self.plan().await?,
                Task::Work(job) => self.step(&job).await?,
                Task::Sweep { bucket, prefix } => self.sweep(&bucket, &prefix).await?,
            }
        }
        self.storage.set_alarm(Some(Duration::ZERO)).await
    }

    /// The next step of `job`.
    async fn step(&self, job: &Job) -> Result<(), String> {
        let routes = self.platform.routes().map_err(|error| error.to_string())?;
        let route = self.route_of(&routes, job)?;
        let done = match &route {
            Ok(route) => match job.phase {
                Phase::Gathering => return self.gather(job, route).await,
                Phase::Copying => self.copy(job, route).await,
                Phase::Listing => self.list(job, route).await,
                Phase::Naming => self.name(job, route).await,
                Phase::Inserting => self.insert(job, route).await,
                Phase::Running => self.poll(job, route).await,
                Phase::Settling => return self.settle(job, route).await,
            },
            Err(error) => Err(error.clone().into()),
        };
        let (remedy, error, errors) = match done {
            Ok(()) => return Ok(()),
            Err(Stop::Platform(reason)) => return Err(reason),
            Err(Stop::Refused(refused)) => *refused,
        };
        let (now, seed) = (self.platform.now(), seed(&self.platform));
        let failed = self
            .state
            .with(|loader| loader.failed(&job.run, remedy, &error, now, seed))?;
        match failed {
            Failed::Again => {}
            Failed::Bad => {
                return self
                    .bad(job, route.map_err(|error| error.message)?, &error, &errors)
                    .await;
            }
            Failed::Blocked => {
                let mut line = log::with_fields("table-blocked", &error);
                line["route"] = job.route.clone().into();
                log::trouble(&self.platform, &line);
            }
        }
        self.store().await
    }

    /// The route of `job`: of its name, or, after that was changed, the one that loads the same place into the table.
    fn route_of<'a>(
        &self,
        routes: &'a Routes,
        job: &Job,
    ) -> Result<Result<&'a Arc<Route>, TransferError>, String> {
        let table = self.state.with(|loader| loader.table().to_owned())?;
        let is_it = |route: &&Arc<Route>| {
            let loads = route.table.as_ref();
            loads.is_some_and(|loads| loads.id.to_string() == table)
                && landing(route) == job.landing
        };
        let named = routes.get(&job.route).filter(is_it);
        let found = named.or_else(|| routes.iter().find(is_it));
        Ok(found.ok_or_else(|| another_table(&job.route, &table)))
    }

    async fn sweep(&self, bucket: &str, prefix: &str) -> Result<(), String> {
        let route = self.state.with(|loader| loader.route().to_owned())?;
        let random = self.platform.random();
        let swept = match self.platform.reach(&route) {
            Ok(RouteAccess { access, mut port }) => {
                crate::parts::sweep(&mut port, &access, bucket, prefix, random).await
            }
            Err(error) => Err(error.into()),
        };
        let (now, seed) = (self.platform.now(), seed(&self.platform));
        let given_up = self
            .state
            .with(|loader| loader.swept(prefix, swept.map(drop), now, seed))?;
        if let Some(error) = given_up {
            log::parts_left(&self.platform, bucket, prefix, &error);
        }
        self.store().await
    }
}

/// Where the files of `route` land.
fn landing(route: &Route) -> String {
    format!("{}/{}", route.destination.bucket, route.destination.prefix)
}

/// Why a step did not end well.
enum Stop {
    /// The platform's words: the state is read again.
    Platform(String),
    /// BigQuery or the bucket refused: what helps, why, and what BigQuery says of single rows.
    Refused(Box<(Remedy, TransferError, Vec<RowError>)>),
}

impl From<String> for Stop {
    fn from(reason: String) -> Self {
        Self::Platform(reason)
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new((refused.remedy, refused.error, Vec::new())))
    }
}

impl From<Stop> for String {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Platform(reason) => reason,
            Stop::Refused(refused) => refused.1.message,
        }
    }
}

impl From<TransferError> for Stop {
    /// What passes is tried again; anything else waits for a person.
    fn from(error: TransferError) -> Self {
        let remedy = match error.kind {
            ErrorKind::LoadRefused => Remedy::Data,
            kind if kind.is_transient() && !error.is_final => Remedy::SameAgain,
            _ => Remedy::Blocked,
        };
        Refused { remedy, error }.into()
    }
}
