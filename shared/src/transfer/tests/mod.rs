//! The state machine, step by step, against replies made by hand.

#![allow(clippy::unwrap_used)]

mod carried;
#[cfg(not(target_family = "wasm"))]
mod composite;
mod computed;
mod conflict;
mod credentials;
mod deletes;
mod etag;
mod parts;
mod refused;
mod sessions;
mod small;
mod tags;
mod troubles;
mod unclear;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_RANGE, IF_MATCH, RANGE};
use serde_json::json;

use super::*;
use crate::access::{Endpoints, GcsAccess, S3Access};
use crate::brake::DeletePermit;
use crate::event::ObjectHint;
use crate::exchange::Authority;
use crate::gcs::Precondition;
use crate::integrity::{Digests, Proof};
use crate::message::CarriedSession;
use crate::plan::SINGLE_REQUEST_LIMIT;
use crate::retry;
use crate::sigv4::Credentials;

const MD5_ETAG: &str = "\"900150983cd24fb0d6963f7d28e17f72\"";
const MD5_BASE64: &str = "kAFQmDzST7DWlj99KOF/cg==";
const KMS_ETAG: &str = "\"0123456789abcdef0123456789abcdef-2\"";
const LARGE: u64 = SINGLE_REQUEST_LIMIT + 1;

/// A transfer and the step that it waits for an answer to.
struct Run {
    transfer: Transfer,
    step: Step,
}

fn access() -> Arc<Access> {
    access_for(&route(&json!({})))
}

fn access_for(route: &Route) -> Arc<Access> {
    let credentials = Credentials::new("AKID", "secret", None).unwrap();
    let endpoints = Endpoints {
        s3: Some("http://s3"),
        ..Endpoints::default()
    };
    Arc::new(Access {
        s3: S3Access::new(&credentials, "us-east-1", endpoints, route).unwrap(),
        gcs: GcsAccess::new(None, Some("gcs")).unwrap().into(),
    })
}

fn route(options: &serde_json::Value) -> Route {
    let mut table = json!({"source": "s3://src", "destination": "gs://dst"});
    let options = options.as_object().unwrap().clone();
    table.as_object_mut().unwrap().extend(options);
    Route::parse("ROUTE_R", table).unwrap()
}

fn hint(key: &str, size: Option<u64>) -> ObjectHint {
    ObjectHint {
        bucket: "src".into(),
        key: key.into(),
        event: "ObjectCreated:Put".into(),
        time: None,
        version_id: None,
        size,
        sequencer: None,
    }
}

impl Run {
    fn of(size: Option<u64>) -> Self {
        Self::with(access(), hint("k", size))
    }

    fn with(access: Arc<Access>, hint: ObjectHint) -> Self {
        Self::of_message(access, &HintMessage::new("r", hint, Timestamp::UNIX_EPOCH))
    }

    fn of_message(access: Arc<Access>, message: &HintMessage) -> Self {
        Self::on(route(&json!({})), access, message)
    }

    fn along(options: &serde_json::Value, hint: ObjectHint) -> Self {
        let message = HintMessage::new("r", hint, Timestamp::UNIX_EPOCH);
        Self::on(route(options), access(), &message)
    }

    fn on(route: Route, access: Arc<Access>, message: &HintMessage) -> Self {
        let mut transfer = Transfer::new(access, Arc::new(route), message, 7).unwrap();
        let step = transfer.advance(Event::Start, Timestamp::UNIX_EPOCH);
        Self { transfer, step }
    }

    fn answer(&mut self, event: impl Into<Event>) -> &mut Self {
        self.answer_after(0, event)
    }

    /// Answers so many minutes after the start.
    fn answer_after(&mut self, minutes: i64, event: impl Into<Event>) -> &mut Self {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        self.step = self.transfer.advance(event.into(), now);
        self
    }

    fn lose(&mut self, side: Side) -> &mut Self {
        let detail = "reset".into();
        self.answer(Event::TransportError(TransportError { side, detail }))
    }

