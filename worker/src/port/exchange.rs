//! Requests and replies, from the `http` crate's types to the platform's and back.
//!
//! Nothing is followed, cached or decoded behind the core's back.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use causeway_shared::host::to_json;
use causeway_shared::port::REPLY_LIMIT;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use js_sys::{Array, JSON, Promise, Uint8Array};
use serde::{Serialize, Serializer};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, RequestInit};

use super::source::chunk_of;
use crate::platform::{self, describe};

/// What happens to a reply's body under a Content-Encoding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// It is decoded.
    Decoded,
    /// The bytes stay as they are stored.
    AsStored,
}

/// A request as the platform's `fetch` takes it. It never becomes a `Request` of the platform's:
/// that one would forget `encodeResponseBody`.
pub(super) struct Outgoing {
    url: String,
    /// All but the body.
    pub(super) init: RequestInit,
}

/// [RequestInit](https://developers.cloudflare.com/workers/runtime-apis/request/#options). Made as
/// one JSON text: each call into the platform costs more than all of these members do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Init<'a> {
    method: &'a str,
    #[serde(serialize_with = "as_object")]
    headers: &'a HeaderMap,
    redirect: &'a str,
    /// Never an answer from the edge's cache: the bucket is the truth.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<&'a str>,
    /// The standard has no such member: without it workerd decompresses what says it is gzip.
    #[serde(skip_serializing_if = "Option::is_none")]
    encode_response_body: Option<&'a str>,
}

/// None of our requests repeats a name.
fn as_object<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    serializer.collect_map(
        headers
            .iter()
            .map(|(name, value)| (name.as_str(), text(value))),
    )
}

#[wasm_bindgen(module = "/src/port/exchange.js")]
extern "C" {
    /// The exchanges of one invocation or object.
    pub(crate) type Exchanges;

    #[wasm_bindgen(constructor)]
    pub(crate) fn new() -> Exchanges;

    #[wasm_bindgen(method)]
    fn exchange(
        this: &Exchanges,
        url: &str,
        init: &str,
        prefix: &[u8],
        body: Option<&Uint8Array>,
        suffix: &[u8],
        short: f64,
        limit: f64,
    ) -> Promise;
}

/// A reply.
pub(super) struct Reply {
    /// Status and headers, with an empty body.
    pub(super) head: Response<Bytes>,
    /// The whole body in the platform's memory, if it is short.
    pub(super) body: Option<Uint8Array>,
    /// Head, body and the platform's own.
    replied: Array,
}

impl Reply {
    /// The platform's own. Its body has been read if it is short.
    pub(super) fn into_response(self) -> web_sys::Response {
        self.replied.get(2).unchecked_into()
    }

    /// Status, headers and the first [`REPLY_LIMIT`] bytes of the body.
    ///
    /// # Errors
    /// The platform's reason why the body broke off.
    pub(super) async fn read(mut self) -> Result<Response<Bytes>, String> {
        let read = match &self.body {
            Some(body) => body.to_vec().into(),
            None => beginning(self.replied.get(2).unchecked_ref()).await?,
        };
        *self.head.body_mut() = read;
        Ok(self.head)
    }
}

/// What goes before, in and after the middle of a request's body; no middle, no body.
pub(super) struct Enclosed<'a>(
    pub(super) &'a [u8],
    pub(super) Option<&'a Uint8Array>,
    pub(super) &'a [u8],
);

/// Sends a request; reads its reply's body if it says that it has at most `short` bytes.
///
/// # Errors
/// The platform's reason why there is no reply, or that it did not come within `limit`.
pub(super) async fn exchange(
    exchanges: &Exchanges,
    request: &Request<()>,
    Enclosed(prefix, body, suffix): Enclosed<'_>,
    reply: Body,
    short: usize,
    limit: Duration,
) -> Result<Reply, String> {
    let url = request.uri().to_string();
    let init = init(request, reply);
    #[expect(clippy::cast_precision_loss, reason = "some mebibytes")]
    let short = short as f64;
    let limit = 1000.0 * limit.as_secs_f64();
    let replied = exchanges.exchange(&url, &init, prefix, body, suffix, short, limit);
    let replied = JsFuture::from(replied).await;
    let replied: Array = replied.map_err(|error| describe(&error))?.unchecked_into();
    Ok(Reply {
        head: head_of(&replied.get(0).as_string().unwrap_or_default())?,
        body: Some(replied.get(1))
            .filter(|body| !body.is_undefined())
            .map(JsCast::unchecked_into),
        replied,
    })
}

