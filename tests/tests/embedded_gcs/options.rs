//! What a test may ask of the store beyond the protocol: options, denials and faults.

use std::time::Duration;

use bytes::Bytes;
use causeway_harness::gcs::{Fault, GcsOptions, Permission};
use http::{Method, StatusCode};
use reqwest::Client;
use serde_json::json;

use crate::fixture::{anonymous_server, answer, at, fail, pattern, post, refusal, start};

#[tokio::test]
async fn options_and_denials() {
    let gcs = start(GcsOptions {
        require_content_length: true,
        create_buckets: true,
        ..GcsOptions::default()
    });
    let gcs = gcs.await;
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from("x"))]);
    let chunked = post(&gcs, "uploadType=media&name=x").body(reqwest::Body::wrap_stream(stream));
    assert_eq!(refusal(chunked).await.0, 411);
    let url = format!(
        "{}/upload/storage/v1/b/fresh/o?uploadType=media&name=x",
        gcs.endpoint()
    );
    assert_eq!(answer(Client::new().post(url).body("x")).await.0, 200);
    assert!(gcs.state().bucket("fresh").is_ok());

    gcs.state().deny("bucket", Permission::Create);
    let (status, body) = answer(post(&gcs, "uploadType=media&name=x").body("x")).await;
    let message = body["error"]["message"].as_str().unwrap();
    assert_eq!(status, 403);
    assert!(message.contains(
        "does not have storage.objects.create access to the Google Cloud Storage object"
    ));

    let gcs = start(GcsOptions {
        discard_bodies: true,
        ..GcsOptions::default()
    })
    .await;
    let (_, object) = answer(post(&gcs, "uploadType=media&name=x").body("hello world")).await;
    assert_eq!(
        (&object["crc32c"], object.get("md5Hash")),
        (&json!("yZRlqg=="), None)
    );
    let declared = post(&gcs, "uploadType=media&name=y").body("hello world");
    let md5 = "AAAAAAAAAAAAAAAAAAAAAA==";
    let (_, object) = answer(declared.header("x-goog-hash", format!("md5={md5}"))).await;
    assert_eq!(object["md5Hash"], md5);
    assert_eq!(
        refusal(at(&gcs, Method::GET, "/o/x?alt=media")).await.0,
        501
    );
}

#[tokio::test]
async fn faults_happen_once_and_are_counted() {
    let gcs = anonymous_server().await;
    let mut commits = gcs.commits();
    let upload = || {
        post(&gcs, "uploadType=media&name=f")
            .body(pattern(100_000))
            .send()
    };
    let status = StatusCode::TOO_MANY_REQUESTS;
    fail(
        &gcs,
        Method::POST,
        "name=f",
        Fault::Return {
            status,
            retry_after: Some(7),
        },
    );
    let limited = upload().await.unwrap();
    assert_eq!(limited.status(), status);
    assert_eq!(limited.headers()["retry-after"], "7");
    for fault in [Fault::ResetConnection, Fault::BreakUpload { after: 1000 }] {
        fail(&gcs, Method::POST, "name=f", fault);
        assert!(upload().await.is_err());
        assert!(
            commits.try_recv().is_err(),
            "a fault before the end committed"
        );
    }
    fail(&gcs, Method::POST, "name=f", Fault::ResetAfterCommit);
    assert!(upload().await.is_err());
    assert_eq!(commits.try_recv().unwrap().size, 100_000);

    let read = async |fault| {
        fail(&gcs, Method::GET, "alt=media", fault);
        at(&gcs, Method::GET, "/o/f?alt=media")
            .send()
            .await
            .unwrap()
            .bytes()
            .await
    };
    assert!(read(Fault::BreakDownload { after: 1000 }).await.is_err());
    assert_ne!(
        read(Fault::CorruptDownload).await.unwrap(),
        pattern(100_000)
    );
    let stall = Fault::Stall {
        pause: Duration::from_millis(1),
        after: 1000,
    };
    assert_eq!(read(stall).await.unwrap(), pattern(100_000));
    gcs.faults().assert_consumed();
    assert_eq!(gcs.faults().consumed(), 7);
}
