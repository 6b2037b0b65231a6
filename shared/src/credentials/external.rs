//! Google's token for an identity at AWS (workload identity federation): a signed
//! request that proves the identity without being sent, its exchange, and the token of a service account
//! got with what the exchange gave.
//!
//! See [AIP-4117](https://google.aip.dev/auth/4117) and
//! [the exchange](https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token). Not here: other
//! subjects than AWS's, and AWS's metadata server, which is not at the edge: the identity is the route's.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{FORM, GOOGLE, IAM, Service, post};
use crate::aws;
use crate::error::{ErrorKind, TransferError};
use crate::gcs::AccessToken;
use crate::sigv4::{Credentials, PayloadHash, Signer, encode_query};
use crate::time::rfc3339;

pub(super) const SUBJECT: &str = "urn:ietf:params:aws:token-type:aws4_request";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const TARGET: HeaderName = HeaderName::from_static("x-goog-cloud-target-resource");
/// For how many seconds a token is taken to be good that does not say it.
const UNSAID: i64 = 600;
/// What a federated token needs to ask for a service account's.
const ANY_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A credential file of the type `external_account`. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    pub(super) audience: String,
    pub(super) token_url: Uri,
    /// With `{region}` where the region stands.
    pub(super) identity_url: String,
    /// Where a service account's token is asked for, and for how many seconds.
    pub(super) impersonation: Option<(Uri, u64)>,
}

