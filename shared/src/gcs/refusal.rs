//! What it means when GCS does not do what it was asked: a verdict for each kind of reply.
//!
//! A 412 to a conditional write and a 404 to a look are answers, not errors, where they are GCS's own
//! and mean that ([`is_lost_race`], [`is_absent`]): the transfer takes them before it asks here.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::error::{ErrorKind, TransferError};
use crate::google::{Said, is_page};
use crate::retry;

impl Said {
    /// Whether a policy of the organization forbids it. The reason says so, or is that of a lost race
    /// and the message says so outside of its quotes.
    fn is_policy(&self) -> bool {
        let quotes = ['\'', '"', '`'];
        self.reason == "orgPolicyConstraintFailed"
            || self.begins(&POLICY)
            || self
                .message
                .split(quotes)
                .step_by(2)
                .any(|words| words.contains("violates constraint"))
    }

    /// Whether a hold keeps what stands there. The reason is sometimes that of a missing permission:
    /// "Object '…' is under active Temporary hold and cannot be deleted, overwritten or archived until
    /// hold is removed."
    fn is_hold(&self) -> bool {
        self.reason == "objectUnderActiveHold"
            || self.begins(&["Object '"])
                && (self.message.trim_end_matches('.')).ends_with("until hold is removed")
    }
}

/// How messages begin that tell of an organization's policy: of its constraints, and of the perimeters of
/// VPC Service Controls.
const POLICY: [&str; 3] = [
    "Constraint ",
    "Request violates constraint",
    "Request is prohibited by organization",
];

/// Whether `reply` says that nothing has the name that was asked for.
pub(crate) fn is_absent(reply: &Response<Bytes>) -> bool {
    reply.status() == StatusCode::NOT_FOUND && !is_page(reply)
}

/// Whether `reply` says that the precondition does not hold, and not that something else is in the way.
pub(crate) fn is_lost_race(reply: &Response<Bytes>) -> bool {
    if reply.status() != StatusCode::PRECONDITION_FAILED || is_page(reply) {
        return false;
    }
    let said = Said::of(reply.body());
    let is_race = matches!(
        &*said.reason,
        "" | "conditionNotMet" | "FAILED_PRECONDITION"
    );
    is_race && !said.is_policy()
}

/// Reads a reply that is not a 2xx, or that is one and not GCS's, for an object of `bucket`.
#[must_use]
pub fn refusal(reply: &Response<Bytes>, bucket: &str) -> TransferError {
    let status = reply.status().as_u16();
    let said = Said::of(reply.body());
    let (kind, is_final, advice) = match status {
        404 if is_page(reply) => (ErrorKind::DestinationUnavailable, false, AGAIN.into()),
        _ => classify(status, &said, bucket),
    };
    let mut error = TransferError::new(
        kind,
        said.describe("GCS", status, &format!("the bucket {bucket}")),
        advice,
    );
    error.is_final = is_final;
    error.answered(reply, "x-guploader-uploadid")
}

const AGAIN: &str = "Nothing to do: it is tried again.";

