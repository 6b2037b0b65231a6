//! The first stage: the request written down in the one form that both sides agree on.
//!
//! See <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>, "create a
//! canonical request". The whole is built in one buffer, in which the later stages find their pieces.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use http::{HeaderMap, Method, Uri};
use sha2::{Digest, Sha256};

use super::encode::{Keep, push_encoded, push_reencoded};
use super::headers::{SignedHeaders, X_AMZ_CONTENT_SHA256, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN};
use super::query::QueryWriter;
use super::{ALGORITHM, AmzDate, PathEncoding, PayloadHash, Settings, SigningError};

/// Method, path, query, headers and payload hash, a line each.
///
/// `Debug` shows only its signed headers: headers and query may hold the session token.
#[derive(Clone, PartialEq, Eq)]
pub struct CanonicalRequest {
    text: String,
    query: Range<usize>,
    signed_headers: Range<usize>,
}

/// What a presigned URL carries besides its signature.
#[derive(Clone, Copy)]
pub struct PresignQuery<'a> {
    /// Access key id, `/`, credential scope.
    pub credential: &'a str,
    /// When the URL begins to hold.
    pub date: AmzDate,
    /// For how many seconds it holds.
    pub expires: u64,
    /// The session token, where it is signed.
    pub session_token: Option<&'a str>,
}

impl CanonicalRequest {
    /// Writes down a request that is signed in its headers. All that signing adds, but for `authorization`, is
    /// already among `headers`.
    ///
    /// # Errors
    /// [`SigningError::NoHost`], [`SigningError::HeaderValue`].
    pub fn new(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        payload: &PayloadHash,
        settings: Settings,
    ) -> Result<Self, SigningError> {
        let is_unsigned = |name: &str| !settings.sign_session_token && X_AMZ_SECURITY_TOKEN == name;
        let headers = SignedHeaders::new(uri, headers, is_unsigned)?;
        Ok(Self::write(
            method,
            uri,
            &headers,
            payload,
            settings,
            |_| {},
        ))
    }

    /// Writes down a request that is signed in its query. Every header in `headers` is signed, so whoever uses the
    /// URL must send it with the same value; `x-amz-date`, `x-amz-content-sha256` and `x-amz-security-token` are
    /// left out, their place is the query.
    ///
    /// # Errors
    /// [`SigningError::NoHost`], [`SigningError::HeaderValue`].
    pub fn presigned(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        payload: &PayloadHash,
        settings: Settings,
        presign: &PresignQuery<'_>,
    ) -> Result<Self, SigningError> {
        let in_query = [X_AMZ_CONTENT_SHA256, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN];
        let headers = SignedHeaders::new(uri, headers, |name| {
            in_query.iter().any(|other| other == name)
        })?;
        Ok(Self::write(
            method,
            uri,
            &headers,
            payload,
            settings,
            |query| {
                let mut names = String::new();
                headers.push_names(&mut names);
                query.add("X-Amz-Algorithm", ALGORITHM);
                query.add("X-Amz-Credential", presign.credential);
                query.add("X-Amz-Date", presign.date.as_str());
                query.add("X-Amz-Expires", &presign.expires.to_string());
                query.add("X-Amz-SignedHeaders", &names);
                if let Some(token) = presign.session_token {
                    query.add("X-Amz-Security-Token", token);
                }
            },
        ))
    }

    fn write(
        method: &Method,
        uri: &Uri,
        headers: &SignedHeaders<'_>,
        payload: &PayloadHash,
        settings: Settings,
        add_to_query: impl FnOnce(&mut QueryWriter<'_>),
    ) -> Self {
        let mut text = String::with_capacity(1024);
        text.push_str(method.as_str());
        text.push('\n');
        push_path(&mut text, uri.path(), settings);
        text.push('\n');
        let query_start = text.len();
        let mut query = QueryWriter::new(&mut text);
        query.add_encoded(uri.query().unwrap_or_default());
        add_to_query(&mut query);
        query.finish();
        let query = query_start..text.len();
        text.push('\n');
        headers.push_lines(&mut text);
        text.push('\n');
        let names_start = text.len();
        headers.push_names(&mut text);
        let signed_headers = names_start..text.len();
        text.push('\n');
        payload.push_to(&mut text);
        Self {
            text,
            query,
            signed_headers,
        }
    }

    /// The text, without a last line end. It may hold the session token: keep it out of logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The canonical query. Of a presigned request it lacks only the signature.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.text[self.query.clone()]
    }

    /// The names of the signed headers, joined by semicolons.
    #[must_use]
    pub fn signed_headers(&self) -> &str {
        &self.text[self.signed_headers.clone()]
    }

    /// The SHA-256 of the text.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }
}

impl fmt::Debug for CanonicalRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CanonicalRequest")
            .field("signed_headers", &self.signed_headers())
            .finish_non_exhaustive()
    }
}

fn push_path(out: &mut String, path: &str, settings: Settings) {
    let path = if settings.normalize_path {
        normalized(path)
    } else {
        Cow::Borrowed(path)
    };
    match settings.path_encoding {
        PathEncoding::Once => push_reencoded(out, &path, Keep::Path),
        PathEncoding::Twice => push_encoded(out, &path, Keep::Path),
    }
}

/// Resolves empty, `.` and `..` segments, much as RFC 3986 section 5.2.4 does (which leaves empty ones).
fn normalized(path: &str) -> Cow<'_, str> {
    if !path.contains("//") && !path.contains("/.") {
        return Cow::Borrowed(path);
    }
    let mut segments = Vec::new();
    let mut is_directory = false;
    for segment in path.split('/') {
        is_directory = matches!(segment, "" | "." | "..");
        if segment == ".." {
            segments.pop();
        } else if !is_directory {
            segments.push(segment);
        }
    }
    let mut resolved = String::with_capacity(path.len());
    for segment in &segments {
        resolved.push('/');
        resolved.push_str(segment);
    }
    if is_directory || segments.is_empty() {
        resolved.push('/');
    }
    Cow::Owned(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str, settings: Settings) -> String {
        let mut out = String::new();
        push_path(&mut out, path, settings);
        out
    }

    #[test]
    fn s3_paths_are_encoded_once_and_not_resolved() {
        assert_eq!(path("/b/a%20b", Settings::S3), "/b/a%20b");
        assert_eq!(path("/b//./../a:b", Settings::S3), "/b//./../a%3Ab");
    }

    #[test]
    fn other_paths_are_encoded_twice_and_resolved() {
        assert_eq!(path("/a%20b/:", Settings::SERVICE), "/a%2520b/%3A");
        for (given, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("//a//b", "/a/b"),
            ("/a/./b/", "/a/b/"),
            ("/.hidden", "/.hidden"),
            ("/a..b/...", "/a..b/..."),
        ] {
            assert_eq!(path(given, Settings::SERVICE), expected, "{given}");
        }
    }
}
