//! Objects whose parts S3 has checksums of: those of the whole are put together.

use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::{CrcAlgorithm, checksum, checksum_combine};

use super::*;
use crate::integrity::{Algorithm, Digest};
use crate::plan::BUFFERED_LIMIT;
use crate::route::PARTS_ABOVE;

const ASKS: &str = "send GET /src/k attributes=";
const CRC32C: (&str, CrcAlgorithm) = ("crc32c", CrcAlgorithm::Crc32Iscsi);
const CRC32: (&str, CrcAlgorithm) = ("crc32", CrcAlgorithm::Crc32IsoHdlc);

/// An object in parts, each with a CRC that some bytes may have.
struct Parted {
    algorithm: (&'static str, CrcAlgorithm),
    parts: Vec<(u64, u32)>,
    etag: &'static str,
}

impl Parted {
    fn new(algorithm: (&'static str, CrcAlgorithm), size: u64) -> Self {
        let first = size / 2 + 7;
        Self {
            algorithm,
            parts: vec![(first, 0x1234_5678), (size - first, 0xfedc_ba98)],
            etag: KMS_ETAG,
        }
    }

    fn size(&self) -> u64 {
        self.parts.iter().map(|(size, _)| size).sum()
    }

    fn whole(&self) -> String {
        let whole = self.parts.iter().fold(0, |whole, &(size, crc)| {
            checksum_combine(self.algorithm.1, whole, crc.into(), size)
        });
        base64(u32::try_from(whole).unwrap())
    }

    /// What the source's headers say of it.
    fn opened(&self) -> Event {
        let of_parts: Vec<_> = self
            .parts
            .iter()
            .flat_map(|(_, crc)| crc.to_be_bytes())
            .collect();
        let composite = checksum(self.algorithm.1, &of_parts);
        let composite = base64(u32::try_from(composite).unwrap());
        let name = format!("x-amz-checksum-{}", self.algorithm.0);
        let headers = [
            ("content-length", &*self.size().to_string()),
            ("etag", KMS_ETAG),
            ("x-amz-checksum-type", "COMPOSITE"),
            (&name, &format!("{composite}-{}", self.parts.len())),
        ];
        reply(200, &headers, "")
    }

    fn told(&self) -> Event {
        reply(200, &[], &self.page(&self.parts, ""))
    }

    fn page(&self, parts: &[(u64, u32)], more: &str) -> String {
        let name = format!("Checksum{}", self.algorithm.0.to_uppercase());
        let parts: String = parts
            .iter()
            .map(|&(size, crc)| {
                format!(
                    "<Part><Size>{size}</Size><{name}>{}</{name}></Part>",
                    base64(crc)
                )
            })
            .collect();
        let etag = self.etag.trim_matches('"');
        format!(
            "<GetObjectAttributesResponse><ETag>{etag}</ETag><ObjectParts>{more}{parts}</ObjectParts></GetObjectAttributesResponse>"
        )
    }
}

fn base64(crc: u32) -> String {
    BASE64_STANDARD.encode(crc.to_be_bytes())
}

/// Brings `run` to where the source of `object` is open and the destination known.
fn opened(object: &Parted) -> Run {
    let mut run = Run::of(Some(object.size()));
    if object.size() > SINGLE_REQUEST_LIMIT {
        run.expect(LOOK).answer(reply(404, &[], ""));
    }
    run.expect(OPEN).answer(object.opened());
    run
}

#[test]
fn the_crc32c_of_the_whole_is_put_together_and_no_byte_is_touched() {
    let object = Parted::new(CRC32C, BUFFERED_LIMIT + 1);
    let mut run = opened(&object);
    run.expect(ASKS).answer(object.told());
    run.expect(&format!("{UPLOAD} ifGenerationMatch=0"));
    let Step::Pipe {
        sink, digest: None, ..
    } = &run.step
    else {
        panic!("{:?}", run.step)
    };
    let prefix = String::from_utf8(sink.prefix.to_vec()).unwrap();
    let whole = object.whole();
    for said in [
        format!("\"crc32c\":\"{whole}\""),
        format!("\"causeway-source-checksum\":\"crc32c={whole}\""),
    ] {
        assert!(prefix.contains(&said), "{prefix}");
    }
    run.answer(stored(5, object.size(), ("crc32c", &whole), None));
    let Outcome::Copied { proof, .. } = run.done() else {
        panic!("{:?}", run.step)
    };
    assert_eq!(*proof, Proof::StoredCrc32c);
}

#[test]
fn a_session_and_the_parts_of_a_run_carry_it_too() {
    let object = Parted::new(CRC32C, LARGE);
    let mut run = opened(&object);
    run.expect(ASKS).answer(object.told());
    run.expect(&format!("{START} ifGenerationMatch=0"))
        .answer(session());
    assert!(matches!(run.step, Step::Pipe { digest: None, .. }));

    let object = Parted::new(CRC32C, PARTS_ABOVE + 1);
    let mut run = opened(&object);
    run.expect(ASKS).answer(object.told());
    let Step::Done(Ending::Parts(order)) = &run.step else {
        panic!("{:?}", run.step)
    };
    assert_eq!(order.parts.digest, None);
    assert_eq!(order.stored.shared.unwrap().to_base64(), object.whole());
}

#[test]
fn a_crc32_of_the_whole_is_compared_with_the_bytes() {
    let object = Parted::new(CRC32, LARGE);
    let mut run = opened(&object);
    run.expect(ASKS).answer(object.told());
    run.expect(&format!("{START} ifGenerationMatch=0"))
        .answer(session());
    let wanted = Digest {
        other: Some(Algorithm::Crc32),
    };
    assert!(matches!(&run.step, Step::Pipe { digest: Some(digest), .. } if *digest == wanted));
}

#[test]
fn more_parts_than_a_reply_tells_of_are_asked_for_page_by_page() {
    let object = Parted::new(CRC32C, LARGE);
    let more = |after| {
        format!(
            "<IsTruncated>true</IsTruncated><NextPartNumberMarker>{after}</NextPartNumberMarker>"
        )
    };
    let mut run = opened(&object);
    let page = object.page(&object.parts[..1], &more(1));
    run.expect(ASKS).answer(reply(200, &[], &page));
    let Step::Send(_, request) = &run.step else {
        panic!("{:?}", run.step)
    };
    assert_eq!(request.headers()["x-amz-part-number-marker"], "1");
    let page = object.page(&object.parts[1..], "");
    run.expect(ASKS).answer(reply(200, &[], &page));
    run.answer(session());
    assert!(matches!(run.step, Step::Pipe { digest: None, .. }));

    let mut run = opened(&object);
    for _ in 0..10 {
        let page = object.page(&object.parts[..1], &more(1));
        run.expect(ASKS).answer(reply(200, &[], &page));
    }
    run.expect(&format!("{START} ifGenerationMatch=0"));
}

/// Answers the question for the parts of `object` with `told`: its checksum is then computed.
fn is_computed(object: &Parted, told: Event) -> Run {
    let mut run = opened(object);
    run.expect(ASKS).answer(told);
    run.expect(&format!("{START} ifGenerationMatch=0"))
        .answer(session());
    assert!(
        matches!(
            run.step,
            Step::Pipe {
                digest: Some(Digest { other: None }),
                ..
            }
        ),
        "{:?}",
        run.step
    );
    run
}

#[test]
fn what_is_not_what_the_composite_was_made_of_counts_for_nothing() {
    let object = || Parted::new(CRC32C, LARGE);
    let changed = |change: fn(&mut Parted)| {
        let mut other = object();
        change(&mut other);
        other.told()
    };
    for told in [
        changed(|other| other.etag = "\"overwritten-2\""),
        changed(|other| other.parts[0].0 += 1),
        changed(|other| other.parts[1].1 ^= 1),
        changed(|other| other.parts.truncate(1)),
        changed(|other| other.parts.swap(0, 1)),
        reply(404, &[], "<Error><Code>NoSuchKey</Code></Error>"),
        reply(503, &[], "<Error><Code>SlowDown</Code></Error>"),
        reply(200, &[], "<GetObjectAttributesResponse>"),
        lost(),
    ] {
        let run = is_computed(&object(), told);
        let refuses = &run.transfer.access.s3.refuses_parts;
        assert!(!refuses.load(Ordering::Relaxed));
    }
}

#[test]
fn a_store_that_refuses_is_not_asked_again() {
    let object = Parted::new(CRC32C, LARGE);
    for refused in [
        reply(403, &[], "<Error><Code>AccessDenied</Code></Error>"),
        reply(501, &[], ""),
        reply(200, &[], "what was asked for is not known"),
        Parted::new(CRC32, LARGE).told(),
    ] {
        let run = is_computed(&object, refused);
        let access = Arc::clone(run.transfer.access());
        let mut next = Run::with(access, hint("k", Some(LARGE)));
        next.answer(reply(404, &[], "")).answer(object.opened());
        next.expect(&format!("{START} ifGenerationMatch=0"));
    }
}

#[test]
fn a_small_object_is_not_worth_a_request_nor_is_one_whose_checksum_is_known() {
    let mut run = opened(&Parted::new(CRC32C, BUFFERED_LIMIT));
    assert!(matches!(run.step, Step::Hold { .. }), "{:?}", run.step);
    let object = Parted::new(CRC32C, BUFFERED_LIMIT + 1);
    run = Run::of(Some(object.size()));
    let Event::Reply(mut known) = object.opened() else {
        unreachable!()
    };
    known
        .headers_mut()
        .insert("etag", MD5_ETAG.parse().unwrap());
    run.answer(Event::Reply(known));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=0"));
}

#[test]
fn what_is_there_already_is_not_asked_for() {
    let object = Parted::new(CRC32C, LARGE);
    let mut run = Run::of(Some(LARGE));
    run.answer(stored(
        4,
        LARGE,
        ("crc32c", &object.whole()),
        Some(KMS_ETAG),
    ));
    run.answer(object.opened());
    assert!(matches!(run.done(), Outcome::Identical { .. }));
}
