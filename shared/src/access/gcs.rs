//! How to write to Google's side, to GCS and to BigQuery: where they are, and as whom.

use http::HeaderValue;

use super::base_url;
use crate::bigquery;
use crate::credentials::{CachedCredential, GoogleCredential};
use crate::error::ConfigError;
use crate::gcs::{ObjectAddress, SCOPE};
use crate::time::Clock;

/// What a token of a route into a table may do, with a space between: see [`SCOPE`] and
/// [`bigquery::SCOPE`].
const SCOPES_OF_TABLES: &str = "https://www.googleapis.com/auth/devstorage.read_write https://www.googleapis.com/auth/bigquery";

/// How to write to GCS and, for a route into a table, to BigQuery.
#[derive(Debug)]
pub struct GcsAccess {
    endpoint: String,
    /// BigQuery's endpoint, where the token is good for BigQuery as well.
    bigquery: Option<String>,
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
            Some(host) => emulator_url("STORAGE_EMULATOR_HOST", host)?,
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
            bigquery: None,
            credential,
            token: CachedCredential::none(),
            clock: Clock::default(),
        })
    }

    /// The same for routes into tables, with tokens that are good for BigQuery as well: Google's own, or
    /// what `emulator` (`BIGQUERY_EMULATOR_HOST`, with or without a scheme) names.
    ///
    /// # Errors
    /// [`ConfigError`] about `BIGQUERY_EMULATOR_HOST`.
    pub fn with_bigquery(mut self, emulator: Option<&str>) -> Result<Self, ConfigError> {
        self.bigquery = Some(match emulator {
            Some(host) => emulator_url("BIGQUERY_EMULATOR_HOST", host)?,
            None => bigquery::ENDPOINT.to_owned(),
        });
        Ok(self)
    }

    /// BigQuery's endpoint. Requests to it carry [`Authority::Google`](crate::exchange::Authority::Google).
    /// Without [`Self::with_bigquery`] it is Google's own, which refuses the token.
    #[must_use]
    pub fn bigquery(&self) -> &str {
        self.bigquery.as_deref().unwrap_or(bigquery::ENDPOINT)
    }

    /// What its tokens may do.
    pub(crate) fn scopes(&self) -> &'static str {
        match self.bigquery {
            None => SCOPE,
            Some(_) => SCOPES_OF_TABLES,
        }
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

/// The base URL of an emulator, whose scheme may be left out.
fn emulator_url(variable: &str, host: &str) -> Result<String, ConfigError> {
    if host.contains("://") {
        return base_url(variable, host);
    }
    base_url(variable, &format!("http://{host}"))
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

    #[test]
    fn only_a_route_into_a_table_asks_for_bigquerys_scope() {
        let access = || GcsAccess::new(None, Some("gcs")).unwrap();
        assert_eq!(access().scopes(), SCOPE);
        let access = |emulator| access().with_bigquery(emulator);
        let google = access(None).unwrap();
        assert_eq!(google.bigquery(), "https://bigquery.googleapis.com");
        assert_eq!(google.scopes(), format!("{SCOPE} {}", bigquery::SCOPE));
        let emulator = access(Some("localhost:9050")).unwrap();
        assert_eq!(emulator.bigquery(), "http://localhost:9050");
        let wrong = access(Some("h?x")).unwrap_err();
        assert_eq!(wrong.variable, "BIGQUERY_EMULATOR_HOST");
    }
}