/// The kind, whether it is final, and what to do.
fn classify(status: u16, said: &Said, bucket: &str) -> (ErrorKind, bool, String) {
    let denied = |is_final, advice: &str| (ErrorKind::DestinationDenied, is_final, advice.into());
    let passes = |advice: &str| (ErrorKind::DestinationUnavailable, false, advice.into());
    match (status, &*said.reason) {
        (400, _) if said.begins(&["Provided MD5 hash ", "Provided CRC32C "]) => (
            ErrorKind::ChecksumRefused,
            false,
            "The bytes that arrived are not those that S3's checksum names. It is tried again; if it stays so, read the object at the source and compare.".into(),
        ),
        (400 | 401, "userProjectMissing" | "UserProjectMissing" | "AuthenticationRequiredRequesterPays") => {
            denied(true, REQUESTER_PAYS)
        }
        (400, "required") if said.begins(&["Bucket is "]) => denied(true, REQUESTER_PAYS),
        (403, "accountDisabled" | "UserProjectAccountProblem" | "billingNotEnabled") => denied(
            true,
            "The bucket's project or its billing account is disabled: see to its billing in the Google Cloud console, then replay.",
        ),
        (403 | 429, reason) if retry::passes(reason) => passes(
            "It is tried again, more slowly; if it stays so, raise the project's quota for Cloud Storage.",
        ),
        (408 | 409 | 410 | 425 | 429 | 499 | 500..=599, _) => passes(AGAIN),
        (401, _) => (
            ErrorKind::DestinationCredentialRefused,
            false,
            "Check the secret GOOGLE_CREDENTIALS of the worker: is the key still active, and its account too?".into(),
        ),
        // "Permission denied on Cloud KMS key…", "Cloud KMS region 'global' not available for use with GCS region 'US'."
        (400 | 403, reason)
            if reason.starts_with("cloudKms")
                || said.begins(&["Permission denied on Cloud KMS", "Cloud KMS ", "The Cloud KMS "]) =>
        {
            denied(
                status == 400,
                "The route's kms_key (or the bucket's default key) cannot be used: it must be enabled and in the bucket's location, and Cloud Storage's service agent must be allowed to use it (gcloud storage service-agent --authorize-cmek=<key>).",
            )
        }
        (403 | 412, _) if said.begins(&POLICY) || status == 412 && said.is_policy() => denied(
            true,
            "A policy of the organization forbids this write: set what it asks for in the route or at the bucket (for customer-managed keys the route's kms_key), or have the bucket's project exempted.",
        ),
        (403, reason) if reason == "retentionPolicyNotMet" || said.is_hold() => denied(
            true,
            "What stands there may not be deleted or replaced yet: a retention policy or a hold keeps it. Send the key again when that has ended, or release it.",
        ),
        (403, _) => denied(
            false,
            &format!("Give the service account storage.objects.create, .get, .delete and .update on gs://{bucket}, for example the role Storage Object User."),
        ),
        (404, _) => (
            ErrorKind::DestinationBucketMissing,
            false,
            format!("Create gs://{bucket}, or correct the route's destination."),
        ),
        // Not a word: it may be anybody's.
        (400..500, reason) if !reason.is_empty() || !said.message.is_empty() => (
            ErrorKind::DestinationRefused,
            false,
            "GCS does not take this name or metadata; rename the object at the source, or leave it out of the route.".into(),
        ),
        _ => (
            ErrorKind::DestinationUnexpected,
            false,
            "This answer is not one that GCS documents. It is tried again; if it stays so, check STORAGE_EMULATOR_HOST, if it is set.".into(),
        ),
    }
}