    /// Method, and the part of the URL that tells requests apart.
    fn asks(&self) -> String {
        let (method, uri, headers, what) = match &self.step {
            Step::Send(_, r) => (r.method(), r.uri(), r.headers(), "send"),
            Step::Open(r) => (r.method(), r.uri(), r.headers(), "open"),
            Step::Pipe { sink, .. } => {
                let r = &sink.request;
                (r.method(), r.uri(), r.headers(), "pipe")
            }
            other => return format!("{other:?}"),
        };
        let part = |name: &str| {
            let query = uri.query().unwrap_or_default();
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name))?;
            Some(format!(" {name}{value}"))
        };
        let header = |name| Some(format!(" {}", headers.get(name)?.to_str().unwrap()));
        [
            Some(format!("{what} {method} {}", uri.path())),
            part("uploadType="),
            part("ifGenerationMatch="),
            part("tagging="),
            part("attributes="),
            part("versionId="),
            header(CONTENT_RANGE),
            header(RANGE),
            header(IF_MATCH),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    #[track_caller]
    fn expect(&mut self, asks: &str) -> &mut Self {
        assert_eq!(self.asks(), asks);
        self
    }

    /// Checks that the brake is asked, and answers.
    #[track_caller]
    fn may_delete(&mut self, leave: Result<DeletePermit, String>) -> &mut Self {
        let Step::MayDelete(route) = &self.step else {
            panic!("the brake is not asked: {:?}", self.step)
        };
        assert_eq!(route.name, "r");
        self.answer(Event::DeletePermit(leave))
    }

    #[track_caller]
    fn done(&self) -> &Outcome {
        match &self.step {
            Step::Done(Ending::Settled(outcome)) => outcome,
            other => panic!("not done: {other:?}"),
        }
    }

    /// The session that goes on with another message, and after how long.
    #[track_caller]
    fn carried(&self) -> (CarriedSession, Duration) {
        match &self.step {
            Step::Done(Ending::Carry { session, delay }) => ((**session).clone(), *delay),
            other => panic!("not carried on: {other:?}"),
        }
    }

    #[track_caller]
    fn failed(&self) -> &TransferError {
        match &self.step {
            Step::Failed(error) => error,
            other => panic!("not failed: {other:?}"),
        }
    }

    #[track_caller]
    fn waits(&mut self) -> &mut Self {
        assert!(matches!(self.step, Step::WaitUntil(_)), "{:?}", self.step);
        self.answer(Event::Woken)
    }
}

const OPEN: &str = "open GET /src/k";
const LOOK: &str = "send GET /storage/v1/b/dst/o/k";
const HEAD: &str = "send HEAD /src/k";
const DELETE: &str = "send DELETE /storage/v1/b/dst/o/k";
const UPLOAD: &str = "pipe POST /upload/storage/v1/b/dst/o uploadType=multipart";
const START: &str = "send POST /upload/storage/v1/b/dst/o uploadType=resumable";

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Event {
    let mut reply = Response::builder().status(status);
    for (name, value) in headers {
        reply = reply.header(*name, *value);
    }
    Event::Reply(reply.body(Bytes::from(body.to_owned())).unwrap())
}

fn source(size: u64, etag: &str) -> Event {
    let size = size.to_string();
    reply(200, &[("content-length", &size), ("etag", etag)], "")
}

/// No reply to a request.
fn lost() -> Event {
    let (side, detail) = (Side::Sink, "reset".into());
    Event::TransportError(TransportError { side, detail })
}

/// The source has no such key.
fn gone() -> Event {
    reply(404, &[], "<Error><Code>NoSuchKey</Code></Error>")
}

fn stored(generation: u64, size: u64, checksum: (&str, &str), etag: Option<&str>) -> Event {
    let mut object = json!({"name": "k", "generation": generation.to_string(),
        "size": size.to_string(), checksum.0: checksum.1});
    if let Some(etag) = etag {
        object["metadata"] = json!({
            "causeway-source-bucket": "src", "causeway-source-key": "k",
            "causeway-source-etag": etag, "causeway-source-size": size.to_string()});
    }
    reply(200, &[], &object.to_string())
}

/// A copy of another object of this key.
fn older(generation: u64) -> Event {
    stored(generation, 1, ("md5Hash", ""), Some("\"old\""))
}

/// Something that nobody copied there.
fn foreign(generation: u64) -> Event {
    stored(generation, 1, ("md5Hash", ""), None)
}

fn md5(generation: u64, size: u64) -> Event {
    stored(generation, size, ("md5Hash", MD5_BASE64), Some(MD5_ETAG))
}

fn session() -> Event {
    reply(200, &[("location", "http://gcs/session?upload_id=s")], "")
}

/// `length` bytes from `start` on of a source of `total`.
fn span(start: u64, length: u64, total: u64, etag: &str) -> Event {
    let range = format!("bytes {start}-{}/{total}", start + length - 1);
    let headers = [
        ("content-length", &*length.to_string()),
        ("etag", etag),
        ("content-range", &*range),
    ];
    reply(206, &headers, "")
}

fn persisted(count: u64) -> Event {
    if count == 0 {
        return reply(308, &[], "");
    }
    reply(308, &[("range", &format!("bytes=0-{}", count - 1))], "")
}
