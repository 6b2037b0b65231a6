//! Events late, twice, together, in the wrong order, in another dialect; routes that share a bucket.

use causeway_harness::s3::EventTarget;
use causeway_harness::s3::store::Attributes;
use causeway_harness::stack::StackOptions;
use causeway_tests::{Stack, content, event, run, shared};
use serde_json::json;

#[test]
fn an_overwrite_arrives_whole_with_nothing_of_the_first() {
    run(async {
        let lane = shared().await.lane();
        let mut attributes = Attributes::content_type("text/plain");
        attributes.metadata.insert("only".into(), "at first".into());
        lane.put("report", "the first version, which is longer", attributes);
        let first = lane.copied("report").await;

        lane.put("report", "the second", Attributes::content_type("text/csv"));
        let outcomes = lane.outcomes("report", 2).await;
        assert_eq!(outcomes[1]["event"], "copied");
        let second = lane.stored("report").unwrap();
        assert!(second.generation > first.generation);
        assert_eq!(content(&second), "the second");
        assert_eq!(second.metadata.content_type.as_deref(), Some("text/csv"));
        assert_eq!(second.metadata.custom.get("only"), None);
        assert_eq!(lane.commits("report", 2).await.len(), 2);
    });
}

#[test]
fn the_same_event_again_writes_nothing() {
    run(async {
        let lane = shared().await.lane();
        let changes = lane.changes(|| drop(lane.put("twice", "once", Attributes::default())));
        let first = lane.copied("twice").await;

        lane.stack.send(&event(&changes)).await;
        let outcomes = lane.outcomes("twice", 2).await;
        assert_eq!(outcomes[1]["event"], "identical");
        assert_eq!(outcomes[1]["generation"], first.generation);
        let second = lane.stored("twice").unwrap();
        assert_eq!(
            (second.generation, second.metageneration),
            (first.generation, 1)
        );
        assert_eq!(lane.commits("twice", 1).await.len(), 1);
    });
}

#[test]
fn a_stale_event_leaves_the_newest_content() {
    run(async {
        let lane = shared().await.lane();
        let older = lane.changes(|| drop(lane.put("key", "older", Attributes::default())));
        lane.copied("key").await;
        lane.put("key", "newest", Attributes::default());
        lane.outcomes("key", 2).await;
        let newest = lane.stored("key").unwrap();

        lane.stack.send(&event(&older)).await;
        let outcomes = lane.outcomes("key", 3).await;
        assert_eq!(outcomes[2]["event"], "identical");
        assert_eq!(lane.stored("key").unwrap().generation, newest.generation);
        assert_eq!(content(&newest), "newest");
    });
}

#[test]
fn an_overtaken_event_brings_what_is_there() {
    run(async {
        let lane = shared().await.lane();
        lane.put("key", "first", Attributes::default());
        lane.copied("key").await;
        let deleted = lane.changes(|| lane.delete("key"));
        lane.put("key", "back again", Attributes::default());
        lane.outcomes("key", 2).await;
        // The removal's event overtaken by the write's.
        lane.stack.send(&event(&deleted)).await;
        lane.drained().await;
        assert_eq!(content(&lane.stored("key").unwrap()), "back again");
    });
}

/// A stack whose S3 tells nobody: the test sends the events itself.
async fn quiet(lanes: usize) -> Stack {
    let stack = Stack::start(lanes, serde_json::Map::new()).await;
    let mut nobody = EventTarget::new("http://127.0.0.1:9/", "no token");
    nobody.max_attempts = 1;
    stack.local.s3.notify(nobody);
    stack
}

#[test]
fn all_records_of_one_request_arrive_and_the_answer_names_each() {
    run(async {
        let stack = quiet(1).await;
        let lane = stack.lane();
        let names = ["a", "b", "c"];
        let changes = lane.changes(|| {
            for name in names {
                lane.put(name, name.repeat(7), Attributes::default());
            }
        });
        let mut event = event(&changes);
        let mut foreign = event["Records"][0].clone();
        foreign["s3"]["bucket"]["name"] = json!("somebody-elses");
        event["Records"].as_array_mut().unwrap().insert(1, foreign);

        let answer = stack.send(&event).await;
        let accepted =
            names.map(|name| json!({"id": format!("{}/{name}", lane.source), "bucket": lane.source, "key": name, "route": lane.route}));
        assert_eq!(
            answer,
            json!({
                "accepted": accepted,
                "ignored": [{
                    "bucket": "somebody-elses",
                    "key": "a",
                    "reason": "No route reads from this bucket.",
                }],
            })
        );
        for name in names {
            assert_eq!(content(&*lane.copied(name).await), name.repeat(7));
        }
        assert_eq!(lane.names(), names);
        stack.local.stop().await.unwrap();
    });
}

