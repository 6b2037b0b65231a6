//! GCS failing on the way: each fault ends in one object, one outcome and no dead letter.

use causeway_harness::gcs::Fault;
use causeway_harness::s3::store::Attributes;
use causeway_tests::{Lane, content, noise, run, shared};
use reqwest::{Method, StatusCode};

/// Copies `size` bytes, which must arrive in one write and one outcome, and meet every fault.
async fn copy(lane: &Lane<'_>, size: usize) {
    let bytes = noise(size as u64, size);
    lane.put("key", bytes.clone(), Attributes::default());
    let stored = lane.copied("key").await;
    assert!(content(&stored) == bytes);
    assert_eq!(lane.pending_faults(), []);
    lane.drained().await;
    assert_eq!(lane.outcomes("key", 1).await.len(), 1);
    assert_eq!(lane.commits("key", 1).await.len(), 1);
    assert_eq!(lane.stored("key").unwrap().generation, stored.generation);
    assert_eq!(lane.letters(), []);
}

fn unavailable() -> Fault {
    Fault::Return {
        status: StatusCode::SERVICE_UNAVAILABLE,
        retry_after: None,
    }
}

#[test]
fn a_refused_upload_is_sent_again() {
    run(async {
        let lane = shared().await.lane();
        lane.fail_next(Method::POST, unavailable());
        lane.fail_next(Method::POST, Fault::ResetConnection);
        copy(&lane, 1000).await;
    });
}

#[test]
fn an_upload_refused_before_its_end_is_sent_again() {
    run(async {
        let lane = shared().await.lane();
        let status = StatusCode::SERVICE_UNAVAILABLE;
        lane.fail_next(
            Method::POST,
            Fault::ReturnAfter {
                status,
                after: 1 << 20,
            },
        );
        lane.fail_next(Method::POST, Fault::BreakUpload { after: 2 << 20 });
        copy(&lane, 5 << 20).await;
    });
}

#[test]
fn an_upload_whose_reply_was_lost_is_found_and_not_made_twice() {
    run(async {
        let lane = shared().await.lane();
        lane.fail_next(Method::POST, Fault::ResetAfterCommit);
        copy(&lane, 1000).await;
    });
}

#[test]
fn a_resumable_upload_whose_last_reply_was_lost_is_found_and_not_made_twice() {
    run(async {
        let lane = shared().await.lane();
        lane.fail_next(Method::PUT, Fault::ResetAfterCommit);
        one_session(&lane);
        copy_in_one_session(&lane, 9 << 20).await;
    });
}

#[test]
fn a_resumable_upload_that_broke_goes_on_where_it_was() {
    run(async {
        let lane = shared().await.lane();
        lane.fail_next(Method::PUT, Fault::BreakUpload { after: 5 << 20 });
        one_session(&lane);
        copy_in_one_session(&lane, 12 << 20).await;
    });
}

#[test]
fn a_resumable_upload_that_was_refused_midway_goes_on_where_it_was() {
    run(async {
        let lane = shared().await.lane();
        let status = StatusCode::SERVICE_UNAVAILABLE;
        lane.fail_next(
            Method::PUT,
            Fault::ReturnAfter {
                status,
                after: 5 << 20,
            },
        );
        one_session(&lane);
        copy_in_one_session(&lane, 12 << 20).await;
    });
}

#[test]
fn a_computed_checksum_survives_a_broken_upload() {
    run(async {
        let lane = shared().await.lane();
        lane.store()
            .configure(&lane.source, |settings| settings.kms = true)
            .unwrap();
        lane.fail_next(Method::PUT, Fault::BreakUpload { after: 1 << 20 });
        copy(&lane, (2 << 20) + 9).await;
    });
}

#[test]
fn a_look_that_fails_is_made_again() {
    run(async {
        let lane = shared().await.lane();
        lane.put("key", "first", Attributes::default());
        lane.copied("key").await;
        lane.fail_next(Method::GET, unavailable());
        lane.put("key", "second", Attributes::default());
        let outcomes = lane.outcomes("key", 2).await;
        assert_eq!(outcomes[1]["event"], "copied");
        assert_eq!(content(&lane.stored("key").unwrap()), "second");
        assert_eq!(lane.pending_faults(), []);
    });
}

/// Lets the first session start, and every other fail for good.
fn one_session(lane: &Lane<'_>) {
    lane.fail_next(
        Method::POST,
        Fault::Stall {
            pause: std::time::Duration::ZERO,
            after: 0,
        },
    );
    lane.fail_next(Method::POST, another_session());
}

fn another_session() -> Fault {
    Fault::Return {
        status: StatusCode::FORBIDDEN,
        retry_after: None,
    }
}

async fn copy_in_one_session(lane: &Lane<'_>, size: usize) {
    let bytes = noise(size as u64, size);
    lane.put("key", bytes.clone(), Attributes::default());
    let stored = lane.copied("key").await;
    assert!(content(&stored) == bytes);
    let pending: Vec<_> = lane
        .pending_faults()
        .into_iter()
        .map(|spec| spec.fault)
        .collect();
    assert_eq!(
        pending,
        [another_session()],
        "only the fault of a second session is left"
    );
    assert_eq!(lane.outcomes("key", 1).await.len(), 1);
    assert_eq!(lane.commits("key", 1).await.len(), 1);
    assert_eq!(lane.letters(), []);
}
