//! Service accounts: fresh ones for tests and the demo, and the check of the tokens they sign for
//! themselves (<https://google.aip.dev/auth/4111>), that the token endpoint gave them for a signed
//! assertion (<https://developers.google.com/identity/protocols/oauth2/service-account#httprest>), or that
//! somebody else did. No IAM.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use sha2::Digest as _;

/// A token may live this many seconds.
const LIFETIME: i64 = 3600;
/// Clocks may differ by this many seconds. Google's clients date their tokens back or forth by ten.
const SKEW: i64 = 20;
const SCOPES: [&str; 3] = [
    "https://www.googleapis.com/auth/devstorage.read_write",
    "https://www.googleapis.com/auth/devstorage.full_control",
    "https://www.googleapis.com/auth/cloud-platform",
];
/// These let their holder read, and no more.
const READING_SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/devstorage.read_only",
    "https://www.googleapis.com/auth/cloud-platform.read-only",
];
const AUDIENCE: &str = "https://storage.googleapis.com/";
/// These let their holder do everything at BigQuery.
const BIGQUERY_SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/bigquery",
    "https://www.googleapis.com/auth/cloud-platform",
];
const BIGQUERY_AUDIENCE: &str = "https://bigquery.googleapis.com/";
/// Google's token endpoint. Its clients write it as an assertion's audience wherever they send it.
pub(super) const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";

/// What the server knows of a service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountKey {
    /// The account.
    pub client_email: String,
    /// Names the key in the token's header.
    pub private_key_id: String,
    /// The public key, a PEM `PUBLIC KEY`.
    pub public_key_pem: String,
}

/// Makes service accounts.
pub struct ServiceAccount;

impl ServiceAccount {
    /// Makes an account with a fresh RSA-2048 key: the credential file for the client, which holds
    /// the private key, and the server's side of it.
    ///
    /// # Errors
    ///
    /// When the key cannot be generated or encoded.
    pub fn generate(client_email: &str) -> anyhow::Result<(String, ServiceAccountKey)> {
        let pair = KeyPair::generate(KeySize::Rsa2048).context("generating an RSA key")?;
        let private = AsDer::<Pkcs8V1Der>::as_der(&pair).context("encoding the private key")?;
        let public = AsDer::<PublicKeyX509Der>::as_der(pair.public_key())
            .context("encoding the public key")?;
        let digest = sha2::Sha256::digest(public.as_ref());
        let private_key_id = hex(&digest[..20]);
        let credential = serde_json::json!({
            "type": "service_account",
            "project_id": "causeway-demo",
            "private_key_id": private_key_id,
            "private_key": pem("PRIVATE KEY", private.as_ref()),
            "client_email": client_email,
            "client_id": "0",
            "token_uri": TOKEN_ENDPOINT,
            "universe_domain": "googleapis.com",
        });
        let key = ServiceAccountKey {
            client_email: client_email.to_owned(),
            private_key_id,
            public_key_pem: pem("PUBLIC KEY", public.as_ref()),
        };
        Ok((credential.to_string(), key))
    }
}

/// `bytes` in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            for nibble in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(nibble.into(), 16));
            }
            text
        })
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = base64
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// Who calls, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The account's address, or words for nobody in particular.
    pub(crate) principal: String,
    /// Whether the scopes of its token let it do more than read at storage; `None`: not even that.
    may_write: Option<bool>,
    /// Whether the scopes of its token are for BigQuery.
    pub(crate) may_bigquery: bool,
}

impl Caller {
    /// Somebody who may do everything.
    fn unrestricted(principal: &str) -> Self {
        Self {
            principal: principal.to_owned(),
            may_write: Some(true),
            may_bigquery: true,
        }
    }

    pub(crate) fn anonymous() -> Self {
        Self::unrestricted("Anonymous caller")
    }

    /// Whether its token lets it do more than read at storage.
    pub(super) fn may_write(&self) -> bool {
        self.may_write == Some(true)
    }

    /// Whether its token lets it read at storage.
    pub(crate) fn reads_storage(&self) -> bool {
        self.may_write.is_some()
    }
}

/// The accounts that may call, by key id, and the tokens that were given them. None: everybody may.
#[derive(Default)]
pub struct Accounts {
    keys: HashMap<String, (String, DecodingKey)>,
    /// Whether a request without a token is taken, too.
    anonymous: bool,
    granted: Mutex<HashMap<String, (Caller, Timestamp)>>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    /// Absent from an assertion that stands for the issuer itself.
    sub: Option<String>,
    iat: i64,
    exp: i64,
    aud: Option<String>,
    scope: Option<String>,
}

impl Accounts {
    pub(super) fn new(keys: &[ServiceAccountKey], anonymous: bool) -> anyhow::Result<Self> {
        let parsed = keys.iter().map(|key| {
            let decoding = DecodingKey::from_rsa_pem(key.public_key_pem.as_bytes())
                .with_context(|| format!("reading the public key of {}", key.client_email))?;
            Ok((
                key.private_key_id.clone(),
                (key.client_email.clone(), decoding),
            ))
        });
        Ok(Self {
            keys: parsed.collect::<anyhow::Result<_>>()?,
            anonymous,
            granted: Mutex::default(),
        })
    }

