//! Queues of moto's SQS, pulled: no door is open, and what S3 tells the queue arrives.

use std::time::Duration;

use causeway_harness::s3::store::Attributes;
use causeway_harness::stack::StackOptions;
use causeway_tests::{Lane, Stack, content, run};
use serde_json::{Map, Value, json};
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::peers::{Running, are_here, boto, moto};

/// The cron that wakes the pullers.
const CRON: &str = "* * * * *";

const BEFORE: &str = r"
s3, sqs = client('s3'), client('sqs')
def arn(queue):
    return sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=['QueueArn'])['Attributes']['QueueArn']
";

/// A bucket for each way to a queue: by itself, by SNS, by EventBridge.
const QUEUES: &str = r"
events, sns = client('events'), client('sns')
queues = [sqs.create_queue(QueueName=name)['QueueUrl'] for name in ['direct', 'others']]
topic = sns.create_topic(Name='fan')['TopicArn']
sns.subscribe(TopicArn=topic, Protocol='sqs', Endpoint=arn(queues[1]))
events.put_rule(Name='s3', EventPattern=json.dumps({'source': ['aws.s3']}))
events.put_targets(Rule='s3', Targets=[{'Id': 'queue', 'Arn': arn(queues[1])}])
changes = ['s3:ObjectCreated:*']
for bucket, configuration in [
    ('source-00', {'QueueConfigurations': [{'QueueArn': arn(queues[0]), 'Events': changes}]}),
    ('source-01', {'TopicConfigurations': [{'TopicArn': topic, 'Events': changes}]}),
    ('source-02', {'EventBridgeConfiguration': {}}),
]:
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
print(json.dumps(queues))
";

const PUT: &str = r"
for index in range(int(sys.argv[4])):
    s3.put_object(Bucket=sys.argv[2], Key=f'{sys.argv[3]}{index}', Body=b'through a queue')
";

/// What the queue still has: how many messages can be received, and how many are hidden.
const LEFT: &str = r"
names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible']
attributes = sqs.get_queue_attributes(QueueUrl=sys.argv[2], AttributeNames=names)['Attributes']
print(json.dumps([int(attributes[name]) for name in names]))
";

async fn python(moto: &Running, script: &str, arguments: &[&str]) -> Value {
    boto(&moto.url, &format!("{BEFORE}{script}"), arguments).await
}

/// moto with its queues, and a stack that pulls them once it is time, and has no other way in.
async fn waiting(more: &Value) -> (Running, Stack, Vec<String>) {
    let moto = moto().await;
    let queues = python(&moto, QUEUES, &[]).await;
    let queues: Vec<String> = serde_json::from_value(queues).unwrap();
    let mut bindings = Map::from_iter([
        ("AWS_ENDPOINT_URL_S3".to_owned(), json!(moto.url)),
        ("SQS_QUEUES".to_owned(), json!(queues.join(" "))),
        ("EVENTS_TOKEN".to_owned(), json!(null)),
    ]);
    bindings.extend(more.as_object().cloned().unwrap_or_default());
    let options = StackOptions {
        bindings,
        silent: true,
        ..StackOptions::default()
    };
    (moto, Stack::start_with(3, options).await, queues)
}

/// The same, and it is time.
async fn pulling() -> (Running, Stack, Vec<String>) {
    let (moto, mut stack, queues) = waiting(&Value::Null).await;
    stack.local.runtime.schedule(CRON).await.unwrap();
    (moto, stack, queues)
}

/// Waits until the queue has so many messages: to be received, and hidden.
async fn until_left(moto: &Running, queue: &str, expected: [u32; 2]) {
    let asked = async { while python(moto, LEFT, &[queue]).await != json!(expected) {} };
    let ended = tokio::time::timeout(Duration::from_mins(2), asked).await;
    ended.unwrap_or_else(|_| panic!("{queue} never had {expected:?} messages"));
}

async fn assert_arrives(lane: &Lane<'_>, keys: impl IntoIterator<Item = String>) {
    for key in keys {
        let copied = lane.copied(&key).await;
        assert_eq!(content(&copied), "through a queue");
    }
}

