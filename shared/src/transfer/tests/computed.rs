//! Objects without a checksum that S3 and GCS share: it is computed on the way.

use super::*;
use crate::integrity::{Checksum, Digests, combine_crc32c};
use crate::plan::{BUFFERED_LIMIT, CHUNK_UNIT};

fn crc32c(crc32c: u32) -> Digests {
    Digests {
        crc32c,
        other: None,
    }
}

/// The checksum that the upload carries in its headers.
#[track_caller]
fn hash(run: &Run) -> &str {
    match &run.step {
        Step::Pipe { sink, .. } => sink.request.headers()["x-goog-hash"].to_str().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_shared_checksum_a_small_object_is_read_first() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, KMS_ETAG));
    run.expect("Hold { length: 3, digest: Digest { other: None } }")
        .answer(Event::Digested(crc32c(0x364b_3fb7)));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=0"));
    let Step::Pipe {
        sink,
        length: 3,
        digest: None,
        ..
    } = &run.step
    else {
        panic!("{:?}", run.step)
    };
    let prefix = String::from_utf8(sink.prefix.to_vec()).unwrap();
    assert!(prefix.contains("\"crc32c\":\"Nks/tw==\""), "{prefix}");
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
    let size = BUFFERED_LIMIT + CHUNK_UNIT;
    let mut run = Run::of(None);
    run.answer(source(size, KMS_ETAG))
        .expect(&format!("{START} ifGenerationMatch=0"))
        .answer(session());
    run.expect(&format!(
        "pipe PUT /session bytes 0-{}/{size}",
        BUFFERED_LIMIT - 1
    ));
    assert!(matches!(
        run.step,
        Step::Pipe {
            digest: Some(_),
            ..
        }
    ));
    run.answer(persisted(BUFFERED_LIMIT));
    run.expect(&format!(
        "Hold {{ length: {CHUNK_UNIT}, digest: Digest {{ other: None }} }}"
    ));
    run.answer(Event::Digested(crc32c(1)));
    run.expect(&format!(
        "pipe PUT /session bytes {BUFFERED_LIMIT}-{}/{size}",
        size - 1
    ));
    assert_eq!(hash(&run), "crc32c=AAAAAQ==");
    run.answer(stored(5, size, ("crc32c", "AAAAAQ=="), None));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn what_gcs_has_beyond_the_checksum_is_read_again_for_it_and_not_sent_again() {
    let size = BUFFERED_LIMIT + CHUNK_UNIT;
    let rest = size - CHUNK_UNIT;
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
    run.answer(Event::Digested(crc32c(0x1234_5678)));
    run.expect(&format!(
        "open GET /src/k bytes={CHUNK_UNIT}-{} {KMS_ETAG}",
        size - 1
    ));
    run.answer(span(CHUNK_UNIT, rest, size, KMS_ETAG));
    run.expect(&format!(
        "pipe PUT /session bytes {CHUNK_UNIT}-{}/{size}",
        rest - 1
    ));
    run.answer(persisted(rest));
    run.answer(Event::Digested(crc32c(0x9abc_def0)));
    let whole = combine_crc32c(0x1234_5678, 0x9abc_def0, rest);
    assert_eq!(
        hash(&run),
        format!("crc32c={}", Checksum::Crc32c(whole).to_base64())
    );
}

#[test]
fn a_last_piece_that_was_lost_is_sent_again_under_the_checksum_of_the_whole() {
    let size = BUFFERED_LIMIT + CHUNK_UNIT;
    let mut run = Run::of(Some(size));
    run.answer(source(size, KMS_ETAG)).answer(session());
    run.answer(persisted(BUFFERED_LIMIT))
        .answer(Event::Digested(crc32c(1)));
    run.lose(Side::Sink).waits();
    run.answer(persisted(BUFFERED_LIMIT));
    let known = BUFFERED_LIMIT - 1;
    run.expect(&format!("open GET /src/k bytes=0-{known} {KMS_ETAG}"));
    run.answer(span(0, BUFFERED_LIMIT, size, KMS_ETAG))
        .answer(Event::Digested(crc32c(0x1234_5678)));
    run.answer(span(BUFFERED_LIMIT, CHUNK_UNIT, size, KMS_ETAG));
    run.expect(&format!(
        "Hold {{ length: {CHUNK_UNIT}, digest: Digest {{ other: None }} }}"
    ));
    run.answer(Event::Digested(crc32c(0x9abc_def0)));
    let whole = combine_crc32c(0x1234_5678, 0x9abc_def0, CHUNK_UNIT);
    assert_eq!(
        hash(&run),
        format!("crc32c={}", Checksum::Crc32c(whole).to_base64())
    );
}

#[test]
fn a_checksum_that_cannot_be_put_together_has_the_copy_start_over() {
    let size = BUFFERED_LIMIT + CHUNK_UNIT;
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
