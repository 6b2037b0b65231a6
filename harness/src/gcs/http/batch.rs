//! Several requests in one (<https://cloud.google.com/storage/docs/batch>), answered one after the
//! other. Metadata only: no media goes in or out in a batch.

use std::fmt::Write as _;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};

use super::Server;
use super::error::{Fail, bare, invalid};
use super::multipart::boundary;
use super::request::RequestBody;
use super::upload::random_id;

/// The service takes a hundred; Google's Python client sends up to a thousand.
const CALLS: usize = 1000;
/// A batch may have this many bytes, and so may an answer in it.
const LIMIT: usize = 10 << 20;

/// Answers a batch whose headers are `headers`.
pub(super) async fn batch(
    server: &Server,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let content_type = headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let boundary = boundary(content_type.unwrap_or_default(), "multipart/mixed")?;
    let whole = body.whole(LIMIT).await?;
    let text = std::str::from_utf8(&whole).map_err(|_| invalid("The batch is not text."))?;
    let parts = split(text, &boundary)
        .ok_or_else(|| invalid("The batch does not end with its closing delimiter."))?;
    if parts.is_empty() || parts.len() > CALLS {
        let found = parts.len();
        return Err(invalid(format!(
            "A batch has 1 to {CALLS} calls, this has {found}."
        )));
    }
    let boundary = format!("batch_{}", random_id()?);
    let parse = |part| Inner::parse(part, headers.get(AUTHORIZATION));
    let calls = parts.into_iter().map(parse);
    // None is carried out where one cannot be read.
    let calls = calls.collect::<Result<Vec<_>, _>>()?;
    let mut answers = Vec::new();
    for call in calls {
        let answer = answer(server, call.request).await;
        write(&mut answers, &boundary, &call.id, answer).await?;
    }
    answers.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let mut response = Response::new(Body::from(answers));
    let content_type = HeaderValue::try_from(format!("multipart/mixed; boundary={boundary}"));
    let content_type = content_type.map_err(|_| invalid("no boundary"))?;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

async fn answer(server: &Server, request: Request<Bytes>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut principal = String::new();
    let result = if is_metadata(&parts) {
        let mut body = RequestBody::new(Body::from(body), server);
        // A batch in a batch is none of the storage API's paths, so this does not go deeper.
        Box::pin(super::dispatch(server, &parts, &mut body, &mut principal)).await
    } else {
        Err(invalid("A batch has calls of /storage/v1 without media."))
    };
    // Only an injected fault has no answer, and none is injected here.
    let failed = |fail: Fail| fail.answer(&principal);
    let failed = |fail| failed(fail).unwrap_or_else(|| bare(StatusCode::INTERNAL_SERVER_ERROR));
    result.unwrap_or_else(failed)
}

fn is_metadata(parts: &Parts) -> bool {
    let media = parts.uri.query().unwrap_or_default().split('&');
    parts.uri.path().starts_with("/storage/v1/")
        && !media.into_iter().any(|pair| pair == "alt=media")
}

async fn write(
    answers: &mut Vec<u8>,
    boundary: &str,
    id: &str,
    answer: Response<Body>,
) -> Result<(), Fail> {
    let (head, body) = answer.into_parts();
    let body = to_bytes(body, LIMIT).await.map_err(|_| Fail::Truncated)?;
    let (status, reason) = (head.status.as_u16(), head.status.canonical_reason());
    let mut text = format!("--{boundary}\r\nContent-Type: application/http\r\n");
    if let Some(id) = id.strip_prefix('<') {
        let _ = write!(text, "Content-ID: <response-{id}\r\n");
    }
    let _ = write!(
        text,
        "\r\nHTTP/1.1 {status} {}\r\n",
        reason.unwrap_or("Unknown")
    );
    for (name, value) in &head.headers {
        if name != CONTENT_LENGTH
            && let Ok(value) = value.to_str()
        {
            let _ = write!(text, "{name}: {value}\r\n");
        }
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n", body.len());
    answers.extend_from_slice(text.as_bytes());
    answers.extend_from_slice(&body);
    answers.extend_from_slice(b"\r\n");
    Ok(())
}

/// The parts of a batch; `None` when it has no end. Lines may end either way.
fn split<'a>(text: &'a str, boundary: &str) -> Option<Vec<&'a str>> {
    let (open, close) = (format!("--{boundary}"), format!("--{boundary}--"));
    let (mut parts, mut began, mut at) = (Vec::new(), None, 0);
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        let line = line.trim_ascii_end();
        if line == open || line == close {
            parts.extend(began.map(|began| &text[began..at]));
            began = Some(next);
        }
        if line == close {
            return Some(parts);
        }
        at = next;
    }
    None
}

