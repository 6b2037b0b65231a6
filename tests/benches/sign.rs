//! What signing one S3 GET costs: ours and AWS's own crate, side by side, each on what its caller has to do per
//! request. Keys and settings that outlive a request are made once for both.
//!
//! Run it with `cargo bench -p causeway-tests --bench sign`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use causeway_shared::sigv4::{Credentials, PayloadHash, Signer};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::Request;
use jiff::Timestamp;

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const REGION: &str = "us-east-1";
const NOW: u64 = 1_700_000_000;

/// The GET of one part of an object, as the worker sends it.
fn get() -> Request<()> {
    Request::get("https://bucket.s3.us-east-1.amazonaws.com/photos/2026/01/img%20001.jpg?versionId=3HL4kqtJlcpXroDTDmJ")
        .header("x-amz-checksum-mode", "ENABLED")
        .header("range", "bytes=0-16777215")
        .header("if-match", "\"9b2cf535f27731c974343645a3985328\"")
        .body(())
        .unwrap()
}

fn signing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sign one S3 GET");
    let now = Timestamp::UNIX_EPOCH + Duration::from_secs(NOW);
    let credentials = Credentials::new(KEY_ID, SECRET, None).unwrap();
    let signer = Signer::s3(credentials, REGION).unwrap();
    group.bench_function("causeway", |bencher| {
        bencher.iter_batched_ref(
            get,
            |request| {
                signer
                    .sign(request, &PayloadHash::Empty, black_box(now))
                    .unwrap();
            },
            BatchSize::SmallInput,
        );
    });

    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let identity =
        aws_credential_types::Credentials::new(KEY_ID, SECRET, None, None, "bench").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    group.bench_function("aws-sigv4", |bencher| {
        bencher.iter_batched_ref(
            get,
            |request| {
                let parameters = SigningParams::builder()
                    .identity(&identity)
                    .region(REGION)
                    .name("s3")
                    .time(black_box(now))
                    .settings(settings.clone())
                    .build()
                    .unwrap()
                    .into();
                let headers = request
                    .headers()
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
                let signable = SignableRequest::new(
                    request.method().as_str(),
                    request.uri().to_string(),
                    headers,
                    SignableBody::Bytes(&[]),
                )
                .unwrap();
                let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
                instructions.apply_to_request_http1x(request);
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, signing);
criterion_main!(benches);
