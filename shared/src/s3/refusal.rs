//! What it means when S3 does not give the object: a verdict for each kind of reply.

use bytes::Bytes;
use http::{Response, StatusCode};
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use serde::Deserialize;

use super::object::read_validator;
use crate::error::{ErrorKind, TransferError};
use crate::retry;

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
    Refusal::Failed(failed(reply, body, bucket))
}

fn failed(reply: &Response<Bytes>, mut body: ErrorBody, bucket: &str) -> TransferError {
    let region = reply.headers().get("x-amz-bucket-region");
    let region = region.and_then(|region| Some(region.to_str().ok()?.to_owned()));
    body.region = body.region.or(region);
    let (kind, is_final, advice) = classify(reply.status(), &body, bucket);
    let mut error = TransferError::new(kind, describe(reply.status(), &body, bucket), advice);
    error.is_final = is_final;
    error.request_id = body.request_id;
    error.answered(reply, "x-amz-request-id")
}

/// Whether `reply`, to a read by version, may be good for no more than that it was by version: for that S3 wants
/// another permission, and other stores may not know it.
#[must_use]
pub fn refuses_version(reply: &Response<Bytes>, bucket: &str) -> bool {
    let is_of_version =
        |kind| matches!(kind, ErrorKind::SourceDenied | ErrorKind::SourceUnexpected);
    !reply.status().is_success()
        && matches!(refusal(reply, bucket), Refusal::Failed(error) if is_of_version(error.kind))
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

/// The name of a document's root element, without its prefix; none where that is empty.
pub(super) fn root(xml: &str) -> Option<String> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                return Some(start.local_name().as_ref().to_owned());
            }
            Event::Empty(_) | Event::Eof => return None,
            _ => {}
        }
    }
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

/// The kind, whether it is final, and what to do.
fn classify(status: StatusCode, body: &ErrorBody, bucket: &str) -> (ErrorKind, bool, String) {
    let denied = |advice: &str| (ErrorKind::SourceDenied, true, advice.into());
    let unavailable = |advice: &str| (ErrorKind::SourceUnavailable, false, advice.into());
    match (status.as_u16(), body.code.as_str()) {
        (_, "InvalidObjectState") => (
            ErrorKind::SourceArchived,
            true,
            "The object is in an archive tier: restore it (aws s3api restore-object); the restore's event brings it here.".into(),
        ),
        (_, "RequestTimeTooSkewed") => unavailable(
            "The store's clock is another than the worker's. Requests are signed by the time of its replies; if it stays so, set its clock.",
        ),
        (307, "TemporaryRedirect") => unavailable(
            "S3 says so of a bucket that is new, for some hours. It is tried again; if it stays so, check the route's region.",
        ),
        (_, code) if retry::passes(code) => unavailable(AGAIN),
        (_, code) if code.starts_with("KMS.") => denied(
            "The KMS key that encrypts the object cannot be used: enable it, or cancel its deletion (aws kms enable-key, cancel-key-deletion), then replay.",
        ),
        (_, "AccountProblem" | "AllAccessDisabled" | "NotSignedUp") => denied(
            "The AWS account of the bucket or of the credential is closed or suspended: see to its billing in the AWS console, then replay.",
        ),
        (400, "InvalidRequest")
            if body.message.starts_with("The object was stored using a form of Server Side Encryption") =>
        {
            denied(
                "The object is encrypted with its writer's own key (SSE-C), which Causeway does not have: write it again with SSE-S3 or SSE-KMS, or leave it out of the route.",
            )
        }
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken"
            | "TokenRefreshRequired") | (401, _) => (
            ErrorKind::SourceCredentialRefused,
            false,
            "Check the secrets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the worker.".into(),
        ),
        (403, _) => (
            ErrorKind::SourceDenied,
            false,
            format!("The credential probably lacks s3:GetObject on arn:aws:s3:::{bucket}/* (for a version s3:GetObjectVersion, for an encrypted object kms:Decrypt). Without s3:ListBucket a missing object is answered like this, too; so is a bucket whose requester pays, which Causeway does not."),
        ),
        (404, "") => unavailable(
            "S3 says what is missing, the key or the bucket; this answer did not. It is tried again; if it stays so, check the S3 endpoint.",
        ),
        (404, _) => (
            ErrorKind::SourceBucketMissing,
            false,
            "Check the route's source and the S3 endpoint.".into(),
        ),
        (301 | 307 | 308, _)
        | (_, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => (
            ErrorKind::SourceBucketMissing,
            body.region.is_some(),
            match &body.region {
                Some(region) => format!("The bucket is in the region {region}: set the route's region."),
                None => "The bucket is probably in another region: set the route's region.".into(),
            },
        ),
        (412 | 416, _) => (
            ErrorKind::SourceChanged,
            false,
            "The object changed while it was read; the new one is copied instead.".into(),
        ),
        (408 | 409 | 425 | 429 | 500..=599, _) => unavailable(AGAIN),
        (_, code) => (
            ErrorKind::SourceUnexpected,
            code == "NotImplemented",
            "This answer is not one that S3 documents for a read. It is tried again; if it stays so, check the S3 endpoint.".into(),
        ),
    }
}