/// A call of a batch.
struct Inner {
    /// Its `Content-ID`; empty without one.
    id: String,
    request: Request<Bytes>,
}

impl Inner {
    /// Parses a part; `authorization` is that of a call that brings none of its own.
    fn parse(part: &str, authorization: Option<&HeaderValue>) -> Result<Self, Fail> {
        let malformed = |what: &str| invalid(format!("A call of the batch has no {what}."));
        let mut rest = part;
        let outer = head(&mut rest);
        let value = |wanted: &str| {
            let found = outer
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| *value)
        };
        if !value("content-type").is_some_and(|kind| kind.starts_with("application/http")) {
            return Err(malformed("Content-Type application/http"));
        }
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(malformed("request line"));
        };
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in head(&mut rest) {
            request = request.header(name, value);
        }
        let body = Bytes::copy_from_slice(rest.trim_ascii().as_bytes());
        let mut request = request
            .body(body)
            .map_err(|_| malformed("request that can be read"))?;
        if let Some(authorization) = authorization {
            let headers = request.headers_mut().entry(AUTHORIZATION);
            headers.or_insert_with(|| authorization.clone());
        }
        Ok(Self {
            id: value("content-id").unwrap_or_default().to_owned(),
            request,
        })
    }
}

/// Takes header lines from `rest`, up to an empty line or the end.
fn head<'a>(rest: &mut &'a str) -> Vec<(&'a str, &'a str)> {
    let mut headers = Vec::new();
    while let Some((line, after)) = rest
        .split_once('\n')
        .or((!rest.is_empty()).then_some((*rest, "")))
    {
        *rest = after;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.trim(), value.trim()));
    }
    headers
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// As gcsfs writes it: bare line feeds, no empty line after a call's headers.
    const BATCH: &str = "
--==b==
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: <x+1>

DELETE /storage/v1/b/k/o/a%2Fb?generation=7 HTTP/1.1
Content-Type: application/json
content-length: 0

--==b==
Content-Type: application/http

PATCH http://127.0.0.1:4443/storage/v1/b/k HTTP/1.1
Authorization: Bearer own

{\"a\": 1}
--==b==--";

    #[test]
    fn calls_are_read_whatever_ends_their_lines() {
        let bearer = HeaderValue::from_static("Bearer outer");
        for text in [BATCH.to_owned(), BATCH.replace('\n', "\r\n")] {
            let parts = split(&text, "==b==").unwrap();
            let [first, second] = &parts[..] else {
                panic!("{parts:?}")
            };
            let first = Inner::parse(first, Some(&bearer)).unwrap();
            assert_eq!(
                (first.id.as_str(), first.request.method().as_str()),
                ("<x+1>", "DELETE")
            );
            assert_eq!(first.request.uri(), "/storage/v1/b/k/o/a%2Fb?generation=7");
            assert_eq!(first.request.headers()[AUTHORIZATION], bearer);
            let second = Inner::parse(second, Some(&bearer)).unwrap();
            assert_eq!(second.request.uri().path(), "/storage/v1/b/k");
            assert_eq!(second.request.headers()[AUTHORIZATION], "Bearer own");
            assert_eq!(second.request.body(), "{\"a\": 1}");
        }
    }

    #[test]
    fn what_is_no_batch_is_refused() {
        assert!(split("--b\nx\n--b\n", "b").is_none());
        assert!(split("", "b").is_none());
        for part in [
            "",
            "Content-Type: text/plain\n\nGET / HTTP/1.1\n",
            "Content-Type: application/http\n\n",
        ] {
            assert!(Inner::parse(part, None).is_err(), "{part}");
        }
    }
}
