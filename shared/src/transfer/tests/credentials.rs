//! The token that requests to GCS carry, and the key that signs it.

use http::header::{AUTHORIZATION, LOCATION};

use super::*;

fn account() -> ServiceAccount {
    ServiceAccount {
        email: "e".into(),
        key_id: "k".into(),
    }
}

#[test]
fn a_token_is_signed_once_and_used_by_all() {
    let access = access(Some(account()));
    let mut run = Run::with(Arc::clone(&access), hint("k", Some(3)));
    run.answer(source(3, MD5_ETAG));
    assert!(matches!(run.step, Step::SignRs256(_)));
    run.answer(Event::Signed(Ok(b"signature".to_vec())));
    let Step::Pipe { sink, .. } = &run.step else {
        panic!("{:?}", run.step)
    };
    assert!(sink.request.headers().contains_key(AUTHORIZATION));
    let mut second = Run::with(access, hint("k", Some(3)));
    second.answer(source(3, MD5_ETAG));
    assert!(matches!(second.step, Step::Pipe { .. }));
}

#[test]
fn a_refused_token_is_renewed_once() {
    let mut run = Run::with(access(Some(account())), hint("k", Some(3)));
    let signed = || Event::Signed(Ok(b"signature".to_vec()));
    run.answer(source(3, MD5_ETAG)).answer(signed());
    run.answer(reply(401, &[], ""));
    assert!(matches!(run.step, Step::SignRs256(_)), "{:?}", run.step);
    run.answer(signed())
        .expect(LOOK)
        .answer(reply(401, &[], ""));
    assert_eq!(run.failed().kind, ErrorKind::DestinationCredentialRefused);
}

#[test]
fn a_key_that_cannot_sign_is_said_without_it() {
    let mut run = Run::with(access(Some(account())), hint("k", Some(3)));
    run.answer(source(3, MD5_ETAG));
    run.answer(Event::Signed(Err("not PKCS#8".into())));
    assert_eq!(run.failed().kind, ErrorKind::ConfigurationInvalid);
}

#[test]
fn the_session_gets_no_token_because_its_uri_is_one() {
    let mut run = Run::with(access(Some(account())), hint("k", Some(LARGE)));
    run.answer(Event::Signed(Ok(b"signature".to_vec())));
    run.answer(reply(404, &[], ""))
        .answer(source(LARGE, MD5_ETAG));
    run.answer(reply(
        200,
        &[(LOCATION.as_str(), "http://elsewhere/session")],
        "",
    ));
    let Step::Pipe { sink, .. } = &run.step else {
        panic!("{:?}", run.step)
    };
    assert!(!sink.request.headers().contains_key(AUTHORIZATION));
}
