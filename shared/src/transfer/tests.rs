//! The state machine, step by step, against replies made by hand.

#![allow(clippy::unwrap_used)]

use http::header::{AUTHORIZATION, CONTENT_RANGE, IF_MATCH, LOCATION, RANGE};
use serde_json::json;

use super::*;
use crate::access::{GcsAccess, S3Access};
use crate::gcs::ServiceAccount;
use crate::plan::{CHUNK_UNIT, SINGLE_REQUEST_LIMIT};
use crate::route::Routes;
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

fn access(account: Option<ServiceAccount>) -> Arc<Access> {
    let credentials = Credentials::new("AKID", "secret", None).unwrap();
    Arc::new(Access {
        s3: S3Access::new(&credentials, "us-east-1", Some("http://s3"), &routes()).unwrap(),
        gcs: GcsAccess::new(account, Some("gcs")).unwrap(),
    })
}

fn routes() -> Routes {
    let table = json!({"source": "s3://src", "destination": "gs://dst"});
    Routes::new([Route::parse("ROUTE_R", table).unwrap()]).unwrap()
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
        Self::with(access(None), hint("k", size))
    }

    fn with(access: Arc<Access>, hint: ObjectHint) -> Self {
        let route = Arc::clone(routes().get("r").unwrap());
        let mut transfer = Transfer::new(access, route, hint, 7).unwrap();
        let step = transfer.advance(Event::Start, Timestamp::UNIX_EPOCH);
        Self { transfer, step }
    }

    fn answer(&mut self, event: impl Into<Event>) -> &mut Self {
        self.step = self.transfer.advance(event.into(), Timestamp::UNIX_EPOCH);
        self
    }

    fn lose(&mut self, side: Side) -> &mut Self {
        self.answer(Event::Lost(Lost {
            side,
            detail: "reset".into(),
        }))
    }

    /// Method, and the part of the URL that tells requests apart.
    fn asks(&self) -> String {
        let (method, uri, headers, what) = match &self.step {
            Step::Send(r) => (r.method(), r.uri(), r.headers(), "send"),
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

    #[track_caller]
    fn done(&self) -> &Outcome {
        match &self.step {
            Step::Done(outcome) => outcome,
            other => panic!("not done: {other:?}"),
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

fn md5(generation: u64, size: u64) -> Event {
    stored(generation, size, ("md5Hash", MD5_BASE64), Some(MD5_ETAG))
}

fn session() -> Event {
    reply(200, &[("location", "http://gcs/session?upload_id=s")], "")
}

fn persisted(count: u64) -> Event {
    if count == 0 {
        return reply(308, &[], "");
    }
    reply(308, &[("range", &format!("bytes=0-{}", count - 1))], "")
}

#[test]
fn a_new_small_object_costs_two_requests() {
    let mut run = Run::of(Some(3));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=0"));
    let Step::Pipe {
        sink,
        length,
        digest,
    } = &run.step
    else {
        panic!("{:?}", run.step)
    };
    assert_eq!((*length, *digest), (3, false));
    let prefix = String::from_utf8(sink.prefix.to_vec()).unwrap();
    assert!(
        prefix.contains(&format!("\"md5Hash\":\"{MD5_BASE64}\"")),
        "{prefix}"
    );
    run.answer(md5(5, 3));
    assert_eq!(
        run.done(),
        &Outcome::Copied {
            generation: Generation(5),
            size: 3,
            proof: Proof::EtagMd5
        }
    );
}

#[test]
fn an_existing_object_is_looked_at_before_the_source_and_replaced_under_its_generation() {
    let mut run = Run::of(Some(3));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.answer(reply(412, &[], ""));
    run.expect(LOOK).answer(stored(9, 1, ("md5Hash", ""), None));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=9"));
    run.answer(md5(10, 3));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn the_same_object_is_not_sent_twice() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG));
    run.answer(reply(412, &[], ""));
    run.expect(LOOK).answer(md5(9, 3));
    run.expect(OPEN).answer(source(3, MD5_ETAG));
    assert_eq!(
        run.done(),
        &Outcome::Identical {
            generation: Generation(9)
        }
    );
}

#[test]
fn provenance_alone_is_not_believed_when_the_checksum_says_otherwise() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
    run.answer(stored(9, 3, ("md5Hash", "AAAA"), Some(MD5_ETAG)));
    run.answer(source(3, MD5_ETAG));
    run.expect(&format!("{UPLOAD} ifGenerationMatch=9"));
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
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""))
        .answer(source(LARGE, MD5_ETAG));
    run.answer(session()).lose(Side::Sink).waits();
    run.expect(&format!("send PUT /session bytes */{LARGE}"));
    run.answer(persisted(CHUNK_UNIT));
    run.expect(&format!("open GET /src/k bytes={CHUNK_UNIT}- {MD5_ETAG}"));
    let rest = (LARGE - CHUNK_UNIT).to_string();
    run.answer(reply(
        206,
        &[("content-length", &rest), ("etag", MD5_ETAG)],
        "",
    ));
    run.expect(&format!(
        "pipe PUT /session bytes {CHUNK_UNIT}-{}/{LARGE}",
        LARGE - 1
    ));
    run.answer(md5(5, LARGE));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn a_session_that_had_committed_all_the_same_says_so_when_asked() {
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""))
        .answer(source(LARGE, MD5_ETAG));
    run.answer(session()).lose(Side::Sink).waits();
    run.answer(md5(5, LARGE));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn a_source_that_changed_meanwhile_ends_the_session_and_starts_over() {
    for gone in [
        reply(412, &[], ""),
        reply(404, &[], ""),
        source(LARGE, "\"other\""),
    ] {
        let mut run = Run::of(Some(LARGE));
        run.answer(reply(404, &[], ""))
            .answer(source(LARGE, MD5_ETAG));
        run.answer(session()).lose(Side::Source).waits();
        run.answer(persisted(0));
        run.expect(&format!("{OPEN} {MD5_ETAG}")).answer(gone);
        run.expect("send DELETE /session")
            .answer(reply(499, &[], ""));
        run.waits().expect(LOOK);
    }
}

