//! The HTTP underneath the clients: connections, patience, retries, and bodies read to their end.
//!
//! Knows nothing of the stores or the worker.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Response, Url};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::checksum::Verifier;
use super::{ClientError, ErrorKind, Progress};

/// How long to wait for a reply's head, or for the next bytes of its body.
const PATIENCE: Duration = Duration::from_mins(1);

/// The slowest upload that is waited for, in bytes a second.
const SLOWEST_UPLOAD: u64 = 16 << 10;

/// Waits before the second, third and fourth attempt.
const WAITS: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_millis(3200),
];

/// Everything but RFC 3986's unreserved characters.
const RESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes all but `A-Z a-z 0-9 - . _ ~`.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}

/// Refuses keys that no HTTP client can name in a URL's path: those with a segment `.` or `..`,
/// which URL parsers remove ([WHATWG URL, path state](https://url.spec.whatwg.org/#path-state)),
/// percent-encoded or not.
///
/// # Errors
/// [`ErrorKind::Input`], with the key.
pub fn refuse_unreachable_segments(key: &str) -> Result<(), ClientError> {
    if key.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(ClientError::input(
            format!("the key {key:?} has a segment `.` or `..`, which no URL can carry"),
            "copy the object to another key with a tool of the store itself",
        ));
    }
    Ok(())
}

/// A store's base URL, checked, without a `/` at its end.
pub(crate) fn parse_endpoint(endpoint: &str) -> Result<Url, ClientError> {
    let unfit = |why: &str| {
        ClientError::input(
            format!("the endpoint {endpoint:?} {why}"),
            "give it as http://host:port or https://host",
        )
    };
    let url = Url::parse(endpoint).map_err(|error| unfit(&format!("is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(unfit("is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Not quoted: it holds a password.
        return Err(ClientError::input(
            "the endpoint holds a user name or a password",
            "give credentials in their own variables",
        ));
    }
    Ok(url)
}

/// A pool of connections to one endpoint. Follows no redirects and decodes no body.
pub(crate) fn connect(endpoint: &Url) -> Result<reqwest::Client, ClientError> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .tcp_nodelay(true)
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("causeway/", env!("CARGO_PKG_VERSION")));
    if endpoint.scheme() == "http" {
        // Without TLS there is no need for the system's certificates, which may not be installed.
        builder = builder.tls_certs_only([]);
    }
    if matches!(
        endpoint.host_str(),
        Some("localhost" | "127.0.0.1" | "[::1]")
    ) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| {
        ClientError::failed(format!("cannot set up HTTPS: {}", root_cause(&error)))
    })
}

/// Sends one request whose body has `length` bytes and waits for the reply's head.
///
/// # Errors
/// `Unreachable` when there is no reply; worth repeating unless nobody listens at all.
pub(crate) async fn send(
    client: &reqwest::Client,
    request: http::Request<reqwest::Body>,
    length: u64,
) -> Result<Response, ClientError> {
    let origin = format!(
        "{}://{}",
        request.uri().scheme_str().unwrap_or("http"),
        request
            .uri()
            .authority()
            .map_or("", http::uri::Authority::as_str)
    );
    let request = reqwest::Request::try_from(request).map_err(|error| {
        ClientError::input(format!("unfit request: {}", root_cause(&error)), "")
    })?;
    let patience = PATIENCE + Duration::from_secs(length / SLOWEST_UPLOAD);
    match tokio::time::timeout(patience, client.execute(request)).await {
        Ok(Ok(response)) => Ok(response),
        // Nobody listens, or there is no such name: waiting a few seconds seldom changes that.
        Ok(Err(error)) if error.is_connect() => Err(unreachable(&origin, &root_cause(&error))),
        Ok(Err(error)) => Err(unreachable(&origin, &root_cause(&error)).transient()),
        Err(_) => {
            let why = format!("no reply in {} s", patience.as_secs());
            Err(unreachable(&origin, &why).transient())
        }
    }
}

fn unreachable(origin: &str, why: &str) -> ClientError {
    ClientError::new(
        ErrorKind::Unreachable,
        format!("no answer from {origin}: {why}"),
        "check that it runs and that the endpoint is right",
    )
}

