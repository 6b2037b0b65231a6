//! Stores whose ETags are no MD5s, are weak, satisfy no `If-Match`, stay as they are while metadata changes,
//! or are not there at all.

use causeway_tests::{content, noise, run, write_event};
use serde_json::json;

use crate::raw::{Answer, RawLane, header_of};

/// 32 hexadecimal digits that are the MD5 of nothing here.
const NO_MD5: &str = "\"0123456789abcdef0123456789abcdef\"";
const TIME: &str = "Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT\r\n";
/// In one request; in a session; in parts.
const SIZES: [usize; 2] = [1000, (9 << 20) + 5];
const OF_PARTS: usize = (5 << 20) + 5;

/// What `head` asks for of `bytes`, under `headers`.
fn asked_for(head: &str, headers: &str, bytes: &[u8]) -> Answer {
    let Some(range) = header_of(head, "range") else {
        return Answer::ok(headers, bytes.len(), bytes);
    };
    let (first, last) = range
        .strip_prefix("bytes=")
        .unwrap()
        .split_once('-')
        .unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let headers = format!(
        "{headers}Content-Range: bytes {first}-{last}/{}\r\n",
        bytes.len()
    );
    let part = &bytes[first..=last];
    Answer::of("206 Partial Content", &headers, part.len(), part)
}

/// Checks that `bytes` stand at the destination of `source`, and that another event changes nothing.
async fn assert_in_step(source: &RawLane, bytes: &[u8], proof: &str) {
    let stored = source.lane.stored("key").unwrap();
    assert!(content(&stored) == bytes);
    assert_eq!(stored.metadata.custom["causeway-proof"], proof);
    let outcomes = source.outcomes(bytes.len(), 2).await;
    assert_eq!(outcomes[1]["event"], "identical", "{outcomes:?}");
    assert_eq!(source.lane.letters(), []);
}

#[test]
fn an_etag_that_looks_like_an_md5_and_is_none_is_found_out_at_the_first_refusal() {
    run(async {
        for size in SIZES {
            let bytes = noise(1, size);
            let sent = bytes.clone();
            let headers = format!("ETag: {NO_MD5}\r\n{TIME}");
            let source = RawLane::new(move |_, head| asked_for(head, &headers, &sent)).await;
            let outcome = source.outcome(size).await;
            assert_eq!(outcome["event"], "copied", "{outcome}");
            assert_eq!(outcome["proof"], "computed-crc32c");
            let heads = source.heads();
            let whole = heads
                .iter()
                .filter(|head| header_of(head, "range").is_none());
            // As it was first sent, then to be measured, and as it is sent now; and once more where the
            // destination is looked at before.
            assert!(whole.count() <= 4, "{heads:?}");
            assert_in_step(&source, &bytes, "computed-crc32c").await;
        }
    });
}

#[test]
fn bytes_that_are_damaged_now_and_then_are_not_taken_for_those_of_such_an_etag() {
    run(async {
        let bytes = noise(2, 1000);
        let etag = crate::raw::md5_etag(&bytes);
        let sent = bytes.clone();
        // The same byte of each reply, three times.
        let source = RawLane::new(move |n, head| {
            let mut damaged = sent.to_vec();
            if n != 1 && n < 5 {
                let first = header_of(head, "range").map_or(0, |range| {
                    let (first, _) = range[6..].split_once('-').unwrap();
                    first.parse().unwrap()
                });
                damaged[first + 7] ^= 1;
            }
            asked_for(head, &etag, &damaged)
        })
        .await;
        let outcome = source.outcome(1000).await;
        assert_eq!(outcome["proof"], "stored-md5", "{outcome}");
        assert!(content(&source.lane.stored("key").unwrap()) == bytes);
        assert_eq!(source.lane.commits("key", 1).await.len(), 1);
    });
}

/// Copies `bytes` from `source`, whole, and gives the heads of the reads.
async fn copied(source: RawLane, bytes: &[u8]) -> Vec<String> {
    let outcome = source.outcome(bytes.len()).await;
    assert_eq!(outcome["event"], "copied", "{outcome}");
    assert!(content(&source.lane.stored("key").unwrap()) == bytes);
    source.heads()
}