#[test]
fn what_s3_tells_a_queue_itself_through_sns_or_through_eventbridge_arrives() {
    if !are_here() {
        return;
    }
    run(async {
        let (moto, stack, queues) = pulling().await;
        for number in 0..3 {
            let lane = stack.lane();
            python(&moto, PUT, &[&lane.source, "k é+", "12"]).await;
            assert_arrives(&lane, (0..12).map(|n| format!("k é+{n}"))).await;
            assert_eq!(number, usize::from(lane.source.as_bytes()[8] - b'0'));
        }
        // The pullers wait for more, and what they sent on is deleted.
        for queue in &queues {
            until_left(&moto, queue, [0, 0]).await;
        }
        let answer = stack
            .http
            .post(stack.events_url())
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401);
    });
}

#[test]
fn what_gives_no_event_stays_and_holds_up_nothing() {
    if !are_here() {
        return;
    }
    run(async {
        let (moto, stack, queues) = pulling().await;
        let lane = stack.lane();
        let send = "sqs.send_message(QueueUrl=sys.argv[2], MessageBody='hello')";
        python(&moto, send, &[&queues[0]]).await;
        let unreadable = |seen: &causeway_tests::Seen| {
            let mut lines = seen.log.iter();
            lines
                .find(|line| line["event"] == "sqs-unreadable")
                .cloned()
        };
        let line = stack
            .witness
            .until("a message that is no event", unreadable)
            .await;
        assert_eq!(line["queue"], queues[0]);
        python(&moto, PUT, &[&lane.source, "after", "3"]).await;
        assert_arrives(&lane, (0..3).map(|n| format!("after{n}"))).await;
        assert_eq!(python(&moto, LEFT, &[&queues[0]]).await, json!([0, 1]));
    });
}

#[test]
fn what_no_route_takes_is_said_and_taken_out() {
    if !are_here() {
        return;
    }
    run(async {
        let (moto, stack, queues) = pulling().await;
        let event = causeway_tests::write_event("nobodys-bucket", "key", None).to_string();
        let send = "sqs.send_message(QueueUrl=sys.argv[2], MessageBody=sys.argv[3])";
        python(&moto, send, &[&queues[0], &event]).await;
        let ignored = |seen: &causeway_tests::Seen| {
            let mut lines = seen.log.iter();
            lines.find(|line| line["event"] == "ignored").cloned()
        };
        let line = stack.witness.until("what no route takes", ignored).await;
        assert_eq!(line["bucket"], "nobodys-bucket");
        assert_eq!(line["reason"], "No route reads from this bucket.");
        until_left(&moto, &queues[0], [0, 0]).await;
    });
}

#[test]
fn what_the_queue_of_hints_does_not_take_is_kept_hidden_and_not_deleted() {
    if !are_here() {
        return;
    }
    run(async {
        // A text where the queue should be bound.
        let (moto, mut stack, queues) = waiting(&json!({"HINTS": "no queue"})).await;
        python(&moto, PUT, &["source-00", "kept", "3"]).await;
        stack.local.runtime.schedule(CRON).await.unwrap();
        // Beside them the test event, which S3 sent when it was told of the queue.
        until_left(&moto, &queues[0], [0, 4]).await;
        // For longer than the queue itself would hide them, which is half a minute.
        let receive = "messages = sqs.receive_message(QueueUrl=sys.argv[2], WaitTimeSeconds=20)\n\
            print(len(messages.get('Messages', [])))";
        for _ in 0..2 {
            assert_eq!(python(&moto, receive, &[&queues[0]]).await, json!(0));
        }
        assert_eq!(python(&moto, LEFT, &[&queues[0]]).await, json!([0, 4]));
    });
}

#[test]
fn a_queue_that_is_gone_is_said_and_asked_again() {
    if !are_here() {
        return;
    }
    run(async {
        let (moto, stack, queues) = pulling().await;
        python(
            &moto,
            "sqs.delete_queue(QueueUrl=sys.argv[2])",
            &[&queues[0]],
        )
        .await;
        let failed = |seen: &causeway_tests::Seen| {
            let mut lines = seen.log.iter();
            lines.find(|line| line["event"] == "sqs-failed").cloned()
        };
        let line = stack.witness.until("a queue that is gone", failed).await;
        let message = line["message"].as_str().unwrap();
        assert!(
            message.contains("NonExistentQueue") || message.contains("QueueDoesNotExist"),
            "{message}"
        );
    });
}

