//! What BigQuery's refusals mean, and what helps: for replies of HTTP here, for jobs that ended in
//! [`super::state`].
//!
//! See [Error messages](https://cloud.google.com/bigquery/docs/error-messages). Only statuses and reasons
//! count, and of messages their beginnings: the rest may hold names and rows that others have chosen. A
//! page of HTML is nobody's word: something between the worker and BigQuery answered.

use bytes::Bytes;
use http::Response;

use super::{JobId, TableId};
use crate::error::{ErrorKind, TransferError};
use crate::google::{Said, is_page};
use crate::retry;

/// What can make a failed request or job succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The same request after a wait of seconds: BigQuery is busy or failing, or gave no answer.
    SameAgain,
    /// The same job under another id, after a wait of seconds: this one failed, for no fault of the files.
    NewJob,
    /// The same again after ten minutes or more: a quota is used up.
    Quota,
    /// A person: a permission, billing, the table or an option has to change first.
    Blocked,
    /// Another set of files: some of these have rows that the table does not take, or cannot be read.
    Data,
    /// Asking for the job: BigQuery knows one of this id already.
    Known,
    /// Sending the job: BigQuery knows none of this id. Of a partition: nothing, it is gone.
    Missing,
}

/// A refusal, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What can make it succeed.
    pub remedy: Remedy,
    /// What is said about it.
    pub error: TransferError,
}

impl Refused {
    /// No answer came to a request; `detail` are the runtime's words. The request may have taken effect.
    #[must_use]
    pub fn no_answer(detail: &str) -> Self {
        let detail = detail.trim_end_matches('.');
        Self {
            remedy: Remedy::SameAgain,
            error: TransferError::new(
                ErrorKind::DestinationUnavailable,
                format!("BigQuery gave no answer: {detail}."),
                AGAIN,
            ),
        }
    }
}

