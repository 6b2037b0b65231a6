//! The credential file for Google, as application-default credentials have it: of a service account or of
//! an external account, with URLs that lead to nobody else.

use http::Uri;
use http::uri::Authority;
use serde_json::Value;

use super::external::{ExternalAccount, SUBJECT, text};
use crate::aws;
use crate::error::ConfigError;
use crate::gcs::ServiceAccount;

const EXPECTED: &str = "expected the JSON file of a service account's key, or of an external account of AWS kind (gcloud iam workload-identity-pools create-cred-config --aws)";
/// In seconds: the usual life of a service account's token.
const LIFETIME: u64 = 3600;
const GOOGLE: &str = "googleapis.com";
/// What follows a region's name where a service of Google's has one.
const REGIONAL: &str = ".rep.googleapis.com";
const AWS: &str = "amazonaws.com";

/// How Google is told who writes.
#[derive(Debug)]
pub enum GoogleCredential {
    /// A service account, with tokens that it signs for itself.
    Account(ServiceAccount),
    /// The route's identity at AWS.
    External(ExternalAccount),
}

impl GoogleCredential {
    /// Reads a credential file of either type; gives the private key (PKCS#8 in PEM) beside it where there
    /// is one, for the runtime alone. With `anywhere`, for an emulator, URLs may lead to any host.
    ///
    /// # Errors
    /// [`ConfigError`] about `variable`; holds nothing of the file's content.
    pub fn parse(
        variable: &str,
        file: &str,
        anywhere: bool,
    ) -> Result<(Self, Option<String>), ConfigError> {
        let json: Value = serde_json::from_slice(file.as_bytes()).unwrap_or_default();
        if json["type"] == "external_account" {
            let external = ExternalAccount::read(&json, anywhere)
                .map_err(|message| ConfigError::new(variable, message))?;
            return Ok((Self::External(external), None));
        }
        if json["type"]
            .as_str()
            .is_some_and(|name| name != "service_account")
        {
            let message = format!("its type is another; {EXPECTED}.");
            return Err(ConfigError::new(variable, message));
        }
        let (account, key) = ServiceAccount::parse(variable, file)?;
        Ok((Self::Account(account), Some(key)))
    }
}

impl ExternalAccount {
    fn read(json: &Value, anywhere: bool) -> Result<Self, String> {
        let source = &json["credential_source"];
        let kind = text(&json["subject_token_type"]);
        if kind != SUBJECT || text(&source["environment_id"]) != "aws1" {
            return Err(format!("it is of another kind; {EXPECTED}."));
        }
        let url = |json: &Value, field: &str, service: &str, domain: &str| {
            let text = json[field].as_str().unwrap_or_default();
            let uri = address(&text.replace("{region}", "us-east-1"));
            let uri = uri.filter(|uri| anywhere || is_at(uri, service, domain));
            uri.map(|uri| (uri, text.to_owned())).ok_or_else(|| {
                format!("its {field} is not https://{service}.[<region>.]{domain}/….")
            })
        };
        let field = "service_account_impersonation_url";
        let lifetime = &json["service_account_impersonation"]["token_lifetime_seconds"];
        let impersonation = if json[field].is_null() {
            None
        } else {
            let (uri, _) = url(json, field, "iamcredentials", GOOGLE)?;
            Some((uri, lifetime.as_u64().unwrap_or(LIFETIME)))
        };
        let field = "regional_cred_verification_url";
        let (_, identity_url) = url(source, field, "sts", AWS)?;
        let (token_url, _) = url(json, "token_url", "sts", GOOGLE)?;
        let audience = json["audience"].as_str().unwrap_or_default();
        if audience.is_empty() || !is_plain(audience) || !is_plain(&identity_url) {
            return Err(format!("its audience is none; {EXPECTED}."));
        }
        Ok(Self {
            audience: audience.to_owned(),
            token_url,
            identity_url,
            impersonation,
        })
    }
}

/// A URL without a user in it.
fn address(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && !authority.contains('@')).then_some(uri)
}

/// Whether `text` stands in JSON and in a header as it is.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    text.bytes().all(is_plain)
}

/// Whether `uri` leads to `service`, over https and its own port: at `domain`, or in one of its regions.
fn is_at(uri: &Uri, service: &str, domain: &str) -> bool {
    let authority = uri.authority().map(Authority::as_str);
    let is_bare = uri.scheme_str() == Some("https") && uri.host() == authority;
    let host = uri.host().filter(|_| is_bare).unwrap_or_default();
    if domain == AWS {
        return aws::region_of(service, host).is_some();
    }
    let rest = host.strip_prefix(service);
    let rest = rest.and_then(|rest| rest.strip_prefix('.'));
    let is_region = |region: &str| !region.contains('.');
    rest.is_some_and(|rest| rest == domain || rest.strip_suffix(REGIONAL).is_some_and(is_region))
}
