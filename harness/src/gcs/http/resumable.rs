//! The pieces of a resumable upload
//! (<https://cloud.google.com/storage/docs/performing-resumable-uploads>).

use std::sync::Arc;

use axum::body::Body;
use http::header::{CONTENT_LENGTH, RANGE};
use http::{HeaderValue, Method, Response, StatusCode};

use super::error::{Fail, bare, invalid};
use super::request::{Call, RequestBody};
use super::resource;
use super::upload::created;
use crate::gcs::state::{Begun, Piece, Session, Status};

/// A PUT (or POST) or DELETE on a session. The session's id is all the authorization it needs.
pub(super) async fn piece(
    call: &Call<'_>,
    method: &Method,
    bucket: &str,
    id: &str,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let state = &call.server.state;
    let session = state.session(id)?;
    if session.target().bucket != bucket {
        return Err(invalid("The upload session belongs to another bucket."));
    }
    if method == Method::DELETE {
        state.cancel_session(id)?;
        return Ok(bare(
            StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        ));
    }
    let range = call.headers.get("content-range");
    let range = range
        .map(|value| {
            value
                .to_str()
                .map_err(|_| invalid("Content-Range is not text."))
        })
        .transpose()?;
    let status = match range.map(ContentRange::parse).transpose()? {
        Some(ContentRange::Query(total)) => query(call, &session, total, body).await?,
        Some(ContentRange::Bytes { first, last, total }) => {
            let length = last.map(|last| last - first + 1);
            append(
                call,
                &session,
                Piece {
                    first,
                    length,
                    total,
                },
                body,
            )
            .await?
        }
        None => {
            append(
                call,
                &session,
                Piece {
                    first: 0,
                    length: None,
                    total: None,
                },
                body,
            )
            .await?
        }
    };
    Ok(answer(call, &status))
}

async fn query(
    call: &Call<'_>,
    session: &Session,
    total: Option<u64>,
    body: &mut RequestBody,
) -> Result<Status, Fail> {
    if body.next().await?.is_some_and(|chunk| chunk.length() > 0) {
        return Err(invalid("A status query has no body."));
    }
    let Some(total) = total else {
        return Ok(session.status()?);
    };
    Ok(session.conclude(
        &call.server.state,
        total,
        &resource::hash_header(call.headers)?,
    )?)
}

async fn append(
    call: &Call<'_>,
    session: &Arc<Session>,
    said: Piece,
    body: &mut RequestBody,
) -> Result<Status, Fail> {
    let sent = body.content_length();
    if let (Some(sent), Some(said)) = (sent, said.length)
        && sent != said
    {
        return Err(invalid(format!(
            "Content-Length is {sent}, Content-Range has {said} bytes."
        )));
    }
    let expected = resource::hash_header(call.headers)?;
    // Neither an end nor a total: the object ends where the body does.
    let ends_with_body = said.length.is_none() && said.total.is_none();
    let end = sent
        .filter(|_| ends_with_body)
        .map(|sent| said.first.saturating_add(sent));
    let piece = Piece {
        length: said.length.or(sent),
        total: said.total.or(end),
        ..said
    };
    let mut append = match session.begin(piece)? {
        Begun::Append(append) => append,
        Begun::Complete(object) => return Ok(Status::Complete(object)),
    };
    while let Some(data) = body.next().await? {
        append.push(data)?;
    }
    Ok(append.finish(&call.server.state, &expected)?)
}

fn answer(call: &Call<'_>, status: &Status) -> Response<Body> {
    let persisted = match status {
        Status::Complete(object) => return created(call, object),
        Status::Incomplete { persisted } => *persisted,
    };
    let mut response = bare(StatusCode::PERMANENT_REDIRECT);
    // Clients whose HTTP library cannot take a 308 ask for this.
    if call.header("x-guploader-no-308") == Some("yes") {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().insert(
            "x-http-status-code-override",
            HeaderValue::from_static("308"),
        );
    }
    if let Some(last) = persisted.checked_sub(1)
        && let Ok(range) = HeaderValue::try_from(format!("bytes=0-{last}"))
    {
        response.headers_mut().insert(RANGE, range);
    }
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(0));
    response
}

/// A `Content-Range` of an upload.
#[derive(Debug, PartialEq, Eq)]
enum ContentRange {
    /// `bytes */N` or `bytes */*`: how far is it?
    Query(Option<u64>),
    /// `bytes a-b/N`; `*` for an end or total not known.
    Bytes {
        first: u64,
        last: Option<u64>,
        total: Option<u64>,
    },
}

impl ContentRange {
    fn parse(text: &str) -> Result<Self, Fail> {
        Self::parse_strictly(text).ok_or_else(|| {
            invalid(format!("Invalid Content-Range '{text}': expected 'bytes FIRST-LAST/TOTAL' or 'bytes */TOTAL'."))
        })
    }

    fn parse_strictly(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u64>().ok()).flatten()
        };
        let or_unknown = |text: &str| {
            if text == "*" {
                Some(None)
            } else {
                number(text).map(Some)
            }
        };
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let total = or_unknown(total)?;
        if range == "*" {
            return Some(Self::Query(total));
        }
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, or_unknown(last)?);
        let ordered = last.is_none_or(|last| first <= last && last < u64::MAX);
        let within = last
            .or(Some(first))
            .zip(total)
            .is_none_or(|(last, total)| last < total);
        (ordered && within).then_some(Self::Bytes { first, last, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let bytes = |first, last, total| Some(ContentRange::Bytes { first, last, total });
        let cases = [
            ("bytes */*", Some(ContentRange::Query(None))),
            ("bytes */0", Some(ContentRange::Query(Some(0)))),
            ("bytes 0-0/1", bytes(0, Some(0), Some(1))),
            ("bytes 5-9/*", bytes(5, Some(9), None)),
            ("bytes 0-*/*", bytes(0, None, None)),
            ("bytes 7-*/9", bytes(7, None, Some(9))),
            ("bytes 0-9/9", None),
            ("bytes 9-*/9", None),
            ("bytes 2-1/9", None),
            ("bytes=0-1/2", None),
            ("bytes 0-1", None),
            ("bytes -1/2", None),
            ("bytes +1-2/3", None),
            ("bytes 0-18446744073709551615/*", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(ContentRange::parse_strictly(text), wanted, "{text}");
        }
    }
}