/// What a request was about.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// To start a job that loads into this table.
    Insert(&'a TableId),
    /// How this job stands, or its end.
    Job(&'a JobId),
    /// What this table is.
    Table(&'a TableId),
    /// To delete a partition of this table.
    Partition(&'a TableId),
}

pub(super) const AGAIN: &str = "Nothing to do: it is tried again.";

/// How messages begin that tell of different locations, whatever their reason.
pub(super) const LOCATION: [&str; 2] = [
    "Cannot read and write in different locations",
    "Cannot read in location",
];

/// Reads a reply that is not a 2xx, or that is one and not BigQuery's.
#[must_use]
pub fn refusal(reply: &Response<Bytes>, asked: Asked<'_>) -> Refused {
    let status = reply.status().as_u16();
    let said = Said::of(reply.body());
    let (what, table) = match asked {
        Asked::Job(job) => (format!("the job {job}"), None),
        Asked::Insert(table) => (format!("a load into {table}"), Some(table)),
        Asked::Table(table) | Asked::Partition(table) => {
            (format!("the table {table}"), Some(table))
        }
    };
    let (remedy, kind, advice) = if is_page(reply) || is_wordless(status, &said) {
        let advice = "This answer is not BigQuery's. It is tried again; if it stays so, check BIGQUERY_EMULATOR_HOST, if it is set, and what is between the worker and Google.";
        (
            Remedy::SameAgain,
            ErrorKind::DestinationUnavailable,
            advice.to_owned(),
        )
    } else {
        classify(status, &said, asked, table)
    };
    let error = TransferError::new(kind, said.describe("BigQuery", status, &what), advice);
    Refused {
        remedy,
        error: error.answered(reply, "x-guploader-uploadid"),
    }
}

/// Whether a refusal that needs a word of BigQuery's to mean something has none.
fn is_wordless(status: u16, said: &Said) -> bool {
    matches!(status, 0..400 | 400 | 403..=407 | 409..429) && said.reason.is_empty()
}

fn classify(
    status: u16,
    said: &Said,
    asked: Asked<'_>,
    table: Option<&TableId>,
) -> (Remedy, ErrorKind, String) {
    let reason = &*said.reason;
    match (status, reason) {
        (400 | 403 | 429, "quotaExceeded" | "dailyLimitExceeded") => {
            (Remedy::Quota, ErrorKind::DestinationUnavailable, QUOTA.into())
        }
        (400, "jobBackendError" | "jobInternalError" | "jobRateLimitExceeded") => {
            (Remedy::NewJob, ErrorKind::DestinationUnavailable, AGAIN.into())
        }
        (409, "duplicate" | "alreadyExists" | "ALREADY_EXISTS") => {
            (Remedy::Known, ErrorKind::DestinationUnavailable, AGAIN.into())
        }
        (404, "notFound" | "NOT_FOUND") => not_found(asked),
        (401, _) => (
            Remedy::Blocked,
            ErrorKind::DestinationCredentialRefused,
            "Check the secret GOOGLE_CREDENTIALS of the worker: is the key still active, and its account too?".into(),
        ),
        (400 | 403, _) if said.begins(&LOCATION) => wrong_location(),
        (403, "billingNotEnabled" | "accountDisabled") => (
            Remedy::Blocked,
            ErrorKind::DestinationDenied,
            BILLING.into(),
        ),
        (413, _) => (
            Remedy::Data,
            ErrorKind::DestinationRefused,
            "The job names more files than one request can; it is sent in smaller ones.".into(),
        ),
        (408 | 409 | 410 | 425 | 429 | 499 | 500..=599, _) => {
            (Remedy::SameAgain, ErrorKind::DestinationUnavailable, AGAIN.into())
        }
        (400 | 403, reason) if reason != "blocked" && retry::passes(reason) => {
            (Remedy::SameAgain, ErrorKind::DestinationUnavailable, AGAIN.into())
        }
        (403, _) => denied(table),
        (400..500, _) => (
            Remedy::Blocked,
            ErrorKind::ConfigurationInvalid,
            OPTIONS.into(),
        ),
        _ => (
            Remedy::SameAgain,
            ErrorKind::DestinationUnexpected,
            "This answer is not one that BigQuery documents. It is tried again; if it stays so, check BIGQUERY_EMULATOR_HOST, if it is set.".into(),
        ),
    }
}

pub(super) const QUOTA: &str = "Nothing to do: loading goes on in ten minutes or more. If this happens often, lower the route's loads_per_day to leave room for what else loads into this table, or raise load_every.";
pub(super) const BILLING: &str =
    "See to the project's billing in the Google Cloud console: loading goes on by itself then.";
pub(super) const OPTIONS: &str = "Correct the route's options, or the table, so that they agree with each other, and deploy again.";

fn not_found(asked: Asked<'_>) -> (Remedy, ErrorKind, String) {
    match asked {
        Asked::Job(_) | Asked::Partition(_) => (
            Remedy::Missing,
            ErrorKind::DestinationUnavailable,
            AGAIN.into(),
        ),
        Asked::Insert(table) | Asked::Table(table) => no_table(table),
    }
}

/// The table, its dataset or its project is not there, or not where the route says.
pub(super) fn no_table(table: &TableId) -> (Remedy, ErrorKind, String) {
    (
        Remedy::Blocked,
        ErrorKind::TableMissing,
        format!(
            "Create the table {table} with its schema, or correct the route's destination and its location (that of the dataset {}).",
            table.dataset
        ),
    )
}

pub(super) fn denied(table: Option<&TableId>) -> (Remedy, ErrorKind, String) {
    let place = table.map_or_else(String::new, |table| {
        format!(
            " (the table's is {}, the job's {})",
            table.dataset, table.project
        )
    });
    (
        Remedy::Blocked,
        ErrorKind::DestinationDenied,
        format!(
            "Give the service account the role BigQuery Data Editor on the dataset and BigQuery Job User on the project{place}, and Storage Object Viewer on the landing bucket."
        ),
    )
}

pub(super) fn wrong_location() -> (Remedy, ErrorKind, String) {
    (
        Remedy::Blocked,
        ErrorKind::ConfigurationInvalid,
        "The landing bucket, the dataset and the route's location must be in the same place: use a landing bucket in the dataset's location, and set location to it.".into(),
    )
}
