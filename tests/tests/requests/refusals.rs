//! Refusals that pass, refusals that a person has to end, and answers that are nobody's.

use causeway_shared::error::ErrorKind;
use causeway_shared::retry::DELIVERIES_OF_REFUSED;
use causeway_tests::{noise, run};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Request, Respond, ResponseTemplate};

use crate::fixture::{Scripted, Site, header, shared};
use crate::resumable::{nothing_stands, started};

const PAGE: &str = "<!DOCTYPE html>\n<html><body>Bad gateway</body></html>";

fn of_s3(status: u16, code: &str, message: &str) -> ResponseTemplate {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    ResponseTemplate::new(status).set_body_raw(body, "application/xml")
}

fn of_gcs(status: u16, reason: &str, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"error": {"code": status,
        "message": message, "errors": [{"domain": "global", "reason": reason, "message": message}]}}))
}

fn page(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(PAGE, "text/html")
}

async fn refuse_reads_once(site: &Site<'_>, reply: ResponseTemplate) {
    let refused = site.source().respond_with(reply).up_to_n_times(1);
    refused.with_priority(1).mount(&site.fixture.s3).await;
}

/// What `kind` of an error a person finds at once, what it says and what it advises.
fn assert_final(outcome: &Value, kind: ErrorKind, says: &str, advises: &str) {
    assert_eq!(outcome["kind"], kind.to_string(), "{outcome}");
    assert_eq!(outcome["fault"], kind.fault().to_string(), "{outcome}");
    assert_eq!(outcome["then"], "quarantined", "{outcome}");
    let (message, advice) = (&outcome["message"], &outcome["advice"]);
    assert!(message.as_str().unwrap().contains(says), "{outcome}");
    assert!(advice.as_str().unwrap().contains(advises), "{outcome}");
}

#[test]
fn one_bad_answer_of_the_source_is_not_the_last() {
    run(async {
        for reply in [
            of_s3(409, "OperationAborted", "A conflicting operation."),
            of_s3(307, "TemporaryRedirect", "Re-send this request."),
            of_s3(400, "RequestTimeout", "No."),
            of_s3(403, "AccessDenied", "Access Denied"),
            of_s3(403, "InvalidAccessKeyId", "No."),
            of_s3(403, "RequestTimeTooSkewed", "No."),
            of_s3(400, "KMS.ThrottlingException", "No."),
            page(403),
            page(404),
            page(200),
            ResponseTemplate::new(200).set_body_raw(
                "<Error><Code>InternalError</Code></Error>",
                "application/xml",
            ),
            ResponseTemplate::new(400),
            ResponseTemplate::new(304),
        ] {
            let what = format!("{reply:?}");
            let site = shared().await.site();
            let object = Scripted::new("hello");
            refuse_reads_once(&site, reply).await;
            site.holds(&object).await;
            nothing_stands(&site).await;
            site.once(site.upload("POST"), object.stored(1)).await;
            // The first outcome: it passes within the delivery.
            assert_eq!(site.transfer(&object).await["event"], "copied", "{what}");
        }
    });
}

#[test]
fn one_bad_answer_of_gcs_is_not_the_last() {
    run(async {
        for reply in [
            of_gcs(409, "conflict", "edited during the operation"),
            of_gcs(403, "quotaExceeded", "The quota is used up."),
            of_gcs(403, "dailyLimitExceeded", "Daily limit exceeded."),
            of_gcs(403, "forbidden", "No access."),
            of_gcs(404, "notFound", "The specified bucket does not exist."),
            ResponseTemplate::new(499),
            page(403),
            page(404),
            page(412),
            ResponseTemplate::new(400),
        ] {
            let what = format!("{reply:?}");
            let site = shared().await.site();
            let object = Scripted::new("hello");
            site.holds(&object).await;
            nothing_stands(&site).await;
            site.once(site.upload("POST"), reply).await;
            site.once(site.upload("POST"), object.stored(1)).await;
            assert_eq!(site.transfer(&object).await["event"], "copied", "{what}");
        }
    });
}

#[test]
fn an_answer_that_says_nothing_of_the_object_is_looked_into() {
    run(async {
        for reply in [page(200), ResponseTemplate::new(200)] {
            let site = shared().await.site();
            let object = Scripted::new("hello");
            site.holds(&object).await;
            site.once(site.upload("POST"), reply).await;
            let look = site.look().respond_with(site.copy_of(&object, 7));
            look.mount(&site.fixture.gcs).await;
            let outcome = site.transfer(&object).await;
            assert_eq!(
                (&outcome["event"], &outcome["generation"]),
                (&json!("copied"), &json!(7)),
                "{outcome}"
            );
            let uploads = site.writes().await;
            let uploads = uploads
                .iter()
                .filter(|write| write.method.as_str() == "POST");
            assert_eq!(uploads.count(), 1);
        }
    });
}