/// Copies an object with `etag` whose store answers 412 to every `If-Match`, and whose first body breaks off
/// in the middle: in one stream, and in parts. Gives how many of the reads asked for the ETag.
async fn asked_for_etag(etag: &str, in_parts: bool) -> usize {
    let bytes = noise(3, if in_parts { OF_PARTS } else { SIZES[1] });
    let (sent, headers) = (bytes.clone(), format!("ETag: {etag}\r\n{TIME}"));
    let script =
        move |n: usize, head: &str| match (header_of(head, "if-match"), header_of(head, "range")) {
            (Some(_), _) => Answer::of("412 Precondition Failed", "", 0, b""),
            (None, None) if n == 0 && !in_parts => {
                Answer::ok(&headers, sent.len(), &sent[..sent.len() / 2])
            }
            _ => asked_for(head, &headers, &sent),
        };
    let source = if in_parts {
        RawLane::in_parts(script).await
    } else {
        RawLane::new(script).await
    };
    let heads = copied(source, &bytes).await;
    assert!(heads.iter().any(|head| header_of(head, "range").is_some()));
    let asked = |head: &&String| header_of(head, "if-match").is_some();
    heads.iter().filter(asked).count()
}

#[test]
fn a_weak_etag_is_compared_and_never_asked_for() {
    run(async {
        for in_parts in [false, true] {
            assert_eq!(asked_for_etag("W/\"abc-2\"", in_parts).await, 0);
        }
    });
}

#[test]
fn a_store_that_refuses_its_own_etag_is_read_without_asking_for_it() {
    run(async {
        // Once a delivery; each part is one.
        for (in_parts, times) in [(false, 1), (true, 6)] {
            assert_eq!(asked_for_etag("\"abc-2\"", in_parts).await, times);
        }
    });
}

#[test]
fn an_object_without_an_etag_is_told_by_its_time_and_size() {
    run(async {
        for size in [0, SIZES[0], SIZES[1]] {
            let bytes = noise(5, size);
            let sent = bytes.clone();
            let source = RawLane::new(move |_, head| asked_for(head, TIME, &sent)).await;
            assert_eq!(source.outcome(size).await["event"], "copied");
            assert_in_step(&source, &bytes, "computed-crc32c").await;
            let stored = source.lane.stored("key").unwrap();
            assert!(!stored.metadata.custom.contains_key("causeway-source-etag"));
        }
        // A folder's marker, of which the store says nothing at all.
        let source = RawLane::answering([Answer::ok("", 0, b"")]).await;
        let event = write_event(&source.lane.source, "dir/", Some(0));
        source.lane.stack.send(&event).await;
        assert_eq!(source.lane.copied("dir/").await.size(), 0);
        // Nothing at all is no object of another name.
        let source = RawLane::answering([Answer::ok("", 0, b"")]).await;
        assert_eq!(source.outcome(0).await["kind"], "source-unexpected");
        // Bytes that could change unseen are not copied.
        let source = RawLane::answering([Answer::ok("", 3, b"abc")]).await;
        assert_eq!(source.outcome(3).await["kind"], "source-unexpected");
    });
}

/// JuiceFS does so where an object is copied onto itself.
#[test]
fn metadata_that_changes_under_the_same_etag_and_time_is_brought_into_step() {
    run(async {
        let described = |extra: &str| {
            let etag = crate::raw::md5_etag(b"hello");
            Answer::ok(&format!("{etag}{TIME}{extra}"), 5, b"hello")
        };
        let before = described("Content-Type: text/plain\r\nx-amz-meta-color: red\r\n");
        let after = described("Content-Type: text/html\r\nx-amz-meta-color: blue\r\n");
        // Tried as if nothing stood there, and read again once it was looked at.
        let answers = [before, after.clone(), after];
        let source = RawLane::answering(answers).await;
        assert_eq!(source.outcome(5).await["event"], "copied");
        let outcomes = source.outcomes(5, 2).await;
        assert_eq!(outcomes[1]["event"], "copied", "{outcomes:?}");
        let stored = source.lane.stored("key").unwrap();
        assert_eq!(stored.metadata.custom["color"], "blue");
        assert_eq!(stored.metadata.content_type.as_deref(), Some("text/html"));
        let outcomes = source.outcomes(5, 3).await;
        assert_eq!(outcomes[2]["event"], json!("identical"), "{outcomes:?}");
    });
}

/// The embedded GCS refuses such entries, as the real one does.
#[test]
fn metadata_that_is_too_long_for_gcs_is_left_out_entry_by_entry() {
    run(async {
        let (name, value) = ("n".repeat(1025), "v".repeat(4097));
        let headers = format!(
            "ETag: \"e\"\r\nx-amz-meta-long: {value}\r\nx-amz-meta-{name}: x\r\nx-amz-meta-fits: {}\r\n",
            &value[1..]
        );
        let source = RawLane::answering([Answer::ok(&headers, 5, b"hello")]).await;
        let outcome = source.outcome(5).await;
        assert_eq!(outcome["event"], "copied", "{outcome}");
        assert_eq!(outcome["omitted"], "x-amz-meta-long and 1 more");
        let stored = source.lane.stored("key").unwrap();
        assert_eq!(stored.metadata.custom["fits"].len(), 4096);
        assert_in_step(&source, b"hello", "computed-crc32c").await;
    });
}
