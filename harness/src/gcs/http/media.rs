//! Reading an object's bytes, whole or a range of them
//! (<https://cloud.google.com/storage/docs/json_api/v1/objects/get>).
//!
//! Bytes are given as they are stored. The service's decompressive transcoding (gzip objects
//! unpacked for clients that do not accept gzip) is not done.

use std::ops::Range;

use axum::body::Body;
use futures::stream;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use http::{HeaderValue, Response, StatusCode};

use super::error::Fail;
use super::request::Call;
use super::resource;
use crate::gcs::state::{self, Object, Permission, Refusal};

/// A body is read from its file in pieces of this many bytes.
const PIECE: u64 = 256 << 10;

pub(super) fn read(call: &Call<'_>, bucket: &str, name: &str) -> Result<Response<Body>, Fail> {
    let state = &call.server.state;
    state.require(bucket, Permission::Get)?;
    let object = state.object(bucket, name, call.query.number("generation")?)?;
    call.query.preconditions("if")?.check_read(&object)?;
    if object.content.body.is_discarded() {
        return Err(Refusal::Discarded.into());
    }
    let size = object.size();
    let range = call
        .headers
        .get(RANGE)
        .and_then(|value| requested(value.to_str().ok()?, size));
    let range = range.transpose()?;
    let span = range.clone().unwrap_or(0..size);
    let mut response = Response::new(body(&object.content.body, span.clone())?);
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    for (name, value) in headers(&object, &span, range.is_some()) {
        // A stored value that cannot be a header is left out.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

fn body(stored: &state::Body, span: Range<u64>) -> Result<Body, Fail> {
    let length = span.end - span.start;
    if length <= PIECE {
        let limit = usize::try_from(length).unwrap_or(usize::MAX);
        let first = stored.read_at(span.start, limit)?;
        if first.len() == limit {
            return Ok(Body::from(first));
        }
    }
    let pieces = stream::try_unfold(
        (stored.clone(), span.start),
        move |(stored, at)| async move {
            let limit = usize::try_from((span.end - at).min(PIECE)).unwrap_or(usize::MAX);
            let piece = if limit == 0 {
                None
            } else {
                Some(stored.read_at(at, limit)?)
            };
            Ok::<_, std::io::Error>(piece.map(|piece| {
                let next = at + piece.len() as u64;
                (piece, (stored, next))
            }))
        },
    );
    Ok(Body::from_stream(pieces))
}

fn headers(object: &Object, span: &Range<u64>, partial: bool) -> Vec<(&'static str, String)> {
    let metadata = &object.metadata;
    let mut hash = format!("crc32c={}", resource::crc32c(object.content.crc32c));
    if let Some(md5) = object.content.md5 {
        use base64::Engine as _;
        hash.push_str(",md5=");
        base64::prelude::BASE64_STANDARD.encode_string(md5, &mut hash);
    }
    let encoding = metadata.content_encoding.clone();
    let mut headers = vec![
        (CONTENT_LENGTH.as_str(), (span.end - span.start).to_string()),
        (ACCEPT_RANGES.as_str(), "bytes".into()),
        (
            "content-type",
            metadata
                .content_type
                .clone()
                .unwrap_or_else(|| "application/octet-stream".into()),
        ),
        ("etag", resource::etag(object)),
        ("x-goog-hash", hash),
        ("x-goog-generation", object.generation.to_string()),
        ("x-goog-metageneration", object.metageneration.to_string()),
        ("x-goog-storage-class", metadata.storage_class().to_owned()),
        ("x-goog-stored-content-length", object.size().to_string()),
        (
            "x-goog-stored-content-encoding",
            encoding.clone().unwrap_or_else(|| "identity".into()),
        ),
    ];
    if partial {
        headers.push((
            CONTENT_RANGE.as_str(),
            format!("bytes {}-{}/{}", span.start, span.end - 1, object.size()),
        ));
    }
    let optional = [
        ("content-encoding", encoding),
        ("content-disposition", metadata.content_disposition.clone()),
        ("content-language", metadata.content_language.clone()),
        ("cache-control", metadata.cache_control.clone()),
    ];
    headers.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    headers
}

/// The bytes asked for; `None` when the header asks for nothing that is understood, which is then
/// ignored (RFC 9110, section 14.2). One range only, as the service.
fn requested(header: &str, size: u64) -> Option<Result<Range<u64>, Refusal>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let span = if first.is_empty() {
        size.saturating_sub(last.parse().ok()?)..size
    } else {
        let last = if last.is_empty() {
            u64::MAX
        } else {
            last.parse().ok()?
        };
        let first: u64 = first.parse().ok()?;
        if last < first {
            return None;
        }
        first..last.saturating_add(1).min(size)
    };
    Some(if span.start < span.end {
        Ok(span)
    } else {
        Err(Refusal::RangeNotSatisfiable(size))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let out = || Some(Err(Refusal::RangeNotSatisfiable(10)));
        let cases = [
            ("bytes=0-0", Some(Ok(0..1))),
            ("bytes=3-", Some(Ok(3..10))),
            ("bytes=3-99", Some(Ok(3..10))),
            ("bytes=-4", Some(Ok(6..10))),
            ("bytes=-40", Some(Ok(0..10))),
            ("bytes=10-", out()),
            ("bytes=-0", out()),
            ("bytes=4-3", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
        ];
        for (header, wanted) in cases {
            assert_eq!(requested(header, 10), wanted, "{header}");
        }
        assert_eq!(
            requested("bytes=0-", 0),
            Some(Err(Refusal::RangeNotSatisfiable(0)))
        );
    }
}
