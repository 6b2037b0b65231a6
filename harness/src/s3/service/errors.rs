//! Refusals as S3 words them.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

use std::io;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use s3s::dto::TimestampFormat;
use s3s::{S3Error, S3ErrorCode, StdError};

use super::convert::timestamp;
use crate::s3::store::{Object, ReceiveError, StoreError};

fn custom(code: &'static str, status: StatusCode, message: String) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

/// Adds headers; `s3s` drops its own when an error brings some.
fn with_headers(mut error: S3Error, headers: &[(&'static str, String)]) -> S3Error {
    let mut map = HeaderMap::new();
    map.insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml"),
    );
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            map.insert(HeaderName::from_static(name), value);
        }
    }
    error.set_headers(map);
    error
}

/// The store's refusal.
pub(super) fn refuse(error: StoreError) -> S3Error {
    use S3ErrorCode as Code;
    let message = error.to_string();
    let code = match error {
        StoreError::NoSuchBucket => Code::NoSuchBucket,
        StoreError::BucketAlreadyOwnedByYou => Code::BucketAlreadyOwnedByYou,
        StoreError::BucketNotEmpty => Code::BucketNotEmpty,
        StoreError::NoSuchKey => Code::NoSuchKey,
        StoreError::NoSuchVersion => Code::NoSuchVersion,
        StoreError::AccessDenied => Code::AccessDenied,
        StoreError::PreconditionFailed(_) => Code::PreconditionFailed,
        StoreError::NoSuchUpload => Code::NoSuchUpload,
        StoreError::InvalidPart { .. } => Code::InvalidPart,
        StoreError::InvalidPartOrder => Code::InvalidPartOrder,
        StoreError::EntityTooSmall { .. } => Code::EntityTooSmall,
        StoreError::BadChecksum { .. } => Code::BadDigest,
        StoreError::InvalidRequest(_) => Code::InvalidRequest,
        StoreError::DeleteMarker {
            version_id,
            last_modified,
            named,
        } => {
            let mut headers = vec![
                ("x-amz-delete-marker", "true".to_owned()),
                ("x-amz-version-id", version_id.to_string()),
            ];
            if named {
                headers.push(("last-modified", http_date(last_modified)));
                headers.push(("allow", "DELETE".to_owned()));
            }
            let code = if named {
                Code::MethodNotAllowed
            } else {
                Code::NoSuchKey
            };
            return with_headers(S3Error::with_message(code, message), &headers);
        }
    };
    S3Error::with_message(code, message)
}

fn http_date(time: jiff::Timestamp) -> String {
    let mut text = Vec::new();
    let _ = timestamp(time).format(TimestampFormat::HttpDate, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

pub(super) fn wrong_region(signed: &str, region: &str) -> S3Error {
    let error = S3Error::with_message(
        S3ErrorCode::AuthorizationHeaderMalformed,
        format!(
            "The authorization header is malformed; the region '{signed}' is wrong; expecting '{region}'"
        ),
    );
    with_headers(error, &[("x-amz-bucket-region", region.to_owned())])
}

pub(super) fn invalid_request(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidRequest, message.into())
}

pub(super) fn invalid_argument(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidArgument, message.into())
}

pub(super) fn precondition_failed(header: &'static str) -> S3Error {
    refuse(StoreError::PreconditionFailed(header))
}

pub(super) fn not_modified(object: &Object) -> S3Error {
    let mut headers = vec![
        ("etag", format!("\"{}\"", object.etag)),
        ("last-modified", http_date(object.last_modified)),
    ];
    if let Some(version) = object.version_id.versioned() {
        headers.push(("x-amz-version-id", version.to_owned()));
    }
    with_headers(S3Error::new(S3ErrorCode::NotModified), &headers)
}

pub(super) fn range_not_satisfiable(size: u64) -> S3Error {
    let error = S3Error::with_message(
        S3ErrorCode::InvalidRange,
        format!("The requested range is not satisfiable: the object has {size} bytes"),
    );
    with_headers(error, &[("content-range", format!("bytes */{size}"))])
}

pub(super) fn archived(object: &Object) -> S3Error {
    S3Error::with_message(
        S3ErrorCode::InvalidObjectState,
        format!(
            "The operation is not valid for the object's storage class {}",
            object.storage_class()
        ),
    )
}

pub(super) fn bad_digest(what: &str, expected: &str, found: &str) -> S3Error {
    S3Error::with_message(
        S3ErrorCode::BadDigest,
        format!("The {what} you specified ({expected}) did not match what we received ({found})"),
    )
}

pub(super) fn malformed_trailer(message: &str) -> S3Error {
    custom(
        "MalformedTrailerError",
        StatusCode::BAD_REQUEST,
        message.to_owned(),
    )
}

pub(super) fn io(error: io::Error) -> S3Error {
    S3Error::internal_error(error)
}

/// An upload that broke off. `s3s` keeps its error types to itself and only their texts tell them
/// apart.
pub(super) fn receiving(error: ReceiveError<StdError>, announced: u64) -> S3Error {
    match error {
        ReceiveError::Io(error) => io(error),
        ReceiveError::Length { seen } => S3Error::with_message(
            S3ErrorCode::IncompleteBody,
            format!("The request announced {announced} bytes and sent {seen}"),
        ),
        ReceiveError::Stream(error) => {
            let text = error.to_string();
            if text.contains("Sha256Mismatch") {
                custom(
                    "XAmzContentSHA256Mismatch",
                    StatusCode::BAD_REQUEST,
                    "The provided 'x-amz-content-sha256' header does not match what was computed."
                        .to_owned(),
                )
            } else if text.contains("SignatureMismatch") {
                S3Error::with_source(S3ErrorCode::SignatureDoesNotMatch, error)
            } else {
                S3Error::with_source(S3ErrorCode::IncompleteBody, error)
            }
        }
    }
}
