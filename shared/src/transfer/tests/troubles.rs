//! Lost replies, refusals, and troubles short and long.

use super::*;

#[test]
fn a_lost_reply_is_looked_into_and_the_own_write_recognised() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).lose(Side::Sink).waits();
    run.expect(LOOK).answer(md5(5, 3));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn short_troubles_are_waited_out_and_long_ones_end_the_delivery() {
    let mut run = Run::of(Some(3));
    for _ in 1..retry::ATTEMPTS_IN_HAND {
        run.expect(OPEN).answer(reply(503, &[], "")).waits();
        run.expect(LOOK).answer(reply(404, &[], ""));
    }
    run.answer(reply(503, &[], ""));
    assert_eq!(run.failed().kind, ErrorKind::SourceUnavailable);
}

#[test]
fn what_took_minutes_to_fail_is_begun_once_more_in_another_delivery() {
    let lost = || {
        Event::TransportError(TransportError {
            side: Side::Sink,
            detail: "stalled".into(),
        })
    };
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer_after(4, lost());
    run.waits();
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer_after(6, lost());
    assert_eq!(run.failed().kind, ErrorKind::DestinationUnavailable);
}

#[test]
fn a_destination_that_never_holds_still_ends_the_delivery() {
    let mut run = Run::of(Some(3));
    for generation in 1..=u64::from(LOOKS) {
        run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
        run.expect(LOOK).answer(older(generation));
    }
    run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
    assert!(matches!(run.step, Step::WaitUntil(_)), "{:?}", run.step);
}

#[test]
fn what_the_source_refuses_is_said() {
    let mut run = Run::of(Some(3));
    run.answer(gone());
    assert_eq!(run.done(), &Outcome::SourceGone);
    let denied = || reply(403, &[], "<Error><Code>AccessDenied</Code></Error>");
    let endless = || reply(200, &[("etag", MD5_ETAG)], "");
    for (answer, kind) in [
        (&denied as &dyn Fn() -> Event, ErrorKind::SourceDenied),
        (&endless, ErrorKind::SourceLengthUnknown),
    ] {
        let mut run = Run::of(Some(3));
        run.answer(answer()).waits();
        run.expect(LOOK).answer(reply(404, &[], ""));
        run.expect(OPEN).answer(answer());
        assert_eq!(run.failed().kind, kind);
    }
}

#[test]
fn a_key_that_no_url_can_carry_is_refused_as_such_before_anything_is_asked() {
    for key in ["a/../b", "..", "."] {
        let route = Arc::new(route(&json!({})));
        let message = HintMessage::new("r", hint(key, None), Timestamp::UNIX_EPOCH);
        let transfer = Transfer::new(access(), route, &message, 7);
        assert_eq!(
            transfer.unwrap_err().kind,
            ErrorKind::KeyUnreachable,
            "{key}"
        );
    }
}

#[test]
fn an_event_out_of_turn_is_an_error_and_no_panic() {
    let mut run = Run::of(Some(3));
    run.answer(Event::Woken);
    assert_eq!(run.failed().kind, ErrorKind::OutOfTurn);
}

#[test]
fn a_reply_out_of_turn_is_named_without_the_secret_in_its_headers() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, KMS_ETAG)).answer(session());
    let error = run.failed();
    assert_eq!(error.kind, ErrorKind::OutOfTurn);
    assert!(!error.to_string().contains("upload_id"), "{error}");
}