const AGAIN: &str = "Nothing to do: it is tried again.";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

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
            (403, "RequestTimeTooSkewed", ErrorKind::SourceUnavailable),
            (409, "OperationAborted", ErrorKind::SourceUnavailable),
            (409, "", ErrorKind::SourceUnavailable),
            (307, "TemporaryRedirect", ErrorKind::SourceUnavailable),
            (400, "KMS.ThrottlingException", ErrorKind::SourceUnavailable),
            (200, "InternalError", ErrorKind::SourceUnavailable),
            (304, "", ErrorKind::SourceUnexpected),
            (400, "InvalidRequest", ErrorKind::SourceUnexpected),
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
    fn what_only_a_person_can_mend_is_final_and_says_what_to_do() {
        for (status, code, kind, advice) in [
            (
                400,
                "KMS.DisabledException",
                ErrorKind::SourceDenied,
                "enable-key",
            ),
            (
                400,
                "KMS.KMSInvalidStateException",
                ErrorKind::SourceDenied,
                "enable-key",
            ),
            (403, "AccountProblem", ErrorKind::SourceDenied, "billing"),
            (
                403,
                "InvalidObjectState",
                ErrorKind::SourceArchived,
                "restore",
            ),
            (
                301,
                "PermanentRedirect",
                ErrorKind::SourceBucketMissing,
                "eu-west-1",
            ),
            (
                400,
                "AuthorizationHeaderMalformed",
                ErrorKind::SourceBucketMissing,
                "eu-west-1",
            ),
        ] {
            let error = failed(status, code);
            assert_eq!(error.kind, kind, "{status} {code}");
            assert!(error.is_final && error.advice.contains(advice), "{error}");
        }
        assert!(!failed(403, "AccessDenied").is_final);
        let message = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.";
        let body =
            format!("<Error><Code>InvalidRequest</Code><Message>{message}</Message></Error>");
        let reply = Response::builder().status(400).body(Bytes::from(body));
        let Refusal::Failed(error) = refusal(&reply.unwrap(), "photos") else {
            panic!("gone")
        };
        assert_eq!(error.kind, ErrorKind::SourceDenied);
        assert!(
            error.is_final && error.advice.contains("(SSE-C)"),
            "{error}"
        );
    }

    #[test]
    fn a_redirect_without_a_body_names_the_region_of_its_header() {
        let reply = Response::builder().status(301);
        let reply = reply.header("x-amz-bucket-region", "ap-south-1");
        let head = reply.body(Bytes::new()).unwrap();
        let error = read_head(&head, "photos").unwrap_err();
        assert_eq!(error.kind, ErrorKind::SourceBucketMissing);
        assert!(
            error.is_final && error.advice.contains("ap-south-1"),
            "{error}"
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
