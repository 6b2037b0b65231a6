//! Buckets' settings over HTTP, and the objects that they keep.

use bytes::Bytes;
use causeway_harness::gcs::EmbeddedGcs;
use http::Method;
use reqwest::Client;
use serde_json::{Value, json};

use crate::fixture::{anonymous_server, answer, at, open_session, post, put, refusal};

async fn set(gcs: &EmbeddedGcs, path: &str, change: Value) -> Value {
    let (status, answered) = answer(at(gcs, Method::PATCH, path).json(&change)).await;
    assert_eq!(status, 200, "{answered}");
    answered
}

/// Status and reason of deleting and of replacing `kept`, which are the same.
async fn refused(gcs: &EmbeddedGcs) -> (u16, String) {
    let deleted = refusal(at(gcs, Method::DELETE, "/o/kept")).await;
    let replaced = refusal(post(gcs, "uploadType=media&name=kept").body("other")).await;
    let session = open_session(gcs, "name=kept", json!({})).await;
    let last = put(&session, "bytes 0-0/1", Bytes::from_static(b"x")).await;
    assert_eq!((&deleted, deleted.0), (&replaced, last.status().as_u16()));
    deleted
}

#[tokio::test]
async fn a_retention_policy_and_holds_answer_as_the_service_does() {
    let gcs = anonymous_server().await;
    answer(post(&gcs, "uploadType=media&name=kept").body("kept")).await;
    let bucket = set(
        &gcs,
        "",
        json!({ "retentionPolicy": { "retentionPeriod": "3600" } }),
    )
    .await;
    assert_eq!(bucket["retentionPolicy"]["retentionPeriod"], "3600");
    assert_eq!(bucket["metageneration"], "2");
    assert_eq!(refused(&gcs).await, (403, "retentionPolicyNotMet".into()));
    let (_, object) = answer(at(&gcs, Method::GET, "/o/kept")).await;
    let until = object["retentionExpirationTime"].as_str().unwrap();
    let (_, body) = answer(at(&gcs, Method::DELETE, "/o/kept")).await;
    let message = body["error"]["message"].as_str().unwrap();
    let wanted = "Object 'bucket/kept' is subject to bucket's retention policy";
    assert!(message.starts_with(wanted), "{message}");
    assert!(message.contains(&until[..19]), "{message} {until}");
    let outdated = at(&gcs, Method::DELETE, "/o/kept?ifGenerationMatch=1");
    assert_eq!(refusal(outdated).await.0, 412);

    set(&gcs, "", json!({ "retentionPolicy": null })).await;
    for (hold, called) in [
        ("temporaryHold", "Temporary"),
        ("eventBasedHold", "Event-Based"),
    ] {
        let object = set(&gcs, "/o/kept", json!({ hold: true })).await;
        assert_eq!(object[hold], true);
        assert_eq!(refused(&gcs).await, (403, "forbidden".into()));
        let (_, body) = answer(at(&gcs, Method::DELETE, "/o/kept")).await;
        let message = body["error"]["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("under active {called} hold")),
            "{message}"
        );
        set(&gcs, "/o/kept", json!({ hold: false })).await;
    }
    assert_eq!(answer(at(&gcs, Method::DELETE, "/o/kept")).await.0, 204);
}

#[tokio::test]
async fn an_upload_can_come_with_a_hold_and_a_key() {
    let gcs = anonymous_server().await;
    let key = "projects/p/locations/us/keyRings/r/cryptoKeys/k";
    let session = open_session(
        &gcs,
        &format!("name=a&kmsKeyName={key}"),
        json!({ "temporaryHold": true }),
    )
    .await;
    assert_eq!(
        put(&session, "bytes 0-0/1", Bytes::from_static(b"x"))
            .await
            .status(),
        200
    );
    assert_eq!(refusal(at(&gcs, Method::DELETE, "/o/a")).await.0, 403);
    let (_, object) = answer(at(
        &gcs,
        Method::GET,
        "/o/a?fields=kmsKeyName,crc32c,temporaryHold",
    ))
    .await;
    let version = format!("{key}/cryptoKeyVersions/1");
    let wanted =
        json!({ "kmsKeyName": version, "crc32c": object["crc32c"], "temporaryHold": true });
    assert!(object["crc32c"].is_string() && object == wanted, "{object}");
    for key in ["k", &version] {
        let upload = post(&gcs, &format!("uploadType=media&name=b&kmsKeyName={key}"));
        assert_eq!(refusal(upload.body("x")).await.0, 400, "{key}");
    }
}

#[tokio::test]
async fn objects_take_what_they_do_not_say_from_their_bucket() {
    let gcs = anonymous_server().await;
    let key = "projects/p/locations/us/keyRings/r/cryptoKeys/k";
    let url = format!("{}/storage/v1/b?project=p", gcs.endpoint());
    let settings = json!({
        "name": "archive", "storageClass": "ARCHIVE", "defaultEventBasedHold": true,
        "encryption": { "defaultKmsKeyName": key },
    });
    let (_, bucket) = answer(Client::new().post(&url).json(&settings)).await;
    for (field, value) in settings.as_object().unwrap() {
        assert_eq!(&bucket[field], value, "{field}");
    }
    let upload = |query: &str| {
        let url = format!("{}/upload/storage/v1/b/archive/o?{query}", gcs.endpoint());
        answer(Client::new().post(url).body("x"))
    };
    let (_, object) = upload("uploadType=media&name=a").await;
    assert_eq!(object["storageClass"], "ARCHIVE");
    assert_eq!(object["eventBasedHold"], true);
    assert_eq!(object["kmsKeyName"], format!("{key}/cryptoKeyVersions/1"));
    for settings in [
        json!({ "name": "other", "storageClass": "WARM" }),
        json!({ "name": "other", "retentionPolicy": { "retentionPeriod": "0" } }),
        json!({ "name": "other", "retentionPolicy": {} }),
        json!({ "name": "other", "encryption": { "defaultKmsKeyName": "k" } }),
    ] {
        let refused = refusal(Client::new().post(&url).json(&settings)).await;
        assert_eq!(refused.0, 400, "{settings}");
    }
}
