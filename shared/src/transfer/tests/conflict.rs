//! Objects at the destination that are no copies of the key in question.

use super::*;
use crate::route::PARTS_ABOVE;

const OVERWRITE: &str = "overwrite";

fn along(on_conflict: &str, size: u64) -> Run {
    Run::along(&json!({"on_conflict": on_conflict}), hint("k", Some(size)))
}

/// A copy of another bucket's or another key's object.
fn copy_of(bucket: &str, key: &str) -> Event {
    let metadata = json!({
        "causeway-source-bucket": bucket, "causeway-source-key": key,
        "causeway-source-etag": MD5_ETAG, "causeway-source-size": "3"});
    let object = json!({"name": "k", "generation": "9", "size": "3", "md5Hash": MD5_BASE64,
        "metadata": metadata});
    reply(200, &[], &object.to_string())
}

fn kept(generation: u64) -> Outcome {
    Outcome::Kept {
        generation: Generation(generation),
    }
}

#[test]
fn a_foreign_object_is_left_alone_and_the_source_not_even_read() {
    let mut run = Run::of(Some(3));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=0"))
        .answer(reply(412, &[], ""));
    run.expect(LOOK).answer(foreign(9));
    assert_eq!(run.done(), &kept(9));
}

#[test]
fn a_copy_of_another_bucket_or_key_is_foreign_whatever_its_bytes() {
    for (bucket, key) in [("other", "k"), ("src", "other")] {
        let mut run = Run::of(Some(3));
        run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
        run.expect(LOOK).answer(copy_of(bucket, key));
        assert_eq!(run.done(), &kept(9), "{bucket}/{key}");
    }
    // And this one is not.
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
    run.expect(LOOK).answer(copy_of("src", "k"));
    run.expect(OPEN);
}

#[test]
fn it_is_replaced_under_its_generation_where_the_route_says_so() {
    let mut run = along(OVERWRITE, 3);
    run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
    run.expect(LOOK).answer(foreign(9));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=9"))
        .answer(md5(10, 3));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn no_byte_of_a_large_object_moves_before_that_is_known() {
    for size in [LARGE, PARTS_ABOVE + 1] {
        let mut run = Run::of(Some(size));
        run.expect(LOOK).answer(foreign(4));
        assert_eq!(run.done(), &kept(4));
    }
    // An event without a size: the source is asked first, and sends nothing yet.
    let mut run = Run::of(None);
    run.expect(OPEN).answer(source(LARGE, MD5_ETAG));
    run.expect(LOOK).answer(foreign(4));
    assert_eq!(run.done(), &kept(4));

    let mut run = along(OVERWRITE, PARTS_ABOVE + 1);
    run.expect(LOOK).answer(foreign(4));
    run.expect(OPEN).answer(source(PARTS_ABOVE + 1, KMS_ETAG));
    let Step::Done(Ending::Parts(order)) = &run.step else {
        panic!("{:?}", run.step)
    };
    assert_eq!(order.precondition, Precondition::Is(Generation(4)));
}

#[test]
fn one_that_appears_during_a_session_is_left_alone() {
    let mut run = Run::of(Some(LARGE));
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.answer(source(LARGE, MD5_ETAG)).answer(session());
    run.expect(&format!("pipe PUT /session bytes 0-{}/{LARGE}", LARGE - 1));
    run.answer(reply(412, &[], ""));
    run.expect(LOOK).answer(foreign(4));
    assert_eq!(run.done(), &kept(4));
}

#[test]
fn none_is_ever_deleted_not_even_where_it_may_be_replaced() {
    for on_conflict in ["keep", OVERWRITE] {
        let options = json!({"on_conflict": on_conflict, "deletes": "propagate"});
        let mut run = Run::along(&options, hint("k", None));
        run.expect(LOOK).answer(foreign(4));
        if on_conflict == OVERWRITE {
            run.expect(OPEN).answer(gone());
        }
        assert_eq!(run.done(), &kept(4), "{on_conflict}");
    }
}

/// Coordinators store outcomes, and another version reads them.
#[test]
fn an_outcome_is_stored_under_the_name_that_it_has_everywhere() {
    let generation = Generation(1);
    for outcome in [
        Outcome::Copied {
            generation,
            size: 1,
            proof: Proof::StoredMd5,
            omitted: None,
        },
        Outcome::Identical { generation },
        Outcome::Deleted { generation },
        Outcome::Kept { generation },
        Outcome::SourceGone,
        Outcome::ListedGone,
        Outcome::FolderMarker,
    ] {
        let stored = serde_json::to_value(&outcome).unwrap();
        let members = stored.as_object().and_then(|members| members.keys().next());
        assert_eq!(
            stored.as_str().or(members.map(String::as_str)),
            Some(outcome.name())
        );
    }
}
