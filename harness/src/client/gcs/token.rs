//! Bearer tokens of a service account, signed with the key in its file. What is signed is
//! `causeway_shared`'s matter, as it is the worker's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use causeway_shared::gcs::{AccessToken, SCOPE};
use http::HeaderValue;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey};

use crate::client::{ClientError, ErrorKind};

/// A service account and its key, as its JSON file has them. `Debug` shows no key.
#[derive(Clone)]
pub struct ServiceAccount {
    account: causeway_shared::gcs::ServiceAccount,
    key: EncodingKey,
}

impl ServiceAccount {
    /// Reads the content of a service account's JSON key file.
    ///
    /// # Errors
    /// `Input` when it is not one. The message quotes nothing of it.
    pub fn from_json(json: &str) -> Result<Self, ClientError> {
        let (account, key) =
            causeway_shared::gcs::ServiceAccount::parse("the Google credentials", json)
                .map_err(|error| unfit(&error.to_string()))?;
        let key = EncodingKey::from_rsa_pem(key.as_bytes())
            .map_err(|_| unfit("the Google credentials: no readable RSA `private_key`"))?;
        Ok(Self { account, key })
    }
}

fn unfit(why: &str) -> ClientError {
    ClientError::new(
        ErrorKind::Input,
        why,
        "create a JSON key for a service account: gcloud iam service-accounts keys create",
    )
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Signs tokens, and keeps the last one while it is good.
#[derive(Debug, Clone)]
pub(super) struct TokenSource {
    account: ServiceAccount,
    current: Arc<Mutex<Option<AccessToken>>>,
}

impl TokenSource {
    pub(super) fn new(account: ServiceAccount) -> Self {
        Self {
            account,
            current: Arc::default(),
        }
    }

    /// The value of an `Authorization` header that is good for minutes to come.
    pub(super) fn authorization(&self) -> Result<HeaderValue, ClientError> {
        let now = Timestamp::now();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bearer) = current.as_ref().and_then(|token| token.bearer(now)) {
            return Ok(bearer.clone());
        }
        let token = self.sign(now)?;
        let bearer = token.bearer(now).cloned();
        *current = Some(token);
        bearer.ok_or_else(|| ClientError::failed("a fresh token has expired already"))
    }

    fn sign(&self, now: Timestamp) -> Result<AccessToken, ClientError> {
        let assertion = self.account.account.assertion(SCOPE, now);
        let key = &self.account.key;
        let signature =
            jsonwebtoken::crypto::sign(assertion.signing_input(), key, Algorithm::RS256)
                .ok()
                .and_then(|signature| BASE64_URL_SAFE_NO_PAD.decode(signature).ok())
                .ok_or_else(|| unfit("the Google credentials: their `private_key` cannot sign"))?;
        Ok(assertion.signed(&signature))
    }
}
