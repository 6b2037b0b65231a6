//! The tokens that whoever calls the worker shows.

use causeway_shared::sender::AccessTokens;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// Tokens of which any opens, so that one can be replaced without a gap. Kept as their hashes: hashes
/// have one length and are compared in constant time.
pub(crate) struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    /// The tokens of `text`, with white space or commas between them.
    pub(crate) fn new(text: &str) -> Self {
        let tokens = text.split([',', ' ', '\t', '\r', '\n']);
        let tokens = tokens.filter(|token| !token.is_empty());
        Self(tokens.map(|token| Sha256::digest(token).into()).collect())
    }

    /// Whether `shown` is one of them. How long it takes says nothing of which, or how nearly.
    pub(crate) fn have(&self, shown: &str) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        let is_one = |found: Choice, token: &[u8; 32]| found | token.ct_eq(&shown);
        self.0.iter().fold(Choice::from(0), is_one).into()
    }

    /// A token for whoever shows one of these as `secret`, good for some time from `now`.
    pub(crate) fn give(&self, secret: &str, now: Timestamp) -> Option<String> {
        let secret: [u8; 32] = Sha256::digest(secret).into();
        let known = self.0.iter().find(|token| token.ct_eq(&secret).into())?;
        Some(AccessTokens::new(known).give(now))
    }

    /// Whether `shown` was given for one of these, and is good at `now`.
    pub(crate) fn gave(&self, shown: &str, now: Timestamp) -> bool {
        let mut secrets = self.0.iter();
        secrets.any(|secret| AccessTokens::new(secret).have(shown, now))
    }

    /// Whether the Authorization header `authorization` shows one
    /// ([RFC 6750, section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    pub(crate) fn are_shown_by(&self, authorization: Option<&str>) -> bool {
        let Some((scheme, shown)) = authorization.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer") && self.have(shown.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_as_a_bearer_opens() {
        let tokens = Tokens::new("hush-hush");
        for good in ["Bearer hush-hush", "bearer hush-hush", "BEARER  hush-hush "] {
            assert!(tokens.are_shown_by(Some(good)), "{good}");
        }
        for bad in [
            "",
            "hush-hush",
            "Bearer",
            "Bearer ",
            "Bearer hush",
            "Bearer hush-hush2",
            "Basic hush-hush",
            "Bearer Hush-hush",
        ] {
            assert!(!tokens.are_shown_by(Some(bad)), "{bad}");
        }
        assert!(!tokens.are_shown_by(None));
    }

    #[test]
    fn a_token_is_given_for_one_of_these_and_goes_with_it() {
        let now = Timestamp::from_second(1_800_000_000).unwrap_or_default();
        let tokens = Tokens::new("old new");
        assert_eq!(tokens.give("other", now), None);
        let given = tokens.give("old", now).unwrap_or_default();
        assert!(tokens.gave(&given, now) && !tokens.have(&given));
        assert!(!Tokens::new("new").gave(&given, now));
    }

    #[test]
    fn each_of_several_opens_and_nothing_between_them() {
        let tokens = Tokens::new("old, new\n newest");
        for good in ["old", "new", "newest"] {
            assert!(tokens.have(good), "{good}");
        }
        for bad in ["", "old,", "old, new", "olds"] {
            assert!(!tokens.have(bad), "{bad}");
        }
        assert!(!Tokens::new(" , ").have(""));
    }
}
