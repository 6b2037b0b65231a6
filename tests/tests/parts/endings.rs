//! Both sides moving while parts are copied.

use std::time::Duration;

use causeway_harness::gcs::state::NewObject;
use causeway_harness::s3::Fault;
use causeway_tests::{Seen, content, event, noise, run};

use crate::fixture::{MIB, all_met, arrived, ended, fail_s3, large, put, shared, swept};

#[test]
fn a_source_that_changes_midway_ends_in_the_new_object_and_never_in_a_mixture() {
    run(async {
        let lane = shared().await.lane();
        let new = noise(7, 700_000);
        let with = new.clone();
        // No other test reads from there.
        fail_s3(&lane, 11 * MIB, Fault::Overwrite { after: 1000, with });
        put(&lane, &large(12 * MIB));
        let look = |seen: &Seen| {
            let commits = seen.commits.iter();
            let ours = commits.filter(|commit| commit.bucket == lane.destination);
            ours.filter(|commit| commit.name == "key" && commit.size == 700_000)
                .map(|_| ())
                .next()
        };
        lane.stack.witness.until("the new object", look).await;
        let stored = lane.stored("key").unwrap();
        assert!(content(&stored) == new);
        swept(&lane).await;
        lane.drained().await;
        assert_eq!(lane.letters(), []);
        let sizes = lane.commits("key", 1).await;
        assert!(
            sizes
                .iter()
                .all(|commit| [700_000, 12 * MIB].contains(&commit.size))
        );
    });
}

#[test]
fn what_somebody_else_wrote_meanwhile_is_looked_at_before_it_is_written_over() {
    run(async {
        let lane = shared().await.lane();
        let pause = Duration::from_millis(500);
        fail_s3(&lane, 2 * MIB, Fault::Stall { pause, after: 10 });
        let spec = large(3 * MIB);
        put(&lane, &spec);
        let look = |seen: &Seen| {
            let commits = seen.commits.iter();
            let mut ours = commits.filter(|commit| commit.bucket == lane.destination);
            ours.find(|commit| commit.name.contains("/0000-")).map(drop)
        };
        let parts_are_coming = lane.stack.witness.until("the first part", look);
        parts_are_coming.await;
        let state = lane.stack.local.gcs.state();
        let mut foreign = state.body_writer();
        foreign.write(b"foreign").unwrap();
        let new = NewObject {
            bucket: lane.destination.clone(),
            name: "key".into(),
            ..NewObject::default()
        };
        let foreign = state.insert(new, foreign.finish()).unwrap();
        let failed = ended(&lane, "failed").await;
        assert_eq!(
            (&failed["kind"], &failed["then"]),
            (&"precondition-lost".into(), &"retried".into())
        );
        let stored = arrived(&lane, &spec).await;
        assert!(stored.generation > foreign.generation);
        all_met(&lane);
    });
}

#[test]
fn an_object_that_is_there_already_is_not_copied_again() {
    run(async {
        let lane = shared().await.lane();
        let spec = large(3 * MIB);
        let changes = lane.changes(|| put(&lane, &spec));
        let stored = arrived(&lane, &spec).await;
        lane.stack.send(&event(&changes)).await;
        ended(&lane, "identical").await;
        assert_eq!(lane.stored("key").unwrap().generation, stored.generation);
    });
}
