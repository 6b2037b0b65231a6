//! Deletes that are carried over and those that are not; objects at the destination that nobody
//! copied there.

use std::time::Duration;

use causeway_harness::gcs::Fault;
use causeway_harness::gcs::state::Preconditions;
use causeway_harness::s3::store::{Attributes, BucketSettings, Versioning, WriteCondition};
use causeway_tests::{Lane, Stack, content, noise, run, shared};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const LANES: usize = 8;

/// A stack whose routes have `options`.
async fn with_options(options: Value) -> Stack {
    let routes = (0..LANES)
        .map(|number| Lane::table(number, &options))
        .collect();
    Stack::start(LANES, routes).await
}

/// One whose routes propagate deletes.
async fn propagating() -> &'static Stack {
    static SHARED: OnceCell<Stack> = OnceCell::const_new();
    SHARED
        .get_or_init(|| with_options(json!({"deletes": "propagate"})))
        .await
}

/// One whose routes make parts and overwrite what is not theirs, too.
async fn overwriting() -> &'static Stack {
    static SHARED: OnceCell<Stack> = OnceCell::const_new();
    let options = json!({"deletes": "propagate", "on_conflict": "overwrite", "parts_above_mib": 1});
    SHARED.get_or_init(|| with_options(options)).await
}

/// The last of `count` outcomes of `key`.
async fn outcome(lane: &Lane<'_>, key: &str, count: usize) -> Value {
    lane.outcomes(key, count).await.remove(count - 1)
}

/// Copies `key`, deletes it at the source, and checks that its copy goes.
async fn comes_and_goes(lane: &Lane<'_>, key: &str, size: usize, attributes: Attributes) {
    lane.put(key, noise(3, size), attributes);
    let line = outcome(lane, key, 1).await;
    assert_eq!(line["event"], "copied", "{line}");
    let stored = lane.stored(key).unwrap();
    assert!(content(&stored) == noise(3, size));
    lane.delete(key);
    let line = outcome(lane, key, 2).await;
    assert_eq!(line["event"], "deleted", "{line}");
    assert_eq!(line["generation"], stored.generation);
    assert!(lane.stored(key).is_none());
}

#[test]
fn a_copy_goes_with_its_source_however_large_and_whatever_its_encoding() {
    run(async {
        let lane = propagating().await.lane();
        let gzip = Attributes {
            content_encoding: Some("gzip".into()),
            ..Attributes::default()
        };
        comes_and_goes(&lane, "small", 10, Attributes::default()).await;
        comes_and_goes(&lane, "empty", 0, Attributes::default()).await;
        comes_and_goes(&lane, "encoded", 100_000, gzip).await;
        comes_and_goes(&lane, "a/session", 9 << 20, Attributes::default()).await;
        let lane = overwriting().await.lane();
        comes_and_goes(&lane, "in/parts", 3 << 20, Attributes::default()).await;
        assert_eq!(lane.letters(), []);
    });
}

#[test]
fn a_delete_marker_takes_the_copy_away_and_its_removal_brings_it_back() {
    run(async {
        let lane = propagating().await.lane();
        let versioned = |settings: &mut BucketSettings| {
            settings.versioning = Versioning::Enabled;
        };
        lane.store().configure(&lane.source, versioned).unwrap();
        lane.put("key", "bytes", Attributes::default());
        lane.copied("key").await;
        let marker = lane.changes(|| lane.delete("key"));
        assert_eq!(outcome(&lane, "key", 2).await["event"], "deleted");
        assert!(lane.stored("key").is_none());

        let version = marker[0].version_id.versioned();
        let condition = WriteCondition::default();
        lane.store()
            .delete(&lane.source, "key", version, &condition)
            .unwrap();
        assert_eq!(outcome(&lane, "key", 3).await["event"], "copied");
        assert_eq!(content(&lane.stored("key").unwrap()), "bytes");
    });
}

#[test]
fn writes_and_deletes_in_quick_succession_end_as_the_source_does() {
    run(async {
        let lane = propagating().await.lane();
        for round in 0..10 {
            for key in ["left", "gone"] {
                lane.put(key, format!("round {round}"), Attributes::default());
                lane.delete(key);
            }
        }
        lane.put("left", "the last", Attributes::default());
        let stack = lane.stack;
        let settled = stack.witness.until("the last bytes", |_| {
            let left = lane.stored("left")?;
            (content(&left) == "the last" && lane.stored("gone").is_none()).then_some(())
        });
        settled.await;
        lane.drained().await;
        assert_eq!(content(&lane.stored("left").unwrap()), "the last");
        assert_eq!(lane.names(), ["left", "the-sentinel"]);
        assert_eq!(lane.letters(), []);
    });
}

