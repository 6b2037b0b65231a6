//! Tokens that the worker gives out for OAuth's client credentials, for senders that want no other way
//! ([RFC 6749, section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).
//!
//! Nothing is stored: a token says until when it is good, and is signed with the secret that it was
//! given for. Who takes that secret away takes its tokens away. A token has one spelling, so that nobody
//! has two of one.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

/// How long a token is good.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// What is signed before the time, so that nothing else that the secret signs is a token.
const CONTEXT: &[u8] = b"causeway access token\n";

/// Gives and checks the tokens of one secret.
#[derive(Clone)]
pub struct AccessTokens(Hmac<Sha256>);

impl AccessTokens {
    /// Those of `secret`.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes a key of any length"))
    }

    /// A token that is good for [`LIFETIME`] from `now`.
    #[must_use]
    pub fn give(&self, now: Timestamp) -> String {
        let end = now.saturating_add(LIFETIME).unwrap_or(now).as_second();
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.sign(end).finalize().into_bytes());
        format!("{end}.{signature}")
    }

    /// Whether `token` is one of these and good at `now`. Compared in constant time.
    #[must_use]
    pub fn have(&self, token: &str, now: Timestamp) -> bool {
        let Some((end, signature)) = token.split_once('.') else {
            return false;
        };
        // As it was written: `parse` alone would take a sign and zeros before it. The base64 is strict.
        let is_written = end.starts_with(|first| matches!(first, '1'..='9'))
            && end.bytes().all(|digit| digit.is_ascii_digit());
        let (true, Ok(end), Ok(signature)) = (
            is_written,
            end.parse(),
            BASE64_URL_SAFE_NO_PAD.decode(signature),
        ) else {
            return false;
        };
        now.as_second() < end && self.sign(end).verify_slice(&signature).is_ok()
    }

    fn sign(&self, end: i64) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(CONTEXT);
        mac.update(&end.to_be_bytes());
        mac
    }
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessTokens")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_opens_for_an_hour_and_only_what_its_secret_opens() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ours = AccessTokens::new(b"secret");
        let token = ours.give(now);
        let late = |seconds| now + SignedDuration::from_secs(seconds);
        assert!(ours.have(&token, now) && ours.have(&token, late(3599)));
        assert!(!ours.have(&token, late(3600)));
        assert!(!AccessTokens::new(b"other").have(&token, now));
        let longer = token.replacen("18000036", "18000037", 1);
        assert_ne!(longer, token);
        // Its last letter has two bits that say nothing; they are zero.
        let mut respelled = token.clone();
        let last = respelled.pop().map(|last| char::from(last as u8 + 1));
        respelled.extend(last);
        let padded = format!("{token}=");
        let [zeros, sign, space] = ["0", "+", " "].map(|before| format!("{before}{token}"));
        for wrong in [
            longer.as_str(),
            &respelled,
            &padded,
            &zeros,
            &sign,
            &space,
            "",
            ".",
            "1800003600.",
            "secret",
            &token[1..],
        ] {
            assert!(!ours.have(wrong, now), "{wrong}");
        }
    }
}
