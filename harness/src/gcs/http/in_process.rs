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
