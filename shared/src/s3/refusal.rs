//! What it means when S3 does not give the object: a verdict for each kind of reply.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use super::object::read_validator;
use crate::error::{ErrorKind, TransferError};

/// Why there is no body to copy.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The source has no such key now: the truth, and not an error.
    Gone,
    /// The read failed.
    Failed(TransferError),
}

/// S3's error body
/// ([REST error responses](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ErrorBody {
    code: String,
    message: String,
    request_id: Option<String>,
    region: Option<String>,
}

/// Reads a GetObject reply that is not a 2xx, for an object of `bucket`. Only S3's own word counts
/// for the absence of a key, because a copy may be deleted for it: a 404 that says nothing is of who
/// knows whom.
#[must_use]
pub fn refusal(reply: &Response<Bytes>, bucket: &str) -> Refusal {
    let body = error_body(reply);
    let status = reply.status();
    let has_marker = reply.headers().contains_key("x-amz-delete-marker");
    let is_named = matches!(body.code.as_str(), "NoSuchKey" | "NoSuchVersion");
    if status == StatusCode::NOT_FOUND && (is_named || has_marker) {
        return Refusal::Gone;
    }
    let (kind, advice) = classify(status, &body, bucket);
    let header = |name| Some(reply.headers().get(name)?.to_str().ok()?.to_owned());
    Refusal::Failed(TransferError {
        kind,
        message: describe(status, &body, bucket),
        advice,
        status: Some(status.as_u16()),
        request_id: body.request_id.or_else(|| header("x-amz-request-id")),
        retry_after: header("retry-after")
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs),
    })
}

/// Reads the reply to a HeadObject: the validator of what stands there (empty where it says none), or none
/// where nothing does. A 404 has no body here that could say more: it is good for looking again, and not
/// for deleting.
///
/// # Errors
/// What [`refusal()`] makes of any other refusal.
pub fn read_head(reply: &Response<Bytes>, bucket: &str) -> Result<Option<String>, TransferError> {
    match reply.status() {
        StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => Ok(Some(read_validator(reply.headers()))),
        _ => match refusal(reply, bucket) {
            Refusal::Gone => Ok(None),
            Refusal::Failed(error) => Err(error),
        },
    }
}

/// S3's own word for the error; empty if there is none.
pub(super) fn error_code(reply: &Response<Bytes>) -> String {
    error_body(reply).code
}

fn error_body(reply: &Response<Bytes>) -> ErrorBody {
    std::str::from_utf8(reply.body())
        .ok()
        .and_then(|text| quick_xml::de::from_str(text).ok())
        .unwrap_or_default()
}

fn describe(status: StatusCode, body: &ErrorBody, bucket: &str) -> String {
    let code = match body.code.as_str() {
        "" => String::new(),
        code => format!(" {code}"),
    };
    let message = match body.message.trim_end_matches('.') {
        "" => String::new(),
        message => format!(": {message}"),
    };
    format!(
        "S3 answered {}{code} for the bucket {bucket}{message}.",
        status.as_u16()
    )
}