#[test]
fn a_session_starts_over_or_is_asked_after_an_unclear_answer() {
    const SIZE: usize = (8 << 20) + 100;
    run(async {
        // A start that says that the session is gone.
        let site = shared().await.site();
        let object = Scripted::new(noise(1, SIZE));
        site.holds(&object).await;
        nothing_stands(&site).await;
        site.once(site.upload("POST"), ResponseTemplate::new(410))
            .await;
        site.once(site.upload("POST"), started(&site)).await;
        site.once(site.upload("PUT"), object.stored(3)).await;
        assert_eq!(site.transfer(&object).await["event"], "copied");

        for (reply, methods) in [
            (page(200), "GET POST PUT PUT"),
            (ResponseTemplate::new(200), "GET POST PUT PUT"),
            (ResponseTemplate::new(499), "GET POST PUT GET POST PUT"),
        ] {
            let site = shared().await.site();
            site.holds(&object).await;
            nothing_stands(&site).await;
            for _ in 0..2 {
                site.once(site.upload("POST"), started(&site)).await;
            }
            site.once(site.upload("PUT"), reply).await;
            site.once(site.upload("PUT"), object.stored(3)).await;
            assert_eq!(site.transfer(&object).await["event"], "copied");
            let writes = site.writes().await;
            let found: Vec<_> = writes.iter().map(|write| write.method.as_str()).collect();
            assert_eq!(found.join(" "), methods);
        }
    });
}

#[test]
fn a_policy_of_the_organization_is_no_lost_race() {
    run(async {
        let message = "Request violates constraint 'constraints/gcp.restrictNonCmekServices'";
        for reason in ["orgPolicyConstraintFailed", "conditionNotMet"] {
            let site = shared().await.site();
            let object = Scripted::new("hello");
            site.holds(&object).await;
            let refused = site
                .upload("POST")
                .respond_with(of_gcs(412, reason, message));
            refused.mount(&site.fixture.gcs).await;
            let outcome = site.transfer(&object).await;
            assert_final(&outcome, ErrorKind::DestinationDenied, message, "kms_key");
            assert_eq!(
                (site.reads().await.len(), site.writes().await.len()),
                (1, 1)
            );
        }
    });
}

#[test]
fn what_only_a_person_can_end_is_said_at_once_with_what_to_do() {
    run(async {
        let sse_c = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.";
        let denied = ErrorKind::SourceDenied;
        let moved = ResponseTemplate::new(301).insert_header("x-amz-bucket-region", "ap-south-1");
        for (reply, kind, says, advises) in [
            (
                of_s3(400, "InvalidRequest", sse_c),
                denied,
                "400 InvalidRequest",
                "(SSE-C)",
            ),
            (
                of_s3(400, "KMS.DisabledException", "It is disabled."),
                denied,
                "KMS.DisabledException",
                "enable-key",
            ),
            (
                moved,
                ErrorKind::SourceBucketMissing,
                "301",
                "region ap-south-1",
            ),
        ] {
            let site = shared().await.site();
            site.source()
                .respond_with(reply)
                .mount(&site.fixture.s3)
                .await;
            site.tell("key", 5).await;
            assert_final(&site.outcome("key").await, kind, says, advises);
            assert_eq!(site.reads().await.len(), 1);
        }
        for (status, reason, message, advises) in [
            (
                403,
                "accountDisabled",
                "The billing account for the owning project is disabled in state closed",
                "billing",
            ),
            (
                400,
                "required",
                "Bucket is a requester pays bucket but no user project provided.",
                "no-requester-pays",
            ),
            (400, "cloudKmsDisabledKey", "It is disabled", "kms_key"),
        ] {
            let site = shared().await.site();
            let object = Scripted::new("hello");
            site.holds(&object).await;
            let refused = site
                .upload("POST")
                .respond_with(of_gcs(status, reason, message));
            refused.mount(&site.fixture.gcs).await;
            let outcome = site.transfer(&object).await;
            assert_final(&outcome, ErrorKind::DestinationDenied, message, advises);
        }
    });
}

