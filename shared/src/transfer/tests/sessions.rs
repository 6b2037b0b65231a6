//! Objects that go in a resumable session, and what may happen to it.

use super::*;
use crate::plan::CHUNK_UNIT;

/// A transfer of a large object whose session has just begun.
fn in_session() -> Run {
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""));
    run.answer(source(LARGE, MD5_ETAG)).answer(session());
    run
}

#[test]
fn a_large_object_is_looked_for_first_and_sent_in_a_session() {
    let mut run = Run::of(Some(LARGE));
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.expect(OPEN).answer(source(LARGE, MD5_ETAG));
    run.expect(&format!("{START} ifGenerationMatch=0"));
    run.answer(session());
    run.expect(&format!("pipe PUT /session bytes 0-{}/{LARGE}", LARGE - 1));
    run.answer(md5(5, LARGE));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn a_large_object_whose_event_had_no_size_is_read_again_after_the_look() {
    let mut run = Run::of(None);
    run.expect(OPEN).answer(source(LARGE, MD5_ETAG));
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.expect(OPEN);
}

#[test]
fn a_broken_session_is_asked_and_resumed_where_it_stands() {
    let mut run = in_session();
    run.lose(Side::Sink).waits();
    run.expect(&format!("send PUT /session bytes */{LARGE}"));
    run.answer(persisted(CHUNK_UNIT));
    run.expect(&format!(
        "open GET /src/k bytes={CHUNK_UNIT}-{} {MD5_ETAG}",
        LARGE - 1
    ));
    run.answer(span(CHUNK_UNIT, LARGE - CHUNK_UNIT, LARGE, MD5_ETAG));
    run.expect(&format!(
        "pipe PUT /session bytes {CHUNK_UNIT}-{}/{LARGE}",
        LARGE - 1
    ));
    run.answer(md5(5, LARGE));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn other_bytes_than_those_that_were_asked_for_are_not_sent() {
    let left = LARGE - CHUNK_UNIT;
    for wrong in [span(0, left, LARGE, MD5_ETAG), source(left, MD5_ETAG)] {
        let mut run = in_session();
        run.lose(Side::Sink).waits();
        run.answer(persisted(CHUNK_UNIT)).answer(wrong);
        run.expect("send DELETE /session")
            .answer(reply(499, &[], ""));
        run.waits().expect(LOOK);
    }
}

#[test]
fn a_session_that_had_committed_all_the_same_says_so_when_asked() {
    let mut run = in_session();
    run.lose(Side::Sink).waits();
    run.answer(md5(5, LARGE));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn a_source_that_changed_meanwhile_ends_the_session_and_starts_over() {
    for changed in [reply(412, &[], ""), gone(), source(LARGE, "\"other\"")] {
        let mut run = in_session();
        run.lose(Side::Source).waits();
        run.answer(persisted(0));
        run.expect(&format!("{OPEN} {MD5_ETAG}")).answer(changed);
        run.expect("send DELETE /session")
            .answer(reply(499, &[], ""));
        run.waits().expect(LOOK);
    }
}

#[test]
fn a_session_that_never_gains_a_byte_is_given_up() {
    let mut run = in_session();
    for _ in 1..retry::ATTEMPTS_IN_HAND {
        run.answer(persisted(0)).waits().answer(persisted(0));
        run.expect(&format!("{OPEN} {MD5_ETAG}"))
            .answer(source(LARGE, MD5_ETAG));
    }
    run.answer(persisted(0));
    run.expect("send DELETE /session")
        .answer(reply(499, &[], ""));
    assert_eq!(run.failed().kind, ErrorKind::DestinationUnavailable);
}

#[test]
fn a_lost_session_is_replaced() {
    let mut run = in_session();
    run.lose(Side::Sink).waits();
    run.answer(reply(410, &[], "")).waits();
    run.expect(LOOK);
}
