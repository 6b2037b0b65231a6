//! What a table's loader remembers: which jobs are under way, what holds them up, and when the next may begin.
//!
//! Pure: [`crate::host::tables`] stores it after each change and carries out what [`Loader::wake`] says. Each step may
//! be carried out twice; a crash between two of them costs no more than that.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::job::{Job, Phase};
use super::pace::{Limits, Pace};
use crate::bigquery::{Format, Remedy};
use crate::error::TransferError;
use crate::parts::Leftovers;
use crate::retry::until_it_succeeds;
use crate::time::{later, milliseconds};

/// Jobs under way at once: a lone file is not to wait for a job of hours.
const JOBS_AT_ONCE: usize = 4;

/// Jobs that are spent because of bad files in the batches under way: one to load the others where BigQuery names some, two
/// halves where it names none. One bad file in 10,000 that is not named takes 28.
const SEARCHES: u32 = 40;

/// How long a table waits after its quota was used up, at first and at most.
const QUOTA: Duration = Duration::from_mins(10);
const QUOTA_AT_MOST: Duration = Duration::from_hours(2);

/// How long a table waits between two probes while it is blocked, at first and at most.
const PROBE: Duration = Duration::from_mins(1);
const PROBE_AT_MOST: Duration = Duration::from_hours(1);

/// How long a job is left alone before it is asked about: an eighth of its age, within these.
const POLL: Duration = Duration::from_millis(250);
const POLL_AT_MOST: Duration = Duration::from_secs(30);

/// One table's loads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loader {
    #[serde(default)]
    table: String,
    #[serde(default)]
    route: String,
    pace: Pace,
    jobs: Vec<Job>,
    /// Whether something waits for a job.
    waits: bool,
    /// How often it was told something.
    #[serde(default)]
    told: u64,
    /// The last thing that waited and got one: the next is behind it.
    #[serde(default)]
    cursor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocked: Option<Blocked>,
    #[serde(default, deserialize_with = "crate::time::read_option")]
    quota_until: Option<Timestamp>,
    #[serde(default)]
    quota_waits: u32,
    #[serde(default)]
    leftovers: Leftovers,
    /// What came of all loads so far.
    pub counts: Counts,
    /// Jobs that were spent because of bad files since no job was under way.
    #[serde(default)]
    searches: u32,
}

/// A person has to act before anything is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Since when.
    #[serde(deserialize_with = "crate::time::read")]
    pub since: Timestamp,
    /// Why.
    pub error: TransferError,
    /// How often it was tried again.
    pub probes: u32,
}

/// What all loads of a table came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Loads that ended, however they did.
    pub loads: u64,
    /// Jobs of BigQuery's, failed ones included.
    pub jobs: u64,
    /// Files whose rows are in the table.
    pub files: u64,
    /// Rows.
    pub rows: u64,
    /// Rows that were left out as bad ones.
    pub bad_rows: u64,
    /// Files in quarantine.
    pub refused: u64,
    /// Versions that have a receipt.
    pub receipts: u64,
}

/// A load that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Load {
    /// The run.
    pub id: String,
    /// BigQuery's name of its last job; empty where there was none.
    pub job: String,
    /// The route.
    pub route: String,
    /// Which partition it replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How many files it had.
    pub files: u32,
    /// Rows that it loaded.
    pub rows: u64,
    /// Rows that BigQuery left out.
    pub bad_rows: u64,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<TransferError>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// A batch of what waits is to begin: [`Loader::begin`], or [`Loader::nothing_waits`].
    Plan,
    /// The next step of this job.
    Work(Box<Job>),
    /// [`crate::parts::sweep`]; [`Loader::swept`].
    Sweep {
        /// The bucket.
        bucket: String,
        /// What is to go.
        prefix: String,
    },
    /// Nothing before then.
    Wait(Timestamp),
    /// Nothing, until something lands.
    Rest,
}

/// What a failure of a job leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It is tried again; nobody has to hear of it.
    Again,
    /// It is tried again, and nothing else until then: a person has to act, and is to hear of it now.
    Blocked,
    /// What it loads is bad. Whoever carries it out takes out what is, or cuts it in halves.
    Bad,
}

impl Loader {
    /// It loads the table called so; `route` says `limits`. To be stored with what waits.
    pub fn is_for(&mut self, table: &str, route: &str, limits: Limits) {
        table.clone_into(&mut self.table);
        route.clone_into(&mut self.route);
        self.pace.limits = limits;
    }

    /// Something waits for a load.
    pub fn something_waits(&mut self) {
        self.told += 1;
        self.waits = true;
    }

    /// A word for what it was told so far.
    #[must_use]
    pub fn told_so_far(&self) -> u64 {
        self.told
    }

    /// Nothing waited when it was told so far.
    pub fn nothing_waits(&mut self, told: u64) {
        self.waits = self.told != told;
    }

