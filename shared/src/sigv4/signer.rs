//! The stages, run over a request that is signed in its headers. Keeps the key of the day, so that a signature costs one HMAC instead of five.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use jiff::Timestamp;

use super::headers::{X_AMZ_CONTENT_SHA256, X_AMZ_DATE, X_AMZ_SECURITY_TOKEN, ascii_value};
use super::scope::check_part;
use super::{
    ALGORITHM, AmzDate, CanonicalRequest, Credentials, PayloadHash, Settings, Signature,
    SigningError, SigningKey, SigningScope, StringToSign,
};

/// Signs requests to one service in one region with one pair of keys. `Sync`: share one between all requests.
///
/// `Debug` shows neither secret nor token.
#[derive(Debug)]
pub struct Signer {
    pub(super) credentials: Credentials,
    token: Option<HeaderValue>,
    region: String,
    service: String,
    pub(super) settings: Settings,
    today: Mutex<Option<Arc<Today>>>,
}

/// What stays the same for a day.
#[derive(Debug)]
pub(super) struct Today {
    pub(super) scope: SigningScope,
    key: SigningKey,
}

/// The stages that led to a signature, for whoever has to find out why the other side came to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The request as it was signed.
    pub canonical_request: CanonicalRequest,
    /// What of it was signed.
    pub string_to_sign: StringToSign,
    /// The result.
    pub signature: Signature,
}

impl Signer {
    /// Signs for S3 or a store that speaks S3. `region` is the one the endpoint expects (`auto` for R2).
    ///
    /// # Errors
    /// [`SigningError::ScopePart`].
    pub fn s3(credentials: Credentials, region: impl Into<String>) -> Result<Self, SigningError> {
        Self::with_settings(credentials, region, "s3", Settings::S3)
    }

    /// Signs for another AWS service by its signing name, such as `sqs` or `sts`.
    ///
    /// # Errors
    /// [`SigningError::ScopePart`].
    pub fn service(
        credentials: Credentials,
        region: impl Into<String>,
        service: impl Into<String>,
    ) -> Result<Self, SigningError> {
        Self::with_settings(credentials, region, service, Settings::SERVICE)
    }

    /// Signs for a service that is like neither.
    ///
    /// # Errors
    /// [`SigningError::ScopePart`].
    pub fn with_settings(
        credentials: Credentials,
        region: impl Into<String>,
        service: impl Into<String>,
        settings: Settings,
    ) -> Result<Self, SigningError> {
        let (region, service) = (region.into(), service.into());
        check_part("region", &region)?;
        check_part("service", &service)?;
        let token = credentials.session_token().map(|token| {
            let mut value = ascii_value(token);
            value.set_sensitive(true);
            value
        });
        Ok(Self {
            credentials,
            token,
            region,
            service,
            settings,
            today: Mutex::new(None),
        })
    }

    /// What it signs with.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Signs a request in its headers: sets `x-amz-date`, `x-amz-security-token` (temporary credentials),
    /// `x-amz-content-sha256` (S3) and `authorization`. A request signed before is signed anew.
    ///
    /// The path and the query must be encoded as they will be sent; [`encode_key`](super::encode_key) and
    /// [`encode_query`](super::encode_query) do that. The Host header is signed, or the URI's authority where there
    /// is none. Headers that proxies and runtimes change are not signed (User-Agent, Accept-Encoding, Cache-Control,
    /// hop-by-hop ones); every other header must arrive as it is now. `payload` is taken on trust.
    ///
    /// # Errors
    /// [`SigningError::NoHost`], [`SigningError::HeaderValue`], [`SigningError::Clock`],
    /// [`SigningError::UnsignedPayload`]. The request is then not fit to be sent.
    pub fn sign<B>(
        &self,
        request: &mut Request<B>,
        payload: &PayloadHash,
        now: Timestamp,
    ) -> Result<Signed, SigningError> {
        let mut headers = std::mem::take(request.headers_mut());
        let signed = self.sign_parts(request.method(), request.uri(), &mut headers, payload, now);
        *request.headers_mut() = headers;
        signed
    }

