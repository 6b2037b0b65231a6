//! Who is told to go elsewhere does not go: what was signed, and every token, stays where it was sent.

use causeway_harness::s3::store::Attributes;
use causeway_shared::error::ErrorKind;
use causeway_tests::{TokenServices, run};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::{KEY, arn, end, role, stack};

/// What sends everybody to `elsewhere`.
async fn redirecting(elsewhere: &MockServer, status: u16) -> MockServer {
    let server = MockServer::start().await;
    let reply = ResponseTemplate::new(status).insert_header("location", elsewhere.uri());
    Mock::given(any()).respond_with(reply).mount(&server).await;
    server
}

/// Sends an object down a road with a redirect in it, of which `bindings` says where.
async fn ends_with(kind: ErrorKind, status: u16, bindings: impl FnOnce(&str, &mut Value)) {
    let elsewhere = MockServer::start().await;
    let redirecting = redirecting(&elsewhere, status).await;
    let services = TokenServices::start(KEY, vec![role("r", None, 3600)]).await;
    let mut more = json!({"GOOGLE_CREDENTIALS": services.external_account(Some("a@b"))});
    bindings(&redirecting.uri(), &mut more);
    let stack = stack(&services, &[json!({"role_arn": arn("r")})], &more).await;
    let lane = stack.lane();
    lane.put("key", "bytes", Attributes::default());
    let error = lane.letter().await.error;
    assert_eq!((error.kind, error.status), (kind, Some(status)), "{error}");
    assert!(!redirecting.received_requests().await.unwrap().is_empty());
    assert_eq!(elsewhere.received_requests().await.unwrap().len(), 0);
    end(stack, &services).await;
}

#[test]
fn s3_sends_elsewhere() {
    run(ends_with(ErrorKind::SourceUnexpected, 302, |url, more| {
        more["AWS_ENDPOINT_URL_S3"] = json!(url);
    }));
}

#[test]
fn gcs_sends_elsewhere() {
    run(ends_with(
        ErrorKind::DestinationUnexpected,
        307,
        |url, more| {
            more["STORAGE_EMULATOR_HOST"] = json!(url);
        },
    ));
}

#[test]
fn aws_sts_sends_elsewhere() {
    run(ends_with(ErrorKind::SourceUnexpected, 307, |url, more| {
        more["AWS_ENDPOINT_URL_STS"] = json!(url);
    }));
}

#[test]
fn google_sts_sends_elsewhere() {
    run(ends_with(
        ErrorKind::DestinationUnexpected,
        308,
        |url, more| {
            more["GOOGLE_CREDENTIALS"]["token_url"] = json!(format!("{url}/v1/token"));
        },
    ));
}

#[test]
fn iam_credentials_sends_elsewhere() {
    run(ends_with(
        ErrorKind::DestinationUnexpected,
        302,
        |url, more| {
            more["GOOGLE_CREDENTIALS"]["service_account_impersonation_url"] =
                json!(format!("{url}/v1/x:generateAccessToken"));
        },
    ));
}
