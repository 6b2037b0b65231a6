//! Signing one S3 GET: ours, AWS's own crate and OpenDAL's, each doing what its caller has to do for
//! every request. Keys and settings that outlive a request are made once for each.

use std::hint::black_box;
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::Context as _;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use causeway_shared::sigv4::{Credentials, PayloadHash, Signer};
use futures::FutureExt as _;
use http::Request;
use jiff::Timestamp;
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest as _};

use super::{Bench, Better, Row};

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const REGION: &str = "us-east-1";
const NOW: u64 = 1_700_000_000;
/// Requests that are signed in one go.
const REQUESTS: u32 = 500;

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    bench
        .progress
        .subject("signing: one S3 GET by ours, aws-sigv4 and reqsign (about 2 s)");
    let (ours, aws, reqsign) = (ours()?, aws_sigv4(), reqsign());
    let (mut by_ours, mut by_aws, mut by_reqsign) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does meets all of them.
    for _ in 0..bench.pick(100, 20) {
        by_ours.push(time(&ours)?);
        by_aws.push(time(&aws)?);
        by_reqsign.push(time(&reqsign)?);
    }
    let row = Row::new("sign one S3 GET", "µs", Better::Lower).ours(Some(median(by_ours)));
    Ok(vec![
        row.clone().against("aws-sigv4", Some(median(by_aws))),
        row.against("reqsign", Some(median(by_reqsign))),
    ])
}

/// Microseconds a request.
fn time(sign: impl Fn(&mut Request<()>) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut requests = (0..REQUESTS)
        .map(|_| get())
        .collect::<Result<Vec<_>, _>>()?;
    let began = Instant::now();
    for request in &mut requests {
        sign(black_box(request))?;
    }
    Ok((began.elapsed() / REQUESTS).as_secs_f64() * 1e6)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The GET of one part of an object, as the worker sends it.
fn get() -> http::Result<Request<()>> {
    Request::get("https://bucket.s3.us-east-1.amazonaws.com/photos/2026/01/img%20001.jpg?versionId=3HL4kqtJlcpXroDTDmJ")
        .header("x-amz-checksum-mode", "ENABLED")
        .header("range", "bytes=0-16777215")
        .header("if-match", "\"9b2cf535f27731c974343645a3985328\"")
        .body(())
}

fn ours() -> anyhow::Result<impl Fn(&mut Request<()>) -> anyhow::Result<()>> {
    let signer = Signer::s3(Credentials::new(KEY_ID, SECRET, None)?, REGION)?;
    let now = Timestamp::UNIX_EPOCH + Duration::from_secs(NOW);
    Ok(move |request: &mut Request<()>| {
        signer.sign(request, &PayloadHash::Empty, black_box(now))?;
        Ok(())
    })
}

fn aws_sigv4() -> impl Fn(&mut Request<()>) -> anyhow::Result<()> {
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let identity =
        aws_credential_types::Credentials::new(KEY_ID, SECRET, None, None, "bench").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    move |request: &mut Request<()>| {
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("s3")
            .time(black_box(now))
            .settings(settings.clone())
            .build()?
            .into();
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            headers,
            SignableBody::Bytes(&[]),
        )?;
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

fn reqsign() -> impl Fn(&mut Request<()>) -> anyhow::Result<()> {
    let signer = RequestSigner::new("s3", REGION);
    let context = Context::new();
    let credential = Credential {
        access_key_id: KEY_ID.into(),
        secret_access_key: SECRET.into(),
        ..Credential::default()
    };
    move |request: &mut Request<()>| {
        let (mut parts, ()) = std::mem::take(request).into_parts();
        signer
            .sign_request(&context, &mut parts, Some(&credential), None)
            .now_or_never()
            .context("reqsign waits for something")??;
        *request = Request::from_parts(parts, ());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::header::AUTHORIZATION;

    fn authorization(sign: impl Fn(&mut Request<()>) -> anyhow::Result<()>) -> String {
        let mut request = get().unwrap();
        sign(&mut request).unwrap();
        request.headers()[AUTHORIZATION]
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// What is compared must be the same work: the same headers signed to the same end.
    #[test]
    fn ours_and_awss_come_to_the_same_signature_and_reqsign_signs_the_same_headers() {
        let [ours, aws, other] = [
            authorization(ours().unwrap()),
            authorization(aws_sigv4()),
            authorization(reqsign()),
        ];
        let parts = |text: &str| text.replace(", ", ",");
        assert_eq!(parts(&ours), parts(&aws));
        let signed = |text: &str| {
            let (_, rest) = text.split_once("SignedHeaders=").unwrap();
            rest.split(',').next().unwrap().to_owned()
        };
        assert_eq!(signed(&ours), signed(&other));
    }
}
