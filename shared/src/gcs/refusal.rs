//! What it means when GCS does not do what it was asked: a verdict for each kind of reply.
//!
//! A 412 to a conditional write and a 404 to a look are answers, not errors: the transfer takes
//! them before it asks here.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde::Deserialize;

use crate::error::{ErrorKind, TransferError};

/// The JSON API's error body
/// ([Status and error codes](https://cloud.google.com/storage/docs/json_api/v1/status-codes)).
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    message: String,
    errors: Vec<ErrorItem>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorItem {
    reason: String,
}

/// Reads a reply that is not a 2xx, for an object of `bucket`.
#[must_use]
pub fn refusal(reply: &Response<Bytes>, bucket: &str) -> TransferError {
    let status = reply.status().as_u16();
    let detail = serde_json::from_slice::<ErrorBody>(reply.body())
        .unwrap_or_default()
        .error;
    let reason = detail
        .errors
        .first()
        .map_or("", |item| item.reason.as_str());
    let (kind, advice) = classify(status, reason, &detail.message, bucket);
    let header = |name| Some(reply.headers().get(name)?.to_str().ok()?.to_owned());
    TransferError {
        kind,
        message: describe(status, reason, &detail.message, bucket),
        advice,
        status: Some(status),
        request_id: header("x-guploader-uploadid"),
        retry_after: header("retry-after")
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs),
    }
}

fn describe(status: u16, reason: &str, message: &str, bucket: &str) -> String {
    let space = if reason.is_empty() { "" } else { " " };
    let message = match message.trim_end_matches('.') {
        "" => String::new(),
        message => format!(": {message}"),
    };
    format!("GCS answered {status}{space}{reason} for the bucket {bucket}{message}.")
}

fn classify(status: u16, reason: &str, message: &str, bucket: &str) -> (ErrorKind, String) {
    match (status, reason) {
        (400, _) if is_checksum(message) => (
            ErrorKind::ChecksumRefused,
            "The bytes that arrived are not those that S3's checksum names. It is tried again; if it stays so, read the object at the source and compare.".into(),
        ),
        (401, _) => (
            ErrorKind::DestinationCredentialRefused,
            "Check the secret GOOGLE_CREDENTIALS of the worker: is the key still active, and its account too?".into(),
        ),
        (403, "rateLimitExceeded" | "userRateLimitExceeded") | (408 | 429 | 500..=599, _) => (
            ErrorKind::DestinationUnavailable,
            "Nothing to do: it is tried again.".into(),
        ),
        (400 | 403, _) if is_about_key(message) => (
            ErrorKind::DestinationDenied,
            "The route's kms_key (or the bucket's default key) cannot be used: it must be enabled and in the bucket's location, and Cloud Storage's service agent must be allowed to use it (gcloud storage service-agent --authorize-cmek=<key>).".into(),
        ),
        (403, _) if is_retained(reason, message) => (
            ErrorKind::DestinationDenied,
            "What stands there may not be deleted or replaced yet: a retention policy or a hold keeps it. Send the key again when that has ended, or release it.".into(),
        ),
        (403, _) => (
            ErrorKind::DestinationDenied,
            format!("Give the service account storage.objects.create, .get, .delete and .update on gs://{bucket}, for example the role Storage Object User."),
        ),
        (404, _) => (
            ErrorKind::DestinationBucketMissing,
            format!("Create gs://{bucket}, or correct the route's destination."),
        ),
        (400..=499, _) => (
            ErrorKind::DestinationRefused,
            "GCS does not take this name or metadata; rename the object at the source, or leave it out of the route.".into(),
        ),
        _ => (
            ErrorKind::DestinationUnexpected,
            "This answer is not one that GCS documents; check STORAGE_EMULATOR_HOST, if it is set.".into(),
        ),
    }
}

/// GCS says in words, too, that a key cannot be used: "Permission denied on Cloud KMS key…", "Cloud
/// KMS region 'global' not available for use with GCS region 'US'."
fn is_about_key(message: &str) -> bool {
    message.contains("Cloud KMS") || message.contains("cryptoKeys/")
}

