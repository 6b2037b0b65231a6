//! What of a request the handlers see: the decoded path and query, and the body, piece by piece.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use bytes::BytesMut;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Body as _;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::Server;
use super::error::{Fail, invalid, json_answer};
use super::fields::Fields;
use crate::gcs::state::{Chunk, Preconditions, Refusal};
use crate::throttle::Pace;

/// A JSON body may have this many bytes.
const JSON_LIMIT: usize = 1 << 20;

/// A request, all but its body.
pub(super) struct Call<'a> {
    pub(super) server: &'a Server,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: Query,
    /// What of a resource the client wants to see, if not all.
    pub(super) fields: Option<Fields>,
    /// Scheme and host as the client sees them.
    pub(super) base: String,
}

impl Call<'_> {
    /// A header's value, if it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A success with a JSON body, cut to what the client wants to see.
    pub(super) fn answer(&self, value: Value) -> Response<Body> {
        let shown = match &self.fields {
            Some(fields) => fields.cut(value),
            None => value,
        };
        json_answer(StatusCode::OK, &shown)
    }
}

/// The decoded query.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Result<Self, Fail> {
        let pairs = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((
                    decode(&name.replace('+', " "))?,
                    decode(&value.replace('+', " "))?,
                ))
            });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Fail> {
        let parse = |value: &str| {
            value.parse().map_err(|_| {
                invalid(format!(
                    "Invalid value for {name}: '{value}' is not a number."
                ))
            })
        };
        self.get(name).map(parse).transpose()
    }

    /// The four preconditions whose names start with `prefix` (`if` or `ifSource`).
    pub(super) fn preconditions(&self, prefix: &str) -> Result<Preconditions, Fail> {
        Ok(Preconditions {
            generation_match: self.number(&format!("{prefix}GenerationMatch"))?,
            generation_not_match: self.number(&format!("{prefix}GenerationNotMatch"))?,
            metageneration_match: self.number(&format!("{prefix}MetagenerationMatch"))?,
            metageneration_not_match: self.number(&format!("{prefix}MetagenerationNotMatch"))?,
        })
    }
}

/// Percent-decodes strictly: every `%` starts two hexadecimal digits, the bytes are UTF-8.
pub(super) fn decode(encoded: &str) -> Result<String, Fail> {
    let escaped =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !encoded.split('%').skip(1).all(escaped) {
        return Err(invalid(
            "A percent sign in the request's target is not followed by two hexadecimal digits.",
        ));
    }
    let decoded = percent_decode_str(encoded).decode_utf8();
    decoded
        .map(Into::into)
        .map_err(|_| invalid("The request's target is not UTF-8 when decoded."))
}

/// Where a body comes from.
enum Incoming {
    Connection(Body),
    Given(Given),
}

/// A body that is there already.
pub(in crate::gcs) struct Given {
    pub(in crate::gcs) chunks: VecDeque<Chunk>,
    /// Content-Length, if the sender knew it.
    pub(in crate::gcs) length: Option<u64>,
    /// Whether it breaks off after the last chunk.
    pub(in crate::gcs) breaks_off: bool,
}

impl Given {
    fn next(&mut self) -> Result<Option<Chunk>, Fail> {
        match self.chunks.pop_front() {
            None if self.breaks_off => Err(Fail::Truncated),
            next => Ok(next),
        }
    }
}

/// The request's body, and what an injected fault does to it.
pub(super) struct RequestBody {
    incoming: Incoming,
    pace: Pace,
    all_received: watch::Sender<u64>,
    content_length: Option<u64>,
    received: u64,
    pub(super) cut: Option<(u64, Fail)>,
    pub(super) stall: Option<(u64, Duration)>,
}

impl RequestBody {
    pub(super) fn new(incoming: Body, server: &Server) -> Self {
        let content_length = incoming.size_hint().exact();
        Self::of(Incoming::Connection(incoming), content_length, server)
    }

    pub(super) fn given(body: Given, server: &Server) -> Self {
        let content_length = body.length;
        Self::of(Incoming::Given(body), content_length, server)
    }

