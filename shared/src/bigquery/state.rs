//! How a job stands, and how it ended
//! ([Job](https://cloud.google.com/bigquery/docs/reference/rest/v2/Job)).

use bytes::Bytes;
use http::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refusal::{AGAIN, BILLING, LOCATION, OPTIONS, QUOTA, denied, no_table, wrong_location};
use super::{Asked, Refused, Remedy, RowError, TableId, refusal};
use crate::error::{ErrorKind, TransferError};
use crate::google::begins;

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// It waits for its turn.
    Pending,
    /// It runs.
    Running,
    /// It has ended: all of it has been loaded, or nothing.
    Done(Result<Loaded, JobFailure>),
}

/// What a job has loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Rows in the table.
    pub rows: u64,
    /// Rows that were left out, as `max_bad_records` allows.
    pub bad_rows: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Some or all of the rows that were left out.
    pub errors: Vec<RowError>,
}

/// Why a job has loaded nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFailure {
    /// What can make it succeed.
    pub remedy: Remedy,
    /// What is said about it.
    pub error: TransferError,
    /// The rows or files at fault, as far as BigQuery names them; not all of them.
    pub errors: Vec<RowError>,
}

impl JobState {
    /// Reads the reply to [`LoadJob::insert`](super::LoadJob::insert) or
    /// [`JobId::get`](super::JobId::get), `asked` for a job that loads into `table`.
    ///
    /// # Errors
    /// What [`refusal`] makes of a refusal, and [`Remedy::SameAgain`] for what is no job.
    pub fn read(
        reply: &Response<Bytes>,
        asked: Asked<'_>,
        table: &TableId,
    ) -> Result<Self, Refused> {
        if !reply.status().is_success() {
            return Err(refusal(reply, asked));
        }
        let job: Value = serde_json::from_slice(reply.body()).unwrap_or_default();
        let status = &job["status"];
        match status["state"].as_str() {
            Some("PENDING") => Ok(Self::Pending),
            Some("RUNNING") => Ok(Self::Running),
            Some("DONE") => Ok(done(&job, table)),
            _ => Err(refusal(reply, asked)),
        }
    }
}

fn done(job: &Value, table: &TableId) -> JobState {
    let status = &job["status"];
    let result = &status["errorResult"];
    let errors = RowError::list(&status["errors"], result);
    if result.is_object() {
        let (remedy, error) = failure(result, table);
        return JobState::Done(Err(JobFailure {
            remedy,
            error,
            errors,
        }));
    }
    let load = &job["statistics"]["load"];
    // JSON's form of protobuf has numbers of 64 bits as text.
    let number = |name: &str| {
        let value = &load[name];
        let text = value.as_str().and_then(|text| text.parse().ok());
        text.or_else(|| value.as_u64()).unwrap_or_default()
    };
    JobState::Done(Ok(Loaded {
        rows: number("outputRows"),
        bad_rows: number("badRecords"),
        bytes: number("inputFileBytes"),
        files: number("inputFiles"),
        errors,
    }))
}

/// What the error that a job ended in means.
fn failure(result: &Value, table: &TableId) -> (Remedy, TransferError) {
    let text = |name: &str| result[name].as_str().unwrap_or_default();
    let (reason, message) = (text("reason"), text("message"));
    let is_of_file = text("location").starts_with("gs://") || begins(message, &["Not found: URI "]);
    let busy = |remedy| (remedy, ErrorKind::DestinationUnavailable, AGAIN.to_owned());
    let blocked = |kind, advice: &str| (Remedy::Blocked, kind, advice.to_owned());
    let (remedy, kind, advice) = match reason {
        "backendError"
        | "internalError"
        | "jobBackendError"
        | "jobInternalError"
        | "jobRateLimitExceeded"
        | "rateLimitExceeded"
        | "resourceInUse"
        | "stopped"
        | "tableUnavailable"
        | "timeout" => busy(Remedy::NewJob),
        "quotaExceeded" => (
            Remedy::Quota,
            ErrorKind::DestinationUnavailable,
            QUOTA.into(),
        ),
        "accessDenied" => denied(Some(table)),
        "billingNotEnabled" | "billingTierLimitExceeded" => {
            blocked(ErrorKind::DestinationDenied, BILLING)
        }
        "blocked" => blocked(
            ErrorKind::DestinationDenied,
            "Google has blocked this for the project for a time: ask its support.",
        ),
        "notFound" if !is_of_file => no_table(table),
        _ if begins(message, &LOCATION) => wrong_location(),
        "invalid" if begins(message, &CONFIGURATION) => {
            blocked(ErrorKind::ConfigurationInvalid, OPTIONS)
        }
        "invalid" | "invalidQuery" | "notFound" | "resourcesExceeded" | "responseTooLarge" => (
            Remedy::Data,
            ErrorKind::LoadRefused,
            "Mend the file at the source, or the table's schema, and replay.".to_owned(),
        ),
        _ => (
            Remedy::NewJob,
            ErrorKind::DestinationUnexpected,
            "This reason is not one that BigQuery documents. It is tried again.".to_owned(),
        ),
    };
    let message = message.trim_end_matches('.');
    let mut error = TransferError::new(
        kind,
        format!("BigQuery's load into {table} ended in {reason}: {message}."),
        advice,
    );
    error.bound();
    (remedy, error)
}

/// How messages begin that no file is to blame for.
const CONFIGURATION: [&str; 2] = [
    "Incompatible table partitioning specification",
    "Schema update options should only be specified",
];
