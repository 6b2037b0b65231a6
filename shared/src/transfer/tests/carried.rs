//! Sessions that go on with another message.

use super::*;

/// More than two slices, and no more than S3 takes in one request: an MD5 is checked by GCS.
const HUGE: u64 = 5 << 29;
const SLICE: u64 = 1 << 30;

/// A transfer whose session has its first slice, `minutes` after the start.
fn after_a_slice(minutes: i64) -> Run {
    let mut run = Run::of(Some(HUGE));
    run.answer(reply(404, &[], ""));
    run.answer(source(HUGE, MD5_ETAG)).answer(session());
    run.expect(&format!("open GET /src/k bytes=0-{} {MD5_ETAG}", SLICE - 1));
    run.answer(span(0, SLICE, HUGE, MD5_ETAG));
    run.expect(&format!("pipe PUT /session bytes 0-{}/{HUGE}", SLICE - 1));
    run.answer_after(minutes, persisted(SLICE));
    run
}

/// Another message with that session.
fn taken_up(session: CarriedSession) -> Run {
    let mut message = HintMessage::new("r", hint("k", Some(HUGE)), Timestamp::UNIX_EPOCH);
    message.session = Some(Box::new(session));
    let mut run = Run::of_message(access(), &message);
    run.expect(&format!("send PUT /session bytes */{HUGE}"));
    run
}

#[test]
fn slice_follows_slice_while_there_is_time() {
    let mut run = after_a_slice(4);
    run.expect(&format!(
        "open GET /src/k bytes={SLICE}-{} {MD5_ETAG}",
        2 * SLICE - 1
    ));
}

/// Carried on by a new message, it would count from 1 again, and all of it would be sent for ever.
#[test]
fn a_denial_is_no_progress_however_far_the_session_had_come() {
    let (session, _) = after_a_slice(6).carried();
    let mut run = taken_up(session);
    run.answer(persisted(SLICE));
    run.answer(span(SLICE, SLICE, HUGE, MD5_ETAG));
    run.answer(persisted(2 * SLICE));
    run.answer(span(2 * SLICE, HUGE - 2 * SLICE, HUGE, MD5_ETAG));
    let denied = r#"{"error":{"code":403,"message":"no","errors":[{"reason":"forbidden"}]}}"#;
    run.answer(reply(403, &[], denied)).waits();
    run.answer(persisted(2 * SLICE));
    run.answer(span(2 * SLICE, HUGE - 2 * SLICE, HUGE, MD5_ETAG));
    run.answer(reply(403, &[], denied));
    assert_eq!(run.failed().kind, ErrorKind::DestinationDenied);
}

#[test]
fn after_that_the_session_goes_on_with_another_message() {
    let (session, delay) = after_a_slice(6).carried();
    assert_eq!(delay, Duration::ZERO);
    let mut run = taken_up(session);
    run.answer(persisted(SLICE));
    run.expect(&format!(
        "open GET /src/k bytes={SLICE}-{} {MD5_ETAG}",
        2 * SLICE - 1
    ));
    run.answer(span(SLICE, SLICE, HUGE, MD5_ETAG));
    run.answer(persisted(2 * SLICE));
    run.answer(span(2 * SLICE, HUGE - 2 * SLICE, HUGE, MD5_ETAG));
    run.expect(&format!(
        "pipe PUT /session bytes {}-{}/{HUGE}",
        2 * SLICE,
        HUGE - 1
    ));
    run.answer(md5(5, HUGE));
    assert_eq!(
        run.done(),
        &Outcome::Copied {
            generation: Generation(5),
            size: HUGE,
            proof: Proof::StoredMd5,
            omitted: None,
        }
    );
}

#[test]
fn a_session_that_leads_elsewhere_is_not_carried_on() {
    let (session, _) = after_a_slice(6).carried();
    let (bucket, name) = session.place.split_once('/').unwrap();
    for place in [
        "elsewhere",
        &format!("elsewhere/{name}"),
        &format!("{bucket}/moved/k"),
    ] {
        let mut message = HintMessage::new("r", hint("k", Some(HUGE)), Timestamp::UNIX_EPOCH);
        let place = place.to_owned();
        message.session = Some(Box::new(CarriedSession {
            place,
            ..session.clone()
        }));
        Run::of_message(access(), &message).expect(LOOK);
    }
}

