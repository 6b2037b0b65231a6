//! Service accounts: fresh ones for tests and the demo, and the check of the tokens they sign for
//! themselves (<https://google.aip.dev/auth/4111>), or that somebody else gave them. No token endpoint, no IAM.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
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
const AUDIENCE: &str = "https://storage.googleapis.com/";

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
            "token_uri": "https://oauth2.googleapis.com/token",
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

/// The accounts that may call, by key id, and the tokens that others gave them. None: everybody may.
pub struct Accounts {
    keys: HashMap<String, (String, DecodingKey)>,
    granted: Mutex<HashMap<String, (String, Timestamp)>>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    iat: i64,
    exp: i64,
    aud: Option<String>,
    scope: Option<String>,
}

impl Accounts {
    pub(super) fn new(keys: &[ServiceAccountKey]) -> anyhow::Result<Self> {
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
            granted: Mutex::default(),
        })
    }

    /// Takes the bearer token `token` as one of `principal` until `end`, unless everybody may call.
    pub fn grant(&self, token: &str, principal: &str, end: Timestamp) {
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.insert(token.to_owned(), (principal.to_owned(), end));
    }

    fn granted(&self, token: &str) -> Option<(String, Timestamp)> {
        let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.get(token).cloned()
    }

    /// Who calls: the account's address, or that nobody is asked.
    ///
    /// # Errors
    ///
    /// Why the token is refused. The text never holds the token.
    pub(super) fn authenticate(&self, authorization: Option<&str>) -> Result<String, String> {
        if self.keys.is_empty() {
            return Ok("Anonymous caller".into());
        }
        let token = authorization
            .ok_or("no Authorization header")?
            .strip_prefix("Bearer ")
            .ok_or("the Authorization header is not a Bearer token")?;
        if let Some((principal, end)) = self.granted(token) {
            let is_good = Timestamp::now() < end;
            return is_good
                .then_some(principal)
                .ok_or("the token has expired".into());
        }
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
        Ok(email.clone())
    }
}

impl Claims {
    fn check(&self, email: &str) -> Result<(), String> {
        if self.iss != email || self.sub != email {
            return Err("iss and sub must both be the key's client_email".into());
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
        let scoped = self
            .scope
            .as_deref()
            .unwrap_or_default()
            .split(' ')
            .any(|scope| SCOPES.contains(&scope));
        match (scoped, self.aud.as_deref()) {
            (true, _) | (false, Some(AUDIENCE)) => Ok(()),
            _ => Err(
                "the token has neither a storage scope nor Cloud Storage as its audience".into(),
            ),
        }
    }
}
