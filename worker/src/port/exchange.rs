//! Requests and replies, from the `http` crate's types to the platform's and back.
//!
//! Nothing is followed, cached or decoded behind the core's back.

use bytes::{Bytes, BytesMut};
use causeway_shared::port::REPLY_LIMIT;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, ReadableStreamDefaultReader, RequestCache, RequestInit, RequestRedirect};

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
    init: RequestInit,
}

/// A request with `request`'s bytes as its body, none where the method has none.
///
/// # Errors
/// The platform's reason why it is no request.
pub(super) fn request(request: Request<Bytes>, reply: Body) -> Result<Outgoing, String> {
    let (parts, body) = request.into_parts();
    let init = RequestInit::new();
    if !matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE) {
        init.set_body(&Uint8Array::from(body.as_ref()));
    }
    if reply == Body::AsStored {
        // The standard has no such member: without it workerd decompresses what says it is gzip.
        platform::set(&init, "encodeResponseBody", &"manual".into());
    }
    build(&Request::from_parts(parts, ()), init)
}

/// A request with `init`'s body.
///
/// # Errors
/// The platform's reason why it is no request.
pub(super) fn build(request: &Request<()>, init: RequestInit) -> Result<Outgoing, String> {
    let headers = || {
        let headers = Headers::new()?;
        for (name, value) in request.headers() {
            headers.append(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))?;
        }
        Ok(headers)
    };
    let headers = headers().map_err(|error: JsValue| describe(&error))?;
    init.set_method(request.method().as_str());
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    // Never an answer from the edge's cache: the bucket is the truth.
    init.set_cache(RequestCache::NoStore);
    Ok(Outgoing {
        url: request.uri().to_string(),
        init,
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
    let mut head = Response::new(Bytes::new());
    *head.status_mut() =
        http::StatusCode::from_u16(response.status()).map_err(|error| error.to_string())?;
    for entry in response.headers().entries().into_iter().flatten() {
        let pair: js_sys::Array = entry.unchecked_into();
        let (Some(name), Some(value)) = (pair.get(0).as_string(), pair.get(1).as_string()) else {
            continue;
        };
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
    let Some(stream) = response.body() else {
        return Ok(reply);
    };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut body = BytesMut::new();
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
    *reply.body_mut() = body.freeze();
    Ok(reply)
}
