//! Resumable uploads: a session is started, bytes are sent, and after any doubt GCS is asked how
//! many it has.
//!
//! Follows [Resumable uploads](https://cloud.google.com/storage/docs/performing-resumable-uploads).
//! Persisted bytes are a count here, never an inclusive end.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::{Object, ObjectAddress, Precondition, refusal, request};
use crate::error::{ErrorKind, TransferError};
use crate::exchange::Sink;
use crate::integrity::Checksum;

/// A session's URI: whoever has it can write, so `Debug` does not show it.
///
/// Serialised as it is: it may stand in a message of the queue, and nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResumableSession(Uri);

impl TryFrom<String> for ResumableSession {
    type Error = &'static str;

    fn try_from(uri: String) -> Result<Self, Self::Error> {
        // The parser's own words would show the URI.
        match Uri::try_from(uri) {
            Ok(uri) if uri.host().is_some() => Ok(Self(uri)),
            _ => Err("not the URI of a session"),
        }
    }
}

impl From<ResumableSession> for String {
    fn from(session: ResumableSession) -> Self {
        session.0.to_string()
    }
}

impl fmt::Debug for ResumableSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumableSession(…)")
    }
}

/// How far a session is.
#[derive(Debug, PartialEq, Eq)]
pub enum ResumableUploadStatus {
    /// GCS has this many bytes from the start.
    Persisted(u64),
    /// The object is committed.
    Finalized(Box<Object>),
    /// The session is no more: start another.
    Gone,
}

/// `Content-Range` of a request: which bytes it carries, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentRange {
    /// `bytes start-end/total`, `length` bytes from `start`; `length` is not 0.
    Bytes {
        /// First byte.
        start: u64,
        /// How many.
        length: u64,
        /// Of the whole object.
        total: u64,
    },
    /// `bytes */total`: asks for the status, carries nothing.
    Status {
        /// Of the whole object.
        total: u64,
    },
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Bytes {
                start,
                length,
                total,
            } => write!(f, "bytes {start}-{}/{total}", start + length - 1),
            Self::Status { total } => write!(f, "bytes */{total}"),
        }
    }
}

/// Starts a session for `object` of `size` bytes.
///
/// # Errors
/// See [`ObjectAddress::get`].
pub fn start_session(
    address: &ObjectAddress,
    object: &Object,
    size: u64,
    precondition: Precondition,
) -> Result<Request<Bytes>, TransferError> {
    let body = serde_json::to_vec(&object.as_body()).expect("strings alone always become JSON");
    let mut start = request(
        Method::POST,
        &address.upload_url("resumable", object, precondition),
        Bytes::from(body),
    )?;
    let headers = start.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    );
    headers.insert("x-upload-content-length", HeaderValue::from(size));
    if let Some(Ok(media_type)) = object.content_type.as_deref().map(HeaderValue::from_str) {
        headers.insert("x-upload-content-type", media_type);
    }
    Ok(start)
}

impl ResumableSession {
    /// Reads the 2xx reply to [`start_session`].
    ///
    /// # Errors
    /// [`ErrorKind::DestinationUnexpected`] when it names no session.
    pub fn read(reply: &Response<Bytes>) -> Result<Self, TransferError> {
        reply
            .headers()
            .get(LOCATION)
            .and_then(|location| Uri::try_from(location.as_bytes()).ok())
            .filter(|uri| uri.host().is_some())
            .map(Self)
            .ok_or_else(|| {
                TransferError::new(
                    ErrorKind::DestinationUnexpected,
                    "GCS started a resumable upload without saying where (no Location).",
                    "Check the GCS endpoint.",
                )
            })
    }

    fn put<B>(&self, range: ContentRange, body: B) -> Request<B> {
        let mut put = Request::new(body);
        *put.method_mut() = Method::PUT;
        *put.uri_mut() = self.0.clone();
        let value = HeaderValue::try_from(range.to_string()).expect("digits are a header value");
        put.headers_mut().insert(CONTENT_RANGE, value);
        put
    }

    /// Gives the session up ([Cancel an upload](https://cloud.google.com/storage/docs/performing-resumable-uploads#cancel-upload)).
    #[must_use]
    pub fn cancel(&self) -> Request<Bytes> {
        let mut cancel = Request::new(Bytes::new());
        *cancel.method_mut() = Method::DELETE;
        *cancel.uri_mut() = self.0.clone();
        cancel
    }
}

