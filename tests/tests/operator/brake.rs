//! A flood of deletes stops, and goes on when a person says so.

use causeway_harness::s3::store::Attributes;
use causeway_tests::{Lane, Stack, run};
use serde_json::{Map, Value, json};

use crate::fixture::{keys, list, quarantined, status, take};

async fn with_options(options: Value) -> Stack {
    let mut table = json!({"source": "s3://source-00", "destination": "gs://destination-00"});
    table
        .as_object_mut()
        .unwrap()
        .extend(options.as_object().unwrap().clone());
    Stack::start(1, Map::from_iter([("ROUTE_LANE00".to_owned(), table)])).await
}

async fn copied(lane: &Lane<'_>, count: usize) {
    for number in 0..count {
        lane.put(&number.to_string(), "x", Attributes::default());
    }
    for number in 0..count {
        lane.copied(&number.to_string()).await;
    }
}

#[test]
fn more_deletes_than_the_brake_allows_wait_for_a_person() {
    run(async {
        let stack = with_options(json!({"deletes": "propagate", "brake_deletes": 3})).await;
        let lane = stack.lane();
        copied(&lane, 8).await;
        for number in 0..8 {
            lane.delete(&number.to_string());
        }
        quarantined(&lane, 5).await;
        assert_eq!(lane.names().len(), 5);
        assert_eq!(keys(&lane).await, lane.names());
        let entry = &list(&lane, "").await["entries"][0];
        assert_eq!(entry["kind"], "deletes-braked");
        assert_eq!(
            status(&lane).await["brake"],
            json!({"deletes": 3, "limit": 3, "window_s": 3600})
        );
        // Who sends everything again has not said that these are meant.
        assert_eq!(take(&lane, "replay", json!({"all": true})).await, 5);
        quarantined(&lane, 10).await;
        assert_eq!(lane.names().len(), 5);
        let one = list(&lane, "").await["entries"][0]["id"].clone();
        assert_eq!(take(&lane, "replay", json!({"id": one})).await, 1);
        let all = json!({"all": true, "release": true});
        assert_eq!(take(&lane, "replay", all).await, 4);
        let gone = |seen: &causeway_tests::Seen| {
            let deleted = seen.commits.iter().filter(|commit| commit.deleted);
            (deleted.count() == 8).then_some(())
        };
        stack.witness.until("eight deletes", gone).await;
        assert!(lane.names().is_empty());
        assert!(keys(&lane).await.is_empty());
    });
}