/// [Object holds](https://cloud.google.com/storage/docs/object-holds) and
/// [retention policies](https://cloud.google.com/storage/docs/bucket-lock); for a hold the reason is
/// sometimes a plain `forbidden`.
fn is_retained(reason: &str, message: &str) -> bool {
    matches!(reason, "retentionPolicyNotMet" | "objectUnderActiveHold")
        || message.contains("retention policy")
        || message.contains("hold and cannot be")
}

/// GCS says a wrong checksum only in words: "Provided MD5 hash … doesn't match calculated …".
fn is_checksum(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["md5", "crc32c", "checksum", "hash"]
        .iter()
        .any(|word| message.contains(word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(status: u16, reason: &str, message: &str) -> TransferError {
        let body = serde_json::json!({"error": {"code": status, "message": message,
            "errors": [{"message": message, "domain": "global", "reason": reason}]}});
        let reply = Response::builder()
            .status(status)
            .header("x-guploader-uploadid", "U1")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        refusal(&reply, "copies")
    }

    #[test]
    fn each_refusal_has_its_kind() {
        for (status, reason, message, kind) in [
            (
                400,
                "invalid",
                "Provided CRC32C \"x\" doesn't match calculated CRC32C \"y\".",
                ErrorKind::ChecksumRefused,
            ),
            (
                400,
                "invalid",
                "Provided MD5 hash \"x\" doesn't match",
                ErrorKind::ChecksumRefused,
            ),
            (
                400,
                "invalid",
                "Metadata too large",
                ErrorKind::DestinationRefused,
            ),
            (
                401,
                "authError",
                "Invalid Credentials",
                ErrorKind::DestinationCredentialRefused,
            ),
            (
                403,
                "forbidden",
                "no storage.objects.create access",
                ErrorKind::DestinationDenied,
            ),
            (
                403,
                "rateLimitExceeded",
                "slow",
                ErrorKind::DestinationUnavailable,
            ),
            (
                404,
                "notFound",
                "The specified bucket does not exist.",
                ErrorKind::DestinationBucketMissing,
            ),
            (408, "", "", ErrorKind::DestinationUnavailable),
            (429, "", "", ErrorKind::DestinationUnavailable),
            (503, "backendError", "", ErrorKind::DestinationUnavailable),
            (411, "", "", ErrorKind::DestinationRefused),
            (302, "", "", ErrorKind::DestinationUnexpected),
        ] {
            assert_eq!(
                error(status, reason, message).kind,
                kind,
                "{status} {message}"
            );
        }
    }

    #[test]
    fn the_error_says_what_was_found_and_names_the_role() {
        let error = error(403, "forbidden", "No access.");
        assert_eq!(
            error.message,
            "GCS answered 403 forbidden for the bucket copies: No access."
        );
        assert!(error.advice.contains("storage.objects.create"));
        assert_eq!(error.request_id.as_deref(), Some("U1"));
    }

    #[test]
    fn a_key_that_cannot_be_used_has_its_own_advice() {
        for (status, reason, message) in [
            (
                403,
                "forbidden",
                "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service account has been authorized to use this key.",
            ),
            (
                400,
                "invalid",
                "Cloud KMS region 'global' not available for use with GCS region 'US'.",
            ),
        ] {
            let error = error(status, reason, message);
            assert_eq!(error.kind, ErrorKind::DestinationDenied, "{message}");
            assert!(error.advice.contains("--authorize-cmek"), "{error}");
        }
    }

    #[test]
    fn what_may_not_be_deleted_yet_is_told_from_a_missing_permission() {
        for (reason, message) in [
            (
                "retentionPolicyNotMet",
                "Object 'copies/k' is subject to bucket's retention policy or object retention and cannot be deleted or overwritten until 2026-02-01T00:00:00Z",
            ),
            (
                "forbidden",
                "Object 'copies/k' is under active Temporary hold and cannot be deleted, overwritten or archived until hold is removed.",
            ),
        ] {
            let error = error(403, reason, message);
            assert_eq!(error.kind, ErrorKind::DestinationDenied);
            assert!(
                error.advice.contains("retention policy or a hold"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_body_that_is_no_json_is_no_obstacle() {
        let reply = Response::builder()
            .status(502)
            .body(Bytes::from_static(b"<html>"))
            .unwrap();
        assert_eq!(
            refusal(&reply, "copies").kind,
            ErrorKind::DestinationUnavailable
        );
    }
}
