//! The store with one bucket, AWS's client of it, and what tests ask of both. No test stands here.

use std::fmt::Debug;
use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, sign,
};
use causeway_harness::s3::store::Store;
use causeway_harness::s3::{EmbeddedS3, S3Options};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const SECRET: &str = "embedded-secret";
pub(crate) const BUCKET: &str = "photos";

pub(crate) struct Fixture {
    pub(crate) s3: EmbeddedS3,
    pub(crate) client: Client,
}

pub(crate) fn config(endpoint: String, secret: &str) -> Builder {
    aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(REGION))
        .force_path_style(true)
        .credentials_provider(Credentials::new("AKIATEST", secret, None, None, "test"))
}

pub(crate) async fn fixture() -> Fixture {
    let s3 = EmbeddedS3::start(S3Options {
        listen: ([127, 0, 0, 1], 0).into(),
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: SECRET.to_owned(),
        region: REGION.to_owned(),
        throttle: None,
    })
    .await
    .unwrap();
    s3.store().create_bucket(BUCKET).unwrap();
    let client = Client::from_conf(config(s3.endpoint(), SECRET).build());
    Fixture { s3, client }
}

impl Fixture {
    pub(crate) fn store(&self) -> &Store {
        self.s3.store()
    }

    /// Puts an object and gives its ETag, in quotes.
    pub(crate) async fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) -> String {
        let put = self.client.put_object().bucket(BUCKET).key(key);
        let put = put.body(ByteStream::from(bytes.into())).send().await;
        put.unwrap().e_tag.unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.client.get_object().bucket(BUCKET).key(key);
        let got = got.send().await.unwrap();
        got.body.collect().await.unwrap().to_vec()
    }
}

/// What a request was refused with: status and code.
pub(crate) fn refusal<T: Debug, E: ProvideErrorMetadata + Debug>(
    result: Result<T, SdkError<E>>,
) -> (u16, String) {
    let error = result.unwrap_err();
    let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}

pub(crate) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Bytes without a pattern, the same for the same seed.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from(state >> 56).unwrap()
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// A request without a body, signed at `time`, whatever the time is.
pub(crate) fn signed_at(method: &str, url: &str, time: SystemTime) -> reqwest::RequestBuilder {
    let identity = Credentials::new("AKIATEST", SECRET, None, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        .time(time)
        .settings(settings)
        .build()
        .unwrap();
    let body = SignableBody::Bytes(b"");
    let request = SignableRequest::new(method, url, std::iter::empty(), body).unwrap();
    let signed = sign(request, &params.into()).unwrap();
    let method = method.parse().unwrap();
    let mut request = reqwest::Client::new().request(method, url);
    for (name, value) in signed.output().headers() {
        request = request.header(name, value);
    }
    request
}