#[test]
fn a_session_that_never_gains_a_byte_is_given_up() {
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""))
        .answer(source(LARGE, MD5_ETAG));
    run.answer(session());
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
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""))
        .answer(source(LARGE, MD5_ETAG));
    run.answer(session()).lose(Side::Sink).waits();
    run.answer(reply(410, &[], "")).waits();
    run.expect(LOOK);
}

#[test]
fn without_a_shared_checksum_a_small_object_is_read_first() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, KMS_ETAG));
    run.expect("Take { length: 3 }").answer(Event::Taken(Tail {
        bytes: Bytes::from_static(b"abc"),
        crc32c: 0x364b_3fb7,
    }));
    let Step::Send(request) = &run.step else {
        panic!("{:?}", run.step)
    };
    let body = String::from_utf8(request.body().to_vec()).unwrap();
    assert!(body.contains("\"crc32c\":\"Nks/tw==\"") && body.contains("\r\n\r\nabc\r\n--"));
    run.answer(stored(5, 3, ("crc32c", "Nks/tw=="), Some(KMS_ETAG)));
    assert_eq!(
        run.done(),
        &Outcome::Copied {
            generation: Generation(5),
            size: 3,
            proof: Proof::ComputedCrc32c
        }
    );
}

#[test]
fn without_a_shared_checksum_a_larger_object_has_it_sent_with_its_last_piece() {
    let size = 2 * CHUNK_UNIT;
    let mut run = Run::of(None);
    run.answer(source(size, KMS_ETAG))
        .answer(reply(404, &[], ""));
    run.answer(source(size, KMS_ETAG)).answer(session());
    run.expect(&format!(
        "pipe PUT /session bytes 0-{}/{size}",
        CHUNK_UNIT - 1
    ));
    assert!(matches!(run.step, Step::Pipe { digest: true, .. }));
    run.answer(persisted(CHUNK_UNIT));
    run.expect(&format!("Take {{ length: {CHUNK_UNIT} }}"));
    run.answer(Event::Taken(Tail {
        bytes: Bytes::from(vec![0; usize::try_from(CHUNK_UNIT).unwrap()]),
        crc32c: 1,
    }));
    run.expect(&format!(
        "send PUT /session bytes {CHUNK_UNIT}-{}/{size}",
        size - 1
    ));
    let Step::Send(request) = &run.step else {
        panic!()
    };
    assert_eq!(request.headers()["x-goog-hash"], "crc32c=AAAAAQ==");
    run.answer(stored(5, size, ("crc32c", "AAAAAQ=="), None));
    assert!(matches!(run.done(), Outcome::Copied { .. }));
}

#[test]
fn a_computed_checksum_cannot_be_resumed_so_the_copy_starts_over() {
    let size = 2 * CHUNK_UNIT;
    let mut run = Run::of(Some(LARGE));
    run.answer(reply(404, &[], ""))
        .answer(source(size, KMS_ETAG));
    run.answer(session()).lose(Side::Sink);
    run.expect("send DELETE /session")
        .answer(reply(499, &[], ""));
    run.waits().expect(LOOK);
}

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
fn a_destination_that_never_holds_still_ends_the_delivery() {
    let mut run = Run::of(Some(3));
    for generation in 1..=u64::from(LOOKS) {
        run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
        run.expect(LOOK)
            .answer(stored(generation, 1, ("md5Hash", ""), None));
    }
    run.answer(source(3, MD5_ETAG)).answer(reply(412, &[], ""));
    assert!(matches!(run.step, Step::WaitUntil(_)), "{:?}", run.step);
}

#[test]
fn what_the_source_refuses_is_said() {
    let mut run = Run::of(Some(3));
    run.answer(reply(404, &[], ""));
    assert_eq!(run.done(), &Outcome::SourceGone);
    let mut run = Run::of(Some(3));
    run.answer(reply(403, &[], "<Error><Code>AccessDenied</Code></Error>"));
    assert_eq!(run.failed().kind, ErrorKind::SourceDenied);
    let mut run = Run::of(Some(3));
    run.answer(reply(200, &[("etag", MD5_ETAG)], ""));
    assert_eq!(run.failed().kind, ErrorKind::SourceLengthUnknown);
    let run = Run::with(access(None), hint("a/../b", None));
    assert_eq!(run.failed().kind, ErrorKind::KeyUnreachable);
}

#[test]
fn a_commit_with_another_checksum_is_no_success() {
    let mut run = Run::of(Some(3));
    run.answer(source(3, MD5_ETAG));
    run.answer(stored(5, 3, ("md5Hash", "AAAA"), None));
    run.waits().expect(LOOK);
}

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

#[test]
fn an_event_out_of_turn_is_an_error_and_no_panic() {
    let mut run = Run::of(Some(3));
    run.answer(Event::Woken);
    assert_eq!(run.failed().kind, ErrorKind::OutOfTurn);
    let mut run = Run::of(Some(3));
    run.answer(Event::Signed(Ok(Vec::new())));
    assert_eq!(run.failed().kind, ErrorKind::OutOfTurn);
}
