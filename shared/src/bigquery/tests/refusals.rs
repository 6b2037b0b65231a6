//! Replies that are not a 2xx.

use super::*;

/// What a refusal is taken for, in the form of the tables below.
fn judged(asked: Asked<'_>, status: u16, reason: &str, message: &str) -> String {
    let refused = refusal(&error(status, reason, message), asked);
    let Refused { remedy, error } = refused;
    assert_eq!(error.status, Some(status));
    let said = format!("BigQuery answered {status} {reason} for ");
    assert!(error.message.starts_with(said.trim_end()), "{error}");
    format!("{remedy:?} {}", error.kind)
}

#[test]
fn each_refusal_of_a_job_has_its_remedy() {
    for (status, reason, expected) in [
        (
            403,
            "rateLimitExceeded",
            "SameAgain destination-unavailable",
        ),
        (
            429,
            "rateLimitExceeded",
            "SameAgain destination-unavailable",
        ),
        (500, "internalError", "SameAgain destination-unavailable"),
        (503, "backendError", "SameAgain destination-unavailable"),
        (409, "conflict", "SameAgain destination-unavailable"),
        (400, "jobBackendError", "NewJob destination-unavailable"),
        (400, "jobInternalError", "NewJob destination-unavailable"),
        (
            400,
            "jobRateLimitExceeded",
            "NewJob destination-unavailable",
        ),
        (403, "quotaExceeded", "Quota destination-unavailable"),
        (429, "quotaExceeded", "Quota destination-unavailable"),
        (409, "duplicate", "Known destination-unavailable"),
        (401, "authError", "Blocked destination-credential-refused"),
        (403, "accessDenied", "Blocked destination-denied"),
        (403, "billingNotEnabled", "Blocked destination-denied"),
        (403, "blocked", "Blocked destination-denied"),
        (404, "notFound", "Blocked table-missing"),
        (400, "invalid", "Blocked configuration-invalid"),
        (413, "uploadTooLarge", "Data destination-refused"),
        (302, "found", "SameAgain destination-unexpected"),
    ] {
        let judged = judged(Asked::Insert(&table()), status, reason, "");
        assert_eq!(judged, expected, "{status} {reason}");
    }
    let elsewhere = "Cannot read and write in different locations: source: US, destination: EU";
    let refused = refusal(&error(400, "invalid", elsewhere), Asked::Insert(&table()));
    assert!(refused.error.advice.contains("location"), "{refused:?}");
}

#[test]
fn what_is_not_found_depends_on_what_was_asked_for() {
    let (table, job) = (table(), job());
    for (asked, expected) in [
        (Asked::Insert(&table), "Blocked table-missing"),
        (Asked::Table(&table), "Blocked table-missing"),
        (Asked::Partition(&table), "Missing destination-unavailable"),
        (Asked::Job(&job), "Missing destination-unavailable"),
    ] {
        assert_eq!(judged(asked, 404, "notFound", "Not found"), expected);
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
                let refused = refusal(&reply(status, &body), asked);
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
