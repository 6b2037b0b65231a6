//! Large objects where parts are not allowed.

use causeway_harness::gcs::{Fault, Permission};
use causeway_shared::error::ErrorKind;
use causeway_tests::{Seen, content, run};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::fixture::{MIB, all_met, ended, fail_gcs, large, put, shared, with_options, written};

#[test]
fn a_bucket_that_lets_nothing_be_deleted_gets_the_object_in_one_stream() {
    run(async {
        let lane = shared().await.lane();
        let state = lane.stack.local.gcs.state();
        state.deny(&lane.destination, Permission::Delete);
        let spec = large(4 * MIB);
        put(&lane, &spec);
        ended(&lane, "copied").await;
        let stored = lane.stored("key").unwrap();
        assert!(content(&stored) == spec.body().bytes().await.unwrap());
        // What tried it is empty, and all that stays.
        assert_eq!(written(&lane, ".causeway-parts/"), 1);
        assert_eq!(lane.letters(), []);
    });
}

#[test]
fn a_route_can_forbid_parts() {
    run(async {
        let stack = with_options(json!({"parts": false})).await;
        let lane = stack.lane();
        let spec = large(300 * MIB);
        put(&lane, &spec);
        let line = ended(&lane, "copied").await;
        assert_eq!(line["bytes"], spec.size());
        assert_eq!(lane.names(), ["key"]);
        assert_eq!(lane.stored("key").unwrap().content.crc32c, spec.crc32c());
        assert_eq!(written(&lane, ".causeway-parts/"), 0);
    });
}

/// Without any checksum at the source: it is computed, and goes on with the session.
#[test]
fn an_upload_goes_on_from_message_to_message_and_survives_what_happens_to_its_session() {
    run(async {
        let stack = with_options(json!({"parts": false, "carry_after_s": 1})).await;
        stack.local.s3.throttle().set(Some(180_000_000));
        let lane = stack.lane();
        let mut spec = large(600 * MIB);
        spec.checksum = None;
        // The reply to the first slice never comes; of the second, GCS takes a part.
        fail_gcs(
            &lane,
            Method::PUT,
            "o?uploadType=resumable",
            Fault::ResetAfterCommit,
        );
        let half = Fault::BreakUpload { after: 100 << 20 };
        fail_gcs(&lane, Method::PUT, "o?uploadType=resumable", half);
        put(&lane, &spec);
        let line = ended(&lane, "copied").await;
        assert_eq!(line["proof"], "computed-crc32c");
        let carried = stack.witness.now(|seen| {
            let lines = seen.log.iter();
            lines.filter(|line| line["event"] == "carried-on").count()
        });
        assert!(carried >= 1, "{carried}");
        all_met(&lane);
        assert_eq!(lane.names(), ["key"]);
        assert_eq!(lane.stored("key").unwrap().content.crc32c, spec.crc32c());
        assert_eq!(lane.commits("key", 1).await.len(), 1);
    });
}

#[test]
fn a_session_that_gcs_has_lost_is_replaced() {
    run(async {
        let stack = with_options(json!({"parts": false, "carry_after_s": 1})).await;
        stack.local.s3.throttle().set(Some(180_000_000));
        let lane = stack.lane();
        let mut spec = large(400 * MIB);
        spec.checksum = None;
        put(&lane, &spec);
        let look = |seen: &Seen| {
            let mut lines = seen.log.iter();
            lines.find(|line| line["event"] == "carried-on").map(drop)
        };
        stack.witness.until("a session carried on", look).await;
        let gone = Fault::Return {
            status: StatusCode::GONE,
            retry_after: None,
        };
        fail_gcs(&lane, Method::PUT, "o?uploadType=resumable", gone);
        ended(&lane, "copied").await;
        all_met(&lane);
        assert_eq!(lane.stored("key").unwrap().content.crc32c, spec.crc32c());
        assert_eq!(lane.letters(), []);
    });
}

#[test]
fn more_than_gcs_holds_is_refused_with_the_reason() {
    run(async {
        let lane = shared().await.lane();
        put(&lane, &large((5 << 40) + 1));
        let letter = lane.letter().await;
        assert_eq!(letter.error.kind, ErrorKind::TooLarge);
        assert!(letter.error.message.contains("5 TiB"), "{}", letter.error);
        assert_eq!(lane.names(), Vec::<String>::new());
    });
}
