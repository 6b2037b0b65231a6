//! Bearer tokens: JWTs that a service account signs itself, with no exchange.
//!
//! See <https://developers.google.com/identity/protocols/oauth2/service-account#jwt-auth>.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use crate::client::{ClientError, ErrorKind};

/// What the token allows: objects read, written and deleted; nothing about buckets.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
/// The longest that Google accepts.
const LIFETIME: SignedDuration = SignedDuration::from_secs(3600);
/// How long before its end a token is no longer used.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// How far behind ours Google's clock may be.
const SKEW: SignedDuration = SignedDuration::from_secs(10);

/// A service account's key, as its JSON file has it. `Debug` shows no key.
#[derive(Clone, Deserialize)]
pub struct ServiceAccount {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    private_key: String,
}

impl ServiceAccount {
    /// Reads the content of a service account's JSON key file.
    ///
    /// # Errors
    /// `Input` when it is not one. The message quotes nothing of it.
    pub fn from_json(json: &str) -> Result<Self, ClientError> {
        let account: Self = serde_json::from_str(json).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            unfit(&format!(
                "not the JSON of a service account's key ({place})"
            ))
        })?;
        if account.kind != "service_account" {
            return Err(unfit(&format!(
                "of type {:?}, not `service_account`",
                account.kind
            )));
        }
        if account.client_email.is_empty() || account.private_key.is_empty() {
            return Err(unfit("without `client_email` or `private_key`"));
        }
        Ok(account)
    }
}

fn unfit(why: &str) -> ClientError {
    ClientError::new(
        ErrorKind::Input,
        format!("the Google credentials are {why}"),
        "create a JSON key for a service account: gcloud iam service-accounts keys create",
    )
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("client_email", &self.client_email)
            .finish_non_exhaustive()
    }
}

/// Signs tokens, and keeps the last one while it is good.
#[derive(Clone)]
pub(super) struct TokenSource(Arc<Inner>);

struct Inner {
    account: ServiceAccount,
    key: EncodingKey,
    current: Mutex<Option<(Timestamp, HeaderValue)>>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    scope: &'a str,
    iat: i64,
    exp: i64,
}

impl TokenSource {
    pub(super) fn new(account: ServiceAccount) -> Result<Self, ClientError> {
        let key = EncodingKey::from_rsa_pem(account.private_key.as_bytes())
            .map_err(|_| unfit("without a readable RSA `private_key`"))?;
        Ok(Self(Arc::new(Inner {
            account,
            key,
            current: Mutex::default(),
        })))
    }

    /// The value of an `Authorization` header that is good for minutes to come.
    pub(super) fn authorization(&self) -> Result<HeaderValue, ClientError> {
        let now = Timestamp::now();
        let mut current = self
            .0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((until, value)) = &*current
            && now + MARGIN < *until
        {
            return Ok(value.clone());
        }
        let value = self.sign(now)?;
        *current = Some((now - SKEW + LIFETIME, value.clone()));
        Ok(value)
    }

    fn sign(&self, now: Timestamp) -> Result<HeaderValue, ClientError> {
        let Inner { account, key, .. } = &*self.0;
        let issued = now - SKEW;
        let claims = Claims {
            iss: &account.client_email,
            sub: &account.client_email,
            scope: SCOPE,
            iat: issued.as_second(),
            exp: (issued + LIFETIME).as_second(),
        };
        let header = Header {
            kid: account.private_key_id.clone(),
            ..Header::new(Algorithm::RS256)
        };
        // Neither error below may be shown as it is: it could hold the token.
        let token = jsonwebtoken::encode(&header, &claims, key)
            .map_err(|_| unfit("with a `private_key` that cannot sign"))?;
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| ClientError::failed("the signed token is not a header value"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenSource").field(&self.0.account).finish()
    }
}
