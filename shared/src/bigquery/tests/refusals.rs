//! Replies that are not a 2xx.

use super::*;

#[test]
fn each_refusal_has_its_remedy() {
    use Remedy::{Blocked, Data, Known, Missing, NewJob, Quota, SameAgain};
    let (table, job) = (table(), job());
    let (insert, get) = (Asked::Insert(&table), Asked::Job(&job));
    for (asked, status, reason, message, remedy, kind) in [
        (
            insert,
            403,
            "rateLimitExceeded",
            "Exceeded rate limits: too many table update operations",
            SameAgain,
            ErrorKind::DestinationUnavailable,
        ),
        (
            insert,
            429,
            "rateLimitExceeded",
            "",
            SameAgain,
            ErrorKind::DestinationUnavailable,
        ),
        (
            insert,
            500,
            "internalError",
            "",
            SameAgain,
            ErrorKind::DestinationUnavailable,
        ),
        (
            insert,
            503,
            "backendError",
            "",
            SameAgain,
            ErrorKind::DestinationUnavailable,
        ),
        (
            insert,
            502,
            "",
            "",
            SameAgain,
            ErrorKind::DestinationUnavailable,
        ),
        (
            insert,
            400,
            "jobBackendError",
            "",
            NewJob,
            ErrorKind::DestinationUnavailable,
        ),
        (
            insert,
            400,
            "jobRateLimitExceeded",
            "",
            NewJob,
            ErrorKind::DestinationUnavailable,
        ),
        (
            insert,
            403,
            "quotaExceeded",
            "Quota exceeded: Your project exceeded quota for imports",
            Quota,
            ErrorKind::DestinationUnavailable,
        ),
        (
            insert,
            409,
            "duplicate",
            "Already Exists: Job my-project:EU.causeway-1",
            Known,
            ErrorKind::DestinationUnavailable,
        ),
        (
            insert,
            409,
            "conflict",
            "",
            SameAgain,
            ErrorKind::DestinationUnavailable,
        ),
        (
            insert,
            401,
            "authError",
            "Invalid Credentials",
            Blocked,
            ErrorKind::DestinationCredentialRefused,
        ),
        (
            insert,
            403,
            "accessDenied",
            "Access Denied: Project my-project: User does not have bigquery.jobs.create permission",
            Blocked,
            ErrorKind::DestinationDenied,
        ),
        (
            insert,
            403,
            "billingNotEnabled",
            "",
            Blocked,
            ErrorKind::DestinationDenied,
        ),
        (
            insert,
            403,
            "blocked",
            "",
            Blocked,
            ErrorKind::DestinationDenied,
        ),
        (
            insert,
            404,
            "notFound",
            "Not found: Dataset my-project:logs",
            Blocked,
            ErrorKind::TableMissing,
        ),
        (
            get,
            404,
            "notFound",
            "Not found: Job my-project:EU.causeway-1",
            Missing,
            ErrorKind::TableMissing,
        ),
        (
            Asked::Partition(&table),
            404,
            "notFound",
            "Not found: Table my-project:logs.events$20261127",
            Missing,
            ErrorKind::TableMissing,
        ),
        (
            Asked::Table(&table),
            404,
            "notFound",
            "Not found: Table my-project:logs.events",
            Blocked,
            ErrorKind::TableMissing,
        ),
        (
            insert,
            400,
            "invalid",
            "Schema update options should only be specified with WRITE_APPEND disposition",
            Blocked,
            ErrorKind::ConfigurationInvalid,
        ),
        (
            insert,
            400,
            "invalid",
            "Cannot read and write in different locations: source: US, destination: EU",
            Blocked,
            ErrorKind::ConfigurationInvalid,
        ),
        (
            insert,
            413,
            "uploadTooLarge",
            "",
            Data,
            ErrorKind::DestinationRefused,
        ),
    ] {
        let refused = refusal(&error(status, reason, message), asked);
        assert_eq!(refused.remedy, remedy, "{status} {reason} {message}");
        assert_eq!(refused.error.kind, kind, "{status} {reason} {message}");
        assert_eq!(refused.error.status, Some(status));
        let said = format!("BigQuery answered {status}");
        assert!(
            refused.error.message.starts_with(&said),
            "{}",
            refused.error
        );
    }
}

/// A proxy, a captive portal or an endpoint that is wrong: none of them knows whether there is a job.
#[test]
fn what_is_not_bigquerys_word_decides_nothing() {
    let (table, job) = (table(), job());
    for status in [200, 302, 400, 403, 404, 409, 500] {
        for body in ["<html>notFound</html>", "", "{}", "not found", "[]"] {
            for asked in [
                Asked::Insert(&table),
                Asked::Job(&job),
                Asked::Table(&table),
            ] {
                let refused = refusal(&reply(status, body), asked);
                assert_eq!(refused.remedy, Remedy::SameAgain, "{status} {body}");
            }
        }
    }
}

#[test]
fn what_google_asks_for_is_kept() {
    let mut busy = error(503, "backendError", "");
    let headers = busy.headers_mut();
    headers.insert("retry-after", "7".parse().unwrap());
    let refused = refusal(&busy, Asked::Insert(&table()));
    let asked = refused.error.retry_after.map(|wait| wait.as_secs());
    assert_eq!(asked, Some(7));
    let silent = Refused::no_answer("connection reset.");
    assert_eq!(silent.remedy, Remedy::SameAgain);
    assert_eq!(
        silent.error.message,
        "BigQuery gave no answer: connection reset."
    );
}
