//! Objects that go in a single request, and those that need not go at all.

use super::*;

#[test]
fn a_new_small_object_costs_two_requests() {
    let mut run = Run::of(Some(3));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=0"));
    let Step::Pipe {
        sink,
        length,
        digest,
        ..
    } = &run.step
    else {
        panic!("{:?}", run.step)
    };
    assert_eq!((*length, *digest), (3, None));
    let prefix = String::from_utf8(sink.prefix.to_vec()).unwrap();
    assert!(
        prefix.contains(&format!("\"md5Hash\":\"{MD5_BASE64}\"")),
        "{prefix}"
    );
    run.answer(md5(5, 3));
    assert_eq!(
        run.done(),
        &Outcome::Copied {
            generation: Generation(5),
            size: 3,
            proof: Proof::StoredMd5,
            omitted: None,
        }
    );
}

#[test]
fn an_existing_object_is_looked_at_before_the_source_and_replaced_under_its_generation() {
    let mut run = Run::of(Some(3));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.answer(reply(412, &[], ""));
    run.expect(LOOK).answer(older(9));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=9"));
    run.answer(md5(10, 3));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn the_same_object_is_not_sent_twice() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG));
    run.answer(reply(412, &[], ""));
    run.expect(LOOK).answer(md5(9, 3));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    assert_eq!(
        run.done(),
        &Outcome::Identical {
            generation: Generation(9)
        }
    );
}

#[test]
fn provenance_alone_is_not_believed_when_the_checksum_says_otherwise() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
    run.answer(stored(9, 3, ("md5Hash", "AAAA"), Some(MD5_ETAG)));
    run.answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=9"));
}

#[test]
fn a_commit_with_another_checksum_is_no_success() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG));
    run.answer(stored(5, 3, ("md5Hash", "AAAA"), None));
    run.expect(LOOK);
}

/// A copy of the source with `MD5_ETAG` that says this, beside what it always does.
fn saying(generation: u64, content_type: &str, author: &str) -> Event {
    let object = json!({"name": "k", "generation": generation.to_string(), "size": "3",
        "md5Hash": MD5_BASE64, "contentType": content_type,
        "metadata": {
            "causeway-source-bucket": "src", "causeway-source-key": "k",
            "causeway-source-etag": MD5_ETAG, "causeway-source-size": "3", "author": author}});
    reply(200, &[], &object.to_string())
}

/// Some stores keep ETag and Last-Modified where an object is copied onto itself.
#[test]
fn what_differs_in_headers_or_metadata_alone_is_brought_into_step() {
    let headers = [
        ("content-length", "3"),
        ("etag", MD5_ETAG),
        ("content-type", "text/plain"),
        ("x-amz-meta-author", "Ada"),
    ];
    for (content_type, author, is_same) in [
        ("text/plain", "Ada", true),
        ("text/html", "Ada", false),
        ("text/plain", "Eve", false),
    ] {
        let mut run = Run::of(None);
        run.expect(OPEN).answer(reply(200, &headers, ""));
        run.answer(reply(412, &[], "")).expect(LOOK);
        run.answer(saying(9, content_type, author)).expect(OPEN);
        run.answer(reply(200, &headers, ""));
        if is_same {
            let generation = Generation(9);
            assert_eq!(run.done(), &Outcome::Identical { generation });
        } else {
            run.expect(&format!("{UPLOAD} ifGenerationMatch=9"));
        }
    }
}
