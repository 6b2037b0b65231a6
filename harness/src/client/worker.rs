//! HTTP with a worker: its address, a bearer token, JSON there and back, and problem details
//! ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) for what went wrong.
//!
//! Knows none of the worker's paths and gives no advice: whoever calls knows which token it was.

use std::fmt;

use http::{HeaderMap, HeaderValue, Method, header};
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
    /// What it is shown; secrets, all of them.
    shown: HeaderMap,
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
        let authorization = secret(&format!("Bearer {token}"))?;
        Ok(Self {
            base: base(&endpoint),
            http: connect(&endpoint)?,
            shown: HeaderMap::from_iter([(header::AUTHORIZATION, authorization)]),
        })
    }

    /// The same through Cloudflare Access, as a service
    /// ([Service tokens](https://developers.cloudflare.com/cloudflare-one/access-controls/service-credentials/service-tokens/)).
    ///
    /// # Errors
    /// `Input` when one of the two is no header's value; neither is quoted.
    pub fn through_access(mut self, id: &str, key: &str) -> Result<Self, ClientError> {
        self.shown.insert("cf-access-client-id", secret(id)?);
        self.shown.insert("cf-access-client-secret", secret(key)?);
        Ok(self)
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
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .body(reqwest::Body::from(body))
            .map_err(|error| ClientError::input(format!("unfit request: {error}"), ""))?;
        request.headers_mut().extend(self.shown.clone());
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

fn secret(text: &str) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| ClientError::input("the token cannot stand in an HTTP header", ""))?;
    value.set_sensitive(true);
    Ok(value)
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
