//! HTTP with a worker: its address, a bearer token, JSON there and back, and problem details
//! ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) for what went wrong.
//!
//! Knows none of the worker's paths and gives no advice: whoever calls knows which token it was.

use std::fmt;

use http::{HeaderValue, Method, header};
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::transport::{connect, parse_endpoint, read_text, send, with_retries};
use super::{ClientError, ErrorKind};

/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 8 << 20;

/// A worker, and the token that it is shown.
#[derive(Clone)]
pub struct WorkerClient {
    base: String,
    http: reqwest::Client,
    authorization: HeaderValue,
}

impl fmt::Debug for WorkerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkerClient({})", self.base)
    }
}

impl WorkerClient {
    /// For the worker at `url`, with or without the `/events` that senders are given.
    ///
    /// # Errors
    /// `Input` when `url` is no URL or `token` is no header's value; neither quotes the token.
    pub fn new(url: &str, token: &str) -> Result<Self, ClientError> {
        let endpoint = parse_endpoint(url)?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| ClientError::input("the token cannot stand in an HTTP header", ""))?;
        authorization.set_sensitive(true);
        Ok(Self {
            base: base(&endpoint),
            http: connect(&endpoint)?,
            authorization,
        })
    }

    /// Asks for `path`, which begins with `/` and is encoded; again where that may help.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        with_retries(|| self.exchange(Method::GET, path, String::new())).await
    }

    /// Posts JSON to `path`, once.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: String,
    ) -> Result<T, ClientError> {
        self.exchange(Method::POST, path, body).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<T, ClientError> {
        let length = body.len() as u64;
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(reqwest::Body::from(body))
            .map_err(|error| ClientError::input(format!("unfit request: {error}"), ""))?;
        let response = send(&self.http, request, length).await?;
        let status = response.status();
        let text = read_text(response, ANSWER_LIMIT).await?;
        if !status.is_success() {
            return Err(refusal(status, &text));
        }
        serde_json::from_str(&text).map_err(|error| {
            let what = format!("the worker's answer cannot be read: {error}");
            ClientError::new(ErrorKind::Failed, what, "is this URL a worker's?")
        })
    }
}

/// The address without `/` or `/events` at its end.
fn base(url: &Url) -> String {
    let url = url.as_str().trim_end_matches('/');
    url.strip_suffix("/events").unwrap_or(url).to_owned()
}

#[derive(Default, Deserialize)]
struct Problem {
    detail: Option<String>,
}

/// The problem's detail, or nothing but the status where somebody else answered.
fn refusal(status: http::StatusCode, answer: &str) -> ClientError {
    let Problem { detail } = serde_json::from_str(answer).unwrap_or_default();
    let detail = detail.map_or_else(String::new, |detail| format!(": {detail}"));
    let what = format!("the worker answered {}{detail}", status.as_u16());
    ClientError::new(ClientError::kind_of(status), what, "").status(status)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn the_address_may_be_that_of_events() {
        for url in [
            "http://w",
            "http://w/",
            "http://w/events",
            "http://w/events/",
        ] {
            assert_eq!(base(&Url::parse(url).unwrap()), "http://w");
        }
        assert_eq!(base(&Url::parse("http://w/in/").unwrap()), "http://w/in");
    }

    #[test]
    fn a_problem_says_what_it_is_and_a_strangers_page_is_not_repeated() {
        let problem = r#"{"type": "about:blank", "title": "Unauthorized", "status": 401,
            "detail": "Send the token."}"#;
        let error = refusal(StatusCode::UNAUTHORIZED, problem);
        assert_eq!(error.kind, ErrorKind::Refused);
        assert_eq!(error.what, "the worker answered 401: Send the token.");
        let error = refusal(StatusCode::BAD_GATEWAY, "<html>");
        assert_eq!((error.kind, error.transient), (ErrorKind::Failed, true));
        assert_eq!(error.what, "the worker answered 502");
    }

    #[test]
    fn the_token_is_not_shown() {
        let client = WorkerClient::new("http://127.0.0.1:1", "hunter2").unwrap();
        assert!(!format!("{client:?}").contains("hunter2"));
        let error = WorkerClient::new("http://127.0.0.1:1", "hunter2\n").unwrap_err();
        assert!(!error.what.contains("hunter2"));
    }
}
