//! Access to GCS with a service account's key, without a token exchange: a JWT that the account
//! signs for itself is the bearer token.
//!
//! Follows [Service account authorization without OAuth](https://developers.google.com/identity/protocols/oauth2/service-account#jwt-auth)
//! and [AIP-4111](https://google.aip.dev/auth/4111). The private key stays with the runtime, which
//! signs ([`crate::port::Port::sign_rs256`]); this file never holds it.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::json::without_bom;

/// What a token of a route between buckets may do: read and write objects.
pub const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// The longest life that Google accepts.
const LIFETIME: SignedDuration = SignedDuration::from_secs(3600);
/// How far behind ours Google's clock may be: a token from the future is refused.
const SKEW: SignedDuration = SignedDuration::from_secs(10);
/// A token is used until this long before its end, so that it does not expire under way.
const MARGIN: SignedDuration = SignedDuration::from_secs(300);

/// Who signs: a service account and one of its keys, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `client_email`.
    pub email: String,
    /// `private_key_id`.
    pub key_id: String,
}

/// The credential file of a service account, as Google gives it. Files of other types lack fields.
#[derive(Default, Deserialize)]
#[serde(default)]
struct CredentialFile {
    r#type: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
}

impl ServiceAccount {
    /// Reads a credential file; gives the account and its private key (PKCS#8 in PEM), the latter
    /// for the runtime alone.
    ///
    /// # Errors
    /// [`ConfigError`] about `variable`; holds nothing of the file's content.
    pub fn parse(variable: &str, file: &str) -> Result<(Self, String), ConfigError> {
        let expected = "expected the JSON key file of a service account (type, client_email, private_key_id, private_key)";
        let file = without_bom(file.as_bytes());
        let file: CredentialFile = serde_json::from_slice(file).map_err(|error| {
            ConfigError::new(
                variable,
                format!(
                    "{} at line {}, column {}; {expected}.",
                    match error.classify() {
                        serde_json::error::Category::Data => "a field is no string",
                        _ => "not JSON",
                    },
                    error.line(),
                    error.column()
                ),
            )
        })?;
        if file.r#type != "service_account" {
            return Err(ConfigError::new(
                variable,
                format!("its type is another; {expected}."),
            ));
        }
        if file.client_email.is_empty() || file.private_key.is_empty() {
            return Err(ConfigError::new(
                variable,
                format!("client_email or private_key is missing; {expected}."),
            ));
        }
        let account = Self {
            email: file.client_email,
            key_id: file.private_key_id,
        };
        Ok((account, file.private_key))
    }

    /// The assertion to be signed at `now`, for a token that may do what `scopes` say, with spaces between
    /// them.
    #[must_use]
    pub fn assertion(&self, scopes: &str, now: Timestamp) -> Assertion {
        let issued = now.saturating_sub(SKEW).unwrap_or(now);
        let expires = issued.saturating_add(LIFETIME).unwrap_or(now);
        let header = Header {
            alg: "RS256",
            typ: "JWT",
            kid: &self.key_id,
        };
        let claims = Claims {
            iss: &self.email,
            sub: &self.email,
            scope: scopes,
            iat: issued.as_second(),
            exp: expires.as_second(),
        };
        Assertion {
            signing_input: format!("{}.{}", encode(&header), encode(&claims)),
            expires,
        }
    }
}

fn encode(part: &impl Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD
        .encode(serde_json::to_vec(part).expect("strings and numbers always become JSON"))
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    scope: &'a str,
    iat: i64,
    exp: i64,
}

/// A JWT that lacks its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    signing_input: String,
    expires: Timestamp,
}

impl Assertion {
    /// The bytes to be signed with RS256.
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }

    /// The token that `signature` makes of it.
    #[must_use]
    pub fn signed(self, signature: &[u8]) -> AccessToken {
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        let token = format!("{}.{signature}", self.signing_input);
        AccessToken::new(&token, self.expires).expect("base64url is a header value")
    }
}

/// A bearer token and its end.
#[derive(Clone)]
pub struct AccessToken {
    bearer: HeaderValue,
    expires: Timestamp,
}

impl AccessToken {
    /// A token that Google gave, good until `expires`; none if it is empty or cannot stand in a header.
    #[must_use]
    pub fn new(token: &str, expires: Timestamp) -> Option<Self> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        bearer.set_sensitive(true);
        (!token.is_empty()).then_some(Self { bearer, expires })
    }

    /// The Authorization header's value, however near its end.
    #[must_use]
    pub fn header(&self) -> &HeaderValue {
        &self.bearer
    }

    /// Its end.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.expires
    }

    /// The Authorization header's value, if the token is good for some minutes after `now`.
    #[must_use]
    pub fn bearer(&self, now: Timestamp) -> Option<&HeaderValue> {
        let safe_until = self
            .expires
            .saturating_sub(MARGIN)
            .unwrap_or(Timestamp::MIN);
        (now < safe_until).then_some(&self.bearer)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken(expires {})", self.expires)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn account() -> ServiceAccount {
        ServiceAccount {
            email: "causeway@project.iam.gserviceaccount.com".into(),
            key_id: "k1".into(),
        }
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[test]
    fn the_assertion_has_the_claims_that_google_asks_for() {
        let assertion = account().assertion(SCOPE, now());
        let text = String::from_utf8(assertion.signing_input().to_vec()).unwrap();
        let parts: Vec<serde_json::Value> = text
            .split('.')
            .map(|part| {
                serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
            })
            .collect();
        assert_eq!(
            parts[0],
            serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "k1"})
        );
        assert_eq!(parts[1]["iss"], parts[1]["sub"]);
        assert_eq!(
            parts[1]["exp"].as_i64().unwrap() - parts[1]["iat"].as_i64().unwrap(),
            3600
        );
    }

    #[test]
    fn a_token_is_not_used_in_its_last_minutes() {
        let token = account().assertion(SCOPE, now()).signed(b"signature");
        assert!(token.bearer(now()).is_some());
        let late = now() + SignedDuration::from_secs(3289);
        assert!(token.bearer(late).is_some());
        assert!(token.bearer(late + SignedDuration::from_secs(1)).is_none());
    }

    #[test]
    fn no_secret_in_debug_or_errors() {
        let token = account().assertion(SCOPE, now()).signed(b"signature");
        assert!(!format!("{token:?}").contains("ey"));
        assert!(format!("{:?}", token.bearer(now()).unwrap()).contains("Sensitive"));
        for file in [
            "not json hush",
            r#"{"type": "service_account", "private_key": "hush"}"#,
            r#"{"type": "authorized_user", "client_email": "", "private_key_id": "", "private_key": "hush"}"#,
        ] {
            let error = ServiceAccount::parse("GOOGLE_CREDENTIALS", file).unwrap_err();
            assert!(error.to_string().starts_with("GOOGLE_CREDENTIALS: "));
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }
}
