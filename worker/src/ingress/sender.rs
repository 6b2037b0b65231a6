//! Who sends an event: by what its headers show, by a signature over its body, or by SNS's own.
//!
//! | shown | believed if |
//! |---|---|
//! | `Authorization: Bearer` | it is one of EVENTS_TOKEN, or one that `/oauth/token` gave; or another of these headers follows |
//! | `Authorization: Basic` | the password is one of EVENTS_TOKEN, percent-encoded or not |
//! | `x-api-key` | it is one of EVENTS_TOKEN |
//! | `webhook-signature` | a secret of WEBHOOK_SECRET made it |
//! | nothing | the body is a message that SNS signed, of a topic that a route names ([`super::sns`]) |

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use causeway_shared::sender::{Refused, Signed};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use web_sys::Headers;

use crate::config::Config;
use crate::reply::Reply;

/// What a request's headers show.
pub(super) enum Shown {
    /// A token that opens: by what a limiter knows who has it.
    Token(String),
    /// A signature over the body: id, time, signatures.
    Signature([String; 3]),
    /// Nothing: only SNS sends so.
    Nothing,
}

/// Looks at a request's headers, before its body is read.
///
/// # Errors
/// The answer to a token that does not open, and to nothing where nobody signs.
pub(super) fn shown(headers: &Headers, config: &Config, now: Timestamp) -> Result<Shown, Reply> {
    let header = |name| headers.get(name).ok().flatten();
    if let Some(authorization) = header("authorization") {
        let sender = opener(&authorization, config, now);
        return sender.map(Shown::Token).ok_or_else(unknown);
    }
    if let Some(key) = header("x-api-key") {
        let sender = config.events_tokens.name_of(&key);
        return sender.map(Shown::Token).ok_or_else(unknown);
    }
    if let Some(signature) = header("webhook-signature") {
        let [id, timestamp] =
            ["webhook-id", "webhook-timestamp"].map(|name| header(name).unwrap_or_default());
        return Ok(Shown::Signature([id, timestamp, signature]));
    }
    let is_heard = config.routes.iter().any(|route| !route.topics.is_empty());
    is_heard.then_some(Shown::Nothing).ok_or_else(unknown)
}

/// Who shows an Authorization header that opens
/// ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750#section-2.1), [RFC 7617](https://www.rfc-editor.org/rfc/rfc7617#section-2)).
fn opener(authorization: &str, config: &Config, now: Timestamp) -> Option<String> {
    let (mut scheme, mut shown) = scheme_of(authorization)?;
    let is_bearer = |scheme: &str| scheme.eq_ignore_ascii_case("bearer");
    // MinIO until 2022, and gateways built on it, write `Bearer` before whatever they are given.
    if let Some(twice) = scheme_of(shown).filter(|_| is_bearer(scheme)) {
        (scheme, shown) = twice;
    }
    let tokens = &config.events_tokens;
    if is_bearer(scheme) {
        let sender = tokens.name_of(shown);
        return sender.or_else(|| tokens.giver_of(shown, now));
    }
    basic(scheme, shown)?.find_map(|password| tokens.name_of(&password))
}

/// The scheme of an Authorization header, and what follows it.
pub(super) fn scheme_of(authorization: &str) -> Option<(&str, &str)> {
    let (scheme, shown) = authorization.trim().split_once(' ')?;
    Some((scheme, shown.trim()))
}

/// What may be the password of Basic credentials: as it is, and decoded, as some clients send what stands
/// in a URL as it stands there.
pub(super) fn basic(
    scheme: &str,
    credentials: &str,
) -> Option<impl Iterator<Item = String> + use<>> {
    let decoded = BASE64_STANDARD.decode(credentials).ok();
    let decoded = decoded.filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (_, password) = str::from_utf8(&decoded).ok()?.split_once(':')?;
    let unescaped = percent_decode_str(password).decode_utf8_lossy();
    Some([password.to_owned(), unescaped.into_owned()].into_iter())
}

/// Which of WEBHOOK_SECRET, by its place, signed `body`.
///
/// # Errors
/// The answer to whoever signed it.
pub(super) fn check_signature(
    [id, timestamp, signature]: &[String; 3],
    body: &[u8],
    config: &Config,
    now: Timestamp,
) -> Result<usize, Reply> {
    let secrets = config.webhook_secrets.as_ref().ok_or_else(|| {
        Reply::problem(
            401,
            "No signature is known here: set WEBHOOK_SECRET, or show EVENTS_TOKEN.",
        )
    })?;
    let signed = Signed {
        id,
        timestamp,
        signature,
    };
    secrets
        .check(signed, body, now)
        .map_err(|refused| refused_as(401, &refused))
}

/// The answer to a sender that is not believed.
pub(super) fn refused_as(status: u16, refused: &Refused) -> Reply {
    let reply = Reply::problem(status, refused.to_string());
    if status == 401 {
        challenge(reply)
    } else {
        reply
    }
}

/// The answer to who shows nothing that opens.
pub(super) fn unknown() -> Reply {
    challenge(Reply::problem(
        401,
        "Show a token of EVENTS_TOKEN as `Authorization: Bearer <token>`, as the password of Basic or as `x-api-key`, sign the request with WEBHOOK_SECRET, or send it through an SNS topic that a route names.",
    ))
}

/// Basic first: SNS shows its URL's password only to who asks for that.
fn challenge(reply: Reply) -> Reply {
    reply.header(
        "www-authenticate",
        "Basic realm=\"causeway\", Bearer realm=\"causeway\"",
    )
}
