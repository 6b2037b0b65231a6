//! Signature Version 4 against AWS's own crate, over random requests.
//!
//! Requests are drawn as the builders make them: paths and queries properly encoded. Where AWS's crate differs by
//! intent, the strategy leaves it out and says why.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used)]

use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use causeway_shared::sigv4::{Credentials, PayloadHash, Signer, encode_key, encode_query};
use http::{Request, Uri};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;

/// A request with its keys and its time.
#[derive(Debug, Clone)]
struct Case {
    is_s3: bool,
    secret: String,
    token: Option<String>,
    /// Seconds since 1970.
    now: u32,
    expires: u32,
    method: &'static str,
    authority: &'static str,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    /// None: unsigned.
    body: Option<Vec<u8>>,
}

impl Case {
    fn request(&self) -> Request<()> {
        let query = encode_query(
            self.query
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let path = encode_key(&self.path);
        let mut request = Request::builder()
            .method(self.method)
            .uri(format!("https://{}/{path}?{query}", self.authority));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(()).unwrap()
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.now.into()).unwrap()
    }

    fn signer(&self) -> Signer {
        let credentials = Credentials::new("AKID", &self.secret, self.token.clone()).unwrap();
        if self.is_s3 {
            Signer::s3(credentials, "eu-west-1").unwrap()
        } else {
            Signer::service(credentials, "eu-west-1", "sqs").unwrap()
        }
    }

    fn payload(&self) -> PayloadHash {
        self.body
            .as_deref()
            .map_or(PayloadHash::Unsigned, PayloadHash::of)
    }

    /// The request as AWS's crate signs it, and the signature.
    fn signed_by_aws(&self, location: SignatureLocation) -> (Request<()>, String) {
        let mut settings = SigningSettings::default();
        settings.signature_location = location;
        if location == SignatureLocation::QueryParams {
            settings.expires_in = Some(Duration::from_secs(self.expires.into()));
        }
        if self.is_s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let token = self.token.clone();
        let keys =
            aws_credential_types::Credentials::new("AKID", &self.secret, token, None, "test");
        let identity = keys.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name(if self.is_s3 { "s3" } else { "sqs" })
            .time(UNIX_EPOCH + Duration::from_secs(self.now.into()))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let mut request = self.request();
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), str::from_utf8(value.as_bytes()).unwrap()));
        let body = self
            .body
            .as_deref()
            .map_or(SignableBody::UnsignedPayload, SignableBody::Bytes);
        let signable =
            SignableRequest::new(self.method, request.uri().to_string(), headers, body).unwrap();
        let (instructions, signature) = sign(signable, &parameters).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        (request, signature)
    }
}

/// Text that shakes encoders: reserved characters, spaces, characters of two, three and four bytes.
fn text() -> impl Strategy<Value = String> {
    "([a-zA-Z0-9]|[-._~ +%/&=?#:@!$'()*,;\\[\\]\"<>\\\\^`{|}]|[é€😀\u{0}\n\u{7f}]){0,12}"
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = prop::sample::select(vec![
        "range",
        "if-match",
        "content-type",
        "content-length",
        "x-amz-meta-a",
        "x-amz-meta-ab",
        "x-amz-meta-a-b",
        "x-amz-checksum-crc32c",
        "user-agent",
        "transfer-encoding",
        "x-amzn-trace-id",
        // Accept-Encoding, Cache-Control and the hop-by-hop headers are signed by AWS's crate and not by ours.
    ]);
    // A tab only inside: at an end it does not survive HTTP.
    prop::collection::vec((name, "[ -~é]{0,12}(\t[!-~])?"), 0..8)
}

fn case() -> impl Strategy<Value = Case> {
    let query = prop::collection::vec((text(), text()), 0..6);
    let body = prop::option::of(prop::collection::vec(any::<u8>(), 0..64));
    (
        (
            any::<bool>(),
            "[!-~]{1,80}",
            prop::option::of("[!-~]{1,80}"),
        ),
        (any::<u32>(), 1..=604_800_u32),
        (
            prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "DELETE"]),
            prop::sample::select(vec![
                "bucket.s3.eu-west-1.amazonaws.com",
                "127.0.0.1:9000",
                "example.com:443",
                "[::1]:9000",
            ]),
        ),
        (text(), query, headers(), body),
    )
        .prop_map(
            |(
                (is_s3, secret, token),
                (now, expires),
                (method, authority),
                (path, query, headers, body),
            )| Case {
                is_s3,
                secret,
                token,
                now,
                expires,
                method,
                authority,
                path,
                query,
                headers,
                // Only S3 leaves a payload unsigned.
                body: if is_s3 {
                    body
                } else {
                    Some(body.unwrap_or_default())
                },
            },
        )
}

/// The parameters of a query, decoded and sorted: their order in the URL is free.
fn parameters(uri: &Uri) -> Vec<Vec<u8>> {
    let mut parameters: Vec<_> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        // AWS's crate keeps an empty query as it is, ours drops what is between two '&'.
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| percent_decode_str(parameter).collect())
        .collect();
    parameters.sort_unstable();
    parameters
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn signed_in_headers_alike(case in case()) {
        let (theirs, signature) = case.signed_by_aws(SignatureLocation::Headers);
        let mut ours = case.request();
        let signed = case.signer().sign(&mut ours, &case.payload(), case.now()).unwrap();
        prop_assert_eq!(signed.signature.as_str(), signature, "{}", signed.canonical_request.as_str());
        prop_assert_eq!(ours.headers(), theirs.headers());
        prop_assert_eq!(ours.uri(), theirs.uri());
    }

    #[test]
    fn signed_in_the_query_alike(case in case()) {
        let (theirs, signature) = case.signed_by_aws(SignatureLocation::QueryParams);
        let expires = Duration::from_secs(case.expires.into());
        let (uri, signed) = case
            .signer()
            .presign_in_stages(&case.request(), &case.payload(), expires, case.now())
            .unwrap();
        prop_assert_eq!(signed.signature.as_str(), signature, "{}", signed.canonical_request.as_str());
        prop_assert_eq!(uri.path(), theirs.uri().path());
        prop_assert_eq!(uri.authority(), theirs.uri().authority());
        prop_assert_eq!(parameters(&uri), parameters(theirs.uri()));
    }

    /// However a client spells the path of a key, S3 sees the key, so the signature is that of the builder's spelling.
    #[test]
    fn every_spelling_of_an_s3_path_is_signed_alike(key in text(), spell in prop::collection::vec(any::<bool>(), 60)) {
        let spelled: String = key
            .bytes()
            .zip(spell.into_iter().cycle())
            .map(|(byte, plain)| {
                if plain && byte.is_ascii_alphanumeric() || byte == b'/' || plain && b":@!$'()*,;=&+".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02x}")
                }
            })
            .collect();
        let credentials = Credentials::new("AKID", "secret", None).unwrap();
        let signer = Signer::s3(credentials, "auto").unwrap();
        let sign = |path: &str| {
            let uri = format!("https://example.com/{path}");
            let mut request = Request::builder().uri(uri).body(()).unwrap();
            signer.sign(&mut request, &PayloadHash::Empty, Timestamp::UNIX_EPOCH).unwrap()
        };
        prop_assert_eq!(sign(&spelled), sign(&encode_key(&key)));
    }
}
