//! Stores that fail on the way: what failed is done again, alone, and all the rest is kept.

use causeway_harness::gcs::Fault;
use causeway_harness::s3;
use causeway_tests::run;
use reqwest::{Method, StatusCode};

use crate::fixture::{MIB, all_met, arrived, copy, fail_gcs, fail_s3, large, put, shared, written};

fn unavailable() -> Fault {
    Fault::Return {
        status: StatusCode::SERVICE_UNAVAILABLE,
        retry_after: None,
    }
}

#[test]
fn a_part_whose_upload_fails_is_sent_again_alone() {
    run(async {
        let lane = shared().await.lane();
        fail_gcs(&lane, Method::POST, "o?uploadType=multipart", unavailable());
        fail_gcs(
            &lane,
            Method::POST,
            "o?uploadType=multipart",
            Fault::BreakUpload { after: 500_000 },
        );
        copy(&lane, &large(6 * MIB)).await;
        all_met(&lane);
        assert_eq!(written(&lane, ".causeway-parts/"), 6 + 1);
    });
}

#[test]
fn a_part_whose_reply_was_lost_is_written_twice_and_used_once() {
    run(async {
        let lane = shared().await.lane();
        let lost = Fault::ResetAfterCommit;
        fail_gcs(&lane, Method::POST, "o?uploadType=multipart", lost.clone());
        fail_gcs(&lane, Method::POST, "o?uploadType=multipart", lost);
        copy(&lane, &large(4 * MIB)).await;
        all_met(&lane);
    });
}

#[test]
fn a_commit_whose_reply_was_lost_is_found_and_not_made_twice() {
    run(async {
        let lane = shared().await.lane();
        fail_gcs(
            &lane,
            Method::POST,
            "o/key/compose",
            Fault::ResetAfterCommit,
        );
        copy(&lane, &large(4 * MIB)).await;
        all_met(&lane);
        assert_eq!(lane.commits("key", 1).await.len(), 1);
    });
}

#[test]
fn a_commit_that_is_refused_for_a_while_is_made_later() {
    run(async {
        let lane = shared().await.lane();
        for _ in 0..4 {
            fail_gcs(&lane, Method::POST, "o/key/compose", unavailable());
        }
        copy(&lane, &large(3 * MIB)).await;
        all_met(&lane);
    });
}

#[test]
fn an_intermediate_node_whose_reply_was_lost_is_found() {
    run(async {
        let lane = shared().await.lane();
        fail_gcs(
            &lane,
            Method::POST,
            "o/.causeway-parts",
            Fault::ResetAfterCommit,
        );
        copy(&lane, &large(129 * MIB)).await;
        all_met(&lane);
    });
}

#[test]
fn parts_that_cannot_be_deleted_at_once_are_deleted_later() {
    run(async {
        let lane = shared().await.lane();
        for _ in 0..3 {
            fail_gcs(&lane, Method::DELETE, "o/.causeway-parts", unavailable());
        }
        copy(&lane, &large(3 * MIB)).await;
        all_met(&lane);
    });
}

#[test]
fn a_source_that_breaks_off_has_only_that_part_read_again() {
    run(async {
        let lane = shared().await.lane();
        let spec = large(7 * MIB + 7);
        // No other test reads from there.
        fail_s3(&lane, 7 * MIB, s3::Fault::Break { after: 3 });
        put(&lane, &spec);
        arrived(&lane, &spec).await;
        assert_eq!(written(&lane, ".causeway-parts/"), 8 + 1);
    });
}

#[test]
fn a_source_that_is_busy_is_asked_again() {
    run(async {
        let lane = shared().await.lane();
        let spec = large(9 * MIB);
        for _ in 0..4 {
            let fault = s3::Fault::Return {
                status: StatusCode::SERVICE_UNAVAILABLE,
                retry_after: None,
            };
            fail_s3(&lane, 8 * MIB, fault);
        }
        put(&lane, &spec);
        arrived(&lane, &spec).await;
    });
}
