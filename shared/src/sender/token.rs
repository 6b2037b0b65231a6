//! The tokens that whoever calls the worker shows.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::AccessTokens;
use crate::error::ConfigError;

/// The fewest characters of a token: a shorter one can be guessed.
const SHORTEST: usize = 16;

/// Tokens of which any opens, so that one can be replaced without a gap. Kept as their hashes: hashes
/// have one length and are compared in constant time.
pub struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    /// The tokens of `text`, with white space or commas between them.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let tokens = split(text);
        Self(tokens.map(|token| Sha256::digest(token).into()).collect())
    }

    /// Those of the variable `name`, each of which nobody can guess.
    ///
    /// # Errors
    /// [`ConfigError`] that names the first that is too short by its place.
    pub fn read(name: &str, text: &str) -> Result<Self, ConfigError> {
        let short = split(text).position(|token| token.chars().nth(SHORTEST - 1).is_none());
        if let Some(place) = short {
            let place = place + 1;
            let message = format!(
                "its token number {place} has fewer than {SHORTEST} characters, which can be guessed: set it to a random one, such as `openssl rand -hex 32` gives."
            );
            return Err(ConfigError::new(name, message));
        }
        Ok(Self::new(text))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of these is one of `others`.
    #[must_use]
    pub fn meet(&self, others: &Self) -> bool {
        let mut ours = self.0.iter();
        ours.any(|ours| others.0.iter().any(|theirs| theirs.ct_eq(ours).into()))
    }

    /// Whether `shown` is one of them. How long it takes says nothing of which, or how nearly.
    #[must_use]
    pub fn have(&self, shown: &str) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        let is_one = |found: Choice, token: &[u8; 32]| found | token.ct_eq(&shown);
        self.0.iter().fold(Choice::from(0), is_one).into()
    }

    /// By what a limiter knows who shows `shown`, if that is one of these.
    #[must_use]
    pub fn name_of(&self, shown: &str) -> Option<String> {
        self.have(shown).then(|| name_of(shown))
    }

    /// A token for whoever shows one of these as `secret`, good for some time from `now`.
    #[must_use]
    pub fn give(&self, secret: &str, now: Timestamp) -> Option<String> {
        let secret: [u8; 32] = Sha256::digest(secret).into();
        let known = self.0.iter().find(|token| token.ct_eq(&secret).into())?;
        Some(AccessTokens::new(known).give(now))
    }

    /// By what a limiter knows who was given `shown` for one of these, if it is good at `now`: whoever has
    /// that one, however many tokens were given for it.
    #[must_use]
    pub fn giver_of(&self, shown: &str, now: Timestamp) -> Option<String> {
        let mut secrets = self.0.iter();
        let secret = secrets.find(|secret| AccessTokens::new(*secret).have(shown, now))?;
        Some(name_of_hash(secret))
    }

    /// Whether the Authorization header `authorization` shows one
    /// ([RFC 6750, section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    #[must_use]
    pub fn are_shown_by(&self, authorization: Option<&str>) -> bool {
        let Some((scheme, shown)) = authorization.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer") && self.have(shown.trim())
    }
}

/// By what a limiter knows who asks again: it is told of nobody's token or name.
#[must_use]
pub fn name_of(who: &str) -> String {
    name_of_hash(&Sha256::digest(who))
}

/// The same of whom only the hash is known.
fn name_of_hash(hash: &[u8]) -> String {
    BASE64_STANDARD.encode(hash)
}

/// Whom the address `address` stands for, as Cloudflare writes it: itself, or of IPv6 its network, the first four
/// groups ([RFC 5952](https://www.rfc-editor.org/rfc/rfc5952#section-4)), but for zeros at their end.
#[must_use]
pub fn network(address: String) -> String {
    if !address.contains(':') {
        return address;
    }
    let groups = address.split("::").next().unwrap_or_default().split(':');
    let groups: Vec<&str> = groups.take(4).collect();
    groups.join(":").trim_end_matches(":0").to_owned()
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    let tokens = text.split([',', ' ', '\t', '\r', '\n']);
    tokens.filter(|token| !token.is_empty())
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
        assert!(!tokens.have(&given));
        // Whoever has the one it was given for is who shows it.
        assert_eq!(tokens.giver_of(&given, now), tokens.name_of("old"));
        assert!(tokens.name_of("old").is_some() && tokens.name_of("other").is_none());
        assert_eq!(Tokens::new("new").giver_of(&given, now), None);
    }

    #[test]
    fn tokens_that_can_be_guessed_are_named_by_their_place_and_never_shown() {
        let read = |text: &str| Tokens::read("EVENTS_TOKEN", text).map(drop);
        assert_eq!(read("0123456789abcdef, fedcba9876543210"), Ok(()));
        for (text, place) in [("a", 1), ("0123456789abcdef hush-hush", 2)] {
            let error = read(text).map_or_else(|error| error.to_string(), |()| String::new());
            assert!(error.contains(&format!("number {place} ")), "{error}");
            assert!(
                error.contains("EVENTS_TOKEN") && !error.contains("hush"),
                "{error}"
            );
        }
    }

    #[test]
    fn lists_meet_where_one_token_is_in_both() {
        let tokens = |text: &str| Tokens::new(text);
        assert!(tokens("a b").meet(&tokens("c,b")));
        assert!(!tokens("a b").meet(&tokens("c ab")) && !tokens("").meet(&tokens("")));
        assert!(tokens(" , ").is_empty() && !tokens("a").is_empty());
    }

    #[test]
    fn an_address_of_ipv6_stands_for_its_network() {
        let network = |address: &str| network(address.to_owned());
        assert_eq!(network("2001:db8::1"), network("2001:db8:0:0:ffff::2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network(""), "");
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
