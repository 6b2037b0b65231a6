//! The answers of the HTTP API: JSON, and problem details for what went wrong
//! ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).

use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use web_sys::{Headers, Response, ResponseInit};

/// An answer, before it becomes the platform's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Value(Value),
    /// JSON that somebody else has written.
    Text(String),
}

impl Reply {
    /// `body` as JSON.
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: Body::Value(body),
        }
    }

    /// `body`, which is JSON.
    pub(crate) fn text(status: u16, body: String) -> Self {
        Self {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: Body::Text(body),
        }
    }

    /// `body`, which is of the type `content_type`.
    pub(crate) fn of(status: u16, content_type: &'static str, body: String) -> Self {
        Self {
            content_type,
            ..Self::text(status, body)
        }
    }

    /// That the path takes other methods, those of `allow`.
    pub(crate) fn not_allowed(allow: &str) -> Self {
        Self::problem(405, format!("This path takes {allow}.")).header("allow", allow)
    }

    /// Problem details: what went wrong and what to do.
    pub(crate) fn problem(status: u16, detail: impl Into<String>) -> Self {
        let title = http::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason());
        Self {
            status,
            content_type: "application/problem+json",
            headers: Vec::new(),
            body: Body::Value(json!({
                "type": "about:blank",
                "title": title,
                "status": status,
                "detail": detail.into(),
            })),
        }
    }

    /// With one more header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With one more member in the body.
    pub(crate) fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Body::Value(body) = &mut self.body {
            body[name] = value.into();
        }
        self
    }

    /// As the platform has it.
    ///
    /// # Errors
    /// What the platform throws on a header that is none.
    pub(crate) fn into_response(self) -> Result<Response, JsValue> {
        let headers = Headers::new()?;
        headers.set("content-type", self.content_type)?;
        for (name, value) in &self.headers {
            headers.set(name, value)?;
        }
        let init = ResponseInit::new();
        init.set_status(self.status);
        init.set_headers(&headers);
        let body = match self.body {
            Body::Value(value) => value.to_string(),
            Body::Text(text) => text,
        };
        Response::new_with_opt_str_and_init(Some(&body), &init)
    }
}
