//! An ETag of 32 hexadecimal digits that is no MD5.

use super::*;
use crate::integrity::{Checksum, combine_crc32c};

/// GCS refuses the bytes: their MD5 is another.
fn disproof() -> Event {
    let message = "Provided MD5 hash doesn't match calculated MD5 hash.";
    let body = json!({"error": {"code": 400, "message": message,
        "errors": [{"message": message, "domain": "global", "reason": "invalid"}]}});
    reply(400, &[], &body.to_string())
}

fn digested(crc32c: u32) -> Event {
    Event::Digested(Digests {
        crc32c,
        other: None,
    })
}

/// Whether the upload under way carries `what` in its metadata.
fn says(run: &Run, what: &str) -> bool {
    let body = match &run.step {
        Step::Pipe { sink, .. } => &sink.prefix,
        Step::Send(_, request) => request.body(),
        other => panic!("{other:?}"),
    };
    String::from_utf8(body.to_vec()).unwrap().contains(what)
}

/// Reads both halves of a source of `size` bytes, whose CRC32Cs are 7 and 8; gives that of the whole.
fn measured(run: &mut Run, size: u64) -> u32 {
    let half = size.div_ceil(2);
    run.expect(&format!("{OPEN} bytes=0-{} {MD5_ETAG}", half - 1))
        .answer(span(0, half, size, MD5_ETAG))
        .answer(digested(7));
    run.expect(&format!("{OPEN} bytes={half}-{} {MD5_ETAG}", size - 1))
        .answer(span(half, size - half, size, MD5_ETAG))
        .answer(digested(8));
    run.expect(OPEN).answer(source(size, MD5_ETAG));
    combine_crc32c(7, 8, size - half)
}

#[test]
fn after_the_first_disproof_the_bytes_are_read_once_more_and_go_under_their_crc32c() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer(disproof());
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    let crc32c = Checksum::Crc32c(measured(&mut run, 3)).to_base64();
    run.expect(&format!("{UPLOAD} ifGenerationMatch=0"));
    assert!(says(&run, &format!("\"crc32c\":\"{crc32c}\"")));
    assert!(says(&run, "\"causeway-proof\":\"computed-crc32c\""));
    assert!(!says(&run, "md5") && !says(&run, "causeway-source-checksum"));
    run.answer(stored(5, 3, ("crc32c", &crc32c), None));
    let Outcome::Copied { proof, .. } = run.done() else {
        panic!()
    };
    assert_eq!(*proof, Proof::ComputedCrc32c);
}

#[test]
fn so_it_is_with_a_session() {
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""))
        .answer(source(LARGE, MD5_ETAG));
    run.answer(session()).answer(disproof());
    run.expect("send DELETE /session")
        .answer(reply(499, &[], ""));
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.answer(source(LARGE, MD5_ETAG));
    let crc32c = measured(&mut run, LARGE);
    run.expect(&format!("{START} ifGenerationMatch=0"));
    let crc32c = Checksum::Crc32c(crc32c).to_base64();
    assert!(says(&run, &crc32c) && !says(&run, "md5"));
    run.answer(session());
    // Nothing runs over the bytes any more: GCS compares.
    assert!(matches!(run.step, Step::Pipe { digest: None, .. }));
    run.answer(stored(5, LARGE, ("crc32c", &crc32c), None));
    assert!(matches!(
        run.done(),
        Outcome::Copied {
            proof: Proof::ComputedCrc32c,
            ..
        }
    ));
}

#[test]
fn and_with_parts() {
    let size = crate::route::PARTS_ABOVE + 1;
    let mut run = Run::of(Some(size));
    run.answer(reply(404, &[], ""))
        .answer(source(size, MD5_ETAG));
    run.answer(session()).answer(disproof());
    run.answer(reply(499, &[], "")).answer(reply(404, &[], ""));
    run.answer(source(size, MD5_ETAG));
    let crc32c = measured(&mut run, size);
    let Step::Done(Ending::Parts(order)) = &run.step else {
        panic!("{:?}", run.step)
    };
    assert_eq!(order.stored.shared, Some(Checksum::Crc32c(crc32c)));
    assert_eq!(order.parts.digest, None);
    assert_eq!(order.object.metadata["causeway-proof"], "computed-crc32c");
}

#[test]
fn bytes_that_do_not_come_again_have_been_damaged_and_the_etag_is_believed() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer(disproof());
    run.answer(reply(404, &[], "")).answer(source(3, MD5_ETAG));
    measured(&mut run, 3);
    run.answer(disproof()).waits();
    run.answer(reply(404, &[], "")).answer(source(3, MD5_ETAG));
    assert!(says(&run, MD5_BASE64));
    // And it stays so in this delivery.
    run.answer(disproof()).waits();
    run.answer(reply(404, &[], "")).answer(source(3, MD5_ETAG));
    run.answer(disproof());
    assert_eq!(run.failed().kind, ErrorKind::ChecksumRefused);
}

