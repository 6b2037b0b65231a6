//! Which headers are signed, and how they are written down.

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::SigningError;

pub(super) const X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
pub(super) const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(super) const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// A header value from text that is known to be visible ASCII: checked with the credentials, or made here.
pub(super) fn ascii_value(text: impl TryInto<HeaderValue, Error: std::fmt::Debug>) -> HeaderValue {
    text.try_into().expect("visible ASCII is a header value")
}

/// Headers that are not signed, because somebody on the way writes, changes or drops them: a proxy, or the runtime
/// that sends the request (workerd rewrites Accept-Encoding and adds Cache-Control). `authorization` is what signing
/// makes. `content-length` is not among them: no one may change it without breaking the request, and the official
/// test suite signs it.
fn is_mutable(name: &str) -> bool {
    matches!(
        name,
        "accept-encoding"
            | "authorization"
            | "cache-control"
            | "connection"
            | "expect"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "user-agent"
            | "x-amzn-trace-id"
    )
}

/// The headers to sign, by name; those of one name in the order in which they are sent.
pub(super) struct SignedHeaders<'a>(Vec<(&'a str, &'a str)>);

impl<'a> SignedHeaders<'a> {
    /// Chooses from `headers` and adds the host where they have none.
    ///
    /// # Errors
    /// [`SigningError::NoHost`], [`SigningError::HeaderValue`].
    pub(super) fn new(
        uri: &'a Uri,
        headers: &'a HeaderMap,
        is_unsigned: impl Fn(&str) -> bool,
    ) -> Result<Self, SigningError> {
        let mut chosen = Vec::with_capacity(headers.len() + 1);
        let mut has_host = false;
        for (name, value) in headers {
            let name = name.as_str();
            if is_mutable(name) || is_unsigned(name) {
                continue;
            }
            has_host |= name == "host";
            let value = str::from_utf8(value.as_bytes()).map_err(|_| {
                let name = name.to_owned();
                SigningError::HeaderValue { name }
            })?;
            chosen.push((name, value));
        }
        if !has_host {
            chosen.push(("host", host(uri).ok_or(SigningError::NoHost)?));
        }
        chosen.sort_by_key(|&(name, _)| name);
        Ok(Self(chosen))
    }

    /// Appends `name:value` lines, one a name, values trimmed and joined by commas.
    pub(super) fn push_lines(&self, out: &mut String) {
        let mut last = None;
        for &(name, value) in &self.0 {
            if last == Some(name) {
                out.push(',');
            } else {
                if last.is_some() {
                    out.push('\n');
                }
                out.push_str(name);
                out.push(':');
            }
            push_trimmed(out, value);
            last = Some(name);
        }
        out.push('\n');
    }

    /// Appends the names, joined by semicolons.
    pub(super) fn push_names(&self, out: &mut String) {
        let mut last = None;
        for &(name, _) in &self.0 {
            if last == Some(name) {
                continue;
            }
            if last.is_some() {
                out.push(';');
            }
            out.push_str(name);
            last = Some(name);
        }
    }
}

/// The Host header that an HTTP client makes of the URI: without user, and without the scheme's own port.
fn host(uri: &Uri) -> Option<&str> {
    let authority = uri.authority()?;
    let is_default = match uri.scheme_str() {
        Some("http") => authority.port_u16() == Some(80),
        Some("https") => authority.port_u16() == Some(443),
        _ => false,
    };
    if is_default || authority.port().is_none() {
        return Some(authority.host());
    }
    authority.as_str().rsplit('@').next()
}

/// Appends a value without the spaces around it, each run of spaces within it as one. Only spaces: S3 leaves tabs.
fn push_trimmed(out: &mut String, value: &str) {
    let value = value.trim_matches(' ');
    if !value.as_bytes().windows(2).any(|pair| pair == b"  ") {
        out.push_str(value);
        return;
    }
    for (at, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn written(uri: &'static str, headers: &[(&'static str, &'static str)]) -> (String, String) {
        let mut map = HeaderMap::new();
        for &(name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        let uri = Uri::from_static(uri);
        let signed = SignedHeaders::new(&uri, &map, |_| false).unwrap();
        let (mut lines, mut names) = (String::new(), String::new());
        signed.push_lines(&mut lines);
        signed.push_names(&mut names);
        (lines, names)
    }

    #[test]
    fn headers_are_sorted_joined_and_trimmed() {
        let (lines, names) = written(
            "https://example.com/",
            &[
                ("x-b", " two   words "),
                ("x-a", "2"),
                ("x-a", "1"),
                ("x-c", ""),
            ],
        );
        assert_eq!(lines, "host:example.com\nx-a:2,1\nx-b:two words\nx-c:\n");
        assert_eq!(names, "host;x-a;x-b;x-c");
    }

    #[test]
    fn what_changes_on_the_way_is_not_signed() {
        let (_, names) = written(
            "https://example.com/",
            &[
                ("accept-encoding", "gzip"),
                ("authorization", "old"),
                ("cache-control", "no-cache"),
                ("connection", "close"),
                ("content-length", "0"),
                ("expect", "100-continue"),
                ("range", "bytes=0-1"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("user-agent", "causeway"),
                ("x-amzn-trace-id", "Root=1"),
            ],
        );
        assert_eq!(names, "content-length;host;range");
    }

    #[test]
    fn the_host_is_the_header_or_else_the_authority() {
        for (uri, host) in [
            ("https://example.com/", "example.com"),
            ("https://example.com:443/", "example.com"),
            ("http://example.com:80/", "example.com"),
            ("http://example.com:443/", "example.com:443"),
            ("http://user:pass@127.0.0.1:9000/", "127.0.0.1:9000"),
            ("http://[::1]:9000/", "[::1]:9000"),
        ] {
            assert_eq!(written(uri, &[]).0, format!("host:{host}\n"), "{uri}");
        }
        let (lines, _) = written("https://example.com/", &[("host", "other.example")]);
        assert_eq!(lines, "host:other.example\n");
    }

    #[test]
    fn a_request_without_a_host_is_refused() {
        let uri = Uri::from_static("/path");
        let headers = HeaderMap::new();
        let refusal = SignedHeaders::new(&uri, &headers, |_| false);
        assert_eq!(refusal.err(), Some(SigningError::NoHost));
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_refused_unless_unsigned() {
        let uri = Uri::from_static("https://example.com/");
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_bytes(b"\xff").unwrap());
        assert!(SignedHeaders::new(&uri, &headers, |_| false).is_ok());
        headers.insert("x-amz-meta-a", HeaderValue::from_bytes(b"\xff").unwrap());
        let error = SignedHeaders::new(&uri, &headers, |_| false).err().unwrap();
        assert!(error.to_string().contains("x-amz-meta-a"), "{error}");
    }
}