#[test]
fn a_session_of_an_older_version_is_carried_on() {
    let (session, _) = after_a_slice(6).carried();
    let (bucket, _) = session.place.split_once('/').unwrap();
    for place in [bucket, ""] {
        let place = place.to_owned();
        taken_up(CarriedSession {
            place,
            ..session.clone()
        });
    }
}

#[test]
fn what_was_committed_without_a_reply_is_found() {
    let (session, _) = after_a_slice(6).carried();
    let mut run = taken_up(session);
    run.answer(md5(5, HUGE));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn a_session_that_is_gone_has_everything_looked_at_again() {
    let (session, _) = after_a_slice(6).carried();
    let mut run = taken_up(session);
    run.answer(reply(410, &[], "")).waits();
    run.expect(LOOK);
}

#[test]
fn an_upload_that_came_further_and_then_broke_is_not_started_over() {
    let mut run = after_a_slice(0);
    for _ in 1..retry::ATTEMPTS_IN_HAND {
        run.answer(reply(503, &[], "")).waits();
        run.answer(persisted(SLICE));
    }
    run.answer(reply(503, &[], ""));
    let (session, delay) = run.carried();
    assert!(delay <= Duration::from_secs(2));
    // There it is no further: that message comes again, and still has the session.
    let mut run = taken_up(session);
    for _ in 1..retry::ATTEMPTS_IN_HAND {
        run.answer(reply(503, &[], "")).waits();
    }
    run.answer(reply(503, &[], ""));
    assert_eq!(run.failed().kind, ErrorKind::DestinationUnavailable);
}

#[test]
fn one_that_gains_nothing_is_not_handed_on_for_ever() {
    let (session, _) = after_a_slice(6).carried();
    let mut run = taken_up(session);
    run.answer(persisted(SLICE));
    run.answer(span(SLICE, SLICE, HUGE, MD5_ETAG));
    run.answer_after(6, reply(503, &[], ""));
    run.answer_after(6, Event::Woken);
    run.answer_after(6, persisted(SLICE));
    assert_eq!(run.failed().kind, ErrorKind::DestinationUnavailable);
}

#[test]
fn a_source_that_changed_ends_a_carried_session() {
    let (session, _) = after_a_slice(6).carried();
    let mut run = taken_up(session);
    run.answer(persisted(SLICE)).answer(reply(412, &[], ""));
    run.answer(span(SLICE, SLICE, HUGE, "\"other\""));
    run.expect("send DELETE /session")
        .answer(reply(499, &[], ""));
    run.waits().expect(LOOK);
}

#[test]
fn a_checksum_goes_on_with_the_session_and_gcs_may_not_have_less_than_it_covers() {
    let size = 3 << 28;
    let half = 1 << 28;
    let mut run = Run::of(Some(size));
    run.transfer.message.one_stream = true;
    run.answer(reply(404, &[], ""))
        .answer(source(size, KMS_ETAG));
    run.answer(session());
    run.answer(span(0, half, size, KMS_ETAG));
    run.answer(persisted(half));
    run.expect("Hold { length: 0, digest: Digest { other: None } }");
    let digests = Digests {
        crc32c: 7,
        other: None,
    };
    run.answer_after(6, Event::Digested(digests));
    let (session, _) = run.carried();
    let running = session.running.clone().unwrap();
    assert_eq!((running.offset, running.digests.crc32c), (half, 7));
    let mut message = HintMessage::new("r", hint("k", None), Timestamp::UNIX_EPOCH);
    message.session = Some(Box::new(session));
    let mut run = Run::of_message(access(), &message);
    run.answer(persisted(half - 1)).waits();
    run.expect(LOOK);

    // What GCS has beyond the checksum takes the whole time to be read: that is progress, too.
    let mut run = Run::of_message(access(), &message);
    run.answer(persisted(2 * half));
    run.answer(span(half, half, size, KMS_ETAG));
    run.expect(&format!(
        "Digest {{ length: {half}, digest: Digest {{ other: None }} }}"
    ));
    let digests = Digests {
        crc32c: 8,
        other: None,
    };
    run.answer_after(6, Event::Digested(digests));
    assert_eq!(run.carried().0.running.unwrap().offset, 2 * half);
}

#[test]
fn where_an_event_came_after_its_beginning_both_sides_are_looked_at_after_it() {
    let (session, _) = after_a_slice(6).carried();
    let take_up = || {
        let mut message = HintMessage::new("r", hint("k", Some(HUGE)), Timestamp::UNIX_EPOCH);
        message.session = Some(Box::new(session.clone()));
        message.followed = true;
        let mut run = Run::of_message(access(), &message);
        run.answer(md5(5, HUGE)).expect(LOOK);
        run.answer(md5(5, HUGE)).expect(OPEN);
        run
    };
    let mut run = take_up();
    run.answer(source(HUGE, MD5_ETAG));
    assert!(matches!(run.done(), Outcome::Copied { size: HUGE, .. }));
    let mut run = take_up();
    run.answer(source(HUGE, "\"another\""));
    // It is another object now: in parts, over what stands there.
    let asks = run.asks();
    assert!(asks.contains("precondition: Is(Generation(5))"), "{asks}");
}

/// Answers one step: GCS takes the first slice of each session, refuses the second with `refusal`, and
/// forgets the session with that.
fn refuse_second_slice(run: &mut Run, refusal: u16) {
    let asks = run.asks();
    let event = if matches!(run.step, Step::WaitUntil(_)) {
        Event::Woken
    } else if asks.starts_with(START) {
        session()
    } else if asks.starts_with("pipe PUT /session bytes 0-") {
        persisted(SLICE)
    } else if asks.starts_with("pipe PUT /session") {
        reply(refusal, &[], "")
    } else if asks.starts_with("send DELETE /session") {
        reply(499, &[], "")
    } else if asks.starts_with("send") {
        reply(404, &[], "")
    } else if asks.starts_with(&format!("{OPEN} bytes=0-")) {
        span(0, SLICE, HUGE, MD5_ETAG)
    } else if asks.starts_with(&format!("{OPEN} bytes=")) {
        span(SLICE, SLICE, HUGE, MD5_ETAG)
    } else {
        source(HUGE, MD5_ETAG)
    };
    run.answer(event);
}

#[test]
fn sessions_that_all_end_at_one_place_are_not_handed_on() {
    for (refusal, kind) in [
        (403, ErrorKind::DestinationDenied),
        (503, ErrorKind::DestinationUnavailable),
    ] {
        let mut run = taken_up(after_a_slice(6).carried().0);
        while !matches!(run.step, Step::Done(_) | Step::Failed(_)) {
            refuse_second_slice(&mut run, refusal);
        }
        assert_eq!(run.failed().kind, kind);
    }
}

#[test]
fn a_session_is_carried_on_before_its_checksums_have_used_up_the_cpu() {
    let size = 64 << 30;
    let mut run = Run::of(Some(size));
    run.transfer.message.one_stream = true;
    run.answer(reply(404, &[], ""));
    run.answer(source(size, KMS_ETAG)).answer(session());
    let mut start = 0;
    while !matches!(run.step, Step::Done(_)) {
        let State::InSession(session, _) = &run.transfer.state else {
            panic!("{:?}", run.transfer.state)
        };
        let slice = session.carried.plan.slice;
        run.answer(span(start, slice, size, KMS_ETAG));
        start += slice;
        run.answer(persisted(start));
        run.answer(Event::Digested(Digests::default()));
    }
    let (session, delay) = run.carried();
    assert_eq!(session.running.unwrap().offset, 16 << 30);
    assert_eq!(delay, Duration::ZERO);
}

#[test]
fn a_session_in_the_place_of_one_that_was_lost_is_carried_on_below_what_that_had_reached() {
    let mut run = after_a_slice(0);
    run.answer(span(SLICE, SLICE, HUGE, MD5_ETAG));
    run.answer_after(6, persisted(2 * SLICE));
    let mut run = taken_up(run.carried().0);
    run.answer(reply(404, &[], "")).waits();
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.answer(source(HUGE, MD5_ETAG)).answer(session());
    run.answer(span(0, SLICE, HUGE, MD5_ETAG));
    run.answer_after(12, persisted(SLICE));
    assert_eq!(run.carried().0.furthest, 2 * SLICE);
}
