//! The token that senders of events show.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A bearer token, kept as its hash: hashes have one length and are compared in constant time.
pub(crate) struct Token([u8; 32]);

impl Token {
    /// The token `text`.
    pub(crate) fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether the Authorization header `authorization` shows it
    /// ([RFC 6750, section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    pub(crate) fn is_shown_by(&self, authorization: Option<&str>) -> bool {
        let Some((scheme, shown)) = authorization.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let shown: [u8; 32] = Sha256::digest(shown.trim()).into();
        scheme.eq_ignore_ascii_case("bearer") && bool::from(self.0.ct_eq(&shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_as_a_bearer_opens() {
        let token = Token::new("hush-hush");
        for good in ["Bearer hush-hush", "bearer hush-hush", "BEARER  hush-hush "] {
            assert!(token.is_shown_by(Some(good)), "{good}");
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
            assert!(!token.is_shown_by(Some(bad)), "{bad}");
        }
        assert!(!token.is_shown_by(None));
    }
}
