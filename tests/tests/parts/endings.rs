//! Both sides moving while parts are copied.

use std::sync::Arc;
use std::time::Duration;

use causeway_harness::gcs::state::Object as Stored;
use causeway_harness::s3::store::{SparseSpec, Versioning};
use causeway_harness::s3::{Fault, FaultSpec};
use causeway_tests::{Lane, Seen, content, event, noise, run};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{
    MIB, all_met, arrived, ended, fail_s3, large, put, shared, swept, with_options,
};

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

/// With If-Match alone an object that is written more often than it can be copied would never arrive.
#[test]
fn a_version_that_was_begun_is_finished_and_the_newer_one_follows() {
    run(async {
        let lane = shared().await.lane();
        let versioned = lane.store().configure(&lane.source, |settings| {
            settings.versioning = Versioning::Enabled;
        });
        versioned.unwrap();
        // One part is read again after the overwrite.
        lane.stack.local.s3.faults().fail_next(FaultSpec {
            method: Some(Method::GET),
            path_contains: format!("/{}/key?versionId=", lane.source),
            fault: Fault::Return {
                status: StatusCode::SERVICE_UNAVAILABLE,
                retry_after: Some(3),
            },
        });
        put(&lane, &large(12 * MIB));
        let look = |seen: &Seen| {
            let mut commits = seen.commits.iter();
            commits
                .find(|commit| commit.bucket == lane.destination)
                .map(drop)
        };
        lane.stack.witness.until("the first part", look).await;
        put(&lane, &large(3 * MIB));
        let commits = lane.commits("key", 2).await;
        let sizes: Vec<_> = commits.iter().map(|commit| commit.size).collect();
        assert_eq!(sizes, [12 * MIB, 3 * MIB]);
        swept(&lane).await;
        lane.drained().await;
        assert_eq!(lane.letters(), []);
        all_met(&lane);
    });
}

/// Lets somebody else write the key while the parts of `spec` are copied, waits until the copy was
/// refused for it, and gives what was written.
async fn forestalled(lane: &Lane<'_>, spec: &SparseSpec) -> Arc<Stored> {
    let pause = Duration::from_millis(500);
    fail_s3(lane, 2 * MIB, Fault::Stall { pause, after: 10 });
    put(lane, spec);
    let look = |seen: &Seen| {
        let commits = seen.commits.iter();
        let mut ours = commits.filter(|commit| commit.bucket == lane.destination);
        ours.find(|commit| commit.name.contains("/0000-")).map(drop)
    };
    let parts_are_coming = lane.stack.witness.until("the first part", look);
    parts_are_coming.await;
    let foreign = lane.insert("key", b"foreign");
    let failed = ended(lane, "failed").await;
    assert_eq!(
        (&failed["kind"], &failed["then"]),
        (&"precondition-lost".into(), &"retried".into())
    );
    foreign
}

#[test]
fn what_somebody_else_wrote_meanwhile_is_left_alone() {
    run(async {
        let lane = shared().await.lane();
        let foreign = forestalled(&lane, &large(3 * MIB)).await;
        let kept = ended(&lane, "kept").await;
        assert_eq!(kept["generation"], foreign.generation);
        assert_eq!(content(&lane.stored("key").unwrap()), "foreign");
        swept(&lane).await;
        all_met(&lane);
    });
}

#[test]
fn where_the_route_says_so_it_is_written_over_after_it_was_looked_at() {
    run(async {
        let stack = with_options(json!({"parts_above_mib": 1, "on_conflict": "overwrite"})).await;
        let lane = stack.lane();
        let spec = large(3 * MIB);
        let foreign = forestalled(&lane, &spec).await;
        let stored = arrived(&lane, &spec).await;
        assert!(stored.generation > foreign.generation);
        all_met(&lane);
        stack.local.stop().await.unwrap();
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
