//! Routes that ask for tags.

use super::*;
use serde_json::Value;

const TAGS: &str = "send GET /src/k tagging=";

fn tagged_run(size: u64) -> Run {
    Run::along(&json!({"tags": true}), hint("k", Some(size)))
}

fn tags(pairs: &[(&str, &str)]) -> Event {
    let tags: String = pairs
        .iter()
        .map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"))
        .collect();
    reply(
        200,
        &[],
        &format!("<Tagging><TagSet>{tags}</TagSet></Tagging>"),
    )
}

/// What stands at the destination with these tags.
fn copy(pairs: &[(&str, &str)]) -> Event {
    let mut metadata = json!({
        "causeway-source-bucket": "src", "causeway-source-key": "k",
        "causeway-source-etag": MD5_ETAG, "causeway-source-size": "3"});
    for (key, value) in pairs {
        metadata[format!("causeway-source-tag-{key}")] = json!(value);
    }
    let object = json!({"name": "k", "generation": "9", "size": "3", "md5Hash": MD5_BASE64,
        "metadata": metadata});
    reply(200, &[], &object.to_string())
}

#[test]
fn tags_are_asked_for_while_the_body_is_open_and_sent_with_it() {
    let mut run = tagged_run(3);
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(TAGS).answer(tags(&[("stage", "raw")]));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=0"));
    let Step::Pipe { sink, .. } = &run.step else {
        panic!("{:?}", run.step)
    };
    let prefix = String::from_utf8(sink.prefix.to_vec()).unwrap();
    assert!(
        prefix.contains("\"causeway-source-tag-stage\":\"raw\""),
        "{prefix}"
    );
}

#[test]
fn the_tags_are_those_of_the_version_that_is_open() {
    let mut run = tagged_run(3);
    let headers = [
        ("content-length", "3"),
        ("etag", MD5_ETAG),
        ("x-amz-version-id", "v1"),
    ];
    run.answer(reply(200, &headers, ""));
    run.expect(&format!("{TAGS} versionId=v1"));
}

#[test]
fn a_large_object_is_looked_for_before_its_tags_are_asked_for() {
    let mut run = Run::along(&json!({"tags": true}), hint("k", None));
    run.expect(OPEN).answer(source(LARGE, MD5_ETAG));
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.expect(OPEN).answer(source(LARGE, MD5_ETAG));
    run.expect(TAGS).answer(tags(&[]));
    run.expect(&format!("{START} ifGenerationMatch=0"));
}

#[test]
fn a_changed_tag_makes_another_object_and_the_same_tags_do_not() {
    let cases: [(&[_], &[_], bool); 5] = [
        (&[("a", "1")], &[("a", "1")], true),
        (&[], &[], true),
        (&[("a", "1")], &[("a", "2")], false),
        (&[("a", "1")], &[], false),
        (&[], &[("a", "1")], false),
    ];
    for (now, then, same) in cases {
        let mut run = tagged_run(3);
        run.answer(source(3, MD5_ETAG)).answer(tags(now));
        run.answer(reply(412, &[], ""));
        run.expect(LOOK).answer(copy(then));
        run.answer(source(3, MD5_ETAG)).answer(tags(now));
        let is_identical = matches!(
            run.step,
            Step::Done(Ending::Settled(Outcome::Identical { .. }))
        );
        assert_eq!(is_identical, same, "{now:?} {then:?}");
    }
}

#[test]
fn a_route_that_does_not_ask_for_tags_does_not_compare_them() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
    run.answer(copy(&[("a", "1")])).answer(source(3, MD5_ETAG));
    assert!(matches!(run.done(), Outcome::Identical { .. }));
}

#[test]
fn tags_that_cannot_be_read_stop_the_copy_and_an_object_that_went_away_starts_over() {
    let denied = "<Error><Code>AccessDenied</Code></Error>";
    let mut run = tagged_run(3);
    run.answer(source(3, MD5_ETAG))
        .answer(reply(403, &[], denied));
    run.waits().answer(reply(404, &[], ""));
    run.answer(source(3, MD5_ETAG))
        .answer(reply(403, &[], denied));
    assert_eq!(run.failed().kind, ErrorKind::SourceDenied);
    assert!(run.failed().advice.contains("s3:GetObjectTagging"));

    let mut run = tagged_run(3);
    run.answer(source(3, MD5_ETAG)).answer(reply(404, &[], ""));
    run.waits().expect(LOOK);
    let mut run = tagged_run(3);
    run.answer(source(3, MD5_ETAG)).lose(Side::Sink);
    run.waits().expect(LOOK);
}

#[test]
fn what_does_not_fit_is_told_with_the_outcome() {
    let mut run = tagged_run(3);
    run.answer(source(3, MD5_ETAG));
    let long = "x".repeat(9000);
    run.answer(tags(&[("long", &long)]));
    let Step::Pipe { sink, .. } = &run.step else {
        panic!("{:?}", run.step)
    };
    let prefix = String::from_utf8(sink.prefix.to_vec()).unwrap();
    let json = prefix.lines().find(|line| line.starts_with('{')).unwrap();
    let mut object: Value = serde_json::from_str(json).unwrap();
    object["generation"] = json!("1");
    object["size"] = json!("3");
    run.answer(reply(200, &[], &object.to_string()));
    let Outcome::Copied { omitted, .. } = run.done() else {
        panic!("{:?}", run.step)
    };
    assert_eq!(omitted.as_deref(), Some("tag long"));
}
