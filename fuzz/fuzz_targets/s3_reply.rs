//! What S3 answers, as a reply in the text of HTTP: to each request that the worker sends it.
#![no_main]

use causeway_fuzz::reply;
use causeway_shared::integrity::{PartCrc, PartSums};
use causeway_shared::s3::{
    Listing, Plus, Refusal, SourceObject, Span, add_parts, decode_words, read_head, read_tags,
    refusal,
};
use causeway_shared::time::Clock;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(reply) = reply(input) else {
        return;
    };
    if let Ok(object) = SourceObject::read(reply.headers()) {
        let _ = format!("{object:?}");
    }
    for known in [None, Some(Plus::Itself), Some(Plus::Space)] {
        if let Ok(page) = Listing::read(&reply, "bucket", known) {
            // What asks for nothing more and has nothing must say that it is a listing.
            let body = String::from_utf8_lossy(reply.body());
            assert!(body.contains("ListBucketResult"), "{page:?}");
        }
    }
    let _ = read_tags(&reply, "bucket");
    let _ = add_parts(&reply, "\"e\"", &mut PartSums::new(PartCrc::Crc32c));
    let _ = read_head(&reply, "bucket");
    let span = Span {
        start: 0,
        length: 5,
        total: 5,
        etag: "\"e\"",
    };
    let _ = span.check(&reply, "bucket");
    match refusal(&reply, "bucket") {
        Refusal::Gone => assert_eq!(reply.status(), 404),
        Refusal::Failed(error) => {
            // What is retried is never final.
            assert!(!error.is_final || !error.kind.is_transient(), "{error}");
        }
    }
    let clock = Clock::default();
    if clock.explains(&reply, Timestamp::UNIX_EPOCH, 0) {
        // Whoever signs by it is not told so again.
        assert!(!clock.explains(&reply, Timestamp::UNIX_EPOCH, clock.offset()));
        let _ = clock.time(Timestamp::MAX);
    }
    for value in reply.headers().values() {
        if let Ok(value) = value.to_str() {
            let _ = decode_words(value);
        }
    }
});