    fn of(incoming: Incoming, content_length: Option<u64>, server: &Server) -> Self {
        Self {
            incoming,
            pace: server.throttle.pace(),
            all_received: server.received.clone(),
            content_length,
            received: 0,
            cut: None,
            stall: None,
        }
    }

    /// Bytes announced; `None` for a chunked body.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The next chunk, none at the body's proper end.
    ///
    /// # Errors
    ///
    /// [`Fail::Truncated`] when the body ends before it should, or an injected fault.
    pub(super) async fn next(&mut self) -> Result<Option<Chunk>, Fail> {
        let incoming = match &mut self.incoming {
            Incoming::Given(given) => return given.next(),
            Incoming::Connection(incoming) => incoming,
        };
        if let Some((_, pause)) = self.stall.take_if(|(after, _)| self.received >= *after) {
            tokio::time::sleep(pause).await;
        }
        if let Some((_, fail)) = self
            .cut
            .as_ref()
            .filter(|(after, _)| self.received >= *after)
        {
            return Err(fail.clone());
        }
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut *incoming).poll_frame(cx)).await;
            let Some(frame) = frame else {
                return self.cut.take().map_or(Ok(None), |(_, fail)| Err(fail));
            };
            let Ok(mut data) = frame.map_err(|_| Fail::Truncated)?.into_data() else {
                continue;
            };
            if let Some((after, _)) = &self.cut {
                data.truncate(usize::try_from(after - self.received).unwrap_or(usize::MAX));
            }
            self.received += data.len() as u64;
            self.pace.moved(data.len()).await;
            self.all_received
                .send_modify(|all| *all += data.len() as u64);
            return Ok(Some(data.into()));
        }
    }

    /// Reads away a refused request's body, up to limits in bytes and time, so that the sender lives
    /// to see why.
    pub(super) async fn drain(&mut self) {
        const LIMIT: u64 = 64 << 20;
        self.cut = None;
        self.stall = None;
        let until = self.received + LIMIT;
        let read =
            async { while self.received < until && matches!(self.next().await, Ok(Some(_))) {} };
        let _ = tokio::time::timeout(Duration::from_secs(2), read).await;
    }

    /// The whole body as a JSON object; an empty body is an empty object.
    pub(super) async fn json(&mut self) -> Result<Map<String, Value>, Fail> {
        parse_json(&self.whole(JSON_LIMIT).await?)
    }

    /// The whole body, of at most `limit` bytes.
    pub(super) async fn whole(&mut self, limit: usize) -> Result<BytesMut, Fail> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.next().await? {
            let Chunk::Bytes(data) = chunk else {
                return Err(invalid("The request's body has no bytes."));
            };
            all.extend_from_slice(&data);
            if all.len() > limit {
                return Err(invalid(format!(
                    "The request's body has more than {limit} bytes."
                )));
            }
        }
        Ok(all)
    }
}

/// A JSON object; nothing and `null` (which the Go client sends for an empty one) are empty objects.
pub(super) fn parse_json(text: &[u8]) -> Result<Map<String, Value>, Fail> {
    if text.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice::<Option<_>>(text)
        .map(Option::unwrap_or_default)
        .map_err(|error| invalid(format!("Parse Error: not a JSON object: {error}")))
}

/// `name` of an upload: in the query, in the metadata, or equal in both.
pub(super) fn upload_name(query: &Query, metadata: &Map<String, Value>) -> Result<String, Fail> {
    let in_metadata = match metadata.get("name") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.as_str()),
        Some(_) => return Err(invalid("The object's name is not a string.")),
    };
    match (query.get("name"), in_metadata) {
        (Some(a), Some(b)) if a != b => Err(invalid(format!(
            "Value '{b}' in content does not agree with value '{a}' in the query."
        ))),
        (Some(name), _) | (None, Some(name)) => Ok(name.to_owned()),
        (None, None) => Err(Refusal::Required("name").into()),
    }
}
