//! The token endpoint of OAuth's client credentials, for senders that want to fetch a token first, as
//! EventBridge's connections can ([RFC 6749, section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).
//!
//! The client's secret is a token of EVENTS_TOKEN; its id is anything. The secret comes as Basic or in
//! the form ([section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).

use causeway_shared::sender::ACCESS_TOKEN_LIFETIME;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::json;
use web_sys::Request;

use super::body::{self, Unread};
use super::sender::password;
use crate::config::Config;
use crate::reply::Reply;

/// The most of a form that is read, in bytes.
const FORM_LIMIT: usize = 4096;

/// Answers a POST to the token endpoint.
pub(super) async fn answer(request: &Request, config: &Config, now: Timestamp) -> Reply {
    let form = match body::read(request, FORM_LIMIT).await {
        Ok(form) => form,
        Err(Unread::TooLong) => {
            let reason = format!("The form is longer than {FORM_LIMIT} bytes.");
            return Reply::problem(413, reason);
        }
        Err(Unread::Broken(_)) => return refused(400, "invalid_request", "The form broke off."),
    };
    let form = String::from_utf8_lossy(&form);
    let field = |name: &str| {
        let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(found, _)| *found == name)
            .map(|(_, value)| decoded(value))
    };
    if field("grant_type").as_deref() != Some("client_credentials") {
        return refused(
            400,
            "unsupported_grant_type",
            "There is grant_type=client_credentials.",
        );
    }
    let authorization = request.headers().get("authorization").ok().flatten();
    let basic = authorization
        .as_deref()
        .and_then(|value| value.split_once(' '));
    let basic = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let secret = match basic {
        Some((_, credentials)) => password(credentials.trim()).map(|secret| decoded(&secret)),
        None => field("client_secret"),
    };
    match secret.and_then(|secret| config.events_tokens.give(&secret, now)) {
        Some(token) => Reply::json(
            200,
            json!({
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": ACCESS_TOKEN_LIFETIME.as_secs(),
            }),
        )
        .header("cache-control", "no-store"),
        None => refused(
            401,
            "invalid_client",
            "The client's secret is none of EVENTS_TOKEN.",
        )
        .header("www-authenticate", "Basic realm=\"causeway\""),
    }
}

/// An error as [section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) has it.
fn refused(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(
        status,
        json!({"error": error, "error_description": description}),
    )
    .header("cache-control", "no-store")
}

/// A value of a form, decoded.
fn decoded(value: &str) -> String {
    let spaced = value.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}
