//! Hints with which nothing can be done: each ends among the dead letters, at its first delivery or, where
//! one answer proves nothing, some deliveries later, with its reason and all that a replay needs.

use causeway_harness::gcs::Permission;
use causeway_harness::s3::store::Attributes;
use causeway_shared::error::ErrorKind;
use causeway_shared::message::{DeadLetter, HintMessage};
use causeway_shared::retry::DELIVERIES_OF_REFUSED;
use causeway_tests::{Lane, run, shared};

/// Waits for the letter on `key`, which must be of `kind` and say `message`.
async fn assert_dead(lane: &Lane<'_>, key: &str, kind: ErrorKind, message: &str) -> DeadLetter {
    let letter = lane.letter().await;
    assert_eq!((letter.error.kind, &*letter.error.message), (kind, message));
    assert!(!letter.error.advice.is_empty());
    let deliveries = if kind.is_doubtful() {
        DELIVERIES_OF_REFUSED
    } else {
        1
    };
    assert_eq!(letter.deliveries, deliveries);
    let hint: HintMessage = serde_json::from_value(letter.message.clone()).unwrap();
    assert_eq!(
        (&*hint.route, &*hint.hint.bucket, &*hint.hint.key),
        (&*lane.route, &*lane.source, key)
    );
    let outcomes = lane.outcomes(key, deliveries as usize).await;
    let outcome = outcomes.last().unwrap();
    assert_eq!(
        (&outcome["event"], &outcome["then"]),
        (&"failed".into(), &"quarantined".into())
    );
    lane.stack.witness.now(|seen| {
        assert!(
            seen.commits
                .iter()
                .all(|commit| commit.bucket != lane.destination)
        );
    });
    letter
}

#[test]
fn a_source_that_denies_access() {
    run(async {
        let lane = shared().await.lane();
        lane.store().deny(&lane.source, Some("secret")).unwrap();
        lane.put("secret", "not for everybody", Attributes::default());
        let message = format!(
            "S3 answered 403 AccessDenied for the bucket {}: access denied.",
            lane.source
        );
        let letter = assert_dead(&lane, "secret", ErrorKind::SourceDenied, &message).await;
        assert_eq!(letter.error.status, Some(403));
        let action = format!("s3:GetObject on arn:aws:s3:::{}/*", lane.source);
        assert!(
            letter.error.advice.contains(&action),
            "{}",
            letter.error.advice
        );
    });
}

#[test]
fn an_archived_object() {
    run(async {
        let lane = shared().await.lane();
        let attributes = Attributes {
            storage_class: Some("GLACIER".into()),
            ..Attributes::default()
        };
        lane.put("cold", "in the ice", attributes);
        let message = format!(
            "S3 answered 403 InvalidObjectState for the bucket {}: The operation is not valid for the object's storage class GLACIER.",
            lane.source
        );
        let letter = assert_dead(&lane, "cold", ErrorKind::SourceArchived, &message).await;
        assert!(
            letter.error.advice.contains("restore"),
            "{}",
            letter.error.advice
        );
    });
}

#[test]
fn a_source_bucket_that_is_gone() {
    run(async {
        let lane = shared().await.lane();
        lane.store().delete_bucket(&lane.source).unwrap();
        lane.stack
            .send(&causeway_tests::write_event(&lane.source, "key", None))
            .await;
        let message = format!(
            "S3 answered 404 NoSuchBucket for the bucket {}: the bucket does not exist.",
            lane.source
        );
        assert_dead(&lane, "key", ErrorKind::SourceBucketMissing, &message).await;
    });
}

#[test]
fn a_destination_bucket_that_is_gone() {
    run(async {
        for size in [10, 9 << 20] {
            let lane = shared().await.lane();
            lane.stack
                .local
                .gcs
                .state()
                .delete_bucket(&lane.destination)
                .unwrap();
            lane.put("key", vec![0; size], Attributes::default());
            let message = format!(
                "GCS answered 404 notFound for the bucket {}: The specified bucket does not exist.",
                lane.destination
            );
            let letter =
                assert_dead(&lane, "key", ErrorKind::DestinationBucketMissing, &message).await;
            assert!(
                letter
                    .error
                    .advice
                    .contains(&format!("gs://{}", lane.destination))
            );
        }
    });
}

#[test]
fn a_destination_that_denies_access() {
    run(async {
        let lane = shared().await.lane();
        let state = lane.stack.local.gcs.state();
        state.deny(&lane.destination, Permission::Create);
        lane.put("key", "bytes", Attributes::default());
        let letter = lane.letter().await;
        let message = &letter.error.message;
        assert!(
            message.starts_with(&format!(
                "GCS answered 403 forbidden for the bucket {}: ",
                lane.destination
            )),
            "{message}"
        );
        assert!(message.contains("storage.objects.create"), "{message}");
        let message = message.clone();
        assert_dead(&lane, "key", ErrorKind::DestinationDenied, &message).await;
    });
}
