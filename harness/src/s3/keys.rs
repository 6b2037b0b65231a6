//! Who may use the embedded S3: whoever has the one pair of keys, and whoever has a session that was
//! granted, with its token and until its end. Signatures are `s3s`' to check.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

use super::S3Options;

/// Temporary credentials, as a token service gives them.
#[derive(Clone)]
pub struct Session {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// What every request has to show beside its signature.
    pub token: String,
    /// From then on it is refused.
    pub end: Timestamp,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("access_key_id", &self.access_key_id)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// All that are good. Clones are one.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    access_key_id: String,
    secret: SecretKey,
    sessions: Mutex<HashMap<String, Session>>,
}

impl Keys {
    pub(super) fn new(options: S3Options) -> Self {
        Self(Arc::new(Inner {
            access_key_id: options.access_key_id,
            secret: options.secret_access_key.into(),
            sessions: Mutex::default(),
        }))
    }

    /// Takes the credentials of `session` from now on, as those of somebody who may do everything.
    pub fn grant(&self, session: Session) {
        let mut sessions = self.0.sessions.lock();
        let sessions = sessions.as_mut().unwrap_or_else(PoisonError::get_mut);
        sessions.insert(session.access_key_id.clone(), session);
    }

    fn session(&self, access_key: &str) -> Option<Session> {
        let sessions = self.0.sessions.lock();
        let sessions = sessions.unwrap_or_else(PoisonError::into_inner);
        sessions.get(access_key).cloned()
    }
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.0.access_key_id {
            return Ok(self.0.secret.clone());
        }
        match self.session(access_key) {
            Some(session) => Ok(session.secret_access_key.into()),
            None => Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )),
        }
    }
}

#[async_trait::async_trait]
impl S3Access for Keys {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = context.credentials() else {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        };
        let Some(session) = self.session(&credentials.access_key) else {
            return Ok(());
        };
        let shown = context.headers().get("x-amz-security-token");
        if shown.is_none_or(|token| token.as_bytes() != session.token.as_bytes()) {
            return Err(s3_error!(
                InvalidToken,
                "The provided token is malformed or otherwise invalid."
            ));
        }
        if session.end <= Timestamp::now() {
            return Err(s3_error!(ExpiredToken, "The provided token has expired."));
        }
        Ok(())
    }
}
