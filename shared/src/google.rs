//! How Google's JSON APIs say no: the form of their error bodies, which Cloud Storage and BigQuery share
//! ([Error responses](https://cloud.google.com/apis/design/errors#http_mapping)).

use bytes::Bytes;
use http::Response;
use serde_json::Value;

/// What a refusal says: the reason, which is for programs, and the message, which is for people. Google's
/// own test bench for Cloud Storage gives a message alone.
pub(crate) struct Said {
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Said {
    pub(crate) fn of(body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let error = &json["error"];
        let first = |one: &Value, other: &Value| match text(one) {
            none if none.is_empty() => text(other),
            one => one,
        };
        Self {
            reason: first(&error["errors"][0]["reason"], &error["status"]),
            message: first(&error["message"], &json["message"]),
        }
    }

    /// Whether the message begins with one of `words`. It may go on with a name that its owner has chosen:
    /// what stands anywhere in a message proves nothing.
    pub(crate) fn begins(&self, words: &[&str]) -> bool {
        begins(&self.message, words)
    }

    /// One sentence: `who` answered this to a request about `what`.
    pub(crate) fn describe(&self, who: &str, status: u16, what: &str) -> String {
        let reason = &self.reason;
        let space = if reason.is_empty() { "" } else { " " };
        let message = match self.message.trim_end_matches('.') {
            "" => String::new(),
            message => format!(": {message}"),
        };
        format!("{who} answered {status}{space}{reason} for {what}{message}.")
    }
}

/// Whether `message` begins with one of `words`, in upper or lower case.
pub(crate) fn begins(message: &str, words: &[&str]) -> bool {
    let begins = |word: &&str| {
        let beginning = message.as_bytes().get(..word.len());
        beginning.is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    };
    words.iter().any(begins)
}

/// Whether `reply` is a page of HTML or XML, which Google's JSON APIs never answer: somebody on the way did.
pub(crate) fn is_page(reply: &Response<Bytes>) -> bool {
    reply.body().trim_ascii_start().starts_with(b"<")
}