fn classify(status: StatusCode, body: &ErrorBody, bucket: &str) -> (ErrorKind, String) {
    match (status.as_u16(), body.code.as_str()) {
        (_, "InvalidObjectState") => (
            ErrorKind::SourceArchived,
            "The object is in an archive tier: restore it (aws s3api restore-object); the restore's event brings it here.".into(),
        ),
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken"
            | "RequestTimeTooSkewed" | "NotSignedUp" | "TokenRefreshRequired") | (401, _) => (
            ErrorKind::SourceCredentialRefused,
            "Check the secrets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the worker.".into(),
        ),
        (403, _) => (
            ErrorKind::SourceDenied,
            format!("The credential probably lacks s3:GetObject on arn:aws:s3:::{bucket}/* (for a version s3:GetObjectVersion, for an encrypted object kms:Decrypt). Without s3:ListBucket a missing object is answered like this, too."),
        ),
        (404, "") => (
            ErrorKind::SourceUnavailable,
            "S3 says what is missing, the key or the bucket; this answer did not. It is tried again; if it stays so, check the S3 endpoint.".into(),
        ),
        (404, _) => (
            ErrorKind::SourceBucketMissing,
            "Check the route's source and the S3 endpoint.".into(),
        ),
        (301 | 307 | 308, _) | (400, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => (
            ErrorKind::SourceBucketMissing,
            match &body.region {
                Some(region) => format!("The bucket is in the region {region}: set the route's region."),
                None => "The bucket is probably in another region: set the route's region.".into(),
            },
        ),
        (412 | 416, _) => (
            ErrorKind::SourceChanged,
            "The object changed while it was read; the new one is copied instead.".into(),
        ),
        (408 | 429 | 500..=599, _) | (_, "RequestTimeout" | "SlowDown") => (
            ErrorKind::SourceUnavailable,
            "Nothing to do: it is tried again.".into(),
        ),
        _ => (
            ErrorKind::SourceUnexpected,
            "This answer is not one that S3 documents for a read; check the S3 endpoint.".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reply(status: u16, code: &str) -> Response<Bytes> {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>Because.</Message><Region>eu-west-1</Region><Key>k</Key><RequestId>R1</RequestId></Error>"
        );
        Response::builder()
            .status(status)
            .body(Bytes::from(body))
            .unwrap()
    }

    fn failed(status: u16, code: &str) -> TransferError {
        match refusal(&reply(status, code), "photos") {
            Refusal::Failed(error) => error,
            Refusal::Gone => panic!("{status} {code} was taken as gone"),
        }
    }

    #[test]
    fn a_missing_key_is_gone_and_a_missing_bucket_is_an_error() {
        assert_eq!(refusal(&reply(404, "NoSuchKey"), "photos"), Refusal::Gone);
        let mut marker = reply(404, "");
        let (name, value) = ("x-amz-delete-marker", "true".parse().unwrap());
        marker.headers_mut().insert(name, value);
        assert_eq!(refusal(&marker, "photos"), Refusal::Gone);
        assert_eq!(
            failed(404, "NoSuchBucket").kind,
            ErrorKind::SourceBucketMissing
        );
    }

    #[test]
    fn nothing_is_gone_that_s3_does_not_call_so() {
        let mut bare = reply(404, "");
        *bare.body_mut() = Bytes::from_static(b"<html>not found</html>");
        let Refusal::Failed(error) = refusal(&bare, "photos") else {
            panic!("gone")
        };
        assert_eq!(error.kind, ErrorKind::SourceUnavailable);
        for status in [403, 500] {
            let mut marked = reply(status, "NoSuchKey");
            let (name, value) = ("x-amz-delete-marker", "true".parse().unwrap());
            marked.headers_mut().insert(name, value);
            assert_ne!(refusal(&marked, "photos"), Refusal::Gone, "{status}");
        }
    }

    #[test]
    fn a_head_says_what_stands_there_or_that_nothing_does() {
        let mut found = Response::new(Bytes::new());
        assert_eq!(read_head(&found, "photos"), Ok(Some(String::new())));
        let etag = "\"e\"".parse().unwrap();
        found.headers_mut().insert("etag", etag);
        assert_eq!(read_head(&found, "photos"), Ok(Some("\"e\"".into())));
        let mut bare = reply(404, "");
        *bare.body_mut() = Bytes::new();
        assert_eq!(read_head(&bare, "photos"), Ok(None));
        *bare.status_mut() = StatusCode::FORBIDDEN;
        let denied = read_head(&bare, "photos").unwrap_err();
        assert_eq!(denied.kind, ErrorKind::SourceDenied);
    }

    #[test]
    fn each_refusal_has_its_kind() {
        for (status, code, kind) in [
            (403, "AccessDenied", ErrorKind::SourceDenied),
            (403, "", ErrorKind::SourceDenied),
            (403, "InvalidObjectState", ErrorKind::SourceArchived),
            (
                403,
                "SignatureDoesNotMatch",
                ErrorKind::SourceCredentialRefused,
            ),
            (
                403,
                "RequestTimeTooSkewed",
                ErrorKind::SourceCredentialRefused,
            ),
            (400, "ExpiredToken", ErrorKind::SourceCredentialRefused),
            (301, "PermanentRedirect", ErrorKind::SourceBucketMissing),
            (
                400,
                "AuthorizationHeaderMalformed",
                ErrorKind::SourceBucketMissing,
            ),
            (412, "PreconditionFailed", ErrorKind::SourceChanged),
            (416, "InvalidRange", ErrorKind::SourceChanged),
            (503, "SlowDown", ErrorKind::SourceUnavailable),
            (500, "InternalError", ErrorKind::SourceUnavailable),
            (400, "RequestTimeout", ErrorKind::SourceUnavailable),
            (418, "", ErrorKind::SourceUnexpected),
        ] {
            assert_eq!(failed(status, code).kind, kind, "{status} {code}");
        }
    }

    #[test]
    fn the_error_says_what_was_found_and_which_permission_is_missing() {
        let error = failed(403, "AccessDenied");
        assert_eq!(
            error.message,
            "S3 answered 403 AccessDenied for the bucket photos: Because."
        );
        assert!(error.advice.contains("s3:GetObject"));
        assert_eq!(error.request_id.as_deref(), Some("R1"));
        assert!(
            failed(301, "PermanentRedirect")
                .advice
                .contains("eu-west-1")
        );
    }

    #[test]
    fn retry_after_is_read() {
        let mut busy = reply(503, "SlowDown");
        busy.headers_mut()
            .insert("retry-after", "7".parse().unwrap());
        let Refusal::Failed(error) = refusal(&busy, "photos") else {
            panic!("gone")
        };
        assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    }
}
