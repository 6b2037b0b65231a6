//! How a command fails: its exit code, one line that says what, one line that says what to do.

use std::process::ExitCode;

use serde_json::json;

use crate::client::{ClientError, ErrorKind};

/// Exit codes beside 0 (done) and clap's 2 (usage).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// The request or a part of it failed
    Failed = 1,
    /// The command line or its configuration cannot be carried out
    Usage = 2,
    /// No such object, bucket, route or entry
    NotFound = 3,
    /// 401 or 403
    Refused = 4,
    /// Nobody answered
    Unreachable = 5,
    /// Cut short by SIGHUP: 128 and the signal's number, as shells have it
    HungUp = 129,
    /// Cut short by SIGINT, which is Ctrl-C
    Interrupted = 130,
    /// Cut short by SIGTERM
    Terminated = 143,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// A command's failure.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What the process exits with
    pub code: Code,
    /// What happened, in one line
    pub what: String,
    /// What to do about it, in one line; may be empty
    pub advice: String,
}

impl Failure {
    /// A failure with its advice.
    pub fn new(code: Code, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// The command cannot be carried out as it was given.
    pub fn usage(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Code::Usage, what, advice)
    }

    /// A name for `code` that programs can read.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.code {
            Code::Failed => "failed",
            Code::Usage => "usage",
            Code::NotFound => "not_found",
            Code::Refused => "refused",
            Code::Unreachable => "unreachable",
            Code::HungUp | Code::Interrupted | Code::Terminated => "interrupted",
        }
    }

    /// `{"kind", "message", "advice"}`
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        json!({ "kind": self.kind(), "message": self.what, "advice": self.advice })
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match error.kind {
            ErrorKind::Input => Code::Usage,
            ErrorKind::NotFound => Code::NotFound,
            ErrorKind::Refused => Code::Refused,
            ErrorKind::Unreachable => Code::Unreachable,
            ErrorKind::Failed => Code::Failed,
        };
        Self {
            code,
            what: error.what,
            advice: error.advice,
        }
    }
}
