//! Who asks for a credential, how often, and with what, over a port that answers when it is told to.
#![allow(clippy::unwrap_used)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::access::{Endpoints, GcsAccess, Read, S3Access};
use crate::credentials::GoogleCredential;
use crate::gcs::ServiceAccount;
use crate::port::{DeletePermit, Digest, Digests, Side, Sink, TransportError};
use crate::route::Route;
use crate::sigv4::Credentials;

/// What is outside of every port.
#[derive(Default)]
struct World {
    seconds: Cell<i64>,
    asked: RefCell<Vec<Request<Bytes>>>,
    answers: RefCell<VecDeque<Result<Response<Bytes>, TransportError>>>,
    signatures: Cell<u32>,
}

#[derive(Clone, Default)]
struct Told(Rc<World>);

/// Not ready the first time.
async fn once_later() {
    let mut was_asked = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut was_asked, true) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

impl Port for Told {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(self.0.seconds.get())
    }

    async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.0.asked.borrow_mut().push(request);
        std::future::poll_fn(|_| match self.0.answers.borrow_mut().pop_front() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        })
        .await
    }

    async fn open(&mut self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        unreachable!()
    }

    async fn pipe(
        &mut self,
        _: Sink,
        _: u64,
        _: Option<Digest>,
    ) -> Result<Response<Bytes>, TransportError> {
        unreachable!()
    }

    async fn hold(&mut self, _: u64, _: Digest) -> Result<Digests, TransportError> {
        unreachable!()
    }

    async fn digest(&mut self, _: u64, _: Digest) -> Result<Digests, TransportError> {
        unreachable!()
    }

    async fn may_delete(&mut self, _: &Route) -> Result<DeletePermit, String> {
        unreachable!()
    }

    async fn sign_rs256(&mut self, _: Vec<u8>) -> Result<Vec<u8>, String> {
        self.0.signatures.set(self.0.signatures.get() + 1);
        Ok(b"signature".to_vec())
    }

    async fn wait_until(&mut self, _: Timestamp) {
        once_later().await;
    }
}

fn with_role(credential: Option<GoogleCredential>) -> Access {
    let arn = "arn:aws:iam::123456789012:role/r";
    let table = json!({"source": "s3://src", "destination": "gs://dst", "role_arn": arn});
    let route = Route::parse("ROUTE_R", table).unwrap();
    let keys = Credentials::new("AKID", "secret", None).unwrap();
    let endpoints = Endpoints::default();
    Access {
        s3: S3Access::new(&keys, "us-east-1", endpoints, &route).unwrap(),
        gcs: GcsAccess::new(credential, Some("gcs")).unwrap().into(),
    }
}

