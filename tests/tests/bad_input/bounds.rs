//! What is small on its way in and would be large behind it: the work and the answer are bounded by the
//! body, and what no store can be asked for leaves nothing behind.

use std::time::Duration;

use causeway_harness::s3::store::Attributes;
use causeway_harness::stack::StackOptions;
use causeway_tests::{Stack, run, shared, write_event};
use reqwest::Response;
use serde_json::{Map, Value, json};

/// The most records of a request, as the document has it.
const RECORDS: usize = 5_000;

async fn post(body: String) -> Response {
    let stack = shared().await;
    let request = stack.http.post(stack.events_url());
    let request = request.bearer_auth(stack.local.file().events_token);
    request.body(body).send().await.unwrap()
}

fn zeros(count: usize) -> String {
    format!("{{\"Records\":[{}]}}", vec!["0"; count].join(","))
}

/// An event of writes of all `keys`.
fn written<'a>(bucket: &str, keys: impl Iterator<Item = &'a str>) -> Value {
    let records = keys.map(|key| write_event(bucket, key, None)["Records"][0].clone());
    json!({"Records": records.collect::<Vec<_>>()})
}

#[test]
fn more_records_than_are_taken_at_once_are_413_however_they_are_wrapped() {
    run(async {
        let inside = |body: String| json!({"Type": "Notification", "Message": body}).to_string();
        let long = zeros(RECORDS + 1);
        // As many as a body has room for.
        let longest = zeros((1 << 19) - 20);
        for body in [long.clone(), inside(long), longest] {
            let answer = post(body).await;
            assert_eq!(answer.status(), 413);
            let body: Value = answer.json().await.unwrap();
            let detail = "The event has more than 5,000 records. Send fewer at once.";
            assert_eq!(body["detail"], detail);
        }
    });
}

#[test]
fn an_answer_lists_the_first_of_many_and_counts_the_others() {
    run(async {
        let body = zeros(RECORDS);
        let length = body.len();
        let answer = post(body).await;
        assert_eq!(answer.status(), 202);
        let answer = answer.text().await.unwrap();
        assert!(answer.len() < 4 * length, "{}", answer.len());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["ignored"].as_array().unwrap().len(), 100);
        let others = json!({"accepted": 0, "ignored": RECORDS - 100});
        assert_eq!(answer["not_listed"], others);
    });
}

#[test]
fn what_a_record_quotes_is_cut_in_the_answer() {
    run(async {
        let mut event = write_event("source-00", "k", None);
        event["Records"][0]["eventSource"] = json!("\u{e000}".repeat(300_000));
        event["Records"][0]["s3"]["object"]["key"] = json!("k".repeat(100_000));
        let answer = post(event.to_string()).await.text().await.unwrap();
        assert!(answer.len() < 5_000, "{}", answer.len());
        let test = json!({"Event": "s3:TestEvent", "Bucket": "\u{e000}".repeat(300_000)});
        let answer = post(test.to_string()).await.text().await.unwrap();
        assert!(answer.len() < 5_000, "{}", answer.len());
    });
}

#[test]
fn keys_that_no_store_can_be_asked_for_are_ignored_at_the_door_and_leave_nothing() {
    run(async {
        let lane = shared().await.lane();
        let names: Vec<_> = (0..3000).map(|number| format!("../{number}")).collect();
        let answer = post(written(&lane.source, names.iter().map(|name| &**name)).to_string());
        let answer: Value = answer.await.json().await.unwrap();
        assert_eq!(answer["accepted"], json!([]));
        let first = &answer["ignored"][0];
        assert_eq!(
            (&first["bucket"], &first["key"]),
            (&json!(lane.source), &json!("../0"))
        );
        let reason = "The key has a segment \".\" or \"..\", which HTTP clients take out of a URL. Rename the object.";
        assert_eq!(first["reason"], reason);
        assert_eq!(
            answer["not_listed"],
            json!({"accepted": 0, "ignored": 2900})
        );

        let odd = ["a/../b", "./a", "a/.", ".."];
        let long = ["k".repeat(1025), "k".repeat(100_000)];
        let keys = odd.into_iter().chain(long.iter().map(|key| &**key));
        let answer = lane.stack.send(&written(&lane.source, keys)).await;
        assert_eq!(answer["accepted"], json!([]));
        let reasons: Vec<_> = answer["ignored"].as_array().unwrap().iter().collect();
        assert_eq!(reasons.len(), 6);
        for ignored in &reasons[..4] {
            assert_eq!(ignored["reason"], reason);
        }
        for ignored in &reasons[4..] {
            assert_eq!(ignored["reason"], "The key is longer than 1,024 bytes.");
            assert!(ignored["key"].as_str().unwrap().len() <= 1024);
        }

        let keys = json!({"keys": ["../1", "k"]});
        let path = format!("/v1/routes/{}/events", lane.route);
        let url = format!("{}{path}", lane.stack.local.runtime.url());
        let file = lane.stack.local.file();
        let submitted = lane.stack.http.post(url).bearer_auth(file.admin_token);
        let answer: Value = submitted
            .json(&keys)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(answer["ignored"][0]["reason"], reason);
        assert_eq!(answer["accepted"].as_array().unwrap().len(), 1);

        lane.drained().await;
        assert!(lane.letters().is_empty());
        let route = lane.stack.admin().route(&lane.route).await.unwrap();
        assert_eq!(route.quarantined, 0);
    });
}

