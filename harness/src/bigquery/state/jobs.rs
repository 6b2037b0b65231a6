//! Jobs: taken, carried out as time goes on, shown and stopped
//! (<https://cloud.google.com/bigquery/docs/managing-jobs>).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::dataset::location;
use super::error::{ApiError, JobError};
use super::job::{Job, JobFault, Progress, Statistics};
use super::load::Work;
use super::load_config::Load;
use super::table::Table;
use super::{Inner, Settings, State, TableId, lock};

/// Whoever asks for no location finds the jobs of these.
const MULTI_REGIONS: [&str; 2] = ["US", "EU"];
/// Jobs of a page, where a client asks for no number of them.
const PAGE: usize = 50;

/// A job's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnd {
    /// Its id.
    pub id: String,
    /// The table that it was to load.
    pub table: TableId,
    /// When.
    pub at: Timestamp,
    /// What it did, or what it failed for.
    pub result: Result<Statistics, JobError>,
}

/// Which jobs `jobs.list` gives.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// `stateFilter`: any of them; empty: all.
    pub states: Vec<String>,
    /// `minCreationTime`, in milliseconds from 1970 on
    pub min_created: Option<i64>,
    /// `maxCreationTime`, in milliseconds from 1970 on
    pub max_created: Option<i64>,
    /// Whether `projection` is `full`
    pub full: bool,
    /// `maxResults`
    pub limit: Option<usize>,
    /// `pageToken`
    pub after: Option<String>,
}

/// Letters, digits, underscores and dashes, at most 1,024.
fn is_id(text: &str) -> bool {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    plain && (1..=1024).contains(&text.len())
}

impl State {
    /// `jobs.insert`, for `user`, whose token lets it read objects or not. What `fault` says happens to it.
    ///
    /// # Errors
    /// [`ApiError`]: 400 for what no load job is, 404 for a dataset that is not there, or not in that
    /// location, 409 for an id that any job of the project has or had.
    pub fn insert_job(
        &self,
        project: &str,
        said: &Map<String, Value>,
        user: &str,
        reads_storage: bool,
        fault: Option<JobFault>,
    ) -> Result<Value, ApiError> {
        let mut inner = self.ready();
        let reference = said.get("jobReference").unwrap_or(&Value::Null);
        let configuration = said.get("configuration").and_then(Value::as_object);
        let configuration = configuration.ok_or_else(|| {
            ApiError::new(
                400,
                "required",
                "Required parameter is missing: configuration",
            )
        })?;
        let load = load_of(project, configuration, &self.settings)?;
        let id = match reference["jobId"].as_str() {
            None => format!("job_{}", inner.job_count + 1),
            Some(id) if is_id(id) => id.to_owned(),
            Some(id) => {
                return Err(ApiError::invalid(format!(
                    "Invalid job ID \"{id}\". Job IDs must be alphanumeric (plus underscores and dashes) and must be at most 1024 characters long."
                )));
            }
        };
        if reference["projectId"]
            .as_str()
            .is_some_and(|of| of != project)
        {
            return Err(ApiError::invalid(
                "The project of jobReference is not the one of the request.",
            ));
        }
        let dataset = inner.dataset(&load.table.project, &load.table.dataset)?;
        let at = dataset.location.clone();
        let name = format!("Job {project}:{at}.{id}");
        if inner.jobs.contains_key(&(project.to_owned(), id.clone())) {
            return Err(ApiError::duplicate(&name));
        }
        if let Some(asked) = reference["location"]
            .as_str()
            .filter(|asked| location(asked) != at)
        {
            let dataset = format!(
                "Dataset {}:{} was not found in location {asked}",
                load.table.project, load.table.dataset
            );
            return Err(ApiError::not_found(&dataset));
        }
        let mut configuration = configuration.clone();
        configuration.insert("jobType".into(), "LOAD".into());
        inner.job_count += 1;
        let now = inner.now();
        let mut job = Job {
            project: project.to_owned(),
            id,
            location: at,
            configuration,
            load,
            user: user.to_owned(),
            reads_storage,
            fault,
            progress: Progress::Pending,
            created: now,
            started: None,
            ended: None,
            outcome: None,
            error_result: None,
            errors: Vec::new(),
            statistics: None,
            number: inner.job_count,
        };
        // Told at once or when it runs, it counts from now on.
        if let Err(error) = inner.usage.job(&job.load.table, now, &self.settings.quotas) {
            job.outcome = Some(Err(vec![error]));
        }
        let shown = job.shown(true);
        inner.open.insert(job.number, key(&job));
        inner.jobs.insert(key(&job), Some(job));
        Ok(shown)
    }

    /// `jobs.get`
    ///
    /// # Errors
    /// [`ApiError`]: 404, too for the wrong location.
    pub fn get_job(
        &self,
        project: &str,
        id: &str,
        location: Option<&str>,
    ) -> Result<Value, ApiError> {
        Ok(self.ready().job(project, id, location)?.shown(true))
    }