fn account() -> GoogleCredential {
    GoogleCredential::Account(ServiceAccount {
        email: "e".into(),
        key_id: "k".into(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "as a port gives it")]
fn reply(status: u16, body: &str) -> Result<Response<Bytes>, TransportError> {
    let reply = Response::builder().status(status);
    Ok(reply.body(Bytes::from(body.to_owned())).unwrap())
}

/// A session of `name` that ends so many seconds after the epoch.
fn session(name: &str, end: i64) -> Result<Response<Bytes>, TransportError> {
    let end = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(end);
    reply(
        200,
        &format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>{name}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>token-of-{name}</SessionToken><Expiration>{end}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )
}

async fn get(mut port: Told, access: &Access) -> Result<Request<Bytes>, TransferError> {
    let mut request = access.s3.get_object("src", "k", &Read::default())?;
    let now = port.now();
    renew(&mut port, access, Authority::Aws, now).await?;
    access.authorize(Authority::Aws, &mut request, port.now())?;
    Ok(request)
}

async fn write(mut port: Told, access: &Access) -> Result<Request<Bytes>, TransferError> {
    let mut request = access.gcs.address("dst", "n").get()?;
    let now = port.now();
    renew(&mut port, access, Authority::Google, now).await?;
    access.authorize(Authority::Google, &mut request, port.now())?;
    Ok(request)
}

fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// The token with which S3 was asked.
fn token(request: Result<Request<Bytes>, TransferError>) -> String {
    let request = request.unwrap();
    let token = &request.headers()["x-amz-security-token"];
    token.to_str().unwrap().to_owned()
}

#[test]
fn one_session_serves_all_that_wait_for_it() {
    let (port, access) = (Told::default(), with_role(None));
    let (mut first, mut second) = (
        pin!(get(port.clone(), &access)),
        pin!(get(port.clone(), &access)),
    );
    let context = &mut Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(context).is_pending());
    assert!(second.as_mut().poll(context).is_pending());
    port.0.answers.borrow_mut().push_back(session("a", 3600));
    for waiting in [first, second] {
        let Poll::Ready(request) = waiting.poll(context) else {
            panic!("it waits on")
        };
        assert_eq!(token(request), "token-of-a");
    }
    assert_eq!(port.0.asked.borrow().len(), 1);
}

#[test]
fn a_session_is_got_anew_five_minutes_before_its_end() {
    let (port, access) = (Told::default(), with_role(None));
    let answers = [session("a", 900), session("b", 1500)];
    port.0.answers.borrow_mut().extend(answers);
    for (seconds, expected) in [(0, "a"), (599, "a"), (600, "b"), (1199, "b")] {
        port.0.seconds.set(seconds);
        let request = now_or_never(get(port.clone(), &access));
        assert_eq!(token(request), format!("token-of-{expected}"), "{seconds}");
    }
    assert_eq!(port.0.asked.borrow().len(), 2);
}

#[test]
fn all_that_wait_for_one_that_fails_fail_with_it() {
    let (port, access) = (Told::default(), with_role(None));
    let (mut first, mut second) = (
        pin!(get(port.clone(), &access)),
        pin!(get(port.clone(), &access)),
    );
    let context = &mut Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(context).is_pending());
    assert!(second.as_mut().poll(context).is_pending());
    let (side, detail) = (Side::Sink, "reset".into());
    port.0
        .answers
        .borrow_mut()
        .push_back(Err(TransportError { side, detail }));
    for waiting in [first, second] {
        let Poll::Ready(Err(error)) = waiting.poll(context) else {
            panic!("it waits on, or has a session")
        };
        assert_eq!(error.kind, ErrorKind::SourceUnavailable);
        assert_eq!(error.message, "AWS STS gave no answer: reset.");
    }
}

/// A refusal that says what time it is.
#[expect(clippy::unnecessary_wraps, reason = "as a port gives it")]
fn refused_at(status: u16, date: &str) -> Result<Response<Bytes>, TransportError> {
    let reply = Response::builder().status(status).header("date", date);
    Ok(reply.body(Bytes::new()).unwrap())
}

/// The status that S3 answers `request` with.
fn asked_aws(port: &mut Told, access: &Access, request: &Request<Bytes>) -> StatusCode {
    let asked = ask_aws(port, access, request, Timestamp::UNIX_EPOCH, false);
    now_or_never(asked).unwrap().unwrap().status()
}

fn signed_at(request: &Request<Bytes>) -> &str {
    request.headers()["x-amz-date"].to_str().unwrap()
}

#[test]
fn what_was_signed_at_another_time_than_the_stores_is_signed_again_at_once() {
    let (mut port, access) = (Told::default(), with_role(None));
    let date = "Thu, 01 Jan 1970 02:00:00 GMT";
    port.0.answers.borrow_mut().extend([
        refused_at(400, date),
        session("a", 3 * 3600),
        reply(200, ""),
        reply(200, ""),
    ]);
    let request = access.s3.get_object("src", "k", &Read::default()).unwrap();
    for _ in 0..2 {
        assert_eq!(asked_aws(&mut port, &access, &request), 200);
    }
    let asked = port.0.asked.borrow();
    let dates: Vec<_> = asked.iter().map(signed_at).collect();
    let (ours, theirs) = ("19700101T000000Z", "19700101T020000Z");
    assert_eq!(dates, [ours, theirs, theirs, theirs]);
}

