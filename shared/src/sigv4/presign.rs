//! The stages, run over a URL: the signature travels in its query, so that a party without keys can use it.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>.

use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request, Uri};
use jiff::Timestamp;

use super::encode::{Keep, push_encoded};
use super::{AmzDate, CanonicalRequest, PayloadHash, PresignQuery, Signed, Signer, SigningError};

/// The longest life of a presigned URL, in seconds: seven days.
const MAX_EXPIRES: u64 = 604_800;

impl Signer {
    /// A URL that makes this request for whoever holds it, until `expires` (whole seconds, at most seven days) after
    /// `now`. The request's query and headers are part of it: who uses the URL must send those headers. S3 expects
    /// [`PayloadHash::Unsigned`].
    ///
    /// The URL is a bearer secret while it lives: keep it out of logs.
    ///
    /// # Errors
    /// [`SigningError::Expiry`], [`SigningError::AlreadyPresigned`], [`SigningError::Uri`] and those of
    /// [`Signer::sign`].
    pub fn presign<B>(
        &self,
        request: &Request<B>,
        payload: &PayloadHash,
        expires: Duration,
        now: Timestamp,
    ) -> Result<Uri, SigningError> {
        let (uri, _) = self.presign_in_stages(request, payload, expires, now)?;
        Ok(uri)
    }

    /// As [`Signer::presign`], with the stages that led there.
    ///
    /// # Errors
    /// As [`Signer::presign`].
    pub fn presign_in_stages<B>(
        &self,
        request: &Request<B>,
        payload: &PayloadHash,
        expires: Duration,
        now: Timestamp,
    ) -> Result<(Uri, Signed), SigningError> {
        self.check_payload(payload)?;
        let expires = expires.as_secs();
        if !(1..=MAX_EXPIRES).contains(&expires) {
            return Err(SigningError::Expiry { seconds: expires });
        }
        check_not_presigned(request.uri())?;
        let date = AmzDate::new(now)?;
        let today = self.today(&date)?;
        let token = self.credentials.session_token();
        let (signed_token, late_token) = if self.settings.sign_session_token {
            (token, None)
        } else {
            (None, token)
        };
        let canonical = CanonicalRequest::presigned(
            request.method(),
            request.uri(),
            request.headers(),
            payload,
            self.settings,
            &PresignQuery {
                credential: &format!("{}/{}", self.credentials.access_key_id(), today.scope),
                date,
                expires,
                session_token: signed_token,
            },
        )?;
        let signed = today.sign(&date, canonical);
        let uri = presigned_uri(request.uri(), late_token, &signed)?;
        Ok((uri, signed))
    }
}

/// Whether the query is free of the parameters that presigning adds.
fn check_not_presigned(uri: &Uri) -> Result<(), SigningError> {
    const OURS: [&str; 7] = [
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    ];
    for parameter in uri.query().unwrap_or_default().split('&') {
        let name = parameter.split('=').next().unwrap_or_default();
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            let name = name.to_owned();
            return Err(SigningError::AlreadyPresigned { name });
        }
    }
    Ok(())
}

/// The request's URI with the canonical query, the token where it is not in there, and the signature.
fn presigned_uri(uri: &Uri, token: Option<&str>, signed: &Signed) -> Result<Uri, SigningError> {
    let mut path_and_query = [uri.path(), "?", signed.canonical_request.query()].concat();
    if let Some(token) = token {
        path_and_query.push_str("&X-Amz-Security-Token=");
        push_encoded(&mut path_and_query, token, Keep::Unreserved);
    }
    path_and_query.push_str("&X-Amz-Signature=");
    path_and_query.push_str(signed.signature.as_str());
    let refused = |reason: String| SigningError::Uri { reason };
    let path_and_query =
        PathAndQuery::try_from(path_and_query).map_err(|invalid| refused(invalid.to_string()))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query);
    Uri::from_parts(parts).map_err(|invalid| refused(invalid.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Credentials;
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn s3(token: Option<&str>) -> Signer {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let token = token.map(str::to_owned);
        let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, token).unwrap();
        Signer::s3(credentials, "us-east-1").unwrap()
    }

    fn now() -> Timestamp {
        "2013-05-24T00:00:00Z".parse().unwrap()
    }

    fn get(path_and_query: &str) -> Request<()> {
        let uri = ["https://examplebucket.s3.amazonaws.com", path_and_query].concat();
        Request::builder().uri(uri).body(()).unwrap()
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>, its example.
    #[test]
    fn s3_example_of_a_presigned_url() {
        let uri = s3(None)
            .presign(&get("/test.txt"), &PayloadHash::Unsigned, DAY, now())
            .unwrap();
        let expected = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
            &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
            &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
            &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert_eq!(uri.to_string(), expected);
    }

    #[test]
    fn the_life_of_a_presigned_url_has_bounds() {
        let presign = |expires| {
            s3(None).presign(
                &get("/a"),
                &PayloadHash::Unsigned,
                Duration::from_secs(expires),
                now(),
            )
        };
        assert!(presign(1).is_ok());
        assert!(presign(MAX_EXPIRES).is_ok());
        for seconds in [0, MAX_EXPIRES + 1, u64::MAX] {
            let error = presign(seconds).unwrap_err();
            assert_eq!(error, SigningError::Expiry { seconds });
            assert!(!error.is_configuration());
        }
    }

    #[test]
    fn a_presigned_url_is_not_presigned_again() {
        let mut request = get("/a");
        *request.uri_mut() = s3(None)
            .presign(&request, &PayloadHash::Unsigned, DAY, now())
            .unwrap();
        let error = s3(None)
            .presign(&request, &PayloadHash::Unsigned, DAY, now())
            .unwrap_err();
        let name = "X-Amz-Algorithm".to_owned();
        assert_eq!(error, SigningError::AlreadyPresigned { name });
    }

    #[test]
    fn a_url_of_temporary_credentials_carries_their_token() {
        let uri = s3(Some("to/ken"))
            .presign(&get("/a?versionId=1"), &PayloadHash::Unsigned, DAY, now())
            .unwrap();
        let query = uri.query().unwrap();
        assert!(query.contains("&X-Amz-Security-Token=to%2Fken&"), "{query}");
        assert!(query.contains("&versionId=1&"), "{query}");
    }

    #[test]
    fn a_url_too_long_for_a_uri_is_refused() {
        let path = format!("/{}", "a".repeat(65_000));
        let error = s3(None)
            .presign(&get(&path), &PayloadHash::Unsigned, Duration::MAX, now())
            .unwrap_err();
        assert!(matches!(error, SigningError::Expiry { .. }), "{error}");
        let error = s3(Some(&"t".repeat(1_000)))
            .presign(&get(&path), &PayloadHash::Unsigned, DAY, now())
            .unwrap_err();
        assert!(matches!(error, SigningError::Uri { .. }), "{error}");
    }
}
