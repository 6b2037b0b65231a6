//! A job: what it was asked to do, how far it is and what came of it
//! (<https://cloud.google.com/bigquery/docs/reference/rest/v2/Job>).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::error::JobError;
use super::load::Loaded;
use super::load_config::Load;

/// What goes wrong in a job, whatever its files are like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobFault {
    /// It fails when it should end, and nothing of it is done. No file is named.
    Fails {
        /// For programs, such as `backendError`.
        reason: &'static str,
        /// For people.
        message: &'static str,
    },
    /// It runs this long.
    Takes(SignedDuration),
    /// It never ends by itself.
    Hangs,
}

impl JobFault {
    /// A job that fails for one of the reasons that the documentation names, in words like the service's.
    #[must_use]
    pub fn fails(reason: &'static str) -> Self {
        let message = match reason {
            "backendError" => "Error encountered during execution. Retrying may solve the problem.",
            "jobBackendError" => {
                "The job failed with a backend error. Retrying the job may solve the problem."
            }
            "internalError" | "jobInternalError" => {
                "An internal error occurred and the request could not be completed."
            }
            "jobRateLimitExceeded" | "rateLimitExceeded" => {
                "Exceeded rate limits: too many table update operations for this table."
            }
            "quotaExceeded" => {
                "Quota exceeded: Your table exceeded quota for imports or query appends per table."
            }
            "accessDenied" => {
                "Access Denied: Table: User does not have bigquery.tables.updateData permission."
            }
            "billingNotEnabled" => "Billing has not been enabled for this project.",
            "blocked" => "The project is temporarily blocked.",
            "invalid" => "Error while reading data, error message: the input is invalid.",
            "resourcesExceeded" => "Resources exceeded during execution of the job.",
            _ => "The job failed.",
        };
        Self::Fails { reason, message }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the API's state of its name")]
pub enum Progress {
    Pending,
    Running,
    Done,
}

impl Progress {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Done => "DONE",
        }
    }
}

/// What a job did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Files that were read.
    pub input_files: u64,
    /// Their bytes.
    pub input_bytes: u64,
    /// Rows that the table has now from it.
    pub output_rows: u64,
    /// What they count for, in bytes.
    pub output_bytes: u64,
    /// Rows that were left out.
    pub bad_records: u64,
}

/// A load job.
pub(super) struct Job {
    pub(super) project: String,
    pub(super) id: String,
    pub(super) location: String,
    /// As it was given, with what the API adds.
    pub(super) configuration: Map<String, Value>,
    pub(super) load: Load,
    pub(super) user: String,
    /// Whether its token lets it read objects.
    pub(super) reads_storage: bool,
    pub(super) fault: Option<JobFault>,
    pub(super) progress: Progress,
    pub(super) created: Timestamp,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    /// What it read when it began, or why it will fail.
    pub(super) outcome: Option<Result<Loaded, Vec<JobError>>>,
    pub(super) error_result: Option<JobError>,
    pub(super) errors: Vec<JobError>,
    pub(super) statistics: Option<Statistics>,
    /// Its jobs of the same moment are in this order.
    pub(super) number: u64,
}

impl Job {
    /// Its name as errors show it.
    pub(super) fn name(&self) -> String {
        format!("{}:{}.{}", self.project, self.location, self.id)
    }

    /// Ends it without having done anything; the first error is what it failed for.
    pub(super) fn fail(&mut self, errors: Vec<JobError>, now: Timestamp) {
        self.error_result = errors.first().cloned();
        self.errors = errors;
        self.end(now);
    }

    pub(super) fn end(&mut self, now: Timestamp) {
        self.progress = Progress::Done;
        self.outcome = None;
        self.started.get_or_insert(now);
        self.ended = Some(now);
    }

    /// As the API shows it: in full, or as an entry of a list.
    pub(super) fn shown(&self, full: bool) -> Value {
        let mut status = json!({ "state": self.progress.name() });
        if let Some(error) = &self.error_result {
            status["errorResult"] = error.shown();
        }
        if !self.errors.is_empty() {
            status["errors"] = self.errors.iter().map(JobError::shown).collect();
        }
        let mut shown = json!({
            "kind": "bigquery#job",
            "id": self.name(),
            "jobReference": { "projectId": self.project, "jobId": self.id, "location": self.location },
            "status": status,
            "statistics": self.shown_statistics(),
            "user_email": self.user,
        });
        if full {
            shown["configuration"] = Value::Object(self.configuration.clone());
            shown["etag"] = format!("{}-{}", self.number, self.progress.name()).into();
            shown["selfLink"] = format!(
                "/bigquery/v2/projects/{}/jobs/{}?location={}",
                self.project, self.id, self.location
            )
            .into();
        } else {
            shown["state"] = self.progress.name().into();
            if let Some(error) = &self.error_result {
                shown["errorResult"] = error.shown();
            }
        }
        shown
    }

    fn shown_statistics(&self) -> Value {
        let mut shown = json!({ "creationTime": millis(self.created) });
        if let Some(started) = self.started {
            shown["startTime"] = millis(started);
        }
        if let Some(ended) = self.ended {
            shown["endTime"] = millis(ended);
        }
        if let Some(statistics) = &self.statistics {
            shown["load"] = json!({
                "inputFiles": statistics.input_files.to_string(),
                "inputFileBytes": statistics.input_bytes.to_string(),
                "outputRows": statistics.output_rows.to_string(),
                "outputBytes": statistics.output_bytes.to_string(),
                "badRecords": statistics.bad_records.to_string(),
            });
        }
        shown
    }
}

/// A time as the API shows it: milliseconds from 1970 on, as text.
pub(super) fn millis(at: Timestamp) -> Value {
    at.as_millisecond().to_string().into()
}