/// The innermost error's text. The outer ones repeat the URL, which may hold a session's secret.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    // An error without a source would print its URL itself.
    if std::ptr::addr_eq(cause, error) {
        "the request failed".to_owned()
    } else {
        cause.to_string()
    }
}

/// Makes up to four attempts while the error says that another one may succeed.
pub(crate) async fn with_retries<T, F>(attempt: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    repeat(&WAITS, attempt).await
}

async fn repeat<T, F>(waits: &[Duration], mut attempt: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    for wait in waits {
        match attempt().await {
            Err(error) if error.transient => tokio::time::sleep(*wait).await,
            done => return done,
        }
    }
    attempt().await
}

/// Reads a whole body of up to `limit` bytes into memory: error documents, listings.
pub(crate) async fn read_text(mut response: Response, limit: usize) -> Result<String, ClientError> {
    let mut bytes = Vec::new();
    while let Some(piece) = next_piece(&mut response).await? {
        if bytes.len() + piece.len() > limit {
            return Err(ClientError::failed(format!(
                "the reply is longer than {limit} bytes"
            )));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Streams a body to `sink`, holding it against `verifier`.
pub(crate) async fn download(
    mut response: Response,
    sink: &mut (impl AsyncWrite + Unpin),
    mut verifier: Verifier,
    progress: &Progress,
) -> Result<(), ClientError> {
    while let Some(piece) = next_piece(&mut response).await? {
        verifier.update(&piece);
        sink.write_all(&piece).await?;
        progress.add(i64::try_from(piece.len()).unwrap_or(i64::MAX));
    }
    sink.flush().await?;
    verifier.finish()
}

async fn next_piece(response: &mut Response) -> Result<Option<bytes::Bytes>, ClientError> {
    let broke = |why: String| {
        ClientError::new(
            ErrorKind::Unreachable,
            format!("the connection broke while receiving: {why}"),
            "try again",
        )
        .transient()
    };
    match tokio::time::timeout(PATIENCE, response.chunk()).await {
        Ok(piece) => piece.map_err(|error| broke(root_cause(&error))),
        Err(_) => Err(broke(format!("nothing came for {} s", PATIENCE.as_secs()))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use causeway_shared::sigv4::encode_key;

    use super::*;

    #[test]
    fn encoding_keeps_only_the_unreserved() {
        assert_eq!(encode("a/b c+d%ü~"), "a%2Fb%20c%2Bd%25%C3%BC~");
        // What a URL parser makes of it must be what was signed.
        let url = Url::parse(&format!(
            "http://h/b/{}",
            encode_key("//a'(b)|^`{}\"<>#?;=@:,$&!*~/")
        ));
        assert_eq!(
            url.unwrap().path(),
            "/b///a%27%28b%29%7C%5E%60%7B%7D%22%3C%3E%23%3F%3B%3D%40%3A%2C%24%26%21%2A~/"
        );
    }

    #[test]
    fn dot_segments_are_refused() {
        for key in [".", "..", "a/../b", "./a", "a/."] {
            assert_eq!(
                refuse_unreachable_segments(key).unwrap_err().kind,
                ErrorKind::Input
            );
        }
        for key in ["...", "a/.b", "a..b", "", "//", "/a"] {
            refuse_unreachable_segments(key).unwrap();
        }
    }

    #[test]
    fn endpoints_with_credentials_are_refused_unquoted() {
        let error = parse_endpoint("http://user:hunter2@host").unwrap_err();
        assert!(!error.what.contains("hunter2"));
        assert!(parse_endpoint("localhost:9000").is_err());
    }

    #[tokio::test]
    async fn only_what_may_pass_is_repeated() {
        let mut attempts = 0;
        let result: Result<(), _> = repeat(&[Duration::ZERO; 3], || {
            attempts += 1;
            async { Err(ClientError::failed("x").transient()) }
        })
        .await;
        assert!(result.is_err());
        assert_eq!(attempts, 4);
        attempts = 0;
        let _: Result<(), _> = repeat(&[Duration::ZERO; 3], || {
            attempts += 1;
            async { Err(ClientError::failed("x")) }
        })
        .await;
        assert_eq!(attempts, 1);
    }
}
