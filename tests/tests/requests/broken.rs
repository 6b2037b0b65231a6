//! Sources whose bodies break, or are not what was asked for: what is copied is the whole object, or
//! nothing is.

use causeway_shared::error::ErrorKind;
use causeway_tests::{content, noise, run};
use serde_json::json;

use crate::raw::{Answer, RawLane, header_of, md5_etag};

const ETAG: &str = "ETag: \"an-opaque-etag\"\r\n";
/// Of an object that goes in a resumable session, all in one request.
const LARGE: usize = 9 << 20;

/// A source that says `size` bytes and sends half of them, always.
async fn assert_nothing_of(size: usize, etag: &str, is_cut: bool) {
    let half = Answer::ok(etag, size, &noise(1, size / 2));
    let half = if is_cut { half.cut() } else { half };
    let source = RawLane::answering([half]).await;
    for outcome in source.outcomes(size, 2).await {
        assert_eq!(outcome["event"], "failed");
        assert_eq!(outcome["fault"], "source", "{outcome}");
        let message = outcome["message"].as_str().unwrap();
        assert!(
            message.ends_with('.') && !message.ends_with(".."),
            "{message}"
        );
        assert_eq!(outcome["then"], "retried", "{outcome}");
    }
    assert!(source.heads().len() >= 2);
    source.assert_nothing_visible();
    assert_eq!(source.lane.letters(), []);
}

#[test]
fn half_of_a_small_object_is_nothing() {
    run(async {
        let etag = md5_etag(&noise(1, 100_000));
        assert_nothing_of(100_000, &etag, false).await;
        assert_nothing_of(100_000, &etag, true).await;
    });
}

/// Without a checksum beforehand, only the length tells.
#[test]
fn half_of_an_object_without_a_checksum_is_nothing() {
    run(async {
        for size in [100_000, 700_000, 2_000_000] {
            assert_nothing_of(size, ETAG, false).await;
            assert_nothing_of(size, ETAG, true).await;
        }
    });
}

#[test]
fn half_of_a_large_object_is_nothing() {
    run(async {
        let etag = md5_etag(&noise(1, LARGE));
        assert_nothing_of(LARGE, &etag, false).await;
        assert_nothing_of(LARGE, &etag, true).await;
    });
}

#[test]
fn a_source_that_breaks_once_is_read_again() {
    run(async {
        for size in [100_000, 700_000, 2_000_000] {
            let bytes = noise(2, size);
            let answers = [
                Answer::ok(ETAG, size, &bytes[..size - 5]),
                Answer::ok(ETAG, size, &bytes),
            ];
            let source = RawLane::answering(answers).await;
            let outcome = source.outcome(size).await;
            assert_eq!(outcome["event"], "copied", "{outcome}");
            assert!(content(&source.lane.stored("key").unwrap()) == bytes);
            assert_eq!(source.lane.commits("key", 1).await.len(), 1);
        }
    });
}

#[test]
fn more_bytes_than_the_length_says_are_no_part_of_the_object() {
    run(async {
        // The checksum is that of all the bytes: the first ten alone are not the object.
        let bytes = noise(3, 20);
        let source = RawLane::answering([Answer::ok(&md5_etag(&bytes), 10, &bytes)]).await;
        let outcome = source.outcome(20).await;
        assert_eq!(
            (&outcome["event"], &outcome["then"]),
            (&json!("failed"), &json!("retried")),
            "{outcome}"
        );
        source.assert_nothing_visible();
        // It is that of the first ten: these are the object, whatever comes behind.
        let source = RawLane::answering([Answer::ok(&md5_etag(&bytes[..10]), 10, &bytes)]).await;
        assert_eq!(source.outcome(10).await["event"], "copied");
        assert_eq!(content(&source.lane.stored("key").unwrap()), bytes[..10]);
    });
}