impl ExternalAccount {
    /// The request that proves, at `now`, to be who has `credentials`: GetCallerIdentity, signed and not
    /// sent, as Google wants it written down
    /// ([GetCallerIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html)).
    fn subject(
        &self,
        credentials: &Credentials,
        region: &str,
        now: Timestamp,
    ) -> Result<String, TransferError> {
        let url = self.identity_url.replace("{region}", region);
        let uri: Uri = url.parse().unwrap_or_default();
        let mut headers = HeaderMap::new();
        let host = uri.authority().map_or("", Authority::as_str);
        // The audience is signed, so that nobody can show it elsewhere.
        for (name, value) in [(HOST, host), (TARGET, &self.audience)] {
            let value = HeaderValue::from_str(value);
            headers.insert(name, value.map_err(|_| cannot_prove("a header"))?);
        }
        let payload = PayloadHash::Empty;
        let its_own = aws::region_of("sts", uri.host().unwrap_or_default());
        let region = its_own.as_deref().unwrap_or(region);
        Signer::service(credentials.clone(), region, "sts")
            .and_then(|signer| signer.sign_parts(&Method::POST, &uri, &mut headers, &payload, now))
            .map_err(|error| cannot_prove(&error.to_string()))?;
        // None of it has a character that JSON writes otherwise.
        let headers = headers.iter().map(|(name, value)| {
            let value = value.to_str().unwrap_or_default();
            format!(r#"{{"key":"{name}","value":"{value}"}}"#)
        });
        let headers = headers.collect::<Vec<_>>().join(",");
        Ok(format!(
            r#"{{"url":"{url}","method":"POST","headers":[{headers}]}}"#
        ))
    }

    /// The request for a federated token that may do what `scopes` say, with spaces between them.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigurationInvalid`] when the identity cannot be proven.
    pub fn exchange(
        &self,
        credentials: &Credentials,
        region: &str,
        scopes: &str,
        now: Timestamp,
    ) -> Result<Request<Bytes>, TransferError> {
        let subject = self.subject(credentials, region, now)?;
        // Encoded once here, and once more with the form.
        let subject = utf8_percent_encode(&subject, NON_ALPHANUMERIC).to_string();
        let scope = match self.impersonation {
            Some(_) => ANY_SCOPE,
            None => scopes,
        };
        let form = encode_query(vec![
            ("grant_type", GRANT),
            ("requested_token_type", TOKEN),
            ("subject_token_type", SUBJECT),
            ("audience", &self.audience),
            ("scope", scope),
            ("subject_token", &subject),
        ]);
        Ok(post(&self.token_url, FORM, form))
    }

    /// Reads the reply to [`Self::exchange`], which came at `now`.
    ///
    /// # Errors
    /// [`ErrorKind::DestinationCredentialRefused`] with the service's own code,
    /// [`ErrorKind::DestinationUnavailable`] when it is busy or failing,
    /// [`ErrorKind::DestinationUnexpected`] for what is no token.
    pub fn federated(
        &self,
        reply: &Response<Bytes>,
        now: Timestamp,
    ) -> Result<AccessToken, TransferError> {
        let json = read(reply);
        let what = format!("a token for {}", self.audience);
        if reply.status() != StatusCode::OK {
            // OAuth's form or, where it is not the exchange that refuses, Google's own.
            let said = match text(&json["error"]) {
                "" => (
                    text(&json["error"]["status"]),
                    text(&json["error"]["message"]),
                ),
                code => (code, text(&json["error_description"])),
            };
            return Err(GOOGLE.refusal(reply, said, &what, "Check the workload identity pool's provider (its AWS account and attribute condition), the file's audience, and the route's AWS credentials."));
        }
        let life = &json["expires_in"];
        let life = life.as_i64().or_else(|| life.as_str()?.parse().ok());
        let life = life.unwrap_or(UNSAID);
        let end = Timestamp::from_second(now.as_second().saturating_add(life));
        token(&GOOGLE, &json["access_token"], end.ok(), &what)
    }

    /// The request for a service account's token that may do what `scopes` say, shown `federated`; none
    /// where that is good by itself.
    #[must_use]
    pub fn impersonate(&self, federated: &AccessToken, scopes: &str) -> Option<Request<Bytes>> {
        let (url, lifetime) = self.impersonation.as_ref()?;
        let scopes = scopes.replace(' ', r#"",""#);
        let body = format!(r#"{{"scope":["{scopes}"],"lifetime":"{lifetime}s"}}"#);
        let mut request = post(url, "application/json", body);
        let bearer = federated.header().clone();
        request.headers_mut().insert(AUTHORIZATION, bearer);
        Some(request)
    }

    /// Reads the reply to [`Self::impersonate`]
    /// ([generateAccessToken](https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken)).
    ///
    /// # Errors
    /// See [`Self::federated`].
    pub fn impersonated(&self, reply: &Response<Bytes>) -> Result<AccessToken, TransferError> {
        let json = read(reply);
        let url = self
            .impersonation
            .as_ref()
            .map_or("", |(url, _)| url.path());
        let account = url.rsplit('/').next().unwrap_or_default();
        let account = account.split(':').next().unwrap_or_default();
        let what = format!("a token of {account}");
        if reply.status() != StatusCode::OK {
            let error = &json["error"];
            let said = (text(&error["status"]), text(&error["message"]));
            return Err(IAM.refusal(reply, said, &what, "Give the pool's principal the role Workload Identity User (roles/iam.workloadIdentityUser) on the service account, and enable the IAM Service Account Credentials API."));
        }
        let end = rfc3339(text(&json["expireTime"]));
        token(&IAM, &json["accessToken"], end, &what)
    }
}

fn read(reply: &Response<Bytes>) -> Value {
    serde_json::from_slice(reply.body()).unwrap_or_default()
}

fn token(
    service: &Service,
    token: &Value,
    end: Option<Timestamp>,
    what: &str,
) -> Result<AccessToken, TransferError> {
    let token = token.as_str().zip(end);
    let token = token.and_then(|(token, end)| AccessToken::new(token, end));
    token.ok_or_else(|| service.nothing(what, "the URLs in GOOGLE_CREDENTIALS"))
}

pub(super) fn text(json: &Value) -> &str {
    json.as_str().unwrap_or_default()
}

fn cannot_prove(reason: &str) -> TransferError {
    TransferError::new(
        ErrorKind::ConfigurationInvalid,
        format!("GetCallerIdentity cannot be signed for Google: {reason}."),
        "Check GOOGLE_CREDENTIALS and the route's region.",
    )
}
