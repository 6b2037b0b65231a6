//! Objects without a checksum that S3 and GCS share: it is computed on the way.

use super::*;
use crate::integrity::{Checksum, Digests, combine_crc32c};
use crate::plan::CHUNK_UNIT;

fn crc32c(crc32c: u32) -> Digests {
    Digests {
        crc32c,
        other: None,
    }
}

#[test]
fn without_a_shared_checksum_a_small_object_is_read_first() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, KMS_ETAG));
    run.expect("Take { length: 3, digest: Digest { other: None } }")
        .answer(Event::Taken(Tail {
            bytes: Bytes::from_static(b"abc"),
            digests: crc32c(0x364b_3fb7),
        }));
    let Step::Send(request) = &run.step else {
        panic!("{:?}", run.step)
    };
    let body = String::from_utf8(request.body().to_vec()).unwrap();
    assert!(body.contains("\"crc32c\":\"Nks/tw==\"") && body.contains("\r\n\r\nabc\r\n--"));
    run.answer(stored(5, 3, ("crc32c", "Nks/tw=="), Some(KMS_ETAG)));
    assert_eq!(
        run.done(),
        &Outcome::Copied {
            generation: Generation(5),
            size: 3,
            proof: Proof::ComputedCrc32c,
            omitted: None,
        }
    );
}

#[test]
fn without_a_shared_checksum_a_larger_object_has_it_sent_with_its_last_piece() {
    let size = 2 * CHUNK_UNIT;
    let mut run = Run::of(None);
    run.answer(source(size, KMS_ETAG))
        .answer(reply(404, &[], ""));
    run.answer(source(size, KMS_ETAG)).answer(session());
    run.expect(&format!(
        "pipe PUT /session bytes 0-{}/{size}",
        CHUNK_UNIT - 1
    ));
    assert!(matches!(
        run.step,
        Step::Pipe {
            digest: Some(_),
            ..
        }
    ));
    run.answer(persisted(CHUNK_UNIT));
    run.expect(&format!(
        "Take {{ length: {CHUNK_UNIT}, digest: Digest {{ other: None }} }}"
    ));
    run.answer(Event::Taken(Tail {
        bytes: Bytes::from(vec![0; usize::try_from(CHUNK_UNIT).unwrap()]),
        digests: crc32c(1),
    }));
    run.expect(&format!(
        "send PUT /session bytes {CHUNK_UNIT}-{}/{size}",
        size - 1
    ));
    let Step::Send(request) = &run.step else {
        panic!()
    };
    assert_eq!(request.headers()["x-goog-hash"], "crc32c=AAAAAQ==");
    run.answer(stored(5, size, ("crc32c", "AAAAAQ=="), None));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn what_gcs_has_beyond_the_checksum_is_read_again_for_it_and_not_sent_again() {
    let size = 3 * CHUNK_UNIT;
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""))
        .answer(source(size, KMS_ETAG));
    run.answer(session()).lose(Side::Sink).waits();
    run.answer(persisted(CHUNK_UNIT));
    run.expect(&format!(
        "open GET /src/k bytes=0-{} {KMS_ETAG}",
        CHUNK_UNIT - 1
    ));
    run.answer(span(0, CHUNK_UNIT, size, KMS_ETAG));
    run.expect(&format!(
        "Digest {{ length: {CHUNK_UNIT}, digest: Digest {{ other: None }} }}"
    ));
    let tail = |bytes: Vec<u8>, value| {
        Event::Taken(Tail {
            bytes: bytes.into(),
            digests: crc32c(value),
        })
    };
    run.answer(tail(Vec::new(), 0x1234_5678));
    run.expect(&format!(
        "open GET /src/k bytes={CHUNK_UNIT}-{} {KMS_ETAG}",
        size - 1
    ));
    run.answer(span(CHUNK_UNIT, 2 * CHUNK_UNIT, size, KMS_ETAG));
    run.expect(&format!(
        "pipe PUT /session bytes {CHUNK_UNIT}-{}/{size}",
        2 * CHUNK_UNIT - 1
    ));
    run.answer(persisted(2 * CHUNK_UNIT));
    let last = vec![0; usize::try_from(CHUNK_UNIT).unwrap()];
    run.answer(tail(last, 0x9abc_def0));
    let whole = combine_crc32c(0x1234_5678, 0x9abc_def0, 2 * CHUNK_UNIT);
    let Step::Send(request) = &run.step else {
        panic!("{:?}", run.step)
    };
    assert_eq!(
        request.headers()["x-goog-hash"],
        format!("crc32c={}", Checksum::Crc32c(whole).to_base64())
    );
}

#[test]
fn a_checksum_that_cannot_be_put_together_has_the_copy_start_over() {
    let size = 2 * CHUNK_UNIT;
    let sha = |size: u64| {
        let size = size.to_string();
        let headers = [
            ("content-length", &*size),
            ("etag", "\"not an md5\""),
            (
                "x-amz-checksum-sha256",
                "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
            ),
        ];
        reply(200, &headers, "")
    };
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], "")).answer(sha(size));
    run.answer(session()).lose(Side::Sink);
    run.expect("send DELETE /session")
        .answer(reply(499, &[], ""));
    run.waits().expect(LOOK);
}
