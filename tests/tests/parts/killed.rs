//! The runtime killed with copies under way, and started again between the same stores.
//!
//! What was in its queues is gone, as no queue of the platform's ever is: an event that comes again
//! stands for the redelivery. What its Durable Objects stored is there.

use std::time::Duration;

use causeway_harness::s3::store::SparseSpec;
use causeway_harness::stack::StackOptions;
use causeway_harness::{gcs, s3};
use causeway_tests::{Lane, SHARED_LANES, Seen, Stack, content, event, run};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{
    MIB, arrived, bindings, ended, fail_gcs, fail_s3, large, put, swept, written,
};

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_hours(1);

/// A stack whose Durable Objects outlive its runtime for as long as the folder is there, and whose
/// events the tests send.
async fn lasting(options: Value) -> (Stack, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = StackOptions {
        bindings: bindings(&options),
        storage: Some(folder.path().to_owned()),
        silent: true,
        ..StackOptions::default()
    };
    (Stack::start_with(SHARED_LANES, options).await, folder)
}

/// Waits until every fault is being suffered.
async fn all_suffered(stack: &Stack) {
    let (at_s3, at_gcs) = (stack.local.s3.faults(), stack.local.gcs.faults());
    let both = async {
        tokio::join!(
            at_s3.until_consumed(|_| true),
            at_gcs.until_consumed(|_| true)
        )
    };
    let suffered = tokio::time::timeout(Duration::from_mins(1), both).await;
    suffered.expect("a request meets each fault");
}

async fn kill_and_restart(stack: &mut Stack) {
    stack.local.runtime.kill().await.unwrap();
    stack.local.restart().await.unwrap();
}

/// Checks that `spec` was committed once, whole, and that nothing else is there.
async fn assert_once(lane: &Lane<'_>, spec: &SparseSpec) {
    assert_eq!(lane.names(), ["key"]);
    assert!(content(&lane.stored("key").unwrap()) == spec.body().bytes().await.unwrap());
    let commits = lane.commits("key", 1).await;
    let sizes: Vec<_> = commits.iter().map(|commit| commit.size).collect();
    assert_eq!(sizes, [spec.size()]);
    assert_eq!(lane.letters(), []);
}

#[test]
fn nothing_is_seen_of_an_upload_that_was_killed_and_an_event_that_comes_again_makes_it_whole() {
    run(async {
        let (mut stack, _folder) = lasting(json!({"parts": false})).await;
        // One goes in a single request, the other in a session.
        let specs = [large(3 * MIB), large(9 * MIB)];
        let mut changes = Vec::new();
        for (number, spec) in specs.iter().enumerate() {
            let lane = stack.lane_number(number);
            stack.local.s3.faults().fail_next(s3::FaultSpec {
                method: Some(Method::GET),
                path_contains: format!("/{}/key", lane.source),
                fault: s3::Fault::Stall {
                    pause: FOR_EVER,
                    after: MIB,
                },
            });
            // Nothing but a mark: the upload has begun.
            let begun = gcs::Fault::Stall {
                pause: Duration::ZERO,
                after: 0,
            };
            let (method, upload) = match number {
                0 => (Method::POST, "o?uploadType=multipart"),
                _ => (Method::PUT, "o?uploadType=resumable"),
            };
            fail_gcs(&lane, method, upload, begun);
            changes.extend(lane.changes(|| put(&lane, spec)));
        }
        // Together: the local queue has one consumer, which the first would keep.
        stack.send(&event(&changes)).await;
        all_suffered(&stack).await;
        stack.local.runtime.kill().await.unwrap();
        for number in 0..specs.len() {
            assert!(stack.lane_number(number).names().is_empty());
        }
        stack.local.restart().await.unwrap();
        for number in 0..specs.len() {
            assert!(stack.lane_number(number).names().is_empty());
        }
        stack.send(&event(&changes)).await;
        for (number, spec) in specs.iter().enumerate() {
            let lane = stack.lane_number(number);
            ended(&lane, "copied").await;
            assert_once(&lane, spec).await;
            // Who knew its URI was killed: it expires by itself.
            let sessions = stack.local.gcs.state().open_sessions(&lane.destination);
            assert_eq!(sessions, number);
        }
        stack.local.stop().await.unwrap();
    });
}

