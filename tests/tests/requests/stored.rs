//! The bytes as S3 stores them, whatever they call themselves: nothing is decoded on the way.

use std::io::Write as _;

use causeway_shared::error::ErrorKind;
use causeway_tests::{content, noise, run};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::raw::{Answer, RawLane, md5_etag};

/// "hello" in one uncompressed block of each: real streams, so that a decoder would take them.
const BROTLI: &[u8] = b"\x0b\x02\x80hello\x03";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Copies `bytes` that S3 stores under `encoding`, with and without a checksum beforehand, and
/// expects them at GCS under `expected`.
async fn assert_as_stored(encoding: &str, bytes: &[u8], expected: Option<&str>) {
    for etag in [md5_etag(bytes), "ETag: \"opaque\"\r\n".to_owned()] {
        let headers = format!("{etag}Content-Encoding: {encoding}\r\n");
        let source = RawLane::answering([Answer::ok(&headers, bytes.len(), bytes)]).await;
        let outcome = source.outcome(bytes.len()).await;
        assert_eq!(outcome["event"], "copied", "{encoding}: {outcome}");
        let stored = source.lane.stored("key").unwrap();
        assert!(content(&stored) == bytes, "{encoding}: the bytes differ");
        let encoding = stored.metadata.content_encoding.as_deref();
        assert_eq!(encoding, expected);
        // Once more where the destination is looked at before a session is begun.
        assert!(source.heads().len() <= 2);
    }
}

#[test]
fn encoded_objects_arrive_encoded() {
    run(async {
        assert_as_stored("gzip", &gzip(b"hello"), Some("gzip")).await;
        assert_as_stored("br", BROTLI, Some("br")).await;
        assert_as_stored("zstd", ZSTD, Some("zstd")).await;
        assert_as_stored("gzip, br", BROTLI, Some("gzip, br")).await;
        // Large enough for a session where the checksum is computed; a thousand times as large when
        // decoded.
        let zeros = gzip(&vec![0; 1 << 30 >> 2]);
        assert_as_stored("gzip", &zeros, Some("gzip")).await;
        let large = gzip(&noise(1, 3 << 20));
        assert!(large.len() > 3 << 20);
        assert_as_stored("gzip", &large, Some("gzip")).await;
    });
}

#[test]
fn objects_that_are_not_what_they_say_arrive_as_they_are() {
    run(async {
        assert_as_stored("gzip", b"plain text", Some("gzip")).await;
        assert_as_stored("br", b"plain text", Some("br")).await;
        assert_as_stored("gzip", b"", Some("gzip")).await;
        let whole = gzip(&noise(2, 3 << 20));
        assert_as_stored("gzip", &whole[..whole.len() / 2], Some("gzip")).await;
        assert_as_stored("gzip", &gzip(b"hello")[..15], Some("gzip")).await;
        let followed = [&gzip(b"hello")[..], b"and more"].concat();
        assert_as_stored("gzip", &followed, Some("gzip")).await;
    });
}

#[test]
fn the_framing_of_the_upload_is_dropped_from_the_encoding() {
    run(async {
        let hello = gzip(b"hello");
        assert_as_stored("aws-chunked", b"hello", None).await;
        assert_as_stored("aws-chunked,gzip", &hello, Some("gzip")).await;
        assert_as_stored("gzip, aws-chunked", &hello, Some("gzip")).await;
    });
}

#[test]
fn a_body_that_still_has_the_framing_is_refused() {
    run(async {
        let framed = b"5;chunk-signature=00\r\nhello\r\n0;chunk-signature=00\r\n\r\n";
        let headers = "ETag: \"opaque\"\r\nContent-Encoding: aws-chunked\r\nx-amz-decoded-content-length: 5\r\n";
        let source = RawLane::answering([Answer::ok(headers, framed.len(), framed)]).await;
        source.outcome(5).await;
        let error = source.lane.letter().await.error;
        assert_eq!(error.kind, ErrorKind::SourceUnexpected);
        assert!(error.message.contains("aws-chunked"), "{error}");
        source.assert_nothing_visible();
    });
}

#[test]
fn an_empty_object_is_an_object() {
    run(async {
        let crc64nvme =
            "x-amz-checksum-type: FULL_OBJECT\r\nx-amz-checksum-crc64nvme: AAAAAAAAAAA=\r\n";
        for (headers, proof) in [
            (md5_etag(b""), "stored-md5"),
            (format!("ETag: \"opaque\"\r\n{crc64nvme}"), "crc64nvme"),
            ("ETag: \"opaque\"\r\n".to_owned(), "computed-crc32c"),
        ] {
            let source = RawLane::answering([Answer::ok(&headers, 0, b"")]).await;
            assert_eq!(source.outcome(0).await["proof"], proof);
            assert_eq!(source.lane.stored("key").unwrap().size(), 0);
        }
    });
}
