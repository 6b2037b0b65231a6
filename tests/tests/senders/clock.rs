//! A queue of SQS whose clock is another than the worker's.

use causeway_harness::s3::store::Attributes;
use causeway_harness::stack::StackOptions;
use causeway_tests::{Stack, run, write_event};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::time::Duration;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// A queue with one message, an hour ahead.
struct Ahead {
    message: Value,
}

impl Respond for Ahead {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let theirs = Timestamp::now() + SignedDuration::from_hours(1);
        let signed = request.headers["x-amz-date"].to_str().unwrap();
        let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed).unwrap();
        let signed = jiff::tz::TimeZone::UTC.to_timestamp(signed).unwrap();
        let date = theirs.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if theirs.duration_since(signed).abs() > SignedDuration::from_mins(5) {
            let refusal = json!({"__type": "com.amazon.coral.service#InvalidSignatureException",
                "message": "Signature expired"});
            let reply = ResponseTemplate::new(400).set_body_json(refusal);
            return reply.insert_header("date", date);
        }
        let target = request.headers["x-amz-target"].to_str().unwrap();
        let body = match target {
            "AmazonSQS.ReceiveMessage" => json!({"Messages": [self.message]}),
            _ => json!({"Successful": [{"Id": "0"}], "Failed": []}),
        };
        // A queue that is asked again and again does not answer at once.
        let reply = ResponseTemplate::new(200).set_body_json(body);
        reply.set_delay(Duration::from_millis(100))
    }
}

#[test]
fn a_queue_whose_clock_is_another_is_pulled_by_its_time() {
    run(async {
        let sqs = MockServer::start().await;
        let bindings = Map::from_iter([(
            "SQS_QUEUES".to_owned(),
            json!(format!("{}/123456789012/inbox", sqs.uri())),
        )]);
        let options = StackOptions {
            bindings,
            silent: true,
            ..StackOptions::default()
        };
        let mut stack = Stack::start_with(1, options).await;
        let lane = stack.lane();
        lane.put("key", "through a queue", Attributes::default());
        let event = write_event(&lane.source, "key", Some(15)).to_string();
        let message = json!({"MessageId": "m", "ReceiptHandle": "r", "Body": event});
        let queue = Mock::given(method("POST")).respond_with(Ahead { message });
        queue.mount(&sqs).await;
        drop(lane);
        stack.local.runtime.schedule("* * * * *").await.unwrap();
        let lane = stack.lane_number(0);
        lane.copied("key").await;
        // The first was refused, and signed again; none after it was.
        let requests = sqs.received_requests().await.unwrap();
        let targets: Vec<_> = requests
            .iter()
            .map(|request| request.headers["x-amz-target"].to_str().unwrap())
            .take(3)
            .collect();
        let (receive, delete) = ("AmazonSQS.ReceiveMessage", "AmazonSQS.DeleteMessageBatch");
        assert_eq!(targets, [receive, receive, delete]);
        stack.local.stop().await.unwrap();
    });
}
