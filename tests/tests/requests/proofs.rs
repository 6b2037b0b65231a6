//! Checksums that S3 has and GCS does not know: they are compared before the last bytes go.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use causeway_shared::error::ErrorKind;
use causeway_tests::{content, noise, run};
use futures::future::join_all;
use serde_json::json;
use wiremock::ResponseTemplate;
use wiremock::matchers::query_param;

use crate::fixture::{Scripted, header, query, shared};
use crate::gcs::multipart_metadata;
use crate::raw::{Answer, RawLane, md5_etag};
use crate::resumable::{go_on, nothing_stands, started};

const QUANTUM: usize = 256 << 10;
/// In one request, and in a session.
const SIZES: [usize; 2] = [1000, (2 << 20) + 5];

/// The names and values of the checksums of `bytes` that only S3 knows.
fn checksums(bytes: &[u8]) -> [(&'static str, String); 5] {
    use crc_fast::{CrcAlgorithm, checksum};
    use sha2::Digest as _;
    let crc32 = checksum(CrcAlgorithm::Crc32IsoHdlc, bytes).to_be_bytes();
    let crc64 = checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes();
    [
        ("crc32", BASE64_STANDARD.encode(&crc32[4..])),
        ("crc64nvme", BASE64_STANDARD.encode(crc64)),
        ("sha1", BASE64_STANDARD.encode(sha1::Sha1::digest(bytes))),
        (
            "sha256",
            BASE64_STANDARD.encode(sha2::Sha256::digest(bytes)),
        ),
        (
            "sha512",
            BASE64_STANDARD.encode(sha2::Sha512::digest(bytes)),
        ),
    ]
}

fn answer(name: &str, value: &str, bytes: &[u8]) -> Answer {
    let headers = format!(
        "ETag: \"opaque\"\r\nx-amz-checksum-type: FULL_OBJECT\r\nx-amz-checksum-{name}: {value}\r\n"
    );
    Answer::ok(&headers, bytes.len(), bytes)
}

#[test]
fn each_checksum_of_s3s_is_compared_and_named() {
    run(async {
        for size in SIZES {
            let bytes = noise(1, size);
            for (name, value) in checksums(&bytes) {
                let source = RawLane::answering([answer(name, &value, &bytes)]).await;
                let outcome = source.outcome(size).await;
                assert_eq!(outcome["proof"], name, "{outcome}");
                assert!(content(&source.lane.stored("key").unwrap()) == bytes);
                // Once more where the destination is looked at before a session is begun.
                assert!(source.heads().len() <= 2);
            }
        }
    });
}

/// A source that says `said` and sends `bytes`, of which `found` is true.
async fn assert_never_copied(name: &str, said: &str, found: &str, bytes: &[u8]) {
    let source = RawLane::answering([answer(name, said, bytes)]).await;
    for outcome in source.outcomes(bytes.len(), 3).await {
        assert_eq!(outcome["kind"], "source-checksum-mismatch", "{outcome}");
        assert_eq!(outcome["fault"], "source");
    }
    let letter = source.lane.letter().await;
    assert_eq!(letter.error.kind, ErrorKind::SourceChecksumMismatch);
    assert_eq!(letter.deliveries, 3);
    for part in [name, said, found] {
        assert!(letter.error.message.contains(part), "{}", letter.error);
    }
    source.assert_nothing_visible();
}

#[test]
fn a_mismatch_leaves_nothing_visible_and_ends_among_the_dead_letters_with_both_values() {
    run(async {
        for size in SIZES {
            let bytes = noise(2, size);
            let mut other = bytes.to_vec();
            other[size / 2] ^= 1;
            let pairs = checksums(&other).into_iter().zip(checksums(&bytes));
            join_all(pairs.map(|((name, said), (_, found))| {
                let bytes = &bytes;
                async move { assert_never_copied(name, &said, &found, bytes).await }
            }))
            .await;
        }
    });
}

#[test]
fn a_source_that_was_damaged_on_the_way_only_once_is_copied() {
    run(async {
        let bytes = noise(3, SIZES[1]);
        let (name, value) = &checksums(&bytes)[1];
        let mut damaged = bytes.to_vec();
        damaged[7] ^= 0x80;
        let answers = [answer(name, value, &damaged), answer(name, value, &bytes)];
        let source = RawLane::answering(answers).await;
        assert_eq!(source.outcome(bytes.len()).await["proof"], "crc64nvme");
        assert!(content(&source.lane.stored("key").unwrap()) == bytes);
        assert_eq!(source.lane.commits("key", 1).await.len(), 1);
    });
}

/// The last piece would make the object visible: it must not leave the worker.
#[test]
fn after_a_mismatch_the_session_is_cancelled_without_its_last_piece() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::opaque(noise(4, QUANTUM * 5))
            .header("x-amz-checksum-type", "FULL_OBJECT")
            .header("x-amz-checksum-crc64nvme", "AAAAAAAAAAE=");
        site.holds(&object).await;
        nothing_stands(&site).await;
        site.upload("POST")
            .respond_with(started(&site))
            .mount(&site.fixture.gcs)
            .await;
        site.upload("PUT")
            .respond_with(go_on(QUANTUM * 4))
            .mount(&site.fixture.gcs)
            .await;
        let cancelled = ResponseTemplate::new(499);
        site.upload("DELETE")
            .respond_with(cancelled)
            .mount(&site.fixture.gcs)
            .await;
        let outcome = site.transfer(&object).await;
        assert_eq!(outcome["kind"], "source-checksum-mismatch", "{outcome}");
        let writes = site.writes().await;
        let of = |verb: &str| {
            let is_verb = |write: &&wiremock::Request| write.method.as_str() == verb;
            writes.iter().filter(is_verb).collect::<Vec<_>>()
        };
        assert!(!of("DELETE").is_empty());
        for put in of("PUT") {
            let range = format!("bytes 0-{}/{}", QUANTUM * 4 - 1, QUANTUM * 5);
            assert_eq!(header(put, "content-range"), Some(&*range));
            assert_eq!(header(put, "x-goog-hash"), None);
        }
    });
}

