//! Events as they come out of other services' hands: wrapped once or more, with keys as their stores write
//! them, and with members that are not as they should be.

use causeway_tests::{Lane, content, run, write_event};
use reqwest::Response;
use serde_json::{Value, json};

use crate::fixture::{Fixture, assert_refused, assert_taken, fixture, written};

async fn post(fixture: &Fixture, body: impl Into<reqwest::Body>) -> Response {
    let request = fixture.post().bearer_auth("the-token-of-now");
    request.body(body).send().await.unwrap()
}

/// What Lambda is given of SQS, with these messages.
fn of_sqs(bodies: &[String]) -> Value {
    let record = |body: &String| {
        json!({"messageId": "059f36b4", "receiptHandle": "AQEB", "body": body, "attributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:1:q", "awsRegion": "us-east-1"})
    };
    json!({"Records": bodies.iter().map(record).collect::<Vec<_>>()})
}

/// What Lambda is given of SNS.
fn of_sns(message: &str) -> Value {
    json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:us-east-1:1:t:s", "Sns": envelope(message)}]})
}

fn envelope(message: &str) -> Value {
    json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-east-1:1:t",
        "Message": message, "Timestamp": "2026-01-02T03:04:05.678Z"})
}

fn eventbridge(lane: &Lane<'_>, key: &str) -> Value {
    drop(written(lane, key));
    json!({"version": "0", "detail-type": "Object Created", "source": "aws.s3", "time": "2026-01-02T03:04:05Z",
        "detail": {"bucket": {"name": lane.source}, "object": {"key": key, "size": 7}}})
}

#[test]
fn what_lambda_is_given_of_sqs_and_of_sns_is_unwrapped_however_deep() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        let batch = of_sqs(&[
            written(&lane, "sqs a+b").to_string(),
            envelope(&written(&lane, "sns in sqs").to_string()).to_string(),
            eventbridge(&lane, "eventbridge in sqs").to_string(),
            "hello".to_owned(),
            envelope(&eventbridge(&lane, "all three").to_string()).to_string(),
        ]);
        let answer = post(fixture, batch.to_string()).await;
        assert_eq!(answer.status(), 202);
        let answer: Value = answer.json().await.unwrap();
        let accepted = answer["accepted"].as_array().unwrap().iter();
        let accepted: Vec<_> = accepted
            .map(|taken| taken["key"].as_str().unwrap())
            .collect();
        let keys = ["sqs a+b", "sns in sqs", "eventbridge in sqs", "all three"];
        assert_eq!(accepted, keys);
        let ignored = answer["ignored"].as_array().unwrap();
        assert_eq!(ignored.len(), 1);
        let reason = ignored[0]["reason"].as_str().unwrap();
        assert!(reason.contains("is no event"), "{reason}");
        for key in keys {
            let copied = lane.copied(key).await;
            assert_eq!(content(&copied), "content");
        }
        let message = of_sns(&written(&lane, "sns").to_string());
        assert_taken(post(fixture, message.to_string()).await, &lane, "sns").await;
    });
}

#[test]
fn a_batch_that_holds_no_event_is_refused_and_not_lost() {
    run(async {
        let fixture = fixture().await;
        for useless in [
            of_sqs(&["hello".into(), "{}".into()]),
            of_sns("hello"),
            of_sns("{}"),
        ] {
            let answer = post(fixture, useless.to_string()).await;
            assert_refused(answer, 400, "The body is").await;
        }
    });
}

#[test]
fn a_byte_order_mark_before_an_event_is_taken_wherever_it_is() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        let marked = |event: Value| format!("\u{feff}{event}");
        let plain = marked(written(&lane, "plain"));
        assert_taken(post(fixture, plain).await, &lane, "plain").await;
        let wrapped = of_sqs(&[marked(envelope(&marked(written(&lane, "wrapped"))))]);
        let wrapped = post(fixture, marked(wrapped)).await;
        assert_taken(wrapped, &lane, "wrapped").await;
        let mut signed = fixture.sns.notification(&json!({}), "2");
        signed["Message"] = json!(marked(written(&lane, "signed")));
        fixture.sns.sign(&mut signed);
        let signed = fixture.post().body(marked(signed)).send().await.unwrap();
        assert_taken(signed, &lane, "signed").await;
    });
}

#[test]
fn the_key_of_ceph_is_taken_as_it_is_and_of_an_unknown_store_both_are_looked_at() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        let record = |source: &str, key: &str| {
            drop(written(&lane, key));
            let mut event = write_event(&lane.source, "", None);
            event["Records"][0]["eventSource"] = json!(source);
            event["Records"][0]["s3"]["object"]["key"] = json!(key);
            event.to_string()
        };
        for key in ["a+b.txt", "100%.txt", "%41", "c d+e"] {
            let answer = post(fixture, record("ceph:s3", key)).await;
            assert_taken(answer, &lane, key).await;
        }
        let answer = post(fixture, record("sgws:s3", "f+g")).await;
        let answer: Value = answer.json().await.unwrap();
        let accepted = answer["accepted"].as_array().unwrap();
        assert_eq!(accepted.len(), 2, "{answer}");
        let copied = lane.copied("f+g").await;
        assert_eq!(content(&copied), "content");
    });
}

#[test]
fn nothing_that_is_not_needed_drops_an_event() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        let odd = [
            json!("7"),
            json!(-7),
            json!(7.5),
            json!(null),
            json!([]),
            json!({}),
        ];
        for (index, odd) in odd.iter().enumerate() {
            let key = format!("eventbridge {index}");
            let mut event = eventbridge(&lane, &key);
            event["time"] = odd.clone();
            for member in ["size", "version-id", "sequencer", "etag"] {
                event["detail"]["object"][member] = odd.clone();
            }
            assert_taken(post(fixture, event.to_string()).await, &lane, &key).await;
            let key = format!("s3 {index}");
            let mut event = written(&lane, &key);
            event["Records"][0]["eventTime"] = odd.clone();
            for member in ["size", "versionId", "sequencer", "eTag"] {
                event["Records"][0]["s3"]["object"][member] = odd.clone();
            }
            assert_taken(post(fixture, event.to_string()).await, &lane, &key).await;
        }
    });
}
