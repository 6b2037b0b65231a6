//! Sources that are gone, and what follows whatever makes something of nothing or nothing of it.

use super::*;

/// A transfer along a route that propagates deletes, of a hint like a removal's.
fn removal() -> Run {
    propagating(hint("k", None))
}

fn propagating(hint: ObjectHint) -> Run {
    Run::along(&json!({"deletes": "propagate"}), hint)
}

/// One that has seen a copy of generation 4 and then no source, and waits for the brake.
fn at_the_brake() -> Run {
    let mut run = removal();
    run.expect(LOOK).answer(older(4));
    run.expect(OPEN).answer(gone());
    run
}

/// One that is deleting generation 4.
fn deleting() -> Run {
    let mut run = at_the_brake();
    run.may_delete(Ok(DeletePermit::Granted));
    run.expect(&format!("{DELETE} ifGenerationMatch=4"));
    run
}

fn deleted(generation: u64) -> Outcome {
    Outcome::Deleted {
        generation: Generation(generation),
    }
}

fn head(etag: &str) -> Event {
    reply(200, &[("content-length", "3"), ("etag", etag)], "")
}

/// HEAD of a key that is not there: a 404 without a body.
fn nothing() -> Event {
    reply(404, &[], "")
}

#[test]
fn a_copy_whose_source_is_gone_is_deleted_under_the_generation_seen_before() {
    let mut run = deleting();
    run.answer(reply(204, &[], ""));
    run.expect(HEAD).answer(nothing());
    assert_eq!(run.done(), &deleted(4));
}

#[test]
fn a_source_that_was_found_gone_first_is_asked_again_after_the_look() {
    // The event of a write, overtaken by a delete: the source is read at once.
    let mut run = propagating(hint("k", Some(3)));
    run.expect(OPEN).answer(gone());
    run.expect(LOOK).answer(older(4));
    run.expect(OPEN).answer(gone());
    run.may_delete(Ok(DeletePermit::Granted));
    run.expect(&format!("{DELETE} ifGenerationMatch=4"));
}

#[test]
fn nothing_is_deleted_unless_the_route_says_so() {
    for size in [None, Some(3)] {
        let mut run = Run::along(&json!({}), hint("k", size));
        run.expect(OPEN).answer(gone());
        assert_eq!(run.done(), &Outcome::SourceGone);
    }
    let mut run = Run::along(&json!({"deletes": "ignore"}), hint("k", Some(LARGE)));
    run.expect(LOOK).answer(older(4));
    run.expect(OPEN).answer(gone());
    assert_eq!(run.done(), &Outcome::SourceGone);
}

#[test]
fn what_is_gone_on_both_sides_is_done_with() {
    let mut run = removal();
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.expect(OPEN).answer(gone());
    assert_eq!(run.done(), &Outcome::SourceGone);
}

#[test]
fn only_s3s_own_word_deletes() {
    let marker = [("x-amz-delete-marker", "true")];
    let no_bucket = "<Error><Code>NoSuchBucket</Code></Error>";
    for (status, headers, body, kind) in [
        (403, &[][..], "", ErrorKind::SourceDenied),
        (403, &marker, "", ErrorKind::SourceDenied),
        (404, &[], no_bucket, ErrorKind::SourceBucketMissing),
        (410, &[], "", ErrorKind::SourceUnexpected),
    ] {
        let mut run = removal();
        for _ in 1..retry::ATTEMPTS_AT_REFUSED {
            run.answer(older(4)).answer(reply(status, headers, body));
            run.waits();
        }
        run.answer(older(4)).answer(reply(status, headers, body));
        assert_eq!(run.failed().kind, kind);
    }
    let mut run = removal();
    run.answer(older(4)).answer(reply(404, &[], "no such page"));
    run.waits().expect(LOOK);
}