/// What is not a checksum of the whole object proves nothing, and hinders nothing.
#[test]
fn what_is_no_checksum_of_the_whole_object_is_not_compared() {
    run(async {
        let bytes = noise(5, 1000);
        for headers in [
            "x-amz-checksum-type: COMPOSITE\r\nx-amz-checksum-crc64nvme: AAAAAAAAAAE=\r\n",
            "x-amz-checksum-type: COMPOSITE\r\nx-amz-checksum-sha256: AAAA-3\r\n",
            "x-amz-checksum-sha1: AAAAAAAAAAAAAAAAAAAAAAAAAAA=-2\r\n",
            "x-amz-checksum-xxhash64: AAAAAAAAAAE=\r\nx-amz-checksum-type: FULL_OBJECT\r\n",
            "x-amz-checksum-crc32: short\r\nx-amz-checksum-type: FULL_OBJECT\r\n",
            "x-amz-server-side-encryption: aws:kms\r\n",
        ] {
            // An MD5 of something else, as an encrypted object's ETag looks like one.
            let etag = if headers.contains("kms") {
                md5_etag(b"something else")
            } else {
                "ETag: \"opaque-2\"\r\n".to_owned()
            };
            let reply = Answer::ok(&format!("{etag}{headers}"), bytes.len(), &bytes);
            let source = RawLane::answering([reply]).await;
            let outcome = source.outcome(bytes.len()).await;
            assert_eq!(outcome["proof"], "computed-crc32c", "{headers} {outcome}");
            assert_eq!(content(&source.lane.stored("key").unwrap()), bytes);
        }
    });
}

/// An object whose checksum is computed goes in a session. One request with the checksum before the bytes means that
/// nobody looked at them.
#[test]
fn the_parts_of_a_composite_prove_the_whole_in_one_request_and_by_no_byte() {
    run(async {
        let site = shared().await.site();
        let bytes = noise(7, (5 << 20) + 12_345);
        let parts = bytes.chunks(5 << 20).map(|part| (part.len(), crc32c(part)));
        let parts: Vec<_> = parts.collect();
        let of_parts: Vec<u8> = parts.iter().flat_map(|(_, crc)| *crc).collect();
        let composite = BASE64_STANDARD.encode(crc32c(&of_parts));
        let object = Scripted::opaque(bytes)
            .header("x-amz-checksum-type", "COMPOSITE")
            .header("x-amz-checksum-crc32c", format!("{composite}-2"));
        site.holds(&object).await;
        let listed: String = (1..)
            .zip(&parts)
            .map(|(number, (size, crc))| {
                let crc = BASE64_STANDARD.encode(crc);
                format!("<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><ChecksumCRC32C>{crc}</ChecksumCRC32C></Part>")
            })
            .collect();
        let told = format!(
            "<GetObjectAttributesResponse xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><ETag>an-opaque-etag</ETag><ObjectParts><PartsCount>2</PartsCount><IsTruncated>false</IsTruncated>{listed}</ObjectParts></GetObjectAttributesResponse>"
        );
        site.source()
            .and(query_param("attributes", ""))
            .respond_with(ResponseTemplate::new(200).set_body_string(told))
            .with_priority(1)
            .mount(&site.fixture.s3)
            .await;
        site.once(site.upload("POST"), object.stored(1)).await;
        assert_eq!(site.transfer(&object).await["proof"], "stored-crc32c");

        let reads = site.reads().await;
        let [read, asked] = &reads[..] else {
            panic!("{reads:?}")
        };
        assert!(query(read).is_empty());
        for (name, value) in [
            ("x-amz-object-attributes", "ETag,ObjectParts"),
            ("x-amz-max-parts", "1000"),
            ("x-amz-part-number-marker", "0"),
        ] {
            assert_eq!(header(asked, name), Some(value));
        }
        let writes = site.writes().await;
        let [upload] = &writes[..] else {
            panic!("{} requests to GCS", writes.len())
        };
        let media_type = "application/octet-stream";
        let said = multipart_metadata(site.fixture, upload, &object, 0, media_type);
        assert_eq!(said["crc32c"], object.crc32c());
    });
}

fn crc32c(bytes: &[u8]) -> [u8; 4] {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes);
    u32::try_from(crc).unwrap().to_be_bytes()
}

#[test]
fn a_stored_md5_is_checked_by_gcs_whatever_the_etag_is() {
    run(async {
        let bytes = noise(6, 1000);
        let object = Scripted::new(bytes.clone());
        for (md5, event) in [
            (object.md5(), "copied"),
            (Scripted::new("x").md5(), "failed"),
        ] {
            let source = RawLane::answering([answer("md5", &md5, &bytes)]).await;
            let outcome = source.outcome(bytes.len()).await;
            assert_eq!(outcome["event"], event, "{outcome}");
            if event == "copied" {
                assert_eq!(outcome["proof"], "stored-md5");
                continue;
            }
            assert_eq!(outcome["kind"], "checksum-refused");
            // GCS names both values.
            for value in [md5, object.md5()] {
                assert!(outcome["message"].to_string().contains(&value), "{outcome}");
            }
            assert_eq!(outcome["status"], json!(400));
            source.assert_nothing_visible();
        }
    });
}
