//! The embedded GCS over HTTP: with Google's own Rust client, which knows nothing of our code, and
//! request by request where the rules are stricter than any client tries.
//!
//! Google's control client (buckets, listing, deleting) speaks gRPC and has no counterpart here.
#![allow(clippy::unwrap_used, clippy::large_futures)]

use std::time::Duration;

use bytes::Bytes;
use causeway_harness::gcs::{
    EmbeddedGcs, Fault, FaultSpec, GcsOptions, Permission, ServiceAccount,
};
use google_cloud_auth::credentials::{Credentials, anonymous, service_account};
use google_cloud_storage::client::Storage;
use google_cloud_storage::model_ext::ReadRange;
use http::{Method, StatusCode};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BUCKET: &str = "projects/_/buckets/bucket";
const QUANTUM: usize = 256 << 10;

async fn start(options: GcsOptions) -> EmbeddedGcs {
    let gcs = EmbeddedGcs::start(options).await.unwrap();
    gcs.state().create_bucket("bucket").unwrap();
    gcs
}

async fn anonymous_server() -> EmbeddedGcs {
    start(GcsOptions::default()).await
}

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

fn pattern(length: usize) -> Bytes {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

fn post(gcs: &EmbeddedGcs, query: &str) -> RequestBuilder {
    Client::new().post(format!(
        "{}/upload/storage/v1/b/bucket/o?{query}",
        gcs.endpoint()
    ))
}

fn at(gcs: &EmbeddedGcs, method: Method, path: &str) -> RequestBuilder {
    Client::new().request(
        method,
        format!("{}/storage/v1/b/bucket{path}", gcs.endpoint()),
    )
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// Status and reason of an answer that should be an error.
async fn refusal(request: RequestBuilder) -> (u16, String) {
    let (status, body) = answer(request).await;
    assert_eq!(body["error"]["code"], status, "{body}");
    (
        status,
        body["error"]["errors"][0]["reason"]
            .as_str()
            .unwrap()
            .to_owned(),
    )
}

async fn open_session(gcs: &EmbeddedGcs, query: &str, metadata: Value) -> String {
    let start = post(gcs, &format!("uploadType=resumable&{query}")).json(&metadata);
    let response = start.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.headers()["location"].to_str().unwrap().to_owned()
}

async fn put(session: &str, range: &str, body: Bytes) -> Response {
    let request = Client::new().put(session).header("content-range", range);
    request.body(body).send().await.unwrap()
}

/// Status and `Range` of an answer to a piece.
fn progress(response: &Response) -> (u16, Option<&str>) {
    let range = response
        .headers()
        .get("range")
        .map(|range| range.to_str().unwrap());
    (response.status().as_u16(), range)
}

fn fail(gcs: &EmbeddedGcs, method: Method, path_contains: &str, fault: Fault) {
    let path_contains = path_contains.to_owned();
    gcs.faults().fail_next(FaultSpec {
        method: Some(method),
        path_contains,
        fault,
    });
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

#[tokio::test]
async fn multipart_shows_all_fields_and_checks_the_body() {
    let gcs = anonymous_server().await;
    let metadata = json!({
        "name": "a/b", "contentType": "text/plain", "cacheControl": "no-cache",
        "customTime": "2025-01-02T03:04:05Z", "metadata": { "k": "v" },
        "crc32c": "yZRlqg==", "md5Hash": "XrY7u+Ae7tCTyyK7j1rNww==",
    });
    let send = |media| {
        let body = format!("--b\r\n\r\n{metadata}\r\n--b\r\n\r\n{media}\r\n--b--");
        let request = post(&gcs, "uploadType=multipart");
        request
            .header("content-type", "multipart/related; boundary=b")
            .body(body)
    };
    assert_eq!(refusal(send("hello worle")).await, (400, "invalid".into()));
    let (status, object) = answer(send("hello world")).await;
    assert_eq!(status, 200, "{object}");
    assert_eq!(object, answer(at(&gcs, Method::GET, "/o/a%2Fb")).await.1);
    let wanted = [
        ("kind", "storage#object"),
        ("size", "11"),
        ("crc32c", "yZRlqg=="),
        ("md5Hash", "XrY7u+Ae7tCTyyK7j1rNww=="),
        ("metageneration", "1"),
        ("storageClass", "STANDARD"),
        ("cacheControl", "no-cache"),
        ("customTime", "2025-01-02T03:04:05.000Z"),
    ];
    for (field, value) in wanted {
        assert_eq!(object[field], value, "{field}");
    }
    let media = reqwest::get(object["mediaLink"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(
        media.headers()["x-goog-hash"],
        "crc32c=yZRlqg==,md5=XrY7u+Ae7tCTyyK7j1rNww=="
    );
    assert_eq!(
        media.headers()["x-goog-generation"],
        object["generation"].as_str().unwrap()
    );
    assert_eq!(media.text().await.unwrap(), "hello world");
    let beyond = at(&gcs, Method::GET, "/o/a%2Fb?alt=media").header("range", "bytes=11-");
    assert_eq!(refusal(beyond).await.0, 416);
}

#[tokio::test]
async fn multipart_checks_checksums_that_trail_the_media() {
    let gcs = anonymous_server().await;
    for (crc32c, wanted) in [("AAAAAA==", 400), ("yZRlqg==", 200)] {
        let checksums = json!({ "crc32c": crc32c });
        let body = format!(
            "--b\r\n\r\n{{}}\r\n--b\r\n\r\nhello world\r\n--b\r\n\r\n{checksums}\r\n--b--\r\n"
        );
        let request = post(&gcs, "uploadType=multipart&name=t").body(body);
        let request = request.header("content-type", "multipart/related; boundary=\"b\"");
        assert_eq!(answer(request).await.0, wanted);
        assert_eq!(
            gcs.state().object("bucket", "t", None).is_ok(),
            wanted == 200
        );
    }
}

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

/// A sender that dies in the middle of a body with a Content-Length, on a bare connection.
async fn die_after(gcs: &EmbeddedGcs, target: &str, announced: usize, body: &[u8]) {
    let address = gcs.endpoint().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{target} HTTP/1.1\r\nHost: x\r\nContent-Length: {announced}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
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

#[tokio::test]
async fn patch_compose_copy_list_delete() {
    let gcs = anonymous_server().await;
    for name in ["a/1", "a/2", "b"] {
        answer(post(&gcs, &format!("uploadType=media&name={name}")).body(name)).await;
    }
    let change = json!({ "metadata": { "k": "v" }, "contentLanguage": "de" });
    let attempt = || at(&gcs, Method::PATCH, "/o/b?ifMetagenerationMatch=1").json(&change);
    let (_, changed) = answer(attempt()).await;
    assert_eq!(
        (&changed["metageneration"], &changed["metadata"]["k"]),
        (&json!("2"), &json!("v"))
    );
    assert_eq!(refusal(attempt()).await, (412, "conditionNotMet".into()));
    let path = format!(
        "/o/b?ifGenerationNotMatch={}",
        changed["generation"].as_str().unwrap()
    );
    assert_eq!(answer(at(&gcs, Method::GET, &path)).await.0, 304);

    let sources = json!({ "sourceObjects": [{ "name": "a/1" }, { "name": "a/2" }] });
    let compose = at(&gcs, Method::POST, "/o/c/compose?ifGenerationMatch=0").json(&sources);
    let (_, composed) = answer(compose).await;
    assert_eq!(
        (&composed["componentCount"], composed.get("md5Hash")),
        (&json!(2), None)
    );
    let (_, copied) =
        answer(at(&gcs, Method::POST, "/o/c/rewriteTo/b/bucket/o/d%2Fe").body("null")).await;
    assert_eq!(
        (&copied["done"], &copied["resource"]["name"]),
        (&json!(true), &json!("d/e"))
    );
    let media = at(&gcs, Method::GET, "/o/d%2Fe?alt=media")
        .send()
        .await
        .unwrap();
    assert_eq!(media.text().await.unwrap(), "a/1a/2");

    let (_, page) = answer(at(&gcs, Method::GET, "/o?delimiter=/&maxResults=2")).await;
    assert_eq!(
        (&page["prefixes"], &page["items"][0]["name"]),
        (&json!(["a/"]), &json!("b"))
    );
    let path = format!(
        "/o?delimiter=/&pageToken={}",
        page["nextPageToken"].as_str().unwrap()
    );
    let (_, page) = answer(at(&gcs, Method::GET, &path)).await;
    assert_eq!(
        (&page["prefixes"], &page["items"][0]["name"]),
        (&json!(["d/"]), &json!("c"))
    );

    assert_eq!(
        refusal(at(&gcs, Method::DELETE, "")).await,
        (409, "conflict".into())
    );
    assert_eq!(
        refusal(at(&gcs, Method::DELETE, "/o/b?ifGenerationMatch=1"))
            .await
            .0,
        412
    );
    assert_eq!(answer(at(&gcs, Method::DELETE, "/o/b")).await.0, 204);
    assert_eq!(
        refusal(at(&gcs, Method::DELETE, "/o/b")).await,
        (404, "notFound".into())
    );
}

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
