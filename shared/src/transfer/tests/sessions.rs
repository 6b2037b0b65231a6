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
    for (is_refused, changed) in [
        (true, gone()),
        (true, source(LARGE, "\"other\"")),
        (false, gone()),
        (false, source(LARGE, "\"other\"")),
    ] {
        let mut run = in_session();
        run.lose(Side::Source).waits();
        run.answer(persisted(0));
        run.expect(&format!("{OPEN} {MD5_ETAG}"));
        if is_refused {
            run.answer(reply(412, &[], "")).expect(OPEN);
        }
        run.answer(changed);
        run.expect("send DELETE /session")
            .answer(reply(499, &[], ""));
        run.waits().expect(LOOK);
    }
}

/// Some stores refuse their own ETags, and no `If-Match` holds for a weak one.
#[test]
fn where_if_match_cannot_hold_the_reply_s_own_etag_is_compared() {
    const HALF: u64 = LARGE / 2 + 1;
    let rest = LARGE - HALF;
    let mut run = in_session();
    run.lose(Side::Source).waits().answer(persisted(HALF));
    let ranged = format!("{OPEN} bytes={HALF}-{}", LARGE - 1);
    run.expect(&format!("{ranged} {MD5_ETAG}"))
        .answer(reply(412, &[], ""));
    run.expect(&ranged);
    run.answer(span(HALF, rest, LARGE, MD5_ETAG))
        .lose(Side::Source);
    run.waits().answer(persisted(HALF)).expect(&ranged);

    let mut run = Run::of(Some(LARGE));
    let weak = "W/\"abc-2\"";
    run.answer(reply(404, &[], "")).answer(source(LARGE, weak));
    run.answer(session()).lose(Side::Source).waits();
    run.answer(persisted(HALF));
    // Its checksum is computed: from the first byte on.
    let known = format!("{OPEN} bytes=0-{}", HALF - 1);
    run.expect(&known).answer(span(0, HALF, LARGE, "\"abc-2\""));
    assert!(matches!(run.step, Step::Digest { .. }), "{:?}", run.step);

    let mut run = in_session();
    run.lose(Side::Source).waits().answer(persisted(HALF));
    run.answer(reply(412, &[], ""));
    run.answer(span(HALF, rest, LARGE, "W/\"other\""));
    run.expect("send DELETE /session");
}

/// Where there are versions what was begun is finished, however often the source is written meanwhile.
#[test]
fn a_session_reads_the_version_that_it_was_begun_for() {
    const HALF: u64 = LARGE / 2 + 1;
    let broken = |access: Arc<Access>| {
        let mut run = Run::with(access, hint("k", Some(LARGE)));
        let size = LARGE.to_string();
        let headers = [
            ("content-length", &*size),
            ("etag", MD5_ETAG),
            ("x-amz-version-id", "v1"),
        ];
        run.answer(reply(404, &[], ""))
            .answer(reply(200, &headers, ""));
        run.answer(session()).lose(Side::Source).waits();
        run.answer(persisted(HALF));
        run
    };
    let range = format!("bytes={HALF}-{} {MD5_ETAG}", LARGE - 1);
    let by_version = format!("{OPEN} versionId=v1 {range}");
    let rest = || span(HALF, LARGE - HALF, LARGE, MD5_ETAG);
    let mut run = broken(access());
    run.expect(&by_version).answer(rest());
    assert!(matches!(run.step, Step::Pipe { .. }), "{:?}", run.step);
    let mut run = broken(access());
    run.expect(&by_version);
    run.answer(reply(404, &[], "<Error><Code>NoSuchVersion</Code></Error>"));
    run.expect("send DELETE /session");
    // Another permission than reading what is current; once it is known to lack, it is not tried again.
    let access = access();
    for is_known in [false, true] {
        let mut run = broken(Arc::clone(&access));
        if !is_known {
            let denied = "<Error><Code>AccessDenied</Code></Error>";
            run.expect(&by_version).answer(reply(403, &[], denied));
        }
        run.expect(&format!("{OPEN} {range}")).answer(rest());
        assert!(matches!(run.step, Step::Pipe { .. }), "{:?}", run.step);
    }
}

/// The version is then the time of the last change, and the size.
#[test]
fn an_object_without_an_etag_is_told_by_its_time() {
    let at = |time: &str, status: u16, range: Option<String>| {
        let size = LARGE.to_string();
        let mut headers = vec![("content-length", &*size), ("last-modified", time)];
        headers.extend(range.as_deref().map(|range| ("content-range", range)));
        reply(status, &headers, "")
    };
    let mut run = Run::of(Some(LARGE));
    let (before, after) = (
        "Fri, 02 Jan 2026 03:04:05 GMT",
        "Fri, 02 Jan 2026 03:04:06 GMT",
    );
    run.answer(reply(404, &[], ""))
        .answer(at(before, 200, None));
    let Step::Send(_, start) = &run.step else {
        panic!("{:?}", run.step)
    };
    let body = String::from_utf8(start.body().to_vec()).unwrap();
    assert!(
        body.contains(before) && !body.contains("causeway-source-etag"),
        "{body}"
    );
    run.answer(session()).lose(Side::Source).waits();
    run.answer(persisted(0))
        .expect(OPEN)
        .answer(at(before, 200, None));
    assert!(matches!(run.step, Step::Pipe { .. }), "{:?}", run.step);
    run.lose(Side::Source).waits();
    run.answer(persisted(0)).answer(at(after, 200, None));
    run.expect("send DELETE /session");
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

/// All of the object would be sent again within a second: a later delivery does that.
#[test]
fn a_commit_that_is_denied_is_not_tried_again_in_hand() {
    let mut run = in_session();
    let denied = r#"{"error":{"code":403,"message":"no","errors":[{"reason":"forbidden"}]}}"#;
    run.answer(reply(403, &[], denied)).waits();
    run.expect(&format!("send PUT /session bytes */{LARGE}"));
    run.answer(reply(404, &[], ""));
    assert_eq!(run.failed().kind, ErrorKind::DestinationDenied);
}

#[test]
fn a_lost_session_is_replaced() {
    let mut run = in_session();
    run.lose(Side::Sink).waits();
    run.answer(reply(410, &[], "")).waits();
    run.expect(LOOK);
}