const REQUESTER_PAYS: &str = "Whoever asks this bucket pays for it, which Causeway does not: turn it off (gcloud storage buckets update --no-requester-pays), then replay.";

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
            (409, "conflict", "edited", ErrorKind::DestinationUnavailable),
            (410, "", "", ErrorKind::DestinationUnavailable),
            (499, "", "", ErrorKind::DestinationUnavailable),
            (403, "quotaExceeded", "", ErrorKind::DestinationUnavailable),
            (
                403,
                "dailyLimitExceeded",
                "",
                ErrorKind::DestinationUnavailable,
            ),
            (411, "required", "", ErrorKind::DestinationRefused),
            (400, "", "", ErrorKind::DestinationUnexpected),
            (412, "", "", ErrorKind::DestinationUnexpected),
            (200, "", "", ErrorKind::DestinationUnexpected),
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
    fn what_only_a_person_can_mend_is_final_and_says_what_to_do() {
        for (status, reason, message, advice) in [
            (
                412,
                "orgPolicyConstraintFailed",
                "No.",
                "policy of the organization",
            ),
            (
                412,
                "conditionNotMet",
                "Request violates constraint 'constraints/gcp.restrictNonCmekServices'",
                "kms_key",
            ),
            (
                412,
                "conditionNotMet",
                "'us' violates constraint 'constraints/gcp.resourceLocations'",
                "policy of the organization",
            ),
            (
                403,
                "forbidden",
                "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x",
                "policy of the organization",
            ),
            (
                403,
                "accountDisabled",
                "The billing account for the owning project is disabled in state absent",
                "billing",
            ),
            (
                400,
                "required",
                "Bucket is a requester pays bucket but no user project provided.",
                "requester-pays",
            ),
            (400, "userProjectMissing", "", "requester-pays"),
            (400, "cloudKmsDisabledKey", "", "kms_key"),
        ] {
            let error = error(status, reason, message);
            assert_eq!(error.kind, ErrorKind::DestinationDenied, "{error}");
            assert!(error.is_final, "{error}");
            assert!(error.message.contains(message.trim_end_matches('.')));
            assert!(error.advice.contains(advice), "{error}");
        }
        assert!(!error(403, "forbidden", "No access.").is_final);
    }

    #[test]
    fn an_objects_name_in_a_message_decides_nothing() {
        for (status, reason, message, kind) in [
            (
                400,
                "invalid",
                "Disallowed unicode characters present in object name 'md5sums\n.txt'",
                ErrorKind::DestinationRefused,
            ),
            (
                400,
                "invalid",
                "Disallowed unicode characters present in object name 'Cloud KMS cryptoKeys/\n'",
                ErrorKind::DestinationRefused,
            ),
            (
                400,
                "invalid",
                "Invalid name: Provided MD5 hash",
                ErrorKind::DestinationRefused,
            ),
        ] {
            assert_eq!(error(status, reason, message).kind, kind, "{message}");
        }
        for name in ["x retention policy", "x hold and cannot be", "Cloud KMS x"] {
            let message = format!("a@b does not have storage.objects.create access to '{name}'.");
            let error = error(403, "forbidden", &message);
            assert!(error.advice.contains("storage.objects.create"), "{error}");
        }
    }

    #[test]
    fn a_412_is_a_lost_race_unless_it_says_otherwise() {
        let is_race = |body: &str| {
            let reply = Response::builder().status(412);
            is_lost_race(&reply.body(Bytes::from(body.to_owned())).unwrap())
        };
        let said = |reason: &str, message: &str| {
            serde_json::json!({"error": {"code": 412, "message": message,
                "errors": [{"reason": reason, "message": message}]}})
            .to_string()
        };
        let race = "At least one of the pre-conditions you specified did not hold.";
        assert!(is_race(""));
        assert!(is_race(&said("conditionNotMet", race)));
        assert!(is_race(&said(
            "conditionNotMet",
            "The object 'it violates constraint x' is another."
        )));
        // As Google's test bench has it.
        assert!(is_race(
            r#"{"code": 412, "message": "ifGenerationMatch validation failed."}"#
        ));
        let policy = "Request violates constraint 'constraints/x'";
        assert!(!is_race(&said("conditionNotMet", policy)));
        assert!(!is_race(&said("orgPolicyConstraintFailed", race)));
        assert!(!is_race("<html>412</html>"));
    }

    #[test]
    fn a_404_of_somebody_on_the_way_says_nothing_of_the_object() {
        let reply = |body: &'static [u8]| {
            let reply = Response::builder().status(404);
            reply.body(Bytes::from_static(body)).unwrap()
        };
        assert!(is_absent(&reply(b"")));
        assert!(is_absent(&reply(b"{\"error\": {\"code\": 404}}")));
        let page = reply(b"\n<html>Not Found</html>");
        assert!(!is_absent(&page));
        let kind = refusal(&page, "copies").kind;
        assert_eq!(kind, ErrorKind::DestinationUnavailable);
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