    /// As [`Signer::sign`], for a request that has been taken apart.
    ///
    /// # Errors
    /// As [`Signer::sign`].
    pub fn sign_parts(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
        payload: &PayloadHash,
        now: Timestamp,
    ) -> Result<Signed, SigningError> {
        self.check_payload(payload)?;
        let date = AmzDate::new(now)?;
        headers.reserve(4);
        headers.insert(X_AMZ_DATE, ascii_value(date.as_str()));
        match &self.token {
            Some(token) => headers.insert(X_AMZ_SECURITY_TOKEN, token.clone()),
            None => headers.remove(X_AMZ_SECURITY_TOKEN),
        };
        if self.settings.content_sha256_header {
            headers.insert(X_AMZ_CONTENT_SHA256, payload.header_value());
        }
        let canonical = CanonicalRequest::new(method, uri, headers, payload, self.settings)?;
        let today = self.today(&date)?;
        let signed = today.sign(&date, canonical);
        let mut authorization = self.authorization(&today.scope, &signed);
        // Whoever reads it can repeat the request for some minutes.
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
        Ok(signed)
    }

    pub(super) fn check_payload(&self, payload: &PayloadHash) -> Result<(), SigningError> {
        if *payload == PayloadHash::Unsigned && !self.settings.content_sha256_header {
            let service = self.service.clone();
            return Err(SigningError::UnsignedPayload { service });
        }
        Ok(())
    }

    /// Scope and key of the day of `date`, from the last call if that was the same day.
    pub(super) fn today(&self, date: &AmzDate) -> Result<Arc<Today>, SigningError> {
        // A panic elsewhere cannot leave half an Arc behind.
        let mut kept = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(today) = kept.as_ref()
            && today.scope.day() == date.day()
        {
            return Ok(Arc::clone(today));
        }
        let scope = SigningScope::new(date, &self.region, &self.service)?;
        let key = SigningKey::derive(&self.credentials, &scope);
        let today = Arc::new(Today { scope, key });
        *kept = Some(Arc::clone(&today));
        Ok(today)
    }

    fn authorization(&self, scope: &SigningScope, signed: &Signed) -> HeaderValue {
        let pieces = [
            ALGORITHM,
            " Credential=",
            self.credentials.access_key_id(),
            "/",
            scope.as_str(),
            ", SignedHeaders=",
            signed.canonical_request.signed_headers(),
            ", Signature=",
            signed.signature.as_str(),
        ];
        ascii_value(pieces.concat())
    }
}

