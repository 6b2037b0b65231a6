//! The token endpoint of OAuth's client credentials, for senders that want to fetch a token first, as
//! EventBridge's connections can ([RFC 6749, section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).
//!
//! The client's secret is a token of EVENTS_TOKEN; its id is anything. The secret comes as Basic or in
//! the form, encoded as it should be or as it is ([section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).

use std::borrow::Cow;
use std::collections::BTreeMap;

use causeway_shared::sender::ACCESS_TOKEN_LIFETIME;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::json;
use web_sys::Request;

use super::body::{self, Unread};
use super::sender::{basic, scheme_of};
use crate::config::Config;
use crate::reply::Reply;

/// The most of a form that is read, in bytes.
const FORM_LIMIT: usize = 4096;

/// What a form may say, each once.
const PARAMETERS: [&str; 4] = ["grant_type", "client_id", "client_secret", "scope"];

/// Answers a POST to the token endpoint. Who shows a secret without a grant type, as some clients do, means
/// the only one that there is.
pub(super) async fn answer(
    request: &Request,
    has_parameters: bool,
    config: &Config,
    now: Timestamp,
) -> Reply {
    let form = match body::read(request, FORM_LIMIT).await {
        Ok(form) => form,
        Err(Unread::TooLong) => {
            let reason = format!("The form is longer than {FORM_LIMIT} bytes.");
            return Reply::problem(413, reason);
        }
        Err(Unread::Broken(_)) => return refused(400, "invalid_request", "The form broke off."),
    };
    if has_parameters {
        let reason = "Parameters stand in the form, and not in the URL.";
        return refused(400, "invalid_request", reason);
    }
    let form = String::from_utf8_lossy(&form);
    let mut fields = BTreeMap::new();
    for field in form.split('&').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let name = decoded(name);
        // What the specification does not have is ignored, however often it comes (section 3.2).
        if PARAMETERS.contains(&&*name) && fields.insert(name, value).is_some() {
            let reason = "A parameter may be given once only.";
            return refused(400, "invalid_request", reason);
        }
    }
    // One without a value is as good as none.
    let field = |name| fields.get(name).copied().filter(|value| !value.is_empty());
    let authorization = request.headers().get("authorization").ok().flatten();
    let shown = authorization.as_deref().and_then(scheme_of);
    let in_header = shown.and_then(|(scheme, shown)| basic(scheme, shown));
    let in_form = field("client_secret");
    let is_known = match field("grant_type") {
        Some(grant) => decoded(grant) == "client_credentials",
        None => in_header.is_some() || in_form.is_some(),
    };
    if !is_known {
        return refused(
            400,
            "unsupported_grant_type",
            "There is grant_type=client_credentials.",
        );
    }
    // Some write it into the form as it is.
    let in_form = in_form
        .into_iter()
        .flat_map(|secret| [secret.to_owned(), decoded(secret).into_owned()]);
    let mut secrets = in_header.into_iter().flatten().chain(in_form);
    match secrets.find_map(|secret| config.events_tokens.give(&secret, now)) {
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

/// A name or value of a form, decoded. No secret has a space, so that a plus may stay one.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}
