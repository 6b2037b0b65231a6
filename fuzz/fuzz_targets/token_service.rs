//! What AWS's and Google's token services answer, as a reply in the text of HTTP.
#![no_main]

use causeway_fuzz::reply;
use causeway_shared::credentials::{GoogleCredential, Role};
use causeway_shared::route::Route;
use causeway_shared::sigv4::Credentials;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const FILE: &str = r#"{"type": "external_account", "audience": "//iam.googleapis.com/projects/1",
    "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
    "token_url": "https://sts.googleapis.com/v1/token",
    "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken",
    "credential_source": {"environment_id": "aws1", "regional_cred_verification_url":
        "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}}"#;

fuzz_target!(|input: &[u8]| {
    let Some(reply) = reply(input) else {
        return;
    };
    let table = json!({"source": "s3://src", "destination": "gs://dst",
        "role_arn": "arn:aws:iam::123456789012:role/reader"});
    let route = Route::parse("ROUTE_X", table).expect("a route");
    let keys = Credentials::new("AKID", "secret", None).expect("keys");
    let url = "https://sts.eu-west-1.amazonaws.com/"
        .parse()
        .expect("a URL");
    let role = Role::of(&route, &keys, "eu-west-1", url).expect("a region");
    let _ = role.expect("a role").read(&reply);
    let parsed = GoogleCredential::parse("GOOGLE_CREDENTIALS", FILE, false);
    let Ok((GoogleCredential::External(external), None)) = parsed else {
        panic!("no external account");
    };
    let _ = external.federated(&reply, Timestamp::UNIX_EPOCH);
    let _ = external.impersonated(&reply);
});
