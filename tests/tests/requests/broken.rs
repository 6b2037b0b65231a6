//! Sources whose bodies break: nothing is committed, and the object is read again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use causeway_shared::error::ErrorKind;
use causeway_tests::{Lane, Stack, content, noise, run, write_event};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::Scripted;

const ETAG: &str = "ETag: \"an-opaque-etag\"\r\n";

/// A source that answers its n-th request with the n-th of these bytes, and from then on with the
/// last, to the letter, and closes the connection.
struct RawSource {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl RawSource {
    async fn start(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let answers = Arc::new(answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (counter, answers) = (Arc::clone(&counter), Arc::clone(&answers));
                tokio::spawn(async move {
                    if let Some(stream) = read_head(stream).await {
                        let n = counter.fetch_add(1, Ordering::SeqCst);
                        answer(stream, &answers[n.min(answers.len() - 1)]).await;
                    }
                });
            }
        });
        Self { url, requests }
    }
}

/// Reads a request without a body; none if the connection was closed instead.
async fn read_head(mut stream: TcpStream) -> Option<TcpStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(stream)
}

async fn answer(mut stream: TcpStream, bytes: &[u8]) {
    // The worker may well hang up before the end.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
}

/// An answer whose headers say `length` and whose body is `bytes`.
fn reply(headers: &str, length: usize, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), bytes].concat()
}

fn md5_etag(bytes: &[u8]) -> String {
    format!("ETag: {}\r\n", Scripted::new(bytes.to_vec()).etag)
}

/// Sends a hint of `size` bytes along a stack that reads from `source` and waits for `count`
/// outcomes.
async fn outcomes(lane: &Lane<'_>, size: usize, count: usize) -> Vec<Value> {
    lane.stack
        .send(&write_event(&lane.source, "key", Some(size as u64)))
        .await;
    lane.outcomes("key", count).await
}

async fn stack(source: &RawSource) -> Stack {
    let bindings = json!({"AWS_ENDPOINT_URL_S3": source.url});
    Stack::start(1, bindings.as_object().unwrap().clone()).await
}

/// A source that says `size` bytes and sends half of them, always.
async fn assert_nothing_of(size: usize, etag: &str) {
    let source = RawSource::start(vec![reply(etag, size, &noise(1, size / 2))]).await;
    let stack = stack(&source).await;
    let lane = stack.lane();
    let outcomes = outcomes(&lane, size, 2).await;
    for outcome in &outcomes {
        assert_eq!(outcome["event"], "failed");
        assert_eq!(outcome["fault"], "source", "{outcome}");
        let message = outcome["message"].as_str().unwrap();
        assert!(
            message.ends_with('.') && !message.ends_with(".."),
            "{message}"
        );
        assert_eq!(outcome["then"], "retried", "{outcome}");
    }
    assert!(source.requests.load(Ordering::SeqCst) >= 2);
    assert!(lane.names().is_empty());
    stack
        .witness
        .now(|seen| assert_eq!((&seen.commits[..], &seen.letters[..]), (&[][..], &[][..])));
    stack.local.stop().await.unwrap();
}

#[test]
fn half_of_a_small_object_is_nothing() {
    run(async {
        let etag = md5_etag(&noise(1, 100_000));
        assert_nothing_of(100_000, &etag).await;
    });
}

/// Without a checksum beforehand, only the length tells.
#[test]
fn half_of_an_object_without_a_checksum_is_nothing() {
    run(async {
        assert_nothing_of(100_000, ETAG).await;
        assert_nothing_of(600_000, ETAG).await;
    });
}

#[test]
fn half_of_a_large_object_is_nothing() {
    run(async {
        let etag = md5_etag(&noise(1, 9 << 20));
        assert_nothing_of(9 << 20, &etag).await;
    });
}

#[test]
fn a_source_that_breaks_once_is_read_again() {
    run(async {
        for size in [100_000, 600_000] {
            let bytes = noise(2, size);
            let whole = reply(ETAG, size, &bytes);
            let source = RawSource::start(vec![whole[..whole.len() - 5].to_vec(), whole]).await;
            let stack = stack(&source).await;
            let lane = stack.lane();
            let outcome = outcomes(&lane, size, 1).await.remove(0);
            assert_eq!(outcome["event"], "copied", "{outcome}");
            assert!(content(&lane.stored("key").unwrap()) == bytes);
            assert_eq!(lane.commits("key", 1).await.len(), 1);
            stack.local.stop().await.unwrap();
        }
    });
}

#[test]
fn more_bytes_than_the_length_says_are_no_part_of_the_object() {
    run(async {
        // The checksum is that of all the bytes: the first ten alone are not the object.
        let bytes = noise(3, 20);
        let source = RawSource::start(vec![reply(&md5_etag(&bytes), 10, &bytes)]).await;
        let stack = stack(&source).await;
        let lane = stack.lane();
        let outcome = outcomes(&lane, 20, 1).await.remove(0);
        assert_eq!(
            (&outcome["event"], &outcome["then"]),
            (&json!("failed"), &json!("retried")),
            "{outcome}"
        );
        assert!(lane.names().is_empty());
        stack.local.stop().await.unwrap();
    });
}

#[test]
fn a_body_of_unknown_length_is_refused() {
    run(async {
        let chunked = format!(
            "HTTP/1.1 200 OK\r\n{ETAG}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        );
        let source = RawSource::start(vec![chunked.into_bytes()]).await;
        let stack = stack(&source).await;
        let lane = stack.lane();
        lane.stack
            .send(&write_event(&lane.source, "key", Some(5)))
            .await;
        let letter = lane.letter().await;
        assert_eq!(letter.error.kind, ErrorKind::SourceLengthUnknown);
        assert!(lane.names().is_empty());
        stack.local.stop().await.unwrap();
    });
}
