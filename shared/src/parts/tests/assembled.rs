//! Composing, against answers made by hand: what is asked of both sides, in which order.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;

use super::*;
use crate::access::{Access, Endpoints, GcsAccess, S3Access};
use crate::port::{DeletePermit, Digest, Port, Sink, TransportError};
use crate::route::Route;
use crate::sigv4::Credentials;

/// Gives what it was made of, one answer a request; `None` is no answer.
#[derive(Default)]
struct Script {
    answers: VecDeque<Option<Response<Bytes>>>,
    asked: Vec<String>,
}

impl Port for Script {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let (method, path) = (request.method(), request.uri().path());
        self.asked.push(format!("{method} {path}"));
        let answer = self.answers.pop_front().expect("an answer is scripted");
        answer.ok_or_else(|| TransportError {
            side: crate::port::Side::Sink,
            detail: "reset".into(),
        })
    }

    async fn open(&mut self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        unreachable!("composing reads no source")
    }

    async fn pipe(
        &mut self,
        _: Sink,
        _: u64,
        _: Option<Digest>,
    ) -> Result<Response<Bytes>, TransportError> {
        unreachable!("composing moves no bytes")
    }

    async fn hold(&mut self, _: u64, _: Digest) -> Result<Digests, TransportError> {
        unreachable!("composing moves no bytes")
    }

    async fn digest(&mut self, _: u64, _: Digest) -> Result<Digests, TransportError> {
        unreachable!("composing moves no bytes")
    }

    async fn may_delete(&mut self, _: &Route) -> Result<DeletePermit, String> {
        unreachable!("composing deletes nothing")
    }

    async fn sign_rs256(&mut self, _: Vec<u8>) -> Result<Vec<u8>, String> {
        unreachable!("an emulator wants no token")
    }

    async fn wait_until(&mut self, _: Timestamp) {}
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
    let mut reply = Response::builder().status(status);
    for (name, value) in headers {
        reply = reply.header(*name, *value);
    }
    reply.body(Bytes::from(body.to_owned())).unwrap()
}

fn composed() -> Response<Bytes> {
    let object = json!({"name": "k", "generation": "9", "size": "5", "crc32c": "AAAAAQ=="});
    reply(200, &[], &object.to_string())
}

fn head(etag: &str) -> Response<Bytes> {
    reply(200, &[("etag", etag)], "")
}

const COMPOSE: &str = "POST /storage/v1/b/dst/o/k/compose";
const HEAD: &str = "HEAD /src/k";

/// Composes an object whose source has the ETag `a`, along a route with `deletes`.
fn assembled<const N: usize>(
    deletes: &str,
    precondition: Precondition,
    answers: [Option<Response<Bytes>>; N],
) -> (Result<Outcome, TransferError>, Vec<String>) {
    let options = json!({"deletes": deletes});
    assembled_along(&options, precondition, answers)
}

fn assembled_along<const N: usize>(
    options: &serde_json::Value,
    precondition: Precondition,
    answers: [Option<Response<Bytes>>; N],
) -> (Result<Outcome, TransferError>, Vec<String>) {
    let mut order = order("a");
    order.precondition = precondition;
    assembled_order(options, order, answers)
}

fn assembled_order<const N: usize>(
    options: &serde_json::Value,
    mut order: CompositeCopy,
    answers: [Option<Response<Bytes>>; N],
) -> (Result<Outcome, TransferError>, Vec<String>) {
    let mut table = json!({"source": "s3://src", "destination": "gs://dst/in/"});
    let options = options.as_object().unwrap().clone();
    table.as_object_mut().unwrap().extend(options);
    let route = Route::parse("ROUTE_R", table).unwrap();
    let endpoints = Endpoints {
        s3: Some("http://s3"),
        ..Endpoints::default()
    };
    let keys = Credentials::new("AKID", "secret", None).unwrap();
    let access = Access {
        s3: S3Access::new(&keys, "us-east-1", endpoints, &route).unwrap(),
        gcs: GcsAccess::new(None, Some("gcs")).unwrap().into(),
    };
    // One part whose checksum is that of the whole.
    order.parts.length = 5;
    let mut part = copy(0);
    part.digests.crc32c = 1;
    let parts = [part];
    let mut port = Script {
        answers: answers.into(),
        asked: Vec::new(),
    };
    let result = {
        let assembling = assemble(&mut port, &access, &route, &order, &parts, "p/", 7);
        match pin!(assembling).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("nothing here waits"),
        }
    };
    assert!(
        port.answers.is_empty(),
        "{} answers are left",
        port.answers.len()
    );
    (result, port.asked)
}