    /// `jobs.cancel`; what has ended stays as it is.
    ///
    /// # Errors
    /// [`ApiError`]: 404, too for the wrong location.
    pub fn cancel_job(
        &self,
        project: &str,
        id: &str,
        location: Option<&str>,
    ) -> Result<Value, ApiError> {
        let mut inner = self.ready();
        let now = inner.now();
        let job = inner.job(project, id, location)?;
        if job.progress != Progress::Done {
            let stopped = JobError::new(
                "stopped",
                "Job execution was cancelled: User requested cancellation",
            );
            job.fail(vec![stopped], now);
        }
        let (number, shown) = (job.number, job.shown(true));
        inner.open.remove(&number);
        Ok(json!({ "kind": "bigquery#jobCancelResponse", "job": shown }))
    }

    /// `jobs.delete`: nobody sees the job any more; its id stays taken.
    ///
    /// # Errors
    /// [`ApiError`]: 404, too for the wrong location, and 400 for a job that has not ended.
    pub fn delete_job(
        &self,
        project: &str,
        id: &str,
        location: Option<&str>,
    ) -> Result<(), ApiError> {
        let mut inner = self.ready();
        if inner.job(project, id, location)?.progress != Progress::Done {
            return Err(ApiError::invalid(
                "Only the metadata of a job that has ended can be deleted.",
            ));
        }
        inner.jobs.insert((project.to_owned(), id.to_owned()), None);
        Ok(())
    }

    /// `jobs.list`: the newest first.
    #[must_use]
    pub fn list_jobs(&self, project: &str, filter: &JobFilter) -> Value {
        let inner = self.ready();
        let fits = |job: &&Job| {
            let created = job.created.as_millisecond();
            let state = format!("{:?}", job.progress).to_lowercase();
            job.project == project
                && (filter.states.is_empty()
                    || filter
                        .states
                        .iter()
                        .any(|wanted| wanted.eq_ignore_ascii_case(&state)))
                && filter.min_created.is_none_or(|min| created >= min)
                && filter.max_created.is_none_or(|max| created <= max)
        };
        let mut jobs: Vec<&Job> = inner.jobs.values().flatten().filter(fits).collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(job.number));
        let before = filter
            .after
            .as_deref()
            .and_then(|token| token.parse::<u64>().ok());
        jobs.retain(|job| before.is_none_or(|before| job.number < before));
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, 1000);
        let mut list = json!({ "kind": "bigquery#jobList", "etag": "list" });
        if let Some(last) = jobs.get(limit - 1).filter(|_| jobs.len() > limit) {
            list["nextPageToken"] = last.number.to_string().into();
        }
        let shown: Vec<Value> = jobs
            .iter()
            .take(limit)
            .map(|job| job.shown(filter.full))
            .collect();
        if !shown.is_empty() {
            list["jobs"] = shown.into();
        }
        list
    }

    /// How many load jobs into a table count against its quota now.
    #[must_use]
    pub fn jobs_counted(&self, table: &TableId) -> usize {
        let mut inner = lock(&self.inner);
        let now = inner.now();
        inner.usage.jobs(table, now)
    }

    /// When the next job goes on; none where none is under way, or they go on by steps.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        lock(&self.inner).next(&self.settings).map(|(at, ..)| at)
    }

    /// The oldest job that is under way goes on; `false` if no job is under way.
    pub fn step(&self) -> bool {
        let mut inner = lock(&self.inner);
        let Some(key) = inner.open.values().next().cloned() else {
            return false;
        };
        let now = inner.now();
        self.go_on(&mut inner, &key, now);
        true
    }

    /// The jobs that are due go on, in the order of their times.
    pub(super) fn advance(&self, inner: &mut Inner) {
        let now = inner.now();
        while let Some((at, _, key)) = inner.next(&self.settings).filter(|(at, ..)| *at <= now) {
            self.go_on(inner, &key, at);
        }
    }

    fn go_on(&self, inner: &mut Inner, key: &(String, String), now: Timestamp) {
        let Some(mut job) = inner.jobs.get_mut(key).and_then(Option::take) else {
            return;
        };
        if job.progress == Progress::Pending {
            self.start(inner, &mut job, now);
        } else {
            self.finish(inner, &mut job, now);
        }
        if job.progress == Progress::Done {
            inner.open.remove(&job.number);
            let result = match (&job.error_result, &job.statistics) {
                (None, Some(statistics)) => Ok(statistics.clone()),
                (error, _) => Err(error
                    .clone()
                    .unwrap_or_else(|| JobError::new("internalError", ""))),
            };
            // Nobody may be listening.
            let _ = self.ends.send(JobEnd {
                id: job.id.clone(),
                table: job.load.table.clone(),
                at: now,
                result,
            });
        }
        inner.jobs.insert(key.clone(), Some(job));
    }

    /// The job reads its files.
    fn start(&self, inner: &Inner, job: &mut Job, now: Timestamp) {
        job.progress = Progress::Running;
        job.started = Some(now);
        if job.outcome.is_some()
            || matches!(job.fault, Some(JobFault::Fails { .. } | JobFault::Hangs))
        {
            return;
        }
        let work = Work {
            load: &job.load,
            table: inner.table(&job.load.table).ok(),
            files: &*self.files,
            quotas: &self.settings.quotas,
            user: &job.user,
            reads_storage: job.reads_storage,
            now,
        };
        job.outcome = Some(work.read());
    }

    /// The job changes its table, or fails.
    fn finish(&self, inner: &mut Inner, job: &mut Job, now: Timestamp) {
        if let Some(JobFault::Fails { reason, message }) = job.fault {
            return job.fail(vec![JobError::new(reason, message)], now);
        }
        match job.outcome.take() {
            None => job.fail(
                vec![JobError::new("internalError", "The job has read nothing.")],
                now,
            ),
            Some(Err(errors)) => job.fail(errors, now),
            Some(Ok(loaded)) => {
                let warnings = loaded.warnings.clone();
                let committed = self.commit(inner, &job.load, loaded, now);
                match committed {
                    Err(error) => job.fail(vec![error], now),
                    Ok(statistics) => {
                        job.errors = warnings;
                        job.statistics = Some(statistics);
                        job.end(now);
                    }
                }
            }
        }
    }

    fn commit(
        &self,
        inner: &mut Inner,
        load: &Load,
        loaded: super::load::Loaded,
        now: Timestamp,
    ) -> Result<Statistics, JobError> {
        let created = match inner.table(&load.table) {
            Ok(_) => None,
            Err(_) if load.create => {
                let resource = load.table_resource(loaded.partitioning.as_ref());
                Some(Table::new(
                    resource,
                    loaded.schema.clone(),
                    loaded.partitioning.clone(),
                    now,
                ))
            }
            Err(error) => return Err(error.into()),
        };
        inner
            .usage
            .change(&load.table, loaded.partitions(), now, &self.settings.quotas)?;
        if let Some(mut table) = created {
            let statistics = loaded.commit(load, &mut table)?;
            inner.put_table(&load.table, table)?;
            return Ok(statistics);
        }
        inner.changes += 1;
        let etag = inner.changes;
        let table = inner.table_mut(&load.table)?;
        let statistics = loaded.commit(load, table)?;
        (table.modified, table.etag) = (now, etag);
        Ok(statistics)
    }
}

