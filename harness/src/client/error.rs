//! What went wrong, whose fault it is and what to do about it.

use std::fmt;

use serde::Serialize;

/// What kind of failure it was; the command line makes its exit codes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request cannot be made as asked: our caller's fault, found before anything was sent
    Input,
    /// There is no such object, bucket or route (404)
    NotFound,
    /// The credentials are missing, wrong, expired or not allowed to do this (401, 403)
    Refused,
    /// Nobody answered: name, connection, TLS or time
    Unreachable,
    /// The other side answered with another error, or with bytes that do not match their checksum
    Failed,
}

/// A failed request to a store or a worker. Carries no credential and no session URI.
#[derive(Debug, Clone)]
pub struct ClientError {
    /// What kind of failure
    pub kind: ErrorKind,
    /// What happened, in one line
    pub what: String,
    /// What to do about it, in one line; empty when there is nothing to add
    pub advice: String,
    /// The HTTP status, when there was an answer
    pub status: Option<u16>,
    /// Whether the same request may succeed a moment later
    pub(crate) transient: bool,
}

impl ClientError {
    /// An error of `kind`, not worth repeating.
    pub fn new(kind: ErrorKind, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            advice: advice.into(),
            status: None,
            transient: false,
        }
    }

    pub(crate) fn input(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, what, advice)
    }

    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, what, "")
    }

    pub(crate) fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    pub(crate) fn status(mut self, status: http::StatusCode) -> Self {
        self.status = Some(status.as_u16());
        self.transient = matches!(status.as_u16(), 408 | 429 | 500..);
        self
    }

    /// The kind that an HTTP status stands for where the reply says nothing more precise.
    pub(crate) fn kind_of(status: http::StatusCode) -> ErrorKind {
        match status.as_u16() {
            401 | 403 => ErrorKind::Refused,
            404 => ErrorKind::NotFound,
            _ => ErrorKind::Failed,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ClientError {}

impl From<std::io::Error> for ClientError {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}