#[test]
fn another_checksum_of_the_store_s_own_is_not_given_up_for_it() {
    let headers = [
        ("content-length", "3"),
        ("etag", MD5_ETAG),
        ("x-amz-checksum-type", "FULL_OBJECT"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAE="),
    ];
    let mut run = Run::of(Some(3));
    run.answer(reply(200, &headers, "")).answer(disproof());
    run.answer(reply(404, &[], ""));
    run.expect(OPEN).answer(reply(200, &headers, ""));
    run.expect("Hold { length: 3, digest: Digest { other: Some(Crc64Nvme) } }");
    let other = |last| {
        let value = vec![0, 0, 0, 0, 0, 0, 0, last];
        let algorithm = crate::integrity::Algorithm::Crc64Nvme;
        let other = Some(crate::integrity::SourceChecksum { algorithm, value });
        Event::Digested(Digests { crc32c: 7, other })
    };
    run.answer(other(1));
    assert!(says(&run, "\"causeway-proof\":\"crc64nvme\""));
    let mut run = Run::of(Some(3));
    run.answer(reply(200, &headers, "")).answer(disproof());
    run.answer(reply(404, &[], ""));
    run.answer(reply(200, &headers, ""))
        .answer(other(2))
        .waits();
    // One that S3 says to be an MD5 is none of the ETag's.
    let headers = [
        ("content-length", "3"),
        ("etag", MD5_ETAG),
        ("x-amz-checksum-type", "FULL_OBJECT"),
        ("x-amz-checksum-md5", MD5_BASE64),
    ];
    let mut run = Run::of(Some(3));
    run.answer(reply(200, &headers, "")).answer(disproof());
    run.waits().answer(reply(404, &[], ""));
    run.answer(reply(200, &headers, ""));
    assert!(says(&run, MD5_BASE64));
}

#[test]
fn a_route_says_what_an_etag_is() {
    let mut run = Run::along(&json!({"etag_md5": false}), hint("k", Some(3)));
    run.answer(source(3, MD5_ETAG));
    run.expect("Hold { length: 3, digest: Digest { other: None } }")
        .answer(digested(7));
    assert!(!says(&run, "md5"));
    let mut run = Run::along(&json!({"etag_md5": true}), hint("k", Some(3)));
    run.answer(source(3, MD5_ETAG)).answer(disproof());
    run.waits().answer(reply(404, &[], ""));
    run.answer(source(3, MD5_ETAG));
    assert!(says(&run, MD5_BASE64));
}

#[test]
fn a_copy_that_was_proven_otherwise_is_there_already() {
    let mut run = Run::of(None);
    run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
    let object = json!({"name": "k", "generation": "9", "size": "3", "md5Hash": "AAAA",
        "metadata": {
            "causeway-source-bucket": "src", "causeway-source-key": "k",
            "causeway-source-etag": MD5_ETAG, "causeway-source-size": "3",
            "causeway-proof": "computed-crc32c"}});
    run.answer(reply(200, &[], &object.to_string()));
    run.answer(source(3, MD5_ETAG));
    let generation = Generation(9);
    assert_eq!(run.done(), &Outcome::Identical { generation });
}

#[test]
fn an_object_that_changed_meanwhile_is_begun_with_again() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer(disproof());
    run.answer(reply(404, &[], "")).answer(source(3, MD5_ETAG));
    run.answer(span(0, 2, 3, "\"other\"")).waits();
    run.answer(reply(404, &[], "")).answer(source(3, KMS_ETAG));
    run.expect("Hold { length: 3, digest: Digest { other: None } }");
}

#[test]
fn where_no_ranges_are_read_the_refusal_stays_and_says_which_option_helps() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer(disproof());
    run.answer(reply(404, &[], "")).answer(source(3, MD5_ETAG));
    run.answer(source(3, MD5_ETAG)).waits();
    for _ in 0..2 {
        run.answer(reply(404, &[], "")).answer(source(3, MD5_ETAG));
        run.answer(disproof());
        if matches!(run.step, Step::WaitUntil(_)) {
            run.waits();
        }
    }
    let error = run.failed();
    assert_eq!(error.kind, ErrorKind::ChecksumRefused);
    assert!(error.advice.contains("etag_md5 = false"), "{error}");
}

#[test]
fn bytes_that_came_in_pieces_after_a_break_disprove_nothing() {
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""))
        .answer(source(LARGE, MD5_ETAG));
    run.answer(session()).lose(Side::Source).waits();
    run.answer(persisted(0)).answer(source(LARGE, MD5_ETAG));
    run.answer(disproof());
    run.expect("send DELETE /session")
        .answer(reply(499, &[], ""));
    run.waits().answer(reply(404, &[], ""));
    run.answer(source(LARGE, MD5_ETAG));
    run.expect(&format!("{START} ifGenerationMatch=0"));
}