/// How often a coordinator took the key of the lane over.
async fn taken_over(lane: &Lane<'_>, times: usize) {
    let look = |seen: &Seen| {
        let ours = seen
            .log
            .iter()
            .filter(|line| line["event"] == "in-parts" && line["bucket"] == *lane.source);
        (ours.count() >= times).then_some(())
    };
    let what = format!("{times} hints of {} with their coordinator", lane.source);
    lane.stack.witness.until(&what, look).await;
}

#[test]
fn a_run_ends_by_itself_when_its_alarm_goes_off_after_the_kill() {
    run(async {
        let (mut stack, _folder) = lasting(json!({"parts_above_mib": 1})).await;
        let spec = large(6 * MIB);
        let lane = stack.lane_number(0);
        // So long that the coordinator does not wait for it with the parts in hand, but by an alarm.
        let busy = gcs::Fault::Return {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(10),
        };
        fail_gcs(&lane, Method::POST, "o/key/compose", busy);
        let changes = lane.changes(|| put(&lane, &spec));
        stack.send(&event(&changes)).await;
        all_suffered(&stack).await;
        // By the time it answers for the event once more, that it waits is stored.
        stack.send(&event(&changes)).await;
        taken_over(&lane, 2).await;
        assert!(lane.stored("key").is_none());
        kill_and_restart(&mut stack).await;
        let lane = stack.lane_number(0);
        arrived(&lane, &spec).await;
        assert_once(&lane, &spec).await;
        // Six, and the one that deleting was tried with: no part was copied again.
        assert_eq!(written(&lane, ".causeway-parts/"), 7);
        stack.local.stop().await.unwrap();
    });
}

#[test]
fn parts_that_were_killed_give_way_to_the_next_object_of_their_key() {
    run(async {
        let (mut stack, _folder) = lasting(json!({"parts_above_mib": 1})).await;
        let lane = stack.lane_number(0);
        let stall = s3::Fault::Stall {
            pause: FOR_EVER,
            after: 1000,
        };
        fail_s3(&lane, 3 * MIB, stall);
        let first = lane.changes(|| put(&lane, &large(6 * MIB)));
        stack.send(&event(&first)).await;
        all_suffered(&stack).await;
        let others = |seen: &Seen| {
            let ours = seen.commits.iter().filter(|commit| {
                commit.bucket == lane.destination && commit.size == MIB && !commit.deleted
            });
            (ours.count() == 5).then_some(())
        };
        stack.witness.until("the other parts", others).await;
        kill_and_restart(&mut stack).await;
        let lane = stack.lane_number(0);
        let names = lane.names();
        assert!(
            names.len() == 5
                && names
                    .iter()
                    .all(|name| name.starts_with(".causeway-parts/")),
            "{names:?}"
        );
        let next = large(5 * MIB);
        let second = lane.changes(|| put(&lane, &next));
        stack.send(&event(first.iter().chain(&second))).await;
        // It took the place of another run, and therefore looks once more.
        ended(&lane, "identical").await;
        swept(&lane).await;
        assert_once(&lane, &next).await;
        stack.local.stop().await.unwrap();
    });
}

#[test]
fn parts_that_died_with_their_queue_are_sent_again_for_the_next_hint() {
    run(async {
        let options = json!({"parts_above_mib": 1, "carry_after_s": 1});
        let (mut stack, _folder) = lasting(options).await;
        let lane = stack.lane_number(0);
        let stall = s3::Fault::Stall {
            pause: FOR_EVER,
            after: 1000,
        };
        fail_s3(&lane, 3 * MIB, stall);
        let spec = large(6 * MIB);
        let changes = lane.changes(|| put(&lane, &spec));
        stack.send(&event(&changes)).await;
        all_suffered(&stack).await;
        kill_and_restart(&mut stack).await;
        let lane = stack.lane_number(0);
        // Until the run has been quiet for a second, each is answered by it and changes nothing.
        for hint in 2.. {
            stack.send(&event(&changes)).await;
            let look = |seen: &Seen| {
                let ours = |line: &&Value| line["bucket"] == *lane.source;
                let taken = seen.log.iter().filter(ours);
                let taken = taken.filter(|line| line["event"] == "in-parts").count();
                let ended = seen.outcomes(&lane.source, "key").len();
                (taken + ended >= hint).then_some(ended > 0)
            };
            if stack.witness.until("what became of a hint", look).await {
                break;
            }
        }
        arrived(&lane, &spec).await;
        assert_once(&lane, &spec).await;
        stack.local.stop().await.unwrap();
    });
}