/// Sends a request with its bytes as its body, none where the method has none.
///
/// # Errors
/// As [`exchange`] says.
pub(super) async fn send(
    exchanges: &Exchanges,
    request: Request<Bytes>,
    reply: Body,
    short: usize,
    limit: Duration,
) -> Result<Reply, String> {
    let (parts, body) = request.into_parts();
    let has_body = !matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE);
    let nothing = has_body.then(|| Uint8Array::new_with_length(0));
    let enclosed = Enclosed(&body, nothing.as_ref(), &[]);
    let request = Request::from_parts(parts, ());
    exchange(exchanges, &request, enclosed, reply, short, limit).await
}

/// A request without a body.
///
/// # Errors
/// The platform's reason why it is no request.
pub(super) fn build(request: &Request<()>, reply: Body) -> Result<Outgoing, String> {
    let init = JSON::parse(&init(request, reply)).map_err(|error| describe(&error))?;
    Ok(Outgoing {
        url: request.uri().to_string(),
        init: init.unchecked_into(),
    })
}

fn init(request: &Request<()>, reply: Body) -> String {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    to_json(&Init {
        method: request.method().as_str(),
        headers: request.headers(),
        redirect: "manual",
        // The edge caches nothing but GETs
        // (https://developers.cloudflare.com/cache/concepts/default-cache-behavior/).
        cache: is_read.then_some("no-store"),
        encode_response_body: (reply == Body::AsStored).then_some("manual"),
    })
}

/// Sends a request; its reply's body is still to be read.
///
/// # Errors
/// The platform's reason why there is no reply.
pub(super) async fn fetch(request: &Outgoing) -> Result<web_sys::Response, String> {
    let reply = match platform::fetch(&request.url, &request.init) {
        Ok(promise) => JsFuture::from(promise).await,
        Err(error) => Err(error),
    };
    reply
        .map(JsCast::unchecked_into)
        .map_err(|error| describe(&error))
}

/// Status and headers, with an empty body.
///
/// # Errors
/// A status that is none.
pub(super) fn head(response: &web_sys::Response) -> Result<Response<Bytes>, String> {
    // One call for all.
    let headers = String::from(Array::from(&response.headers()).join("\n"));
    head_of(&format!("{}\n{headers}", response.status()))
}

/// What `lines` say: the status, then `name,value` each.
fn head_of(lines: &str) -> Result<Response<Bytes>, String> {
    let mut head = Response::new(Bytes::new());
    let (status, lines) = lines.split_once('\n').unwrap_or((lines, ""));
    *head.status_mut() = status.parse().map_err(|_| format!("the status {status}"))?;
    for (name, value) in lines.split('\n').filter_map(|line| line.split_once(',')) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            head.headers_mut().append(name, value);
        }
    }
    Ok(head)
}

/// Status, headers and the first [`REPLY_LIMIT`] bytes of the body.
///
/// # Errors
/// The platform's reason why the body broke off.
pub(super) async fn read(response: &web_sys::Response) -> Result<Response<Bytes>, String> {
    let mut reply = head(response)?;
    *reply.body_mut() = if is_short(reply.headers()) {
        whole(response).await.map(|bytes| bytes.to_vec().into())?
    } else {
        beginning(response).await?
    };
    Ok(reply)
}

/// Whether a body says that it has no more than [`REPLY_LIMIT`] bytes, and may be believed.
fn is_short(headers: &HeaderMap) -> bool {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let length: Option<usize> = length.and_then(|length| length.parse().ok());
    length.is_some_and(|length| length <= REPLY_LIMIT) && !headers.contains_key(CONTENT_ENCODING)
}

/// The whole body, in the platform's memory.
///
/// # Errors
/// The platform's reason why the body broke off.
pub(super) async fn whole(response: &web_sys::Response) -> Result<Uint8Array, String> {
    let read = async { JsFuture::from(response.array_buffer()?).await };
    let buffer = read.await.map_err(|error| describe(&error))?;
    Ok(Uint8Array::new(&buffer))
}

async fn beginning(response: &web_sys::Response) -> Result<Bytes, String> {
    let mut body = BytesMut::new();
    let Some(stream) = response.body() else {
        return Ok(body.freeze());
    };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    while body.len() < REPLY_LIMIT {
        let read = JsFuture::from(reader.read())
            .await
            .map_err(|error| describe(&error))?;
        let Some(chunk) = chunk_of(&read) else {
            break;
        };
        let start = body.len();
        body.resize(start + chunk.length() as usize, 0);
        chunk.copy_to(&mut body[start..]);
    }
    if body.len() >= REPLY_LIMIT {
        body.truncate(REPLY_LIMIT);
        super::source::forget(reader.cancel());
    }
    Ok(body.freeze())
}
