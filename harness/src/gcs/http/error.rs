//! Refusals as HTTP answers in Google's JSON form
//! (<https://cloud.google.com/storage/docs/json_api/v1/status-codes>).

use axum::body::Body;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::gcs::state::Refusal;

/// Why a request is not answered with success.
#[derive(Debug, Clone)]
pub(super) enum Fail {
    /// The store refused.
    Refused(Refusal),
    /// The token was refused; says why.
    Unauthenticated(String),
    /// The token's scopes let its holder read, and no more.
    OutOfScope,
    /// The upload has no Content-Length where one is required.
    LengthRequired,
    /// Nothing is served at this method and path.
    NoRoute,
    /// The sender broke off its body.
    Truncated,
    /// An injected fault: a status.
    Injected(StatusCode, Option<u64>),
    /// An injected fault: a status with a reason and a message.
    InjectedReason(StatusCode, &'static str, &'static str),
    /// An injected fault: no answer, the connection is reset.
    Reset,
}

impl From<Refusal> for Fail {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<std::io::Error> for Fail {
    fn from(error: std::io::Error) -> Self {
        Self::Refused(error.into())
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Fail {
    Fail::Refused(Refusal::Invalid(message.into()))
}

impl Fail {
    /// The answer for a caller known as `principal`; `None` when the connection is to be reset.
    pub(super) fn answer(&self, principal: &str) -> Option<Response<Body>> {
        let mut response = match self {
            Self::Reset => return None,
            Self::Refused(Refusal::NotModified) => bare(StatusCode::NOT_MODIFIED),
            Self::Refused(refusal) => of_refusal(refusal, principal),
            Self::Unauthenticated(why) => {
                error(401, "authError", &format!("Invalid Credentials: {why}"))
            }
            Self::OutOfScope => error(403, "forbidden", "Provided scope(s) are not authorized"),
            Self::LengthRequired => error(
                411,
                "required",
                "A Content-Length header is required for uploads.",
            ),
            Self::NoRoute => error(
                404,
                "notFound",
                "Not Found. Nothing is served at this method and path; object names in a path are percent-encoded.",
            ),
            Self::Truncated => error(400, "badRequest", "The request's body broke off."),
            Self::InjectedReason(status, reason, message) => {
                error(status.as_u16(), reason, message)
            }
            Self::Injected(status, _) => {
                error(status.as_u16(), reason(*status), "An injected fault.")
            }
        };
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated(_) => {
                let challenge =
                    HeaderValue::from_static("Bearer realm=\"https://accounts.google.com/\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Self::Injected(_, Some(seconds)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Self::Refused(Refusal::RangeNotSatisfiable(size)) => {
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                    headers.insert(CONTENT_RANGE, value);
                }
            }
            _ => {}
        }
        Some(response)
    }
}

fn of_refusal(refusal: &Refusal, principal: &str) -> Response<Body> {
    let message = refusal.to_string();
    match refusal {
        Refusal::Invalid(_) => error(400, "invalid", &message),
        Refusal::Required(_) => error(400, "required", &message),
        Refusal::BucketNotFound | Refusal::ObjectNotFound(_) | Refusal::SessionNotFound => {
            error(404, "notFound", &message)
        }
        Refusal::SessionGone => error(410, "gone", &message),
        Refusal::BucketExists | Refusal::BucketNotEmpty => error(409, "conflict", &message),
        Refusal::ConditionNotMet(_) => error(412, "conditionNotMet", &message),
        Refusal::NotModified => bare(StatusCode::NOT_MODIFIED),
        Refusal::Denied(permission) => error(
            403,
            "forbidden",
            &format!(
                "{principal} does not have {permission} access to the Google Cloud Storage object. \
                 Permission '{permission}' denied on resource (or it may not exist)."
            ),
        ),
        // The service documents `objectUnderActiveHold` for a hold and answers with the reason that a
        // missing permission has.
        Refusal::Held { .. } => error(403, "forbidden", &message),
        Refusal::Retained { .. } => error(403, "retentionPolicyNotMet", &message),
        Refusal::RangeNotSatisfiable(_) => error(416, "requestedRangeNotSatisfiable", &message),
        Refusal::TooOften => error(429, "rateLimitExceeded", &message),
        Refusal::Superseded | Refusal::Gap { .. } => error(503, "backendError", &message),
        Refusal::Discarded => error(501, "notImplemented", &message),
        Refusal::Storage(_) => error(500, "internalError", &message),
    }
}

fn reason(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authError",
        403 => "forbidden",
        404 => "notFound",
        408 => "requestTimeout",
        409 => "conflict",
        410 => "gone",
        412 => "conditionNotMet",
        429 => "rateLimitExceeded",
        500..=599 => "backendError",
        _ => "badRequest",
    }
}

/// An answer with no body.
pub(super) fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer with a JSON body.
pub(super) fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=UTF-8"),
    );
    response
}

pub(in crate::gcs) fn error(code: u16, reason: &str, message: &str) -> Response<Body> {
    let mut detail = json!({ "message": message, "domain": "global", "reason": reason });
    let location = match reason {
        "conditionNotMet" => Some("If-Match"),
        "authError" => Some("Authorization"),
        _ => None,
    };
    if let Some(location) = location {
        detail["locationType"] = "header".into();
        detail["location"] = location.into();
    }
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json_answer(
        status,
        &json!({ "error": { "code": code, "message": message, "errors": [detail] } }),
    )
}
