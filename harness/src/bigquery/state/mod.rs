//! The warehouse behind the embedded BigQuery: datasets, tables, jobs and what they have used of their
//! quotas. Knows nothing of HTTP, and whoever holds it may say what time it is.

mod dataset;
mod error;
mod job;
mod jobs;
mod load;
mod load_config;
mod partition;
mod quota;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::broadcast;

pub use error::{ApiError, JobError};
pub use job::{JobFault, Progress, Statistics};
pub use jobs::{JobEnd, JobFilter};
pub use partition::{Partitioning, Unit};
pub use quota::Quotas;
pub use table::RowQuery;

use self::dataset::Dataset;
use self::job::Job;
use self::quota::Usage;
use crate::bigquery::files::Files;

/// Entries of a list, where a client asks for no number of them.
const PAGE: usize = 1000;
/// How many ends of jobs a slow receiver may fall behind before it misses some.
const BACKLOG: usize = 4096;

/// How the warehouse behaves.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a job is PENDING. At the end of it its files are read.
    pub pending: SignedDuration,
    /// How long a job is RUNNING. At the end of it its table changes.
    pub running: SignedDuration,
    /// Jobs go on only by [`State::step`], whatever time it is.
    pub stepped: bool,
    /// Limits.
    pub quotas: Quotas,
    /// How many ends of jobs a slow receiver may fall behind; 4,096 if not said.
    pub backlog: Option<usize>,
}

impl Default for Settings {
    /// A job takes 200 ms.
    fn default() -> Self {
        Self {
            pending: SignedDuration::from_millis(50),
            running: SignedDuration::from_millis(150),
            stepped: false,
            quotas: Quotas::default(),
            backlog: None,
        }
    }
}

/// Which table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    /// The project.
    pub project: String,
    /// The dataset in it.
    pub dataset: String,
    /// The table in that, without a decorator.
    pub table: String,
}

impl TableId {
    /// The table of that name.
    #[must_use]
    pub fn new(project: &str, dataset: &str, table: &str) -> Self {
        Self {
            project: project.to_owned(),
            dataset: dataset.to_owned(),
            table: table.to_owned(),
        }
    }

    /// The table of a name that may have a decorator, and that.
    fn decorated(
        project: &str,
        dataset: &str,
        name: &str,
    ) -> Result<(Self, Option<String>), ApiError> {
        let (table, decorator) = match name.split_once('$') {
            None => (name, None),
            Some((table, decorator)) => (table, Some(decorator.to_owned())),
        };
        let plain = table
            .chars()
            .all(|c| c.is_alphanumeric() || "_- ".contains(c));
        if !plain || table.is_empty() || table.len() > 1024 || decorator.as_deref() == Some("") {
            return Err(ApiError::invalid(format!("Invalid table ID \"{name}\".")));
        }
        Ok((Self::new(project, dataset, table), decorator))
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.project, self.dataset, self.table)
    }
}

/// The whole warehouse.
pub struct State {
    settings: Settings,
    files: Box<dyn Files>,
    inner: Mutex<Inner>,
    ends: broadcast::Sender<JobEnd>,
}

#[derive(Default)]
struct Inner {
    datasets: BTreeMap<(String, String), Dataset>,
    /// By project and id; what is deleted leaves its id behind.
    jobs: HashMap<(String, String), Option<Job>>,
    /// Those that have not ended, by their numbers.
    open: BTreeMap<u64, (String, String)>,
    /// Jobs so far.
    job_count: u64,
    /// Changes of anything so far; entity tags come from here.
    changes: u64,
    usage: Usage,
    /// What time it is, where that is not the machine's to say.
    now: Option<Timestamp>,
}

impl State {
    /// An empty warehouse whose jobs read `files`.
    #[must_use]
    pub fn new(settings: Settings, files: Box<dyn Files>) -> Self {
        Self {
            settings,
            files,
            inner: Mutex::default(),
            ends: broadcast::Sender::new(settings.backlog.unwrap_or(BACKLOG)),
        }
    }

    /// It is `now` from now on, whatever the machine's clock says. Jobs that are due by then go on.
    pub fn set_time(&self, now: Timestamp) {
        let mut inner = lock(&self.inner);
        inner.now = Some(now);
        self.advance(&mut inner);
    }

    /// Jobs that are due by now go on, as they do before every request.
    pub fn go(&self) {
        drop(self.ready());
    }

    /// Tells of every end of a job from now on. A receiver that is too many behind is told that it lagged.
    #[must_use]
    pub fn ends(&self) -> broadcast::Receiver<JobEnd> {
        self.ends.subscribe()
    }

    /// Everything, after the jobs that are due have gone on.
    fn ready(&self) -> MutexGuard<'_, Inner> {
        let mut inner = lock(&self.inner);
        self.advance(&mut inner);
        inner
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }
}

/// Locks; a panic elsewhere does not make the data unusable, as every change is made in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A page of a list: the entries behind `after`, which has their order.
fn page<'a>(
    kind: &str,
    name: &str,
    entries: impl Iterator<Item = (&'a str, Value)>,
    after: Option<&str>,
    limit: Option<usize>,
) -> Value {
    let limit = limit.unwrap_or(PAGE).clamp(1, PAGE);
    let mut behind = entries.filter(|(key, _)| after.is_none_or(|after| *key > after));
    let (mut last, mut shown) = ("", Vec::new());
    for (key, value) in behind.by_ref().take(limit) {
        last = key;
        shown.push(value);
    }
    let mut list = json!({ "kind": kind, "etag": "list" });
    if behind.next().is_some() {
        list["nextPageToken"] = last.into();
    }
    if !shown.is_empty() {
        list[name] = shown.into();
    }
    list
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
mod tests;
