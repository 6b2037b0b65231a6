//! What requests are to carry, and what follows where there is nothing to carry.

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

fn unauthorized(kind: ErrorKind) -> Event {
    Event::Unauthorized(TransferError::new(kind, "said", "done"))
}

/// Along a route with a role.
fn with_role() -> Run {
    let route = route(&json!({"role_arn": ROLE}));
    let message = HintMessage::new("r", hint("k", Some(3)), Timestamp::UNIX_EPOCH);
    let access = access_for(&route);
    Run::on(route, access, &message)
}

#[test]
fn each_request_says_whose_credential_it_carries() {
    let options = json!({"deletes": "propagate", "tags": true});
    let mut run = Run::along(&options, hint("k", None));
    assert!(
        matches!(run.step, Step::Send(Authority::Google, _)),
        "{:?}",
        run.step
    );
    run.answer(reply(404, &[], ""));
    assert!(matches!(run.step, Step::Open(_)));
    run.answer(source(3, MD5_ETAG));
    assert!(
        matches!(run.step, Step::Send(Authority::Aws, _)),
        "{:?}",
        run.step
    );
    run.answer(reply(200, &[], "<Tagging><TagSet/></Tagging>"));
    let Step::Pipe { pass, .. } = run.step else {
        panic!("{:?}", run.step)
    };
    assert_eq!(pass, Authority::Google);
    run.answer(md5(1, 3));
    assert!(
        matches!(run.step, Step::Send(Authority::Aws, _)),
        "{:?}",
        run.step
    );
}

#[test]
fn the_session_gets_no_token_because_its_uri_is_one() {
    let mut run = Run::with(access(), hint("k", Some(LARGE)));
    run.answer(reply(404, &[], ""))
        .answer(source(LARGE, MD5_ETAG));
    assert!(matches!(run.step, Step::Send(Authority::Google, _)));
    run.answer(reply(200, &[("location", "http://elsewhere/session")], ""));
    let Step::Pipe { pass, .. } = run.step else {
        panic!("{:?}", run.step)
    };
    assert_eq!(pass, Authority::None);
    run.lose(Side::Sink).waits();
    assert!(
        matches!(run.step, Step::Send(Authority::None, _)),
        "{:?}",
        run.step
    );
}

#[test]
fn a_refused_token_is_got_anew_once() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer(reply(401, &[], ""));
    run.expect(LOOK).answer(reply(401, &[], "")).waits();
    run.expect(LOOK).answer(reply(401, &[], ""));
    assert_eq!(run.failed().kind, ErrorKind::DestinationCredentialRefused);
}

#[test]
fn a_roles_session_that_s3_refuses_is_got_anew_once() {
    let expired = || reply(400, &[], "<Error><Code>ExpiredToken</Code></Error>");
    let mut run = with_role();
    run.expect(OPEN).answer(expired());
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.expect(OPEN).answer(expired()).waits();
    run.expect(LOOK).answer(reply(404, &[], ""));
    run.expect(OPEN).answer(expired());
    assert_eq!(run.failed().kind, ErrorKind::SourceCredentialRefused);
    // A person's own keys are the same the second time.
    let mut run = Run::of(Some(3));
    run.answer(expired()).waits();
    run.answer(reply(404, &[], "")).answer(expired());
    assert_eq!(run.failed().kind, ErrorKind::SourceCredentialRefused);
}

#[test]
fn what_a_token_service_refuses_ends_it_and_what_passes_is_tried_again() {
    let mut run = with_role();
    run.answer(unauthorized(ErrorKind::SourceCredentialRefused))
        .waits();
    run.expect(LOOK)
        .answer(unauthorized(ErrorKind::DestinationCredentialRefused));
    assert_eq!(run.failed().kind, ErrorKind::DestinationCredentialRefused);
    let mut run = with_role();
    run.answer(unauthorized(ErrorKind::ConfigurationInvalid));
    assert_eq!(run.failed().kind, ErrorKind::ConfigurationInvalid);
    let mut run = with_role();
    run.answer(unauthorized(ErrorKind::SourceUnavailable))
        .waits();
    run.expect(LOOK)
        .answer(unauthorized(ErrorKind::DestinationUnavailable))
        .waits();
    run.expect(LOOK)
        .answer(unauthorized(ErrorKind::DestinationUnavailable));
    assert_eq!(run.failed().kind, ErrorKind::DestinationUnavailable);
}

#[test]
fn a_session_outlasts_a_token_service_that_fails() {
    let mut run = Run::with(access(), hint("k", Some(LARGE)));
    run.answer(reply(404, &[], ""))
        .answer(source(LARGE, MD5_ETAG))
        .answer(session());
    run.lose(Side::Source).waits();
    run.answer(persisted(1 << 20));
    assert!(matches!(run.step, Step::Open(_)), "{:?}", run.step);
    run.answer(unauthorized(ErrorKind::SourceUnavailable))
        .waits();
    assert!(
        matches!(run.step, Step::Send(Authority::None, _)),
        "{:?}",
        run.step
    );
}