/// An SQS that gives `messages` once, deletes, and hides nothing.
async fn sqs_that_hides_nothing(messages: Value) -> (MockServer, String) {
    let server = MockServer::start().await;
    let action = |name: &str| {
        let target = format!("AmazonSQS.{name}");
        Mock::given(header("x-amz-target", &*target))
    };
    let answer = |status| ResponseTemplate::new(status);
    let received = answer(200).set_body_json(json!({"Messages": messages}));
    let receive = action("ReceiveMessage").respond_with(received);
    server.register(receive.up_to_n_times(1)).await;
    let waits = answer(200)
        .set_body_json(json!({}))
        .set_delay(Duration::from_secs(20));
    server
        .register(action("ReceiveMessage").respond_with(waits))
        .await;
    let deleted = answer(200).set_body_json(json!({}));
    server
        .register(action("DeleteMessageBatch").respond_with(deleted))
        .await;
    let refused = answer(500).set_body_json(json!({"__type": "com.amazonaws.sqs#InternalError"}));
    let hide = action("ChangeMessageVisibilityBatch").respond_with(refused);
    server.register(hide).await;
    let url = format!("{}/1/q", server.uri());
    (server, url)
}

#[test]
fn what_cannot_be_read_nor_hidden_holds_up_no_good_message() {
    run(async {
        let key = "good a+b";
        let event = causeway_tests::write_event("source-00", key, None).to_string();
        let message =
            |id: &str, body: &str| json!({"MessageId": id, "ReceiptHandle": id, "Body": body});
        let (sqs, url) = sqs_that_hides_nothing(json!([
            message("bad", "hello"),
            {"MessageId": "odd", "ReceiptHandle": "odd", "Body": null},
            message("good", &format!("\u{feff}{event}")),
        ]))
        .await;
        let options = StackOptions {
            bindings: Map::from_iter([("SQS_QUEUES".to_owned(), json!(url))]),
            silent: true,
            ..StackOptions::default()
        };
        let mut stack = Stack::start_with(1, options).await;
        let store = stack.local.s3.store();
        store
            .put("source-00", key, "through a queue", Attributes::default())
            .unwrap();
        stack.local.runtime.schedule(CRON).await.unwrap();
        assert_arrives(&stack.lane(), [key.to_owned()]).await;
        let failed = |seen: &causeway_tests::Seen| {
            let mut lines = seen.log.iter();
            lines.find(|line| line["event"] == "sqs-failed").cloned()
        };
        let line = stack.witness.until("what SQS did not hide", failed).await;
        assert_eq!(line["queue"], url);
        assert!(
            line["message"].as_str().unwrap().contains("InternalError"),
            "{line}"
        );
        let asked = sqs.received_requests().await.unwrap();
        let of = |action: &str| -> Vec<Value> {
            let target = format!("AmazonSQS.{action}");
            let asked = asked.iter();
            let asked = asked.filter(|request| request.headers["x-amz-target"] == target);
            asked.map(|request| request.body_json().unwrap()).collect()
        };
        let deleted = of("DeleteMessageBatch");
        assert_eq!(deleted.len(), 1);
        let entries = json!([{"Id": "0", "ReceiptHandle": "good"}]);
        assert_eq!(deleted[0]["Entries"], entries);
        let hidden = &of("ChangeMessageVisibilityBatch")[0]["Entries"];
        assert_eq!(hidden.as_array().unwrap().len(), 2);
    });
}

#[test]
fn what_r2_puts_into_the_queue_of_hints_arrives() {
    run(async {
        let mut stack = Stack::start_with(
            1,
            StackOptions {
                silent: true,
                ..StackOptions::default()
            },
        )
        .await;
        let (source, key) = ("source-00", "a b+c %20 é");
        let store = stack.local.s3.store();
        store
            .put(source, key, "through a queue", Attributes::default())
            .unwrap();
        let event = json!({
            "account": "3f4b7e3dcab231cbfdaa90a6a28bd548", "action": "PutObject", "bucket": source,
            "object": {"key": key, "size": 15, "eTag": "c846ff7a18f28c2e262116d6e8719ef0"},
            "eventTime": "2026-05-24T19:36:44.379Z",
        });
        stack.local.runtime.enqueue("HINTS", &event).await.unwrap();
        assert_arrives(&stack.lane(), [key.to_owned()]).await;
    });
}