#[test]
fn a_removal_of_a_key_that_is_there_again_copies_it() {
    let mut run = removal();
    run.expect(LOOK).answer(older(4));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=4"))
        .answer(md5(5, 3));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn somebody_who_wrote_before_the_delete_has_everything_looked_at_again() {
    for status in [412, 404] {
        let mut run = deleting();
        run.answer(reply(status, &[], ""));
        run.expect(LOOK).answer(md5(5, 3));
        run.expect(OPEN).answer(source(3, MD5_ETAG));
        assert!(matches!(run.done(), Outcome::Identical { .. }), "{status}");
    }
    // The delete of another generation of the same key needs no other leave.
    let mut run = deleting();
    run.answer(reply(412, &[], ""));
    run.expect(LOOK).answer(older(5));
    run.expect(OPEN).answer(gone());
    run.expect(&format!("{DELETE} ifGenerationMatch=5"));
}

#[test]
fn a_delete_whose_reply_was_lost_is_looked_into_and_not_counted_twice() {
    let unclear: [fn() -> Event; 2] = [lost, || reply(503, &[], "")];
    for reply_to_delete in unclear {
        let mut run = deleting();
        run.answer(reply_to_delete());
        run.waits().expect(LOOK).answer(reply(404, &[], ""));
        run.expect(OPEN).answer(gone());
        assert_eq!(run.done(), &deleted(4));

        let mut run = deleting();
        run.answer(reply_to_delete());
        run.waits().expect(LOOK).answer(older(4));
        run.expect(OPEN).answer(gone());
        run.expect(&format!("{DELETE} ifGenerationMatch=4"));
    }
}

#[test]
fn a_key_that_came_back_while_its_copy_was_deleted_is_copied() {
    // The new object may be the very same, to the second: whoever had looked for it before the
    // delete found its copy already there.
    let mut run = deleting();
    run.answer(reply(204, &[], ""));
    run.expect(HEAD).answer(head(MD5_ETAG));
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=0"));
}

/// Another handler copied it again in between: that copy is another delete.
#[test]
fn the_brake_is_asked_for_each_copy_that_is_deleted() {
    let mut run = deleting();
    run.answer(reply(204, &[], ""));
    run.expect(HEAD).answer(head(MD5_ETAG));
    run.expect(LOOK).answer(older(6));
    run.expect(OPEN).answer(gone());
    run.may_delete(Ok(DeletePermit::Granted));
    run.expect(&format!("{DELETE} ifGenerationMatch=6"));
}

#[test]
fn what_was_deleted_is_told_even_if_the_look_after_it_breaks() {
    let mut run = deleting();
    run.answer(reply(204, &[], ""));
    run.expect(HEAD).answer(reply(503, &[], ""));
    run.waits().expect(LOOK).answer(reply(404, &[], ""));
    run.expect(OPEN).answer(gone());
    assert_eq!(run.done(), &deleted(4));
}

#[test]
fn what_may_not_be_deleted_yet_says_so() {
    let mut run = deleting();
    let retained = json!({"error": {"code": 403, "message": "Object 'dst/k' is subject to bucket's retention policy",
        "errors": [{"reason": "retentionPolicyNotMet"}]}});
    run.answer(reply(403, &[], &retained.to_string()));
    let error = run.failed();
    assert_eq!(error.kind, ErrorKind::DestinationDenied);
    assert!(
        error.advice.contains("retention policy or a hold"),
        "{error}"
    );
}

#[test]
fn the_brake_keeps_the_copy_and_says_how_to_go_on() {
    let mut run = at_the_brake();
    run.may_delete(Ok(DeletePermit::Braked {
        deletes: 1000,
        limit: 1000,
    }));
    let error = run.failed();
    assert_eq!(error.kind, ErrorKind::DeletesBraked);
    for words in ["gs://dst/k", "1000 deletes within 3600 s", "lets 1000"] {
        assert!(error.message.contains(words), "{error}");
    }
    assert!(error.advice.contains("brake_deletes"), "{error}");
    assert_eq!(
        retry::after_delivery(error, 1, 7),
        retry::Disposition::Quarantine
    );
}

#[test]
fn a_brake_that_does_not_answer_lets_nothing_go() {
    let mut run = at_the_brake();
    run.may_delete(Err("no such object".into()));
    run.waits().expect(LOOK).answer(older(4));
    run.expect(OPEN).answer(gone());
    run.may_delete(Err("no such object".into())).waits();
    run.answer(older(4)).answer(gone());
    run.may_delete(Err("no such object".into()));
    assert_eq!(run.failed().kind, ErrorKind::LedgerUnavailable);
}

#[test]
fn what_a_person_released_does_not_ask_the_brake() {
    let mut message = HintMessage::new("r", hint("k", None), Timestamp::UNIX_EPOCH);
    message.released = true;
    let route = route(&json!({"deletes": "propagate"}));
    let mut run = Run::on(route, access(), &message);
    run.answer(older(4)).answer(gone());
    run.expect(&format!("{DELETE} ifGenerationMatch=4"));
    // The key came back and is gone again: the person did not mean that delete.
    run.answer(reply(204, &[], ""));
    run.expect(HEAD).answer(head(MD5_ETAG));
    run.expect(LOOK).answer(older(6));
    run.expect(OPEN).answer(gone());
    run.may_delete(Ok(DeletePermit::Granted));
    run.expect(&format!("{DELETE} ifGenerationMatch=6"));
}

/// A new small object, just committed where nothing stood.
fn committed() -> Run {
    let mut run = propagating(hint("k", Some(3)));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=0"))
        .answer(md5(5, 3));
    run
}

#[test]
fn a_commit_over_nothing_is_followed_by_another_look_at_the_source() {
    let mut run = committed();
    run.expect(HEAD).answer(head(MD5_ETAG));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn a_source_that_vanished_before_the_commit_takes_its_copy_away() {
    let mut run = committed();
    run.expect(HEAD).answer(nothing());
    run.expect(LOOK).answer(md5(5, 3));
    run.expect(OPEN).answer(gone());
    run.may_delete(Ok(DeletePermit::Granted));
    run.expect(&format!("{DELETE} ifGenerationMatch=5"));
}

#[test]
fn a_source_that_changed_before_the_commit_is_copied_again() {
    let mut run = committed();
    run.expect(HEAD).answer(head("\"other\""));
    run.expect(LOOK).answer(md5(5, 3));
    run.expect(OPEN).answer(source(3, KMS_ETAG));
    run.expect("Hold { length: 3, digest: Digest { other: None } }");
}

#[test]
fn a_copy_whose_second_look_breaks_is_no_less_a_copy() {
    for broken in [lost(), reply(500, &[], "")] {
        let mut run = committed();
        run.expect(HEAD).answer(broken);
        run.waits().expect(LOOK).answer(md5(5, 3));
        run.expect(OPEN).answer(source(3, MD5_ETAG));
        assert!(matches!(run.done(), Outcome::Copied { .. }));
    }
}

#[test]
fn a_commit_over_a_generation_needs_no_second_look() {
    let mut run = propagating(hint("k", Some(3)));
    run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
    run.expect(LOOK).answer(older(4));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=4"))
        .answer(md5(5, 3));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn a_commit_over_an_object_of_somebody_else_is_followed_by_another_look() {
    // Whoever finds the source gone leaves that object alone, and its generation as it is.
    let options = json!({"deletes": "propagate", "on_conflict": "overwrite"});
    let mut run = Run::along(&options, hint("k", Some(3)));
    run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
    run.expect(LOOK).answer(foreign(9));
    run.answer(source(3, MD5_ETAG)).answer(md5(10, 3));
    run.expect(HEAD).answer(nothing());
    run.expect(LOOK);
}

#[test]
fn a_session_is_followed_by_a_second_look_even_in_another_message() {
    let mut run = propagating(hint("k", Some(LARGE)));
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.answer(source(LARGE, MD5_ETAG)).answer(session());
    run.answer_after(6, reply(503, &[], ""));
    run.answer_after(6, Event::Woken);
    run.answer_after(6, persisted(1 << 18));
    let (carried, _) = run.carried();
    let mut message = HintMessage::new("r", hint("k", Some(LARGE)), Timestamp::UNIX_EPOCH);
    message.session = Some(Box::new(carried));
    let route = route(&json!({"deletes": "propagate"}));
    let mut run = Run::on(route, access(), &message);
    // It had been committed, and its source deleted since.
    run.answer(md5(5, LARGE));
    run.expect(HEAD).answer(nothing());
    run.expect(LOOK);
}

#[test]
fn a_source_that_keeps_coming_and_going_ends_the_delivery_and_is_not_acknowledged() {
    let mut run = committed();
    for generation in 5.. {
        if run.asks() != HEAD {
            break;
        }
        run.answer(head("\"other\""));
        if run.asks() != LOOK {
            break;
        }
        assert!(generation < 5 + u64::from(LOOKS));
        run.answer(reply(404, &[], ""));
        run.answer(source(3, MD5_ETAG)).answer(md5(generation, 3));
    }
    assert!(matches!(run.step, Step::WaitUntil(_)), "{:?}", run.step);
}

#[test]
fn an_upload_whose_reply_was_lost_is_waited_for_before_both_sides_count_as_gone() {
    let mut run = propagating(hint("k", Some(3)));
    run.answer(source(3, MD5_ETAG)).lose(Side::Sink).waits();
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.expect(OPEN).answer(gone());
    run.waits().expect(LOOK).answer(md5(5, 3));
    run.expect(OPEN).answer(gone());
    run.may_delete(Ok(DeletePermit::Granted));
    run.expect(&format!("{DELETE} ifGenerationMatch=5"));
}
