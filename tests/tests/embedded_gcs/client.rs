//! With Google's own client.

use causeway_harness::gcs::{EmbeddedGcs, Fault, GcsOptions, ServiceAccount};
use google_cloud_auth::credentials::{Credentials, anonymous, service_account};
use google_cloud_storage::client::Storage;
use google_cloud_storage::model_ext::ReadRange;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::fixture::{QUANTUM, anonymous_server, at, fail, pattern, refusal, start};

const BUCKET: &str = "projects/_/buckets/bucket";

async fn google(gcs: &EmbeddedGcs, credentials: Credentials) -> Storage {
    let builder = Storage::builder().with_endpoint(gcs.endpoint());
    builder.with_credentials(credentials).build().await.unwrap()
}

async fn google_read(client: &Storage, name: &str, range: ReadRange) -> Vec<u8> {
    let mut read = client
        .read_object(BUCKET, name)
        .set_read_range(range)
        .send()
        .await
        .unwrap();
    let mut all = Vec::new();
    while let Some(piece) = read.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    all
}

#[tokio::test]
async fn googles_client_writes_and_reads() {
    let gcs = anonymous_server().await;
    let client = google(&gcs, anonymous::Builder::new().build()).await;
    let name = "dir//a+b %2F&é";
    let write = client
        .write_object(BUCKET, name, "hello world")
        .set_content_type("text/plain");
    let write = write
        .set_metadata([("color", "red")])
        .set_if_generation_match(0);
    let written = write.send_unbuffered().await.unwrap();
    assert_eq!(
        (written.size, written.content_type.as_str()),
        (11, "text/plain")
    );
    let object = gcs.state().object("bucket", name, None).unwrap();
    assert_eq!(object.metadata.custom["color"], "red");
    assert_eq!(
        google_read(&client, name, ReadRange::segment(6, 5)).await,
        b"world"
    );

    let again = client
        .write_object(BUCKET, name, "other")
        .set_if_generation_match(0);
    assert_eq!(
        again
            .send_unbuffered()
            .await
            .unwrap_err()
            .http_status_code(),
        Some(412)
    );
}

#[tokio::test]
async fn googles_client_uploads_in_chunks_and_resumes() {
    let gcs = anonymous_server().await;
    let client = google(&gcs, anonymous::Builder::new().build()).await;
    let body = pattern(5 * QUANTUM + 17);
    let status = StatusCode::SERVICE_UNAVAILABLE;
    fail(
        &gcs,
        Method::PUT,
        "upload_id",
        Fault::ReturnAfter {
            status,
            after: 300_000,
        },
    );
    fail(&gcs, Method::PUT, "upload_id", Fault::ResetAfterCommit);
    client
        .write_object(BUCKET, "large", body.clone())
        .with_resumable_upload_threshold(0_usize)
        .with_resumable_upload_buffer_size(2 * QUANTUM)
        .set_if_generation_match(0)
        .send_buffered()
        .await
        .unwrap();
    gcs.faults().assert_consumed();
    assert!(google_read(&client, "large", ReadRange::all()).await == body);
}

#[tokio::test]
async fn googles_client_is_refused_wrong_checksums() {
    let gcs = anonymous_server().await;
    let client = google(&gcs, anonymous::Builder::new().build()).await;
    for threshold in [0_usize, 1 << 20] {
        let write = client
            .write_object(BUCKET, "wrong", "hello")
            .with_resumable_upload_threshold(threshold);
        let refused = write
            .with_known_crc32c(7_u32)
            .send_unbuffered()
            .await
            .unwrap_err();
        assert_eq!(refused.http_status_code(), Some(400), "{refused}");
        assert!(gcs.state().object("bucket", "wrong", None).is_err());
    }
}

#[tokio::test]
async fn googles_client_signs_its_own_tokens() {
    let (credential, key) = ServiceAccount::generate("test@example.iam").unwrap();
    let gcs = start(GcsOptions {
        accounts: vec![key],
        ..GcsOptions::default()
    })
    .await;
    let file: Value = serde_json::from_str(&credential).unwrap();
    let good = google(&gcs, service_account::Builder::new(file).build().unwrap()).await;
    good.write_object(BUCKET, "a", "1")
        .send_unbuffered()
        .await
        .unwrap();

    assert_eq!(
        refusal(at(&gcs, Method::GET, "/o/a")).await,
        (401, "authError".into())
    );
    let (stranger, _) = ServiceAccount::generate("test@example.iam").unwrap();
    let file: Value = serde_json::from_str(&stranger).unwrap();
    let bad = google(&gcs, service_account::Builder::new(file).build().unwrap()).await;
    let refused = bad
        .write_object(BUCKET, "b", "1")
        .send_unbuffered()
        .await
        .unwrap_err();
    assert_eq!(refused.http_status_code(), Some(401), "{refused}");
}