#[test]
fn a_name_in_a_message_decides_nothing() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello");
        site.holds(&object).await;
        let message = "Disallowed unicode characters present in object name 'md5sums\n.txt'";
        let refused = site
            .upload("POST")
            .respond_with(of_gcs(400, "invalid", message));
        refused.mount(&site.fixture.gcs).await;
        let outcome = site.transfer(&object).await;
        assert_final(
            &outcome,
            ErrorKind::DestinationRefused,
            "Disallowed",
            "rename",
        );
    });
}

#[test]
fn a_refusal_that_stays_is_quarantined_after_some_deliveries_and_a_bounded_number_of_requests() {
    run(async {
        let site = shared().await.site();
        let refused = site
            .source()
            .respond_with(of_s3(403, "AccessDenied", "No."));
        refused.mount(&site.fixture.s3).await;
        site.tell("key", 5).await;
        let look = |seen: &causeway_tests::Seen| {
            let ours = seen.outcomes(&site.source, "key");
            let last = ours.last().filter(|line| line["then"] == "quarantined")?;
            Some((ours.len(), (*last).clone()))
        };
        let (outcomes, last) = site.fixture.witness.until("its quarantine", look).await;
        assert_eq!(outcomes, DELIVERIES_OF_REFUSED as usize);
        assert_eq!(last["kind"], "source-denied");
        // Two attempts in each.
        assert_eq!(site.reads().await.len(), 2 * outcomes);
    });
}

/// A store whose clock is an hour ahead.
struct Ahead(Scripted);

impl Respond for Ahead {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let theirs = Timestamp::now() + SignedDuration::from_hours(1);
        let signed = header(request, "x-amz-date").unwrap();
        let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed).unwrap();
        let signed = jiff::tz::TimeZone::UTC.to_timestamp(signed).unwrap();
        if theirs.duration_since(signed).abs() > SignedDuration::from_mins(15) {
            let date = theirs.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            return of_s3(403, "RequestTimeTooSkewed", "No.").insert_header("date", date);
        }
        self.0.reply()
    }
}

#[test]
fn what_is_signed_at_another_time_than_the_stores_is_signed_again_by_its_clock() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello");
        let ahead = site
            .source()
            .and(method("GET"))
            .respond_with(Ahead(object.clone()));
        ahead.mount(&site.fixture.s3).await;
        site.once(site.upload("POST"), object.stored(1)).await;
        assert_eq!(site.transfer(&object).await["event"], "copied");
        let reads = site.reads().await;
        let [refused, again] = &reads[..] else {
            panic!("{} reads", reads.len())
        };
        assert_ne!(header(refused, "x-amz-date"), header(again, "x-amz-date"));
        // No look at GCS: it was the same request, at once.
        assert_eq!(site.writes().await.len(), 1);
        // The next is signed by it from the first.
        site.once(site.upload("POST"), object.stored(2)).await;
        site.tell("another", 5).await;
        assert_eq!(site.outcome("another").await["event"], "copied");
        assert_eq!(site.reads().await.len(), 3);
    });
}

#[test]
fn tags_that_fail_behind_a_200_are_asked_for_again() {
    run(async {
        for body in [
            PAGE,
            "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>",
            "",
        ] {
            let site = shared().await.site_with_options();
            let object = Scripted::new("hello");
            site.holds(&object).await;
            nothing_stands(&site).await;
            let tags =
                "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
            let reply = ResponseTemplate::new(200).set_body_raw(body, "application/xml");
            let once = site
                .source()
                .and(wiremock::matchers::query_param("tagging", ""));
            let once = once.respond_with(reply).up_to_n_times(1);
            once.with_priority(1).mount(&site.fixture.s3).await;
            site.answers_tags(ResponseTemplate::new(200).set_body_raw(tags, "application/xml"))
                .await;
            site.once(site.upload("POST"), object.stored(1)).await;
            assert_eq!(site.transfer(&object).await["event"], "copied", "{body}");
            let upload = site.writes().await.pop().unwrap();
            let upload = String::from_utf8_lossy(&upload.body).into_owned();
            assert!(
                upload.contains("\"causeway-source-tag-a\":\"1\""),
                "{upload}"
            );
        }
    });
}

#[test]
fn an_empty_object_whose_copy_has_no_size_is_copied() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("");
        site.holds(&object).await;
        let resource =
            json!({"name": "key", "generation": 12, "md5Hash": object.md5(), "metadata": null});
        let reply = ResponseTemplate::new(200).set_body_json(resource);
        site.once(site.upload("POST"), reply).await;
        let outcome = site.transfer(&object).await;
        assert_eq!(
            (&outcome["event"], &outcome["generation"]),
            (&json!("copied"), &json!(12)),
            "{outcome}"
        );
    });
}
