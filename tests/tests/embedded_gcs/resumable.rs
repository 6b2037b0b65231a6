//! Uploads in pieces: what persists, what is asked, and when the object appears.

use bytes::Bytes;
use http::Method;
use reqwest::Client;
use serde_json::{Value, json};

use crate::fixture::{
    QUANTUM, anonymous_server, answer, at, die_after, open_session, pattern, post, progress, put,
    refusal,
};

#[tokio::test]
async fn resumable_pieces_status_and_end() {
    let gcs = anonymous_server().await;
    let body = pattern(2 * QUANTUM + 3);
    let total = body.len();
    let session = open_session(&gcs, "name=r&ifGenerationMatch=0", json!({})).await;

    let nothing = put(&session, "bytes */*", Bytes::new()).await;
    assert_eq!(progress(&nothing), (308, None));
    let range = format!("bytes {QUANTUM}-{}/{total}", total - 1);
    assert_eq!(
        put(&session, &range, body.slice(QUANTUM..)).await.status(),
        503
    );
    let odd = put(&session, &format!("bytes 0-9/{total}"), body.slice(..10)).await;
    assert_eq!(odd.status(), 400);
    let range = format!("bytes 0-{}/*", QUANTUM - 1);
    let first = put(&session, &range, body.slice(..QUANTUM)).await;
    assert_eq!(progress(&first), (308, Some("bytes=0-262143")));
    let query = Client::new()
        .post(&session)
        .header("content-range", format!("bytes */{total}"));
    let overridden = query
        .header("x-guploader-no-308", "yes")
        .send()
        .await
        .unwrap();
    assert_eq!(progress(&overridden), (200, Some("bytes=0-262143")));
    assert_eq!(overridden.headers()["x-http-status-code-override"], "308");
    assert!(gcs.state().object("bucket", "r", None).is_err());

    let last = put(
        &session,
        &format!("bytes 0-{}/{total}", total - 1),
        body.clone(),
    )
    .await;
    assert_eq!(last.status(), 200);
    let object: Value = last.json().await.unwrap();
    let asked = put(&session, &format!("bytes */{total}"), Bytes::new()).await;
    assert_eq!(asked.status(), 200);
    assert_eq!(
        asked.json::<Value>().await.unwrap()["generation"],
        object["generation"]
    );
}

#[tokio::test]
async fn resumable_bodies_of_other_clients() {
    let gcs = anonymous_server().await;
    let body = pattern(1000);
    let chunked = || {
        let pieces = [body.slice(..10), body.slice(10..)].map(Ok::<_, std::io::Error>);
        reqwest::Body::wrap_stream(futures::stream::iter(pieces))
    };
    for range in [
        None,
        Some("bytes 0-*/*"),
        Some("bytes 0-*/1000"),
        Some("bytes 0-999/1000"),
    ] {
        for streamed in [false, true] {
            let session = open_session(&gcs, "name=x", json!({})).await;
            let mut request = Client::new().put(&session);
            if let Some(range) = range {
                request = request.header("content-range", range);
            }
            let body = if streamed {
                chunked()
            } else {
                body.clone().into()
            };
            let (status, object) = answer(request.body(body)).await;
            assert_eq!(
                (status, &object["size"]),
                (200, &json!("1000")),
                "{range:?} {streamed}"
            );
        }
    }
}

#[tokio::test]
async fn resumable_preconditions_and_hashes_count_at_the_end() {
    let gcs = anonymous_server().await;
    let session = open_session(&gcs, "name=p&ifGenerationMatch=0", json!({})).await;
    answer(post(&gcs, "uploadType=media&name=p").body("first")).await;
    assert_eq!(put(&session, "bytes 0-0/1", "2".into()).await.status(), 412);
    assert_eq!(put(&session, "bytes */1", Bytes::new()).await.status(), 404);

    let session = open_session(&gcs, "name=h", json!({ "contentType": "a/b" })).await;
    let wrong = Client::new()
        .put(&session)
        .header("content-range", "bytes 0-4/5");
    let wrong = wrong.header("x-goog-hash", "crc32c=AAAAAA==").body("hello");
    assert_eq!(refusal(wrong).await, (400, "invalid".into()));
    assert_eq!(answer(at(&gcs, Method::GET, "/o/h")).await.0, 404);

    let session = open_session(&gcs, "name=c", json!({})).await;
    assert_eq!(
        Client::new()
            .delete(&session)
            .send()
            .await
            .unwrap()
            .status(),
        499
    );
    assert_eq!(put(&session, "bytes */*", Bytes::new()).await.status(), 404);
}

#[tokio::test]
async fn bodies_that_break_off_commit_nothing() {
    let gcs = anonymous_server().await;
    let body = pattern(2 * QUANTUM);
    let target = "POST /upload/storage/v1/b/bucket/o?uploadType=media&name=m";
    die_after(&gcs, target, 20, b"half").await;
    assert!(gcs.state().object("bucket", "m", None).is_err());

    let session = open_session(&gcs, "name=s", json!({})).await;
    let path = session.strip_prefix(&gcs.endpoint()).unwrap();
    die_after(&gcs, &format!("PUT {path}"), body.len(), &body[..300_000]).await;
    for total in ["*", "524288"] {
        let status = put(&session, &format!("bytes */{total}"), Bytes::new()).await;
        assert_eq!(progress(&status), (308, Some("bytes=0-262143")));
    }
}
