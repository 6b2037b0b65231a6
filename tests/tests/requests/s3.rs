//! The request to S3: signed, path-style, nothing more than needed.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use causeway_tests::run;
use jiff::Timestamp;
use serde_json::json;
use wiremock::Request;

use crate::fixture::{Fixture, KEY_ID, SECRET, Scripted, Site, header, shared};

/// SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const KEY: &str = "dir/a b+%/ü~*'(1).txt";

/// The Authorization that AWS's own crate gives the received request.
pub(crate) fn authorization_by_aws(request: &Request, token: Option<&str>) -> String {
    let date = header(request, "x-amz-date").unwrap();
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).unwrap();
    let date = jiff::tz::TimeZone::UTC.to_timestamp(date).unwrap();
    let time = SystemTime::UNIX_EPOCH
        + Duration::try_from(date.duration_since(Timestamp::UNIX_EPOCH)).unwrap();

    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let token = token.map(str::to_owned);
    let keys = aws_credential_types::Credentials::new(KEY_ID, SECRET, token, None, "tests");
    let identity = keys.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("s3")
        .time(time)
        .settings(settings)
        .build()
        .unwrap()
        .into();
    // What the crate adds by itself, it is not given.
    let signed = signed_headers(request);
    let added = ["x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .filter(|(name, _)| signed.iter().any(|other| other == name) && !added.contains(name));
    let query = request.url.query();
    let uri = format!(
        "http://{}{}{}",
        header(request, "host").unwrap(),
        request.url.path(),
        query.map_or_else(String::new, |query| format!("?{query}"))
    );
    let signable =
        SignableRequest::new("GET", uri.as_str(), headers, SignableBody::Bytes(b"")).unwrap();
    let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
    let mut again = http::Request::builder().uri(uri).body(()).unwrap();
    instructions.apply_to_request_http1x(&mut again);
    again.headers()["authorization"]
        .to_str()
        .unwrap()
        .to_owned()
}

fn signed_headers(request: &Request) -> Vec<String> {
    let authorization = header(request, "authorization").unwrap();
    let (_, list) = authorization.split_once("SignedHeaders=").unwrap();
    let (list, _) = list.split_once(',').unwrap();
    list.split(';').map(str::to_owned).collect()
}

/// Reads an object through `fixture` and checks the one request that this takes.
async fn assert_read(fixture: &Fixture, token: Option<&str>) {
    let site = fixture.site();
    let object = Scripted::new("hello");
    site.holds(&object).await;
    site.once(site.upload("POST"), object.stored(1)).await;
    site.tell(KEY, 5).await;
    assert_eq!(site.outcome(KEY).await["event"], "copied");

    let reads = site.reads().await;
    assert_eq!(reads.len(), 1);
    let read = &reads[0];
    let path = format!("/{}/dir/a%20b%2B%25/%C3%BC~%2A%27%281%29.txt", site.source);
    assert_eq!(
        (read.method.as_str(), read.url.path(), read.url.query()),
        ("GET", &*path, None)
    );
    assert_eq!(read.body, b"");
    assert_eq!(header(read, "x-amz-checksum-mode"), Some("ENABLED"));
    assert_eq!(header(read, "x-amz-content-sha256"), Some(EMPTY));
    assert_eq!(header(read, "x-amz-security-token"), token);
    for absent in [
        "range",
        "if-match",
        "cookie",
        "content-length",
        "transfer-encoding",
    ] {
        assert_eq!(header(read, absent), None, "{absent}");
    }
    let authorization = header(read, "authorization").unwrap();
    let day = &header(read, "x-amz-date").unwrap()[..8];
    let start = format!("AWS4-HMAC-SHA256 Credential={KEY_ID}/{day}/eu-west-1/s3/aws4_request, ");
    assert!(authorization.starts_with(&start), "{authorization}");
    assert_eq!(authorization, authorization_by_aws(read, token));
    let signed = signed_headers(read);
    for needed in [
        "host",
        "x-amz-date",
        "x-amz-content-sha256",
        "x-amz-checksum-mode",
    ] {
        assert!(
            signed.iter().any(|name| name == needed),
            "{needed} is not among {signed:?}"
        );
    }
    assert_eq!(
        signed.iter().any(|name| name == "x-amz-security-token"),
        token.is_some()
    );
}

#[test]
fn a_read_is_signed_as_aws_signs_it() {
    run(async { assert_read(shared().await, None).await });
}

#[test]
fn a_session_token_is_sent_and_signed() {
    run(async {
        let token = "FwoGZXIvYXdzE/session+token==";
        let fixture = Fixture::start(json!({"AWS_SESSION_TOKEN": token})).await;
        assert_read(&fixture, Some(token)).await;
        fixture.runtime.stop().await.unwrap();
    });
}

/// Answers the read with `status` and this S3 error code and gives the outcome.
async fn refused(site: &Site<'_>, status: u16, code: &str) -> serde_json::Value {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>No.</Message><RequestId>R1</RequestId></Error>"
    );
    let reply = wiremock::ResponseTemplate::new(status).set_body_raw(body, "application/xml");
    site.source()
        .respond_with(reply)
        .mount(&site.fixture.s3)
        .await;
    site.tell("key", 5).await;
    site.outcome("key").await
}

#[test]
fn what_s3_refuses_never_reaches_gcs() {
    run(async {
        for (status, code, event, kind, reads) in [
            (404, "NoSuchKey", "source-gone", None, 1),
            (403, "AccessDenied", "failed", Some("source-denied"), 2),
            (
                403,
                "InvalidObjectState",
                "failed",
                Some("source-archived"),
                1,
            ),
            (
                403,
                "RequestTimeTooSkewed",
                "failed",
                Some("source-unavailable"),
                3,
            ),
            (
                301,
                "PermanentRedirect",
                "failed",
                Some("source-bucket-missing"),
                2,
            ),
            (503, "SlowDown", "failed", Some("source-unavailable"), 3),
            (
                500,
                "InternalError",
                "failed",
                Some("source-unavailable"),
                3,
            ),
            (418, "Teapot", "failed", Some("source-unexpected"), 2),
        ] {
            let site = shared().await.site();
            let outcome = refused(&site, status, code).await;
            assert_eq!(outcome["event"], event, "{outcome}");
            assert_eq!(outcome["kind"].as_str(), kind, "{outcome}");
            if kind.is_some() {
                assert_eq!(
                    (&outcome["status"], &outcome["request_id"]),
                    (&json!(status), &json!("R1"))
                );
            }
            assert_eq!(site.reads().await.len(), reads, "{code}");
            // It may look, and writes nothing.
            let writes = site.writes().await;
            assert!(
                writes.iter().all(|write| write.method.as_str() == "GET"),
                "{code}"
            );
        }
    });
}
