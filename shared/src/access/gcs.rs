//! How to write to GCS: where it is, and as whom.

use http::HeaderValue;

use super::base_url;
use crate::credentials::{CachedCredential, GoogleCredential};
use crate::error::ConfigError;
use crate::gcs::ObjectAddress;
use crate::time::Clock;

/// How to write to GCS.
#[derive(Debug)]
pub struct GcsAccess {
    endpoint: String,
    credential: Option<GoogleCredential>,
    token: CachedCredential<HeaderValue>,
    /// What a service account's assertions are dated by.
    clock: Clock,
}

impl GcsAccess {
    /// Access with `credential`, or anonymously (an emulator), to GCS or to what `emulator`
    /// (`STORAGE_EMULATOR_HOST`, with or without a scheme) names.
    ///
    /// # Errors
    /// [`ConfigError`] about `STORAGE_EMULATOR_HOST`, or about `GOOGLE_CREDENTIALS` when there is
    /// neither a credential nor an emulator.
    pub fn new(
        credential: Option<GoogleCredential>,
        emulator: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let endpoint = match emulator {
            Some(host) if host.contains("://") => base_url("STORAGE_EMULATOR_HOST", host)?,
            Some(host) => base_url("STORAGE_EMULATOR_HOST", &format!("http://{host}"))?,
            None if credential.is_none() => {
                return Err(ConfigError::new(
                    "GOOGLE_CREDENTIALS",
                    "is missing: set the secret to the JSON file of a service account's key or of an external account.",
                ));
            }
            None => "https://storage.googleapis.com".to_owned(),
        };
        Ok(Self {
            endpoint,
            credential,
            token: CachedCredential::none(),
            clock: Clock::default(),
        })
    }

    /// The address of the object `name` in `bucket`.
    #[must_use]
    pub fn address(&self, bucket: &str, name: &str) -> ObjectAddress {
        ObjectAddress {
            endpoint: self.endpoint.clone(),
            bucket: bucket.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Whether its token is got with the route's identity at AWS.
    #[must_use]
    pub fn is_external(&self) -> bool {
        matches!(self.credential, Some(GoogleCredential::External(_)))
    }

    /// How Google is told who writes; none where nobody is asked.
    pub(crate) fn credential(&self) -> Option<&GoogleCredential> {
        self.credential.as_ref()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The bearer token, as a header's value.
    pub(crate) fn token(&self) -> &CachedCredential<HeaderValue> {
        &self.token
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_emulator_may_leave_out_its_scheme_and_a_credential_may_not_be_missing() {
        let endpoint = |host| GcsAccess::new(None, Some(host)).unwrap().endpoint;
        assert_eq!(endpoint("localhost:4443"), "http://localhost:4443");
        assert_eq!(endpoint("https://h/"), "https://h");
        let missing = GcsAccess::new(None, None).unwrap_err();
        assert_eq!(missing.variable, "GOOGLE_CREDENTIALS");
        for wrong in ["ftp://h", "http://", "http://h/path", "h?x"] {
            let error = GcsAccess::new(None, Some(wrong)).unwrap_err();
            assert_eq!(error.variable, "STORAGE_EMULATOR_HOST", "{wrong}");
        }
    }
}
