//! How a command fails: its exit code, what happened, and one line that says what to do.

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
    /// The sides of a route differ, where `--exit-code` asks
    Differs = 6,
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
    /// More lines of it, such as a compiler's message or a runtime's; most failures have none
    pub lines: Vec<String>,
    /// What to do about it, in one line; may be empty
    pub advice: String,
}

impl Failure {
    /// A failure with its advice.
    pub fn new(code: Code, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            lines: Vec::new(),
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
            Code::Differs => "differs",
            Code::HungUp | Code::Interrupted | Code::Terminated => "interrupted",
        }
    }

    /// `{"kind", "message", "advice"}`; the message has all lines.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let mut message = self.what.clone();
        for line in &self.lines {
            message.push('\n');
            message.push_str(line);
        }
        json!({ "kind": self.kind(), "message": message, "advice": self.advice })
    }

    /// From what is not a store's error: set-up, ports, files. Its text is our own and that of programs
    /// which we run, so its line breaks are kept.
    pub(super) fn from_setup(error: &anyhow::Error) -> Self {
        let text = format!("{error:#}");
        let mut lines = text.trim_end().lines().map(str::to_owned);
        let what = lines.next().unwrap_or_default();
        Self {
            lines: lines.collect(),
            ..Self::new(Code::Failed, what, "")
        }
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
        Self::new(code, error.what, error.advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_program_said_stays_in_its_lines() {
        let error = anyhow::anyhow!("it ended with 1:\nerror: no `x`\n --> lib.rs:1\n");
        let failure = Failure::from_setup(&error.context("building the worker"));
        assert_eq!(failure.what, "building the worker: it ended with 1:");
        assert_eq!(failure.lines, ["error: no `x`", " --> lib.rs:1"]);
        assert_eq!(
            failure.json()["message"],
            "building the worker: it ended with 1:\nerror: no `x`\n --> lib.rs:1"
        );
    }
}