#[test]
fn what_is_no_hint_of_ours_out_of_a_queue_is_bounded_as_well() {
    run(async {
        let options = StackOptions {
            silent: true,
            ..StackOptions::default()
        };
        let mut stack = Stack::start_with(1, options).await;
        let source = stack.lane_number(0).source;
        // R2's, and S3's as another worker may put it there.
        let r2 = json!({"action": "PutObject", "bucket": source, "object": {"key": "../r2"}});
        let long = "k".repeat(2000);
        let s3 = written(&source, ["../s3", long.as_str(), "good"].into_iter());
        stack
            .lane_number(0)
            .put("good", "bytes", Attributes::default());
        for message in [r2, s3] {
            stack
                .local
                .runtime
                .enqueue("HINTS", &message)
                .await
                .unwrap();
        }
        stack.lane_number(0).copied("good").await;
        let many: Value = serde_json::from_str(&zeros(RECORDS + 1)).unwrap();
        stack.local.runtime.enqueue("HINTS", &many).await.unwrap();
        let lane = stack.lane_number(0);
        let ignored = |seen: &causeway_tests::Seen| {
            let lines = seen.log.iter().filter(|line| line["event"] == "ignored");
            (lines.count() == 3).then_some(())
        };
        stack.witness.until("three ignored keys", ignored).await;
        let unreadable = |seen: &causeway_tests::Seen| {
            let mut letters = seen.letters.iter();
            letters
                .find(|letter| letter.message["Records"].is_array())
                .cloned()
        };
        let letter = stack
            .witness
            .until("the event that is too long", unreadable);
        assert_eq!(letter.await.error.kind.to_string(), "message-unreadable");
        assert!(lane.letters().is_empty());
    });
}

#[test]
fn a_ledger_goes_on_counting_whatever_an_older_version_put_into_the_queue() {
    run(async {
        let options = StackOptions {
            silent: true,
            ..StackOptions::default()
        };
        let mut stack = Stack::start_with(1, options).await;
        let lane = stack.lane_number(0);
        let (route, source) = (lane.route.clone(), lane.source.clone());
        // Its ledger would have outgrown what storage takes.
        for number in 0..60 {
            let key = format!("{number:02}{}", "k".repeat(100_000));
            let hint = json!({"bucket": source, "key": key, "event": "ObjectCreated:Put"});
            let message =
                json!({"route": route, "hint": hint, "accepted_at": "2026-07-01T00:00:00Z"});
            stack
                .local
                .runtime
                .enqueue("HINTS", &message)
                .await
                .unwrap();
        }
        let lane = stack.lane_number(0);
        lane.put("good", "bytes", Attributes::default());
        stack.send(&write_event(&lane.source, "good", None)).await;
        lane.copied("good").await;
        let counted = async {
            loop {
                let status = stack.admin().route(&lane.route).await.unwrap();
                if status.counts.values().sum::<u64>() >= 61 {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let counted = tokio::time::timeout(Duration::from_mins(2), counted);
        let status = counted.await.unwrap();
        assert_eq!(status.counts["copied"], 1);
        let longest = status.recent.iter().map(|record| record.key.len());
        assert!(longest.max() <= Some(1024));
        stack.witness.now(|seen| {
            let silent = seen
                .log
                .iter()
                .find(|line| line["event"] == "ledger-silent");
            assert_eq!(silent, None);
        });
    });
}

#[test]
fn a_reconcile_over_keys_that_no_store_can_be_asked_for_leaves_nothing() {
    run(async {
        let lane = shared().await.lane();
        for key in ["../1", "a/./b", "good"] {
            lane.put(key, "x", Attributes::default());
        }
        lane.copied("good").await;
        for _ in 0..2 {
            let admin = lane.stack.admin();
            let kind = causeway_shared::walk::Kind::Reconcile;
            let request = causeway_shared::walk::Request::default();
            admin.begin_walk(kind, &lane.route, &request).await.unwrap();
            let walk = loop {
                let walk = admin.walk(kind, &lane.route).await.unwrap();
                if walk.end.is_some() {
                    break walk;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            assert_eq!((walk.parity.equal.keys, walk.sent), (1, 0));
        }
        lane.drained().await;
        assert!(lane.letters().is_empty());
    });
}

#[test]
fn many_routes_of_many_records_are_413_before_any_is_in_the_queue() {
    run(async {
        let tables = (0..40).map(|number| {
            let table = json!({"source": "s3://source-00",
                "destination": format!("gs://destination-00/{number}/")});
            (format!("ROUTE_R{number}"), table)
        });
        let options = StackOptions {
            bindings: tables.collect::<Map<_, _>>(),
            silent: true,
            ..StackOptions::default()
        };
        let stack = Stack::start_with(1, options).await;
        let keys: Vec<_> = (0..900)
            .map(|number| format!("{number}{}", "k".repeat(700)))
            .collect();
        let event = written("source-00", keys.iter().map(|key| &**key));
        let request = stack.http.post(stack.events_url()).json(&event);
        let request = request.bearer_auth(stack.local.file().events_token);
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(status, 413, "{body}");
        assert!(
            body["detail"]
                .as_str()
                .unwrap()
                .contains("more than 4 MiB of hints")
        );
    });
}