    /// Takes the bearer token `token` as one of `principal` until `end`, unless everybody may call.
    pub fn grant(&self, token: &str, principal: &str, end: Timestamp) {
        self.grant_to(Caller::unrestricted(principal), token, end);
    }

    fn grant_to(&self, caller: Caller, token: &str, end: Timestamp) {
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.insert(token.to_owned(), (caller, end));
    }

    fn granted(&self, token: &str) -> Option<(Caller, Timestamp)> {
        let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.get(token).cloned()
    }

    /// Who calls storage.
    ///
    /// # Errors
    ///
    /// Why the token is refused. The text never holds the token.
    pub(super) fn authenticate(&self, authorization: Option<&str>) -> Result<Caller, String> {
        let caller = self.caller(authorization)?;
        if !caller.reads_storage() {
            return Err(
                "the token has neither a storage scope nor Cloud Storage as its audience".into(),
            );
        }
        Ok(caller)
    }

    /// Who calls, and what the token is for.
    ///
    /// # Errors
    ///
    /// Why the token is refused. The text never holds the token.
    pub(crate) fn caller(&self, authorization: Option<&str>) -> Result<Caller, String> {
        if self.keys.is_empty() || (self.anonymous && authorization.is_none()) {
            return Ok(Caller::anonymous());
        }
        let token = authorization
            .ok_or("no Authorization header")?
            .strip_prefix("Bearer ")
            .ok_or("the Authorization header is not a Bearer token")?;
        if let Some((caller, end)) = self.granted(token) {
            let is_good = Timestamp::now() < end;
            return is_good
                .then_some(caller)
                .ok_or("the token has expired".into());
        }
        let (claims, email) = self.claims(token)?;
        if claims.sub.as_deref() != Some(email) {
            return Err("iss and sub must both be the key's client_email".into());
        }
        Ok(claims.caller(email))
    }

    /// Gives a token for a signed assertion that was made for one of `audiences`; and how many seconds
    /// it is good for.
    ///
    /// # Errors
    ///
    /// Why the assertion is refused. The text never holds it.
    pub(super) fn exchange(
        &self,
        assertion: &str,
        audiences: &[&str],
    ) -> Result<(String, i64), String> {
        let (claims, email) = self.claims(assertion)?;
        if claims.sub.as_deref().is_some_and(|sub| sub != email) {
            return Err("sub is somebody else than the key's client_email".into());
        }
        if !audiences.contains(&claims.aud.as_deref().unwrap_or_default()) {
            return Err(format!("aud must be one of {}", audiences.join(", ")));
        }
        let caller = claims.caller(email);
        if !caller.reads_storage() && !caller.may_bigquery {
            return Err("no scope is one of storage's or BigQuery's".into());
        }
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "there is no randomness")?;
        let token = format!("ya29.{}", hex(&bytes));
        let end = Timestamp::now() + SignedDuration::from_secs(LIFETIME);
        self.grant_to(caller, &token, end);
        Ok((token, LIFETIME - 1))
    }

    /// What a JWT says that one of the accounts has signed, and which account.
    fn claims(&self, token: &str) -> Result<(Claims, &str), String> {
        let header = decode_header(token).map_err(|error| format!("not a JWT: {error}"))?;
        let kid = header.kid.ok_or("the token's header has no kid")?;
        let (email, key) = self
            .keys
            .get(&kid)
            .ok_or("the token's kid names no known key")?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 0;
        validation.validate_aud = false;
        let claims = decode::<Claims>(token, key, &validation)
            .map_err(|error| error.to_string())?
            .claims;
        claims.check(email)?;
        Ok((claims, email.as_str()))
    }
}

impl Claims {
    fn check(&self, email: &str) -> Result<(), String> {
        if self.iss != email {
            return Err("iss must be the key's client_email".into());
        }
        let lifetime = self.exp - self.iat;
        if !(1..=LIFETIME + SKEW).contains(&lifetime) {
            return Err(format!(
                "the token lives {lifetime} s, 1 to {LIFETIME} are allowed, and {SKEW} for the clocks"
            ));
        }
        if self.iat > Timestamp::now().as_second() + SKEW {
            return Err("the token was issued in the future".into());
        }
        Ok(())
    }

    /// What its scopes let `email` do. A token without scopes is for the one service that is its audience.
    fn caller(&self, email: &str) -> Caller {
        let scopes = self.scope.as_deref().unwrap_or_default();
        let has = |known: &[&str]| scopes.split(' ').any(|scope| known.contains(&scope));
        let is_for = |audience| scopes.is_empty() && self.aud.as_deref() == Some(audience);
        let may_write = has(&SCOPES) || is_for(AUDIENCE);
        Caller {
            principal: email.to_owned(),
            may_write: (may_write || has(&READING_SCOPES)).then_some(may_write),
            may_bigquery: has(&BIGQUERY_SCOPES) || is_for(BIGQUERY_AUDIENCE),
        }
    }
}
