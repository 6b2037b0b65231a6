//! The API without connections: a request whose body is there already is answered at once. Nothing of it
//! waits, and nothing depends on anything but the requests and the time that the store is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures::FutureExt as _;
use http::header::HOST;
use http::{HeaderValue, Request, Response};

use super::error::{Fail, error};
use super::request::{Given, RequestBody};
use super::{Server, State, dispatch};
use crate::gcs::state::Chunk;

/// The API of a store, for everybody; sessions are called by numbers from 1 on.
pub(crate) struct Api(Server);

/// Why a request gets no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Its body broke off.
    BrokeOff,
    /// Nothing is served at its method and path.
    NoRoute,
}

impl Api {
    /// The API of `state`, whose listings have pages of `page_limit` entries.
    pub(crate) fn new(state: Arc<State>, page_limit: u64) -> Self {
        Self(Server {
            page_limit,
            numbered: Some(AtomicU64::new(0)),
            ..Server::new(state)
        })
    }

    /// The store.
    pub(crate) fn state(&self) -> &State {
        &self.0.state
    }

    /// How many sessions have begun.
    pub(crate) fn sessions(&self) -> u64 {
        let count = self.0.numbered.as_ref();
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Answers a request for `authority` whose body is `chunks`, which may be less than the `length` that it says.
    ///
    /// # Errors
    ///
    /// [`Unanswered`].
    pub(crate) fn serve(
        &self,
        head: &Request<()>,
        chunks: [Chunk; 3],
        length: Option<u64>,
    ) -> Result<Response<Bytes>, Unanswered> {
        let sent: u64 = chunks.iter().map(Chunk::length).sum();
        let given = Given {
            chunks: chunks
                .into_iter()
                .filter(|chunk| chunk.length() > 0)
                .collect(),
            length,
            breaks_off: length.is_some_and(|length| length != sent),
        };
        let (mut parts, ()) = head.clone().into_parts();
        let authority = parts.uri.authority();
        let host = authority.and_then(|host| HeaderValue::try_from(host.as_str()).ok());
        parts.headers.extend(host.map(|host| (HOST, host)));
        let mut body = RequestBody::given(given, &self.0);
        let mut principal = String::new();
        let served = dispatch(&self.0, &parts, &mut body, &mut principal).now_or_never();
        let answer = match served.unwrap_or(Err(Fail::Reset)) {
            Err(Fail::NoRoute) => return Err(Unanswered::NoRoute),
            Err(Fail::Truncated) => return Err(Unanswered::BrokeOff),
            Ok(answer) => answer,
            Err(fail) => fail.answer(&principal).ok_or(Unanswered::BrokeOff)?,
        };
        Ok(at_hand(answer))
    }

    /// A refusal in the API's own words.
    pub(crate) fn refusal(status: u16, reason: &str, message: &str) -> Response<Bytes> {
        at_hand(error(status, reason, message))
    }
}

/// `answer`, whose body nothing has to be waited for.
fn at_hand(answer: Response<Body>) -> Response<Bytes> {
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).now_or_never();
    Response::from_parts(parts, body.and_then(Result::ok).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use causeway_shared::gcs::{
        Component, Generation, Object as WireObject, ObjectAddress, Precondition, Rewrite,
        multipart_upload,
    };

    use crate::gcs::Settings;
    use crate::symbolic;

    fn serve(
        api: &Api,
        method: &str,
        target: &str,
        range: &str,
        body: Chunk,
        length: u64,
    ) -> Result<Response<Bytes>, Unanswered> {
        let uri = format!("http://gcs:1{target}");
        let head = Request::builder().method(method).uri(uri);
        let head = head.header("content-range", range).body(()).unwrap();
        let nothing = || Chunk::from(Bytes::new());
        api.serve(&head, [body, nothing(), nothing()], Some(length))
    }

    #[test]
    fn a_session_is_served_at_once_and_keeps_what_comes_of_a_body_that_breaks_off() {
        let state = State::new(Settings::default());
        state.create_bucket("bucket").unwrap();
        let api = Api::new(Arc::new(state), 2);
        let path = "/upload/storage/v1/b/bucket/o?uploadType=resumable";
        let resource = Bytes::from_static(b"{\"name\":\"a\"}");
        let length = resource.len() as u64;
        let begun = serve(&api, "POST", path, "", resource.into(), length).unwrap();
        let location = format!("http://gcs:1{path}&upload_id=1");
        assert_eq!(begun.headers()["location"], location);
        assert_eq!(api.sessions(), 1);
        let session = format!("{path}&upload_id=1");
        let whole = symbolic::Body::whole(1, 1 << 20);
        let cut = Chunk::Symbolic(whole.slice(0, 300_000));
        let all = "bytes 0-1048575/1048576";
        let broken = serve(&api, "PUT", &session, all, cut, 1 << 20);
        assert_eq!(broken.err(), Some(Unanswered::BrokeOff));
        let none = Chunk::from(Bytes::new());
        let asked = serve(&api, "PUT", &session, "bytes */1048576", none, 0).unwrap();
        assert_eq!(asked.status(), 308);
        assert_eq!(asked.headers()["range"], "bytes=0-262143");
        let done = serve(
            &api,
            "PUT",
            &session,
            all,
            Chunk::Symbolic(whole.clone()),
            1 << 20,
        );
        assert_eq!(done.unwrap().status(), 200);
        let object = api.state().object("bucket", "a", None).unwrap();
        assert_eq!(object.content.body.symbolic(), Some(whole));
        let none = Chunk::from(Bytes::new());
        let unknown = serve(&api, "PUT", "/storage/v1/else", "", none, 0);
        assert_eq!(unknown.err(), Some(Unanswered::NoRoute));
    }

    /// With the request of the worker's own: one generation, to where nothing is, and none of its metadata.
    #[test]
    fn an_object_is_copied_once_and_only_as_it_was_seen() {
        let state = State::new(Settings::default());
        state.create_bucket("bucket").unwrap();
        let api = Api::new(Arc::new(state), 2);
        let send = |request: Request<Bytes>| {
            let (parts, body) = request.into_parts();
            let length = body.len() as u64;
            let nothing = || Chunk::from(Bytes::new());
            let head = Request::from_parts(parts, ());
            let chunks = [body.into(), nothing(), nothing()];
            api.serve(&head, chunks, Some(length)).unwrap()
        };
        let address = |name: &str| ObjectAddress {
            endpoint: "http://gcs:1".into(),
            bucket: "bucket".into(),
            name: name.into(),
        };
        let object = |name: &str, metadata: &[(&str, &str)]| WireObject {
            name: name.into(),
            content_encoding: Some("gzip".into()),
            metadata: (metadata.iter())
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            ..WireObject::default()
        };
        let new = Precondition::DoesNotExist;
        let source = object("in/a b.json", &[("causeway-source-key", "a")]);
        let upload = multipart_upload(&address(&source.name), &source, new, 4).unwrap();
        let body = [&upload.prefix[..], b"rows", &upload.suffix[..]].concat();
        let landed = send(upload.request.map(|()| body.into()));
        let landed = WireObject::read(&landed).unwrap();
        let copy = |generation| {
            let component = Component {
                name: source.name.clone(),
                generation,
            };
            let to = object("batch/1", &[]);
            let request = address(&to.name).rewrite_from("bucket", &component, &to, new, None);
            send(request.unwrap())
        };
        assert_eq!(copy(Generation(1)).status(), 412);
        let Rewrite::Done(copied) = Rewrite::read(&copy(landed.generation())).unwrap() else {
            panic!("it goes on")
        };
        assert_eq!((&*copied.name, copied.size()), ("batch/1", Some(4)));
        assert_eq!(copied.crc32c, landed.crc32c);
        assert!(copied.metadata.is_empty());
        let kept = api.state().object("bucket", "batch/1", None).unwrap();
        assert_eq!(kept.metadata.content_encoding.as_deref(), Some("gzip"));
        assert_eq!(copy(landed.generation()).status(), 412);
    }
}