const OVER_NOTHING: Precondition = Precondition::DoesNotExist;

#[test]
fn a_commit_over_nothing_is_followed_by_a_look_at_the_source_where_deletes_propagate() {
    let (result, asked) = assembled(
        "propagate",
        OVER_NOTHING,
        [Some(composed()), Some(head("a"))],
    );
    assert_eq!(result, Ok(copied()));
    assert_eq!(asked, [COMPOSE, HEAD]);

    let over = Precondition::Is(Generation(4));
    for (deletes, precondition) in [("ignore", OVER_NOTHING), ("propagate", over)] {
        let (result, asked) = assembled(deletes, precondition, [Some(composed())]);
        assert_eq!(result, Ok(copied()));
        assert_eq!(asked, [COMPOSE]);
    }
}

#[test]
fn where_the_route_leads_elsewhere_by_now_nothing_is_committed_and_the_hint_goes_back() {
    for moved in [
        json!({"destination": "gs://elsewhere/in/"}),
        json!({"destination": "gs://dst/"}),
        json!({"source": "s3://another"}),
    ] {
        let (result, asked) = assembled_order(&moved, order("a"), []);
        assert_eq!(result.unwrap_err().kind, ErrorKind::SourceChanged);
        assert!(asked.is_empty(), "{asked:?}");
    }
}

#[test]
fn so_is_one_over_what_may_be_somebody_else_s() {
    let options = json!({"deletes": "propagate", "on_conflict": "overwrite"});
    let over = Precondition::Is(Generation(4));
    let answers = [Some(composed()), Some(head("a"))];
    let (result, asked) = assembled_along(&options, over, answers);
    assert_eq!(result, Ok(copied()));
    assert_eq!(asked, [COMPOSE, HEAD]);
}

#[test]
fn a_source_that_changed_or_vanished_before_the_commit_sends_the_hint_back() {
    for found in [head("b"), reply(404, &[], "")] {
        let (result, _) = assembled("propagate", OVER_NOTHING, [Some(composed()), Some(found)]);
        let error = result.unwrap_err();
        assert_eq!(error.kind, ErrorKind::SourceChanged);
        let mut coordinator = complete();
        coordinator.assembled("1", Err(error), at(1), 7);
        assert!(matches!(settle(coordinator), Verdict::Again { .. }));
    }
}

#[test]
fn a_source_that_does_not_answer_is_asked_again_and_then_the_hint_goes_back() {
    let busy = || Some(reply(503, &[], ""));
    let answers = [Some(composed()), busy(), None, Some(head("a"))];
    let (result, asked) = assembled("propagate", OVER_NOTHING, answers);
    assert_eq!(result, Ok(copied()));
    assert_eq!(asked, [COMPOSE, HEAD, HEAD, HEAD]);

    let answers = [Some(composed()), busy(), busy(), busy()];
    let (result, _) = assembled("propagate", OVER_NOTHING, answers);
    let error = result.unwrap_err();
    assert_eq!(error.kind, ErrorKind::SourceUnavailable);
    let mut coordinator = complete();
    coordinator.assembled("1", Err(error), at(1), 7);
    assert!(matches!(settle(coordinator), Verdict::Again { .. }));
}

#[test]
fn metadata_that_gcs_refuses_is_left_out_of_what_is_composed() {
    let refusal =
        r#"{"error": {"message": "Metadata too large", "errors": [{"reason": "invalid"}]}}"#;
    let refused = || Some(reply(400, &[], refusal));
    let (result, asked) = assembled("ignore", OVER_NOTHING, [refused()]);
    assert_eq!(result.unwrap_err().kind, ErrorKind::DestinationRefused);
    assert_eq!(asked, [COMPOSE]);

    let mut order = order("a");
    let entry = ("author".into(), "Ada".into());
    order.object.metadata.extend([entry]);
    let options = json!({"deletes": "ignore"});
    let (result, asked) = assembled_order(&options, order, [refused(), Some(composed())]);
    assert_eq!(result, Ok(copied()));
    assert_eq!(asked, [COMPOSE, COMPOSE]);
}