/// Sends the bytes of `range` out of the open source body.
#[must_use]
pub fn resume(session: &ResumableSession, range: ContentRange) -> Sink {
    Sink {
        request: session.put(range, ()),
        prefix: Bytes::new(),
        suffix: Bytes::new(),
    }
}

/// Sends the last bytes, with the CRC32C of the whole object: GCS commits only what matches it.
#[must_use]
pub fn finish(session: &ResumableSession, range: ContentRange, crc32c: u32) -> Sink {
    let mut sink = resume(session, range);
    let value = format!("crc32c={}", Checksum::Crc32c(crc32c).to_base64());
    let value = HeaderValue::try_from(value).expect("base64 is a header value");
    sink.request.headers_mut().insert("x-goog-hash", value);
    sink
}

/// Asks how far the session is.
#[must_use]
pub fn upload_status(session: &ResumableSession, total: u64) -> Request<Bytes> {
    session.put(ContentRange::Status { total }, Bytes::new())
}

impl ResumableUploadStatus {
    /// Reads the reply to bytes or to a status query. No `Range` means that nothing is persisted;
    /// `bytes=0-0` is one byte.
    ///
    /// # Errors
    /// What [`refusal()`] makes of any other status, or [`ErrorKind::DestinationUnexpected`].
    pub fn read(reply: &Response<Bytes>, bucket: &str) -> Result<Self, TransferError> {
        match reply.status() {
            StatusCode::OK | StatusCode::CREATED => {
                Ok(Self::Finalized(Box::new(Object::read(reply)?)))
            }
            StatusCode::PERMANENT_REDIRECT => match reply.headers().get(RANGE) {
                None => Ok(Self::Persisted(0)),
                Some(range) => persisted(range).map(Self::Persisted).ok_or_else(|| {
                    TransferError::new(
                        ErrorKind::DestinationUnexpected,
                        format!(
                            "GCS says that it has {range:?} of an upload; expected bytes=0-<last>."
                        ),
                        "Check the GCS endpoint.",
                    )
                }),
            },
            // 499: it was cancelled.
            status if matches!(status.as_u16(), 404 | 410 | 499) => Ok(Self::Gone),
            _ => Err(refusal(reply, bucket)),
        }
    }
}

fn persisted(range: &HeaderValue) -> Option<u64> {
    let last = range.to_str().ok()?.strip_prefix("bytes=0-")?;
    last.parse::<u64>().ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reply(status: u16, range: Option<&str>) -> Response<Bytes> {
        let mut reply = Response::builder().status(status);
        if let Some(range) = range {
            reply = reply.header(RANGE, range);
        }
        reply.body(Bytes::new()).unwrap()
    }

    #[test]
    fn persisted_bytes_are_a_count() {
        let read = |range| ResumableUploadStatus::read(&reply(308, range), "b");
        assert_eq!(read(None).unwrap(), ResumableUploadStatus::Persisted(0));
        assert_eq!(
            read(Some("bytes=0-0")).unwrap(),
            ResumableUploadStatus::Persisted(1)
        );
        assert_eq!(
            read(Some("bytes=0-262143")).unwrap(),
            ResumableUploadStatus::Persisted(262_144)
        );
        for wrong in [
            "bytes=1-5",
            "0-5",
            "bytes=0-",
            "bytes=0-18446744073709551615",
        ] {
            assert!(read(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_lost_session_is_gone_and_a_busy_store_is_an_error() {
        for status in [404, 410, 499] {
            assert_eq!(
                ResumableUploadStatus::read(&reply(status, None), "b").unwrap(),
                ResumableUploadStatus::Gone
            );
        }
        let error = ResumableUploadStatus::read(&reply(503, None), "b").unwrap_err();
        assert_eq!(error.kind, ErrorKind::DestinationUnavailable);
    }

    #[test]
    fn ranges_are_written_inclusively() {
        let range = ContentRange::Bytes {
            start: 5,
            length: 3,
            total: 8,
        };
        assert_eq!(range.to_string(), "bytes 5-7/8");
        assert_eq!(ContentRange::Status { total: 8 }.to_string(), "bytes */8");
    }

    #[test]
    fn a_session_uri_is_a_secret() {
        let mut started = reply(200, None);
        started
            .headers_mut()
            .insert(LOCATION, "http://h/upload?upload_id=hush".parse().unwrap());
        let session = ResumableSession::read(&started).unwrap();
        assert!(!format!("{session:?}").contains("hush"));
        assert!(session.cancel().uri().to_string().contains("hush"));
    }
}
