//! Errors of requests and of jobs (<https://cloud.google.com/bigquery/docs/error-messages>).

use serde_json::{Value, json};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub code: u16,
    /// For programs.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", message)
    }

    /// `what` is a kind and a name: `Table p:d.t`.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(404, "notFound", format!("Not found: {what}"))
    }

    pub(crate) fn duplicate(what: &str) -> Self {
        Self::new(409, "duplicate", format!("Already Exists: {what}"))
    }

    /// As the body of an answer.
    pub(crate) fn shown(&self) -> Value {
        let status = match self.code {
            400 => "INVALID_ARGUMENT",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            409 => "ALREADY_EXISTS",
            412 => "FAILED_PRECONDITION",
            429 => "RESOURCE_EXHAUSTED",
            501 => "UNIMPLEMENTED",
            503 => "UNAVAILABLE",
            _ => "INTERNAL",
        };
        json!({ "error": {
            "code": self.code,
            "message": self.message,
            "errors": [{ "message": self.message, "domain": "global", "reason": self.reason }],
            "status": status,
        } })
    }
}

/// What went wrong in a job: the API's `ErrorProto`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// For programs.
    pub reason: String,
    /// What is to blame: a file's URI, or a quota's name; often absent.
    pub location: Option<String>,
    /// For people.
    pub message: String,
}

impl JobError {
    pub(crate) fn new(reason: &str, message: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            location: None,
            message: message.into(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("invalid", message)
    }

    /// What the file's content, in words of its own, did to the job.
    pub(crate) fn reading(uri: &str, why: &str) -> Self {
        Self::invalid(format!("Error while reading data, error message: {why}")).at(uri)
    }

    pub(crate) fn at(mut self, location: &str) -> Self {
        self.location = Some(location.to_owned());
        self
    }

    pub(crate) fn shown(&self) -> Value {
        let mut shown = json!({ "reason": self.reason, "message": self.message });
        if let Some(location) = &self.location {
            shown["location"] = location.as_str().into();
        }
        shown
    }
}

impl From<ApiError> for JobError {
    fn from(error: ApiError) -> Self {
        Self::new(error.reason, error.message)
    }
}