#[test]
fn every_route_of_a_bucket_takes_its_keys_under_its_names() {
    run(async {
        let route =
            |source: &str, destination: &str| json!({"source": source, "destination": destination});
        let bindings = json!({
            "ROUTE_BESIDE": route("s3://source-00", "gs://destination-01"),
            "ROUTE_PART": route("s3://source-00/in/", "gs://destination-02/from-s3/"),
        });
        let stack = Stack::start(3, bindings.as_object().unwrap().clone()).await;
        let [whole, beside, part] = [stack.lane(), stack.lane(), stack.lane()];
        whole.put("in/deep/a.txt", "inside", Attributes::default());
        whole.put("out.txt", "outside", Attributes::default());
        for (key, count) in [("in/deep/a.txt", 3), ("out.txt", 2)] {
            let mut routes: Vec<_> = whole.outcomes(key, count).await;
            routes.sort_by_key(|line| line["route"].to_string());
            assert!(
                routes.iter().all(|line| line["event"] == "copied"),
                "{routes:?}"
            );
        }
        whole.drained().await;
        assert_eq!(whole.names(), ["in/deep/a.txt", "out.txt", "the-sentinel"]);
        assert!(
            beside
                .names()
                .starts_with(&["in/deep/a.txt".into(), "out.txt".into()])
        );
        assert_eq!(part.names(), ["from-s3/deep/a.txt"]);
        let renamed = part.stored("from-s3/deep/a.txt").unwrap();
        assert_eq!(content(&renamed), "inside");
        assert_eq!(
            renamed.metadata.custom["causeway-source-key"],
            "in/deep/a.txt"
        );
        stack.local.stop().await.unwrap();
    });
}

#[test]
fn an_event_of_an_object_that_is_gone_by_now_ends_quietly() {
    run(async {
        let lane = shared().await.lane();
        let event = causeway_tests::write_event(&lane.source, "gone", Some(3));
        lane.stack.send(&event).await;
        let outcome = lane.outcomes("gone", 1).await.remove(0);
        assert_eq!(outcome["event"], "source-gone");
        lane.drained().await;
        assert_eq!(lane.names(), ["the-sentinel"]);
        assert_eq!(lane.letters(), []);
    });
}

#[test]
fn an_event_of_eventbridge_is_taken_as_its_api_destination_sends_it() {
    run(async {
        let options = StackOptions {
            silent: true,
            ..StackOptions::default()
        };
        let stack = Stack::start_with(1, options).await;
        let lane = stack.lane();
        let key = "a b+c%2B/é.txt";
        let object = lane.put(key, "bytes", Attributes::default());
        let event = |kind: &str| {
            json!({
                "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": kind,
                "source": "aws.s3", "account": "111122223333", "time": "2026-01-02T03:04:05Z",
                "region": "us-east-1", "resources": [format!("arn:aws:s3:::{}", lane.source)],
                "detail": {
                    "version": "0", "bucket": {"name": lane.source}, "reason": "PutObject",
                    "object": {"key": key, "size": object.size(), "sequencer": "617f08299329d189"},
                },
            })
        };
        let answer = stack.send(&event("Object ACL Updated")).await;
        assert_eq!(answer["accepted"], json!([]), "{answer}");
        let answer = stack.send(&event("Object Created")).await;
        let id = format!("{}/{key}", lane.source);
        let accepted = json!([{"id": id, "bucket": lane.source, "key": key, "route": lane.route}]);
        assert_eq!(answer["accepted"], accepted, "{answer}");
        let stored = lane.copied(key).await;
        assert_eq!(content(&stored), "bytes");
    });
}
