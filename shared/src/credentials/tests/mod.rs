//! What is asked of token services, byte by byte, what their replies are taken for, and who asks.
//! The replies are those of the services' own documentation.
#![allow(clippy::unwrap_used)]

mod cached;
mod google;
mod roles;

use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::*;
use crate::error::{ConfigError, Fault};
use crate::gcs::{AccessToken, SCOPE};
use crate::route::Route;
use crate::sigv4::Credentials;
use google::impersonating;
use roles::role;

const ARN: &str = "arn:aws:iam::123456789012:role/demo";

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn keys() -> Credentials {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    Credentials::new("AKIAIOSFODNN7EXAMPLE", secret, Some("t0k3n/+=".into())).unwrap()
}

fn form(request: &Request<Bytes>) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let body = std::str::from_utf8(request.body()).unwrap();
    let pairs = body.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(n, v)| (decode(n), decode(v))).collect()
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    let found = form.iter().find(|(found, _)| found == name);
    found.map_or("", |(_, value)| value)
}

fn reply(status: u16, body: impl Into<String>) -> Response<Bytes> {
    let reply = Response::builder().status(status);
    reply.body(Bytes::from(body.into())).unwrap()
}

#[test]
fn nothing_secret_is_shown_by_debug() {
    let shown = format!("{:?} {:?}", role("ROUTE_R", &json!({})), impersonating());
    assert!(
        !shown.contains("bPxRfiCY") && !shown.contains("t0k3n"),
        "{shown}"
    );
    let token = AccessToken::new("ya29.x", now()).unwrap();
    let kept: CachedCredential<AccessToken> = CachedCredential::for_ever(token.clone());
    let request = impersonating().impersonate(&token, SCOPE);
    assert!(!format!("{kept:?} {token:?} {request:?}").contains("ya29"));
}

fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}