#[test]
fn a_body_of_unknown_length_is_refused() {
    run(async {
        let chunked = format!(
            "HTTP/1.1 200 OK\r\n{ETAG}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        );
        let until_the_end = format!("HTTP/1.1 200 OK\r\n{ETAG}Connection: close\r\n\r\n");
        for answer in [
            Answer::raw(&chunked, b"5\r\nhello\r\n0\r\n\r\n"),
            Answer::raw(&until_the_end, b"hello"),
        ] {
            let source = RawLane::answering([answer]).await;
            source.outcome(5).await;
            let letter = source.lane.letter().await;
            assert_eq!(letter.error.kind, ErrorKind::SourceLengthUnknown);
            source.assert_nothing_visible();
        }
    });
}

#[test]
fn a_part_is_not_taken_for_the_object() {
    run(async {
        let bytes = noise(4, 10);
        let headers = format!("{}Content-Range: bytes 0-9/10\r\n", md5_etag(&bytes));
        let source = RawLane::answering([Answer::of("206 Partial Content", &headers, 10, &bytes)]);
        let source = source.await;
        source.outcome(10).await;
        let error = source.lane.letter().await.error;
        assert_eq!(error.kind, ErrorKind::SourceUnexpected);
        assert_eq!(error.status, Some(206));
        source.assert_nothing_visible();
    });
}

/// What a source sends of `bytes` when it is asked for those from the first number on.
type Rest = fn(usize, &[u8]) -> Answer;

fn rest(from: usize, bytes: &[u8]) -> Answer {
    rest_called(from, &bytes[from..], bytes)
}

/// `body` under the headers of the bytes from `from` on.
fn rest_called(from: usize, body: &[u8], bytes: &[u8]) -> Answer {
    let (last, size) = (bytes.len() - 1, bytes.len());
    let headers = format!(
        "{}Content-Range: bytes {from}-{last}/{size}\r\n",
        md5_etag(bytes)
    );
    Answer::of("206 Partial Content", &headers, size - from, body)
}

/// Copies a large object whose first read breaks off in its middle and whose rest is `rest`; after
/// that the source is in order. Gives how many times it was read from the start.
async fn from_the_middle(rest: Rest) -> usize {
    let bytes = noise(5, LARGE);
    let whole = bytes.clone();
    let source = RawLane::new(move |n, head| match header_of(head, "range") {
        Some(range) => {
            let (from, last) = range
                .strip_prefix("bytes=")
                .unwrap()
                .split_once('-')
                .unwrap();
            assert_eq!(last, (LARGE - 1).to_string());
            rest(from.parse().unwrap(), &whole)
        }
        None if n == 0 => Answer::ok(&md5_etag(&whole), LARGE, &whole[..LARGE / 2]),
        None => Answer::ok(&md5_etag(&whole), LARGE, &whole),
    })
    .await;
    let outcome = source.outcome(LARGE).await;
    assert_eq!(outcome["event"], "copied", "{outcome}");
    assert!(content(&source.lane.stored("key").unwrap()) == bytes);
    assert_eq!(source.lane.commits("key", 1).await.len(), 1);
    let heads = source.heads();
    let ranged = heads
        .iter()
        .filter(|head| header_of(head, "range").is_some());
    assert_eq!(ranged.count(), 1, "{heads:?}");
    heads.len() - 1
}

#[test]
fn a_large_object_is_read_on_where_it_broke_off() {
    run(async { assert_eq!(from_the_middle(rest).await, 1) });
}

#[test]
fn only_the_very_rest_that_was_asked_for_is_taken() {
    run(async {
        let wrong: [Rest; 5] = [
            // The whole object.
            |_, bytes| Answer::ok(&md5_etag(bytes), bytes.len(), bytes),
            // The beginning, and says so.
            |from, bytes| {
                let length = bytes.len() - from;
                let headers = format!(
                    "{}Content-Range: bytes 0-{}/{}\r\n",
                    md5_etag(bytes),
                    length - 1,
                    bytes.len()
                );
                Answer::of("206 Partial Content", &headers, length, &bytes[..length])
            },
            // The beginning, and does not say so: only the checksum tells.
            |from, bytes| rest_called(from, &bytes[..bytes.len() - from], bytes),
            // The rest, and does not say which it is.
            |from, bytes| {
                let length = bytes.len() - from;
                Answer::of(
                    "206 Partial Content",
                    &md5_etag(bytes),
                    length,
                    &bytes[from..],
                )
            },
            // A rest that has a byte more in its middle.
            |from, bytes| {
                let longer = [&bytes[from..from + 1000], b"x", &bytes[from + 1000..]].concat();
                rest_called(from, &longer, bytes)
            },
        ];
        for rest in wrong {
            assert_eq!(from_the_middle(rest).await, 2);
        }
    });
}