#[test]
fn a_source_deleted_while_its_first_copy_is_on_its_way_leaves_none() {
    run(async {
        let lane = propagating().await.lane();
        let pause = Duration::from_secs(1);
        lane.fail_next(Method::POST, Fault::Stall { pause, after: 1 });
        lane.put("key", "bytes", Attributes::default());
        // The source was read once the upload has begun.
        let path = format!("/b/{}/", lane.destination);
        let faults = lane.stack.local.gcs.faults();
        let begun = faults.until_consumed(|spec| spec.path_contains == path);
        let begun = tokio::time::timeout(Duration::from_secs(30), begun).await;
        begun.expect("the upload begins");
        lane.delete("key");
        let mut events: Vec<_> = lane.outcomes("key", 2).await;
        events.sort_by_key(|line| line["event"].to_string());
        assert_eq!(events[0]["event"], "deleted", "{events:?}");
        assert_eq!(events[1]["event"], "source-gone", "{events:?}");
        assert!(lane.stored("key").is_none());
        let commits = lane.commits("key", 2).await;
        let deleted: Vec<_> = commits.iter().map(|commit| commit.deleted).collect();
        assert_eq!(deleted, [false, true]);
    });
}

#[test]
fn a_delete_that_is_refused_or_whose_reply_is_lost_is_done_all_the_same() {
    run(async {
        let lane = propagating().await.lane();
        let busy = Fault::Return {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: None,
        };
        for (key, fault) in [
            ("busy", busy),
            ("reset", Fault::ResetConnection),
            ("lost", Fault::ResetAfterCommit),
        ] {
            lane.put(key, key, Attributes::default());
            let stored = lane.copied(key).await;
            lane.fail_next(Method::DELETE, fault);
            lane.delete(key);
            let line = outcome(&lane, key, 2).await;
            assert_eq!(line["event"], "deleted", "{line}");
            assert_eq!(line["generation"], stored.generation);
            assert_eq!(lane.pending_faults(), []);
            assert!(lane.stored(key).is_none());
        }
    });
}

#[test]
fn a_copy_that_a_hold_keeps_stays_and_the_dead_letter_says_why() {
    run(async {
        let lane = propagating().await.lane();
        lane.put("key", "bytes", Attributes::default());
        lane.copied("key").await;
        let state = lane.stack.local.gcs.state();
        let held = state.update(
            &lane.destination,
            "key",
            None,
            &Preconditions::default(),
            |object| {
                let mut held = object.clone();
                held.temporary_hold = Some(true);
                Ok(held)
            },
        );
        held.unwrap();
        lane.delete("key");
        let letter = lane.letter().await;
        let advice = &letter.error.advice;
        assert!(advice.contains("retention policy or a hold"), "{advice}");
        assert!(lane.stored("key").is_some());
    });
}

#[test]
fn by_default_a_copy_outlives_its_source() {
    run(async {
        let lane = shared().await.lane();
        lane.put("key", "bytes", Attributes::default());
        lane.copied("key").await;
        lane.delete("key");
        assert_eq!(outcome(&lane, "key", 2).await["event"], "source-gone");
        assert_eq!(content(&lane.stored("key").unwrap()), "bytes");
    });
}

#[test]
fn an_object_of_somebody_else_is_neither_overwritten_nor_deleted() {
    run(async {
        for lane in [shared().await.lane(), propagating().await.lane()] {
            let foreign = lane.insert("key", b"theirs");
            for (count, size) in [(1, 5), (2, 9 << 20)] {
                lane.put("key", noise(1, size), Attributes::default());
                let line = outcome(&lane, "key", count).await;
                assert_eq!(line["event"], "kept", "{line}");
                assert_eq!(line["generation"], foreign.generation);
            }
            lane.delete("key");
            lane.outcomes("key", 3).await;
            let stored = lane.stored("key").unwrap();
            assert_eq!(stored.generation, foreign.generation);
        }
    });
}

#[test]
fn where_the_route_says_so_it_is_overwritten_and_still_not_deleted() {
    run(async {
        let lane = overwriting().await.lane();
        let theirs = lane.insert("key", b"theirs");
        lane.put("key", "ours", Attributes::default());
        let ours = lane.copied("key").await;
        assert!(ours.generation > theirs.generation);
        assert_eq!(content(&ours), "ours");

        let foreign = lane.insert("other", b"theirs");
        let mut event = causeway_tests::write_event(&lane.source, "other", None);
        event["Records"][0]["eventName"] = json!("LifecycleExpiration:Delete");
        lane.stack.send(&event).await;
        let line = outcome(&lane, "other", 1).await;
        assert_eq!(line["event"], "kept", "{line}");
        assert_eq!(lane.stored("other").unwrap().generation, foreign.generation);
    });
}