impl Inner {
    /// Which job goes on next, and when.
    fn next(&self, settings: &Settings) -> Option<(Timestamp, u64, (String, String))> {
        let open = self.open.iter().filter_map(|(number, key)| {
            let job = self.jobs.get(key)?.as_ref()?;
            Some((due(job, settings)?, *number, key))
        });
        open.min()
            .map(|(at, number, key)| (at, number, key.clone()))
    }

    fn job(&mut self, project: &str, id: &str, asked: Option<&str>) -> Result<&mut Job, ApiError> {
        let shown = asked.map_or_else(
            || format!("Job {project}:{id}"),
            |asked| format!("Job {project}:{asked}.{id}"),
        );
        let job = self
            .jobs
            .get_mut(&(project.to_owned(), id.to_owned()))
            .and_then(Option::as_mut);
        let is_there = |job: &&mut Job| match asked {
            Some(asked) => location(asked) == job.location,
            None => MULTI_REGIONS.contains(&job.location.as_str()),
        };
        job.filter(is_there)
            .ok_or_else(|| ApiError::not_found(&shown))
    }
}

fn key(job: &Job) -> (String, String) {
    (job.project.clone(), job.id.clone())
}

/// When a job goes on by itself.
fn due(job: &Job, settings: &Settings) -> Option<Timestamp> {
    if settings.stepped {
        return None;
    }
    match (job.progress, &job.fault) {
        (Progress::Pending, _) => job.created.checked_add(settings.pending).ok(),
        (Progress::Running, Some(JobFault::Hangs)) | (Progress::Done, _) => None,
        (Progress::Running, fault) => {
            let takes = match fault {
                Some(JobFault::Takes(takes)) => *takes,
                _ => settings.running,
            };
            job.started?.checked_add(takes).ok()
        }
    }
}

fn load_of(
    project: &str,
    configuration: &Map<String, Value>,
    settings: &Settings,
) -> Result<Load, ApiError> {
    if configuration.get("dryRun").and_then(Value::as_bool) == Some(true) {
        return Err(ApiError::invalid("This server makes no dry runs."));
    }
    let load = configuration.get("load").and_then(Value::as_object);
    let load = load.ok_or_else(|| {
        ApiError::new(
            501,
            "notImplemented",
            "This server runs load jobs only, no queries, copies and extracts.",
        )
    })?;
    Load::read(project, load, &settings.quotas)
}
