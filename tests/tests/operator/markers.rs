//! The console's marker of the folder that a route copies: `photos/` of `s3://bucket/photos/`.

use causeway_harness::s3::store::Attributes;
use causeway_harness::stack::StackOptions;
use causeway_shared::walk::{Kind, Request};
use causeway_tests::{Seen, Stack, run, write_event};
use serde_json::{Map, json};

use crate::fixture::{keys, quarantined, status_when};

async fn stack() -> Stack {
    let table = json!({"source": "s3://source-00/photos/", "destination": "gs://destination-00"});
    let options = StackOptions {
        bindings: Map::from_iter([("ROUTE_LANE00".to_owned(), table)]),
        silent: true,
        ..StackOptions::default()
    };
    Stack::start_with(1, options).await
}

#[test]
fn it_is_nothing_to_copy_and_is_counted_apart() {
    run(async {
        let mut stack = stack().await;
        let route = stack.lane_number(0).route;
        // As an earlier version left it.
        let hint = json!({"bucket": "source-00", "key": "photos/", "event": "ObjectCreated:Put"});
        let message = json!({"route": route, "hint": hint, "accepted_at": "2026-07-01T00:00:00Z"});
        let moved = stack.local.runtime.enqueue("DEAD_LETTERS", &message);
        moved.await.unwrap();
        let lane = stack.lane_number(0);
        quarantined(&lane, 1).await;
        status_when(&lane, |ledger| ledger["quarantined"] == 1).await;

        lane.put("photos/", "", Attributes::default());
        lane.put("photos/a", "1", Attributes::default());
        stack
            .send(&write_event("source-00", "photos/", Some(0)))
            .await;
        let outcomes = lane.outcomes("photos/", 1).await;
        assert_eq!(outcomes[0]["event"], "folder-marker", "{outcomes:?}");
        let ledger = status_when(&lane, |ledger| ledger["quarantined"] == 0).await;
        assert_eq!(ledger["counts"]["folder-marker"], 1);

        // It makes no difference, there or gone.
        for (nth, missing) in [(1, 1), (2, 0)] {
            let (admin, all) = (lane.stack.admin(), Request::default());
            let begun = admin.begin_walk(Kind::Reconcile, &lane.route, &all);
            begun.await.unwrap();
            let ended = |seen: &Seen| {
                let ends = seen.log.iter().filter(|line| line["event"] == "reconcile");
                (ends.count() >= nth).then_some(())
            };
            lane.stack
                .witness
                .until("the end of a reconcile", ended)
                .await;
            let parity = admin
                .walk(Kind::Reconcile, &lane.route)
                .await
                .unwrap()
                .parity;
            assert_eq!((parity.source.keys, parity.missing.keys), (1, missing));
            lane.commits("a", 1).await;
        }
        lane.delete("photos/");
        stack.send(&write_event("source-00", "photos/", None)).await;
        let outcomes = lane.outcomes("photos/", 2).await;
        assert_eq!(outcomes[1]["event"], "folder-marker", "{outcomes:?}");
        assert!(keys(&lane).await.is_empty() && lane.names() == ["a"]);

        // With bytes it is an object that has no name.
        stack
            .send(&write_event("source-00", "photos/", Some(3)))
            .await;
        let letters = |seen: &Seen| {
            let letter = seen.letters.get(1)?;
            Some(letter.error.message.clone())
        };
        let message = stack.witness.until("its dead letter", letters).await;
        assert!(message.contains("at least one byte"), "{message}");
        stack.local.stop().await.unwrap();
    });
}
