//! What S3 answers, as a reply in the text of HTTP: to each request that the worker sends it.
#![no_main]

use causeway_fuzz::reply;
use causeway_shared::s3::{
    Listing, Plus, SourceObject, Span, decode_words, read_head, read_tags, refusal,
};
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
    let _ = read_head(&reply, "bucket");
    let span = Span {
        start: 0,
        length: 5,
        total: 5,
        etag: "\"e\"",
    };
    let _ = span.check(&reply, "bucket");
    let _ = refusal(&reply, "bucket");
    for value in reply.headers().values() {
        if let Ok(value) = value.to_str() {
            let _ = decode_words(value);
        }
    }
});
