//! Limits (<https://cloud.google.com/bigquery/quotas#load_jobs>).

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::TableId;
use super::error::JobError;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The time in which updates of a table are counted.
const UPDATE_WINDOW: SignedDuration = SignedDuration::from_secs(10);

/// How much of everything there may be. A day is any 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Load jobs into a table a day, failed ones among them.
    pub table_jobs_a_day: usize,
    /// Load jobs of a project a day, failed ones among them.
    pub project_jobs_a_day: usize,
    /// Partitions of a table that may be written to a day: of a column, and by the time of arrival.
    pub partition_changes_a_day: (usize, usize),
    /// Partitions that a job may write to.
    pub partitions_a_job: usize,
    /// URIs of a job.
    pub uris_a_job: usize,
    /// Bytes of a job's files.
    pub bytes_a_job: u64,
    /// Changes of a table in any 10 seconds: of one that is not partitioned, and of one that is.
    pub updates: (usize, usize),
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            table_jobs_a_day: 1_500,
            project_jobs_a_day: 100_000,
            partition_changes_a_day: (30_000, 11_000),
            partitions_a_job: 4_000,
            uris_a_job: 10_000,
            bytes_a_job: 15 << 40,
            updates: (5, 50),
        }
    }
}

/// What has been used, and when.
#[derive(Default)]
pub(super) struct Usage {
    table_jobs: HashMap<TableId, VecDeque<Timestamp>>,
    project_jobs: HashMap<String, VecDeque<Timestamp>>,
    partition_changes: HashMap<TableId, VecDeque<Timestamp>>,
    updates: HashMap<TableId, VecDeque<Timestamp>>,
}

/// Counts `more` uses at `now`, if there are at most `limit` in the time before with them.
fn uses(
    used: &mut VecDeque<Timestamp>,
    now: Timestamp,
    window: SignedDuration,
    more: usize,
    limit: usize,
) -> bool {
    while used
        .front()
        .is_some_and(|first| now.duration_since(*first) >= window)
    {
        used.pop_front();
    }
    let fits = used.len() + more <= limit;
    if fits {
        used.extend(std::iter::repeat_n(now, more));
    }
    fits
}

fn exceeded(what: &str, name: &str) -> JobError {
    let message = format!(
        "Quota exceeded: {what}. For more information, see https://cloud.google.com/bigquery/docs/troubleshoot-quotas"
    );
    JobError::new("quotaExceeded", message).at(name)
}

impl Usage {
    /// Counts a load job, whatever becomes of it.
    pub(super) fn job(
        &mut self,
        table: &TableId,
        now: Timestamp,
        quotas: &Quotas,
    ) -> Result<(), JobError> {
        let of_table = self.table_jobs.entry(table.clone()).or_default();
        let of_project = self.project_jobs.entry(table.project.clone()).or_default();
        if !uses(of_table, now, DAY, 1, quotas.table_jobs_a_day) {
            return Err(exceeded(
                "Your table exceeded quota for imports or query appends per table",
                "load_job_per_table.long",
            ));
        }
        if !uses(of_project, now, DAY, 1, quotas.project_jobs_a_day) {
            return Err(exceeded(
                "Your project exceeded quota for imports per project",
                "load_job.long",
            ));
        }
        Ok(())
    }

    /// How many load jobs into a table count now.
    pub(super) fn jobs(&mut self, table: &TableId, now: Timestamp) -> usize {
        let used = self.table_jobs.entry(table.clone()).or_default();
        uses(used, now, DAY, 0, 0);
        used.len()
    }

    /// Counts a change of a table, and the partitions that it writes to.
    pub(super) fn change(
        &mut self,
        table: &TableId,
        partitions: Option<(usize, bool)>,
        now: Timestamp,
        quotas: &Quotas,
    ) -> Result<(), JobError> {
        let (plain, partitioned) = quotas.updates;
        let limit = if partitions.is_some() {
            partitioned
        } else {
            plain
        };
        let updates = self.updates.entry(table.clone()).or_default();
        if !uses(updates, now, UPDATE_WINDOW, 1, limit) {
            return Err(JobError::new(
                "rateLimitExceeded",
                "Exceeded rate limits: too many table update operations for this table. For more information, see https://cloud.google.com/bigquery/docs/troubleshoot-quotas",
            ));
        }
        let Some((partitions, of_column)) = partitions else {
            return Ok(());
        };
        if partitions > quotas.partitions_a_job {
            return Err(JobError::invalid(format!(
                "Too many partitions produced by query, allowed {}, query produces at least {partitions} partitions",
                quotas.partitions_a_job
            )));
        }
        let (column, arrival) = quotas.partition_changes_a_day;
        let limit = if of_column { column } else { arrival };
        let changes = self.partition_changes.entry(table.clone()).or_default();
        if !uses(changes, now, DAY, partitions, limit) {
            return Err(exceeded(
                "Your table exceeded quota for Number of partition modifications to a column partitioned table",
                "partition_modifications_per_column_partitioned_table.long",
            ));
        }
        Ok(())
    }
}
