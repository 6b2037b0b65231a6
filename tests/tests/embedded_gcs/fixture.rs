//! The store with one bucket, and the requests that tests make of it. No test stands here.

use bytes::Bytes;
use causeway_harness::gcs::{EmbeddedGcs, Fault, FaultSpec, GcsOptions};
use http::Method;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const QUANTUM: usize = 256 << 10;

pub(crate) async fn start(options: GcsOptions) -> EmbeddedGcs {
    let gcs = EmbeddedGcs::start(options).await.unwrap();
    gcs.state().create_bucket("bucket").unwrap();
    gcs
}

pub(crate) async fn anonymous_server() -> EmbeddedGcs {
    start(GcsOptions::default()).await
}

pub(crate) fn pattern(length: usize) -> Bytes {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

pub(crate) fn post(gcs: &EmbeddedGcs, query: &str) -> RequestBuilder {
    Client::new().post(format!(
        "{}/upload/storage/v1/b/bucket/o?{query}",
        gcs.endpoint()
    ))
}

pub(crate) fn at(gcs: &EmbeddedGcs, method: Method, path: &str) -> RequestBuilder {
    Client::new().request(
        method,
        format!("{}/storage/v1/b/bucket{path}", gcs.endpoint()),
    )
}

pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

/// Status and reason of an answer that should be an error.
pub(crate) async fn refusal(request: RequestBuilder) -> (u16, String) {
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

pub(crate) async fn open_session(gcs: &EmbeddedGcs, query: &str, metadata: Value) -> String {
    let start = post(gcs, &format!("uploadType=resumable&{query}")).json(&metadata);
    let response = start.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.headers()["location"].to_str().unwrap().to_owned()
}

pub(crate) async fn put(session: &str, range: &str, body: Bytes) -> Response {
    let request = Client::new().put(session).header("content-range", range);
    request.body(body).send().await.unwrap()
}

/// Status and `Range` of an answer to a piece.
pub(crate) fn progress(response: &Response) -> (u16, Option<&str>) {
    let range = response
        .headers()
        .get("range")
        .map(|range| range.to_str().unwrap());
    (response.status().as_u16(), range)
}

pub(crate) fn fail(gcs: &EmbeddedGcs, method: Method, path_contains: &str, fault: Fault) {
    let path_contains = path_contains.to_owned();
    gcs.faults().fail_next(FaultSpec {
        method: Some(method),
        path_contains,
        fault,
    });
}

/// A sender that dies in the middle of a body with a Content-Length, on a bare connection.
pub(crate) async fn die_after(gcs: &EmbeddedGcs, target: &str, announced: usize, body: &[u8]) {
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
