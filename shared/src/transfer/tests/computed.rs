//! Objects without a checksum that S3 and GCS share: it is computed on the way.

use super::*;
use crate::plan::CHUNK_UNIT;

#[test]
fn without_a_shared_checksum_a_small_object_is_read_first() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, KMS_ETAG));
    run.expect("Take { length: 3 }").answer(Event::Taken(Tail {
        bytes: Bytes::from_static(b"abc"),
        crc32c: 0x364b_3fb7,
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
    assert!(matches!(run.step, Step::Pipe { digest: true, .. }));
    run.answer(persisted(CHUNK_UNIT));
    run.expect(&format!("Take {{ length: {CHUNK_UNIT} }}"));
    run.answer(Event::Taken(Tail {
        bytes: Bytes::from(vec![0; usize::try_from(CHUNK_UNIT).unwrap()]),
        crc32c: 1,
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
fn a_computed_checksum_cannot_be_resumed_so_the_copy_starts_over() {
    let size = 2 * CHUNK_UNIT;
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""))
        .answer(source(size, KMS_ETAG));
    run.answer(session()).lose(Side::Sink);
    run.expect("send DELETE /session")
        .answer(reply(499, &[], ""));
    run.waits().expect(LOOK);
}
