//! Troubles that pass by themselves: nothing shows at GCS, and the message is delivered again.
//! That it is given up in the end is the business of the tests of `causeway_shared::retry`.

use causeway_shared::error::ErrorKind;
use causeway_tests::{Stack, run, write_event};
use serde_json::json;
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A stack that reads from a source which answers everything with `answer`.
async fn stack_reading(answer: ResponseTemplate) -> (Stack, MockServer) {
    let source = MockServer::start().await;
    let any = Mock::given(method("GET")).and(path_regex("^/source-00/"));
    any.respond_with(answer).mount(&source).await;
    let bindings = json!({"AWS_ENDPOINT_URL_S3": source.uri()});
    (
        Stack::start(1, bindings.as_object().unwrap().clone()).await,
        source,
    )
}

/// Waits for a second delivery after a first that failed with `kind`, and says `message`.
async fn assert_retried(answer: ResponseTemplate, kind: ErrorKind, message: &str) {
    let (stack, source) = stack_reading(answer).await;
    let lane = stack.lane();
    stack.send(&write_event(&lane.source, "key", Some(5))).await;
    let outcomes = lane.outcomes("key", 2).await;
    for (outcome, deliveries) in outcomes.iter().zip(1..) {
        assert_eq!(outcome["event"], "failed");
        assert_eq!(outcome["kind"], json!(kind));
        assert_eq!(outcome["message"], message);
        assert_eq!(
            (&outcome["then"], &outcome["deliveries"]),
            (&json!("retried"), &json!(deliveries))
        );
        assert!(outcome["delay_s"].as_u64().unwrap() <= 4, "{outcome}");
    }
    // Each delivery tries a few times.
    assert!(source.received_requests().await.unwrap().len() >= 6);
    assert_eq!(lane.letters(), []);
    assert!(lane.names().is_empty());
    stack.local.stop().await.unwrap();
}

#[test]
fn a_source_that_fails_is_asked_again() {
    let answer = ResponseTemplate::new(503);
    let message = "S3 answered 503 for the bucket source-00.";
    run(assert_retried(
        answer,
        ErrorKind::SourceUnavailable,
        message,
    ));
}

#[test]
fn bytes_that_are_not_those_of_the_etag_are_refused_and_read_again() {
    run(async {
        // The MD5 of "hello".
        let answer = ResponseTemplate::new(200)
            .insert_header("etag", "\"5d41402abc4b2a76b9719d911017c592\"")
            .set_body_string("hullo");
        let (stack, _source) = stack_reading(answer).await;
        let lane = stack.lane();
        stack.send(&write_event(&lane.source, "key", Some(5))).await;
        let outcomes = lane.outcomes("key", 2).await;
        for outcome in outcomes {
            assert_eq!(
                outcome["kind"],
                json!(ErrorKind::ChecksumRefused),
                "{outcome}"
            );
            assert_eq!(outcome["then"], "retried");
            assert_eq!(outcome["status"], 400);
        }
        assert_eq!(lane.letters(), []);
        assert!(lane.names().is_empty());
        stack.local.stop().await.unwrap();
    });
}