impl Today {
    pub(super) fn sign(&self, date: &AmzDate, canonical_request: CanonicalRequest) -> Signed {
        let string_to_sign = StringToSign::new(date, &self.scope, &canonical_request);
        let signature = self.key.sign(&string_to_sign);
        Signed {
            canonical_request,
            string_to_sign,
            signature,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    /// The bucket, keys and time of the examples in S3's documentation.
    const BUCKET: &str = "https://examplebucket.s3.amazonaws.com";
    const DAY: Duration = Duration::from_hours(24);

    fn credentials(token: Option<&str>) -> Credentials {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, token.map(str::to_owned)).unwrap()
    }

    fn s3(token: Option<&str>) -> Signer {
        Signer::s3(credentials(token), "us-east-1").unwrap()
    }

    fn now() -> Timestamp {
        "2013-05-24T00:00:00Z".parse().unwrap()
    }

    fn get(path_and_query: &str) -> Request<()> {
        let uri = [BUCKET, path_and_query].concat();
        Request::builder().uri(uri).body(()).unwrap()
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>, its four examples.
    #[test]
    fn s3_examples_of_headers() {
        let signer = s3(None);
        let sign = |mut request: Request<()>, payload: &PayloadHash| {
            let stages = signer.sign(&mut request, payload, now()).unwrap();
            let authorization = request.headers()[AUTHORIZATION].to_str().unwrap();
            assert!(authorization.ends_with(stages.signature.as_str()));
            stages.signature.as_str().to_owned()
        };
        let mut range = get("/test.txt");
        range
            .headers_mut()
            .insert("range", HeaderValue::from_static("bytes=0-9"));
        assert_eq!(
            sign(range, &PayloadHash::Empty),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let mut put = get("/test%24file.text");
        *put.method_mut() = Method::PUT;
        for (name, value) in [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ] {
            put.headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(
            sign(put, &PayloadHash::of(b"Welcome to Amazon S3.")),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            sign(get("/?lifecycle"), &PayloadHash::Empty),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            sign(get("/?max-keys=2&prefix=J"), &PayloadHash::Empty),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn signing_adds_what_the_service_reads_and_no_more() {
        let mut request = get("/a");
        s3(Some("token"))
            .sign(&mut request, &PayloadHash::Unsigned, now())
            .unwrap();
        let header = |name| request.headers()[name].to_str().unwrap();
        assert_eq!(header("x-amz-date"), "20130524T000000Z");
        assert_eq!(header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
        assert_eq!(header("x-amz-security-token"), "token");
        assert!(
            header("authorization").contains(
                "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"
            )
        );
        assert_eq!(request.headers().len(), 4);

        let mut request = get("/a");
        Signer::service(credentials(None), "us-east-1", "sqs")
            .unwrap()
            .sign(&mut request, &PayloadHash::Empty, now())
            .unwrap();
        let names: Vec<_> = request
            .headers()
            .keys()
            .map(http::HeaderName::as_str)
            .collect();
        assert_eq!(names, ["x-amz-date", "authorization"]);
    }

    #[test]
    fn signing_anew_leaves_nothing_of_the_last_signature() {
        let mut again = get("/a");
        s3(Some("token"))
            .sign(&mut again, &PayloadHash::Unsigned, now() - DAY)
            .unwrap();
        s3(None)
            .sign(&mut again, &PayloadHash::Empty, now())
            .unwrap();
        let mut once = get("/a");
        s3(None)
            .sign(&mut once, &PayloadHash::Empty, now())
            .unwrap();
        assert_eq!(again.headers(), once.headers());
    }

    #[test]
    fn the_key_of_the_day_is_kept_for_that_day_only() {
        let kept = s3(None);
        for now in [now(), now() + DAY, now() + DAY, now(), now() - DAY] {
            let (mut ours, mut fresh) = (get("/a"), get("/a"));
            kept.sign(&mut ours, &PayloadHash::Empty, now).unwrap();
            s3(None).sign(&mut fresh, &PayloadHash::Empty, now).unwrap();
            assert_eq!(ours.headers(), fresh.headers(), "{now}");
        }
    }

    #[test]
    fn only_s3_takes_an_unsigned_payload() {
        let signer = Signer::service(credentials(None), "us-east-1", "sqs").unwrap();
        let error = signer
            .sign(&mut get("/"), &PayloadHash::Unsigned, now())
            .unwrap_err();
        let service = "sqs".to_owned();
        assert_eq!(error, SigningError::UnsignedPayload { service });
    }

    #[test]
    fn a_refused_request_keeps_its_headers_and_gains_no_signature() {
        let mut request = Request::builder()
            .uri("/no-host")
            .header("range", "bytes=0-9")
            .body(())
            .unwrap();
        let error = s3(None)
            .sign(&mut request, &PayloadHash::Empty, now())
            .unwrap_err();
        assert_eq!(error, SigningError::NoHost);
        assert!(request.headers().contains_key("range"));
        assert!(!request.headers().contains_key(AUTHORIZATION));
    }

    #[test]
    fn a_signed_request_does_not_show_its_signature() {
        let mut request = get("/test.txt");
        let signed = s3(None).sign(&mut request, &PayloadHash::Empty, now());
        let signature = signed.unwrap().signature;
        assert!(!format!("{request:?}").contains(signature.as_str()));
    }

    #[test]
    fn a_signer_without_a_region_is_refused() {
        let error = Signer::s3(credentials(None), "").unwrap_err();
        assert!(error.is_configuration());
    }

    #[test]
    fn debug_shows_neither_secret_nor_token_nor_key() {
        let signer = s3(Some("t0k3n"));
        let mut request = get("/a");
        let stages = signer
            .sign(&mut request, &PayloadHash::Empty, now())
            .unwrap();
        let (_, presigned) = signer
            .presign_in_stages(&get("/a"), &PayloadHash::Unsigned, DAY, now())
            .unwrap();
        let shown = format!("{signer:?} {stages:?} {presigned:?} {request:?}");
        assert!(shown.contains("AKIAIOSFODNN7EXAMPLE"), "{shown}");
        assert!(shown.contains("SigningKey(redacted)"), "{shown}");
        for secret in ["wJalr", "t0k3n"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn a_signer_is_shared_between_threads() {
        fn check<T: Send + Sync>(_: &T) {}
        check(&s3(None));
    }
}