#[test]
fn a_store_whose_clock_explains_nothing_is_not_asked_twice() {
    let (mut port, access) = (Told::default(), with_role(None));
    port.0.answers.borrow_mut().extend([
        session("a", 3600),
        refused_at(403, "Thu, 01 Jan 1970 00:00:03 GMT"),
        // One that goes wrong is believed once for each request.
        refused_at(403, "Thu, 01 Jan 1970 09:00:00 GMT"),
        refused_at(403, "Thu, 01 Jan 1970 00:00:00 GMT"),
    ]);
    let request = access.s3.get_object("src", "k", &Read::default()).unwrap();
    for expected in [2, 4] {
        assert_eq!(asked_aws(&mut port, &access, &request), 403);
        assert_eq!(port.0.asked.borrow().len(), expected);
    }
}

#[test]
fn a_service_accounts_assertion_is_dated_by_googles_clock_once_that_refused_one() {
    let (port, access) = (Told::default(), with_role(Some(account())));
    now_or_never(write(port.clone(), &access)).unwrap();
    let reply = refused_at(401, "Thu, 01 Jan 1970 02:00:00 GMT").unwrap();
    access.note_time(Authority::Google, &reply, port.now());
    access.gcs.token().forget();
    let request = now_or_never(write(port.clone(), &access)).unwrap();
    let token = request.headers()[AUTHORIZATION].to_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iat"], 2 * 3600 - 10);
}

#[test]
fn a_service_account_signs_once_an_hour() {
    let (port, access) = (Told::default(), with_role(Some(account())));
    for (seconds, signatures) in [(0, 1), (3288, 1), (3290, 2)] {
        port.0.seconds.set(seconds);
        let request = now_or_never(write(port.clone(), &access)).unwrap();
        assert!(request.headers().contains_key(AUTHORIZATION));
        assert_eq!(port.0.signatures.get(), signatures, "{seconds}");
    }
    assert!(port.0.asked.borrow().is_empty());
}

#[test]
fn the_identity_that_google_is_shown_is_the_roles_session() {
    let file = json!({
        "type": "external_account", "audience": "//iam/a", "token_url": "http://google/token",
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "service_account_impersonation_url": "http://iam/x@y:generateAccessToken",
        "credential_source": {"environment_id": "aws1", "regional_cred_verification_url": "http://sts.{region}/?Action=GetCallerIdentity"},
    });
    let external = GoogleCredential::parse("G", &file.to_string(), true);
    let (port, access) = (Told::default(), with_role(Some(external.unwrap().0)));
    port.0.answers.borrow_mut().extend([
        session("a", 3600),
        reply(200, r#"{"access_token": "federated", "expires_in": 3600}"#),
        reply(
            200,
            r#"{"accessToken": "of-the-account", "expireTime": "1970-01-01T01:00:00Z"}"#,
        ),
    ]);
    let request = now_or_never(write(port.clone(), &access)).unwrap();
    assert_eq!(request.headers()[AUTHORIZATION], "Bearer of-the-account");
    let asked = port.0.asked.borrow();
    let urls: Vec<_> = asked.iter().map(|asked| asked.uri().to_string()).collect();
    assert_eq!(
        urls,
        [
            "https://sts.us-east-1.amazonaws.com/",
            "http://google/token",
            "http://iam/x@y:generateAccessToken"
        ]
    );
    let body = std::str::from_utf8(asked[1].body()).unwrap();
    assert!(
        body.contains("token%252Dof%252Da") && body.contains("us%252Deast%252D1"),
        "{body}"
    );
    assert_eq!(asked[2].headers()[AUTHORIZATION], "Bearer federated");
    drop(asked);
    // The second write asks nobody.
    now_or_never(write(port.clone(), &access)).unwrap();
    assert_eq!(port.0.asked.borrow().len(), 3);
}

#[test]
fn a_refusal_is_mended_once_where_another_credential_can_be_had() {
    let error = |kind| TransferError::new(kind, "", "");
    let aws = error(ErrorKind::SourceCredentialRefused);
    let google = error(ErrorKind::DestinationCredentialRefused);
    let (access, mut renewed) = (with_role(Some(account())), false);
    assert!(access.forget_refused(&aws, &mut renewed));
    assert!(!access.forget_refused(&google, &mut renewed));
    assert!(access.forget_refused(&google, &mut false));
    assert!(!access.forget_refused(&error(ErrorKind::SourceDenied), &mut false));
    let shown: Value = format!("{access:?}").into();
    assert!(!shown.to_string().contains("secret\""), "{shown}");
}