    /// Whether something waits for a load.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.waits
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The route that it was told of last: what is left behind is deleted with its credentials.
    #[must_use]
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The jobs that are under way.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// Why nothing is loaded before a person acts.
    #[must_use]
    pub fn blocked(&self) -> Option<&Blocked> {
        self.blocked.as_ref()
    }

    /// Until when BigQuery's quota is waited for.
    #[must_use]
    pub fn quota_until(&self) -> Option<Timestamp> {
        self.quota_until
    }

    /// How many jobs may begin at once.
    #[must_use]
    pub fn jobs_left(&self, now: Timestamp) -> u32 {
        self.pace.left(now)
    }

    /// What got a job last.
    #[must_use]
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    fn job_mut(&mut self, run: &str) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.run == run)
    }

    /// What is to be done at `now`.
    #[must_use]
    pub fn wake(&self, now: Timestamp) -> Task {
        if let Some((bucket, prefix)) = self.leftovers.due(now) {
            let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
            return Task::Sweep { bucket, prefix };
        }
        // While the table is blocked one job finds out whether it still is.
        let working = if self.blocked.is_some() {
            1
        } else {
            usize::MAX
        };
        let jobs = || self.jobs.iter().take(working);
        if let Some(job) = jobs().find(|job| job.at <= now) {
            return Task::Work(Box::new(job.clone()));
        }
        let plan = self.plans_at(now);
        if plan.is_some_and(|time| time <= now) {
            return Task::Plan;
        }
        let times = jobs().map(|job| job.at).chain(plan);
        let next = times.chain(self.leftovers.next()).min();
        next.map_or(Task::Rest, Task::Wait)
    }

    /// When the next batch begins, if something waits and may.
    fn plans_at(&self, now: Timestamp) -> Option<Timestamp> {
        let is_full = self.jobs.len() >= JOBS_AT_ONCE;
        let is_held = self.blocked.is_some() && !self.jobs.is_empty();
        (self.waits && !is_full && !is_held).then(|| {
            let due = self.pace.due(now);
            self.quota_until.map_or(due, |quota| quota.max(due))
        })
    }

    /// `job` begins, with what waited at `cursor`.
    pub fn begin(&mut self, mut job: Job, cursor: &str, now: Timestamp) {
        self.pace.begin(now);
        job.at = now;
        cursor.clone_into(&mut self.cursor);
        self.jobs.push(job);
    }

    /// The job called `run` goes on with `phase`, now.
    pub fn goes_on(&mut self, run: &str, phase: Phase, now: Timestamp) {
        if let Some(job) = self.job_mut(run) {
            job.phase = phase;
            job.at = now;
            job.failures = 0;
        }
    }

    /// The job called `run` took `files` more, in a chunk if there are any, and goes on with `phase`.
    pub fn gathered(&mut self, run: &str, files: usize, phase: Phase, now: Timestamp) {
        self.counts.receipts += files as u64;
        self.goes_on(run, phase, now);
        if let Some(job) = self.job_mut(run) {
            job.files += u32::try_from(files).unwrap_or_default();
            job.chunks += u32::from(files > 0);
        }
    }

    /// Of the job called `run` a chunk was copied, but for `superseded` of its files, and it goes on with `phase`.
    pub fn copied(&mut self, run: &str, superseded: usize, phase: Phase, now: Timestamp) {
        self.counts.receipts = self.counts.receipts.saturating_sub(superseded as u64);
        self.goes_on(run, phase, now);
        if let Some(job) = self.job_mut(run) {
            let superseded = u32::try_from(superseded).unwrap_or_default();
            job.copied += 1;
            job.files = job.files.saturating_sub(superseded);
        }
    }

    /// The partition of the job called `run` holds `content`, in files of `format`; some are refused if `is_partial`.
    pub fn listed(&mut self, run: &str, format: Format, content: &str, is_partial: bool) {
        if let Some(job) = self.job_mut(run) {
            job.format = format;
            content.clone_into(&mut job.content);
            job.is_partial = is_partial;
            job.attempt += 1;
        }
    }

    /// BigQuery says that the job called `run` has failed. Before that it is never given another name: a job that was
    /// inserted without an answer, or that cannot be asked about, may load its files.
    pub fn job_failed(&mut self, run: &str) {
        if let Some(job) = self.job_mut(run) {
            job.phase = Phase::Naming;
            job.attempt += 1;
        }
    }

    /// The job called `run` has these files from now on, and is to be named by them.
    pub fn has(&mut self, run: &str, files: u32, chunks: u32, now: Timestamp) {
        self.goes_on(run, Phase::Naming, now);
        if let Some(job) = self.job_mut(run) {
            job.files = files;
            job.chunks = chunks;
        }
    }

    /// The job called `run` is to be inserted as `id`, when the allowance has a job left.
    pub fn inserts(&mut self, run: &str, id: String, now: Timestamp) {
        let at = self.take_job(now);
        self.goes_on(run, Phase::Inserting, at);
        if let Some(job) = self.job_mut(run) {
            job.id = id;
        }
    }

    /// BigQuery has done the job called `run`: it loaded `rows` and left `bad_rows` out. Nothing holds its table up.
    pub fn done(&mut self, run: &str, rows: u64, bad_rows: u64, now: Timestamp) {
        self.works();
        if let Some(job) = self.job_mut(run) {
            (job.rows, job.bad_rows) = (rows, bad_rows);
            self.goes_on(run, Phase::Settling, now);
        }
    }

    /// BigQuery has the job called `run`, and has not done it.
    pub fn runs(&mut self, run: &str, now: Timestamp) {
        let Some(job) = self.job_mut(run) else {
            return;
        };
        job.failures = 0;
        let mut wait = POLL;
        if job.phase == Phase::Running {
            let age = Duration::from_millis(milliseconds(job.began_at, now));
            wait = (age / 8).clamp(POLL, POLL_AT_MOST);
        }
        job.phase = Phase::Running;
        job.at = later(now, wait);
    }

    /// Takes a job from the day's allowance; when it may begin.
    fn take_job(&mut self, now: Timestamp) -> Timestamp {
        self.counts.jobs += 1;
        let at = self.pace.take(now);
        self.quota_until.map_or(at, |quota| quota.max(at))
    }

    /// BigQuery does what it is asked: nothing holds the table up.
    fn works(&mut self) {
        self.blocked = None;
        self.quota_until = None;
        self.quota_waits = 0;
    }

    /// The job called `run` was refused, or has failed.
    pub fn failed(
        &mut self,
        run: &str,
        remedy: Remedy,
        error: &TransferError,
        now: Timestamp,
        seed: u64,
    ) -> Failed {
        let asked = error.retry_after.unwrap_or_default();
        let Some(place) = self.jobs.iter().position(|job| job.run == run) else {
            return Failed::Again;
        };
        let job = &mut self.jobs[place];
        job.failures += 1;
        let wait = until_it_succeeds(job.failures + job.attempt, seed).max(asked);
        match remedy {
            Remedy::Data => {
                self.works();
                Failed::Bad
            }
            Remedy::SameAgain | Remedy::Known | Remedy::Missing | Remedy::NewJob => {
                job.at = later(now, wait);
                Failed::Again
            }
            Remedy::Quota => {
                let wait = QUOTA * 2_u32.pow(self.quota_waits.min(4));
                let until = later(now, wait.min(QUOTA_AT_MOST).max(asked));
                self.quota_waits += 1;
                self.quota_until = Some(until);
                job.at = until;
                Failed::Again
            }
            Remedy::Blocked => {
                let is_new = self.blocked.is_none();
                let blocked = self.blocked.get_or_insert_with(|| Blocked {
                    since: now,
                    error: error.clone(),
                    probes: 0,
                });
                let wait = PROBE * 2_u32.pow(blocked.probes.min(6));
                blocked.probes += 1;
                blocked.error = error.clone();
                job.at = later(now, wait.min(PROBE_AT_MOST));
                // It is the one that finds out.
                self.jobs[..=place].rotate_right(1);
                if is_new {
                    Failed::Blocked
                } else {
                    Failed::Again
                }
            }
        }
    }

    /// Whether so many more jobs may be spent because of bad files; counts them.
    pub fn may_search(&mut self, jobs: u32) -> bool {
        self.searches += jobs;
        self.searches <= SEARCHES
    }

    /// A half of what a job had is `job` now.
    pub fn add(&mut self, job: Job) {
        self.jobs.push(job);
    }

    /// The job called `run` has ended as `load`. What its copies left, at a bucket and under a prefix, is swept.
    pub fn ended(
        &mut self,
        run: &str,
        left: Option<(String, String)>,
        load: &Load,
        now: Timestamp,
    ) {
        self.counts.loads += 1;
        if load.error.is_none() {
            self.counts.files += u64::from(load.files);
            self.counts.rows += load.rows;
            self.counts.bad_rows += load.bad_rows;
        }
        self.dropped(run, left, now);
    }

    /// The job called `run` has nothing to load.
    pub fn dropped(&mut self, run: &str, left: Option<(String, String)>, now: Timestamp) {
        let Some(place) = self.jobs.iter().position(|job| job.run == run) else {
            return;
        };
        let job = self.jobs.remove(place);
        // What waited for its partition may go on.
        self.something_waits();
        if self.jobs.iter().any(|other| other.origin == job.origin) {
            return;
        }
        if self.jobs.is_empty() {
            self.searches = 0;
        }
        if let Some((bucket, prefix)) = left {
            self.leftovers.add(&bucket, prefix, now);
        }
    }

    /// What came of sweeping `prefix`. The error comes back when it is given up.
    pub fn swept(
        &mut self,
        prefix: &str,
        result: Result<(), TransferError>,
        now: Timestamp,
        seed: u64,
    ) -> Option<TransferError> {
        self.leftovers.swept(prefix, result, now, seed)
    }
}
