//! Credentials that are not the operator's own but got with them: a role's session at AWS ([`Role`]), and
//! Google's token for an identity at AWS ([`ExternalAccount`]). Requests are built here, replies read, and
//! what came of them is kept until shortly before its end.
//!
//! Not here: sending (`renew` does that), the token that a service account signs for itself
//! ([`crate::gcs`]), and the search for credentials: the runtime hands them over.

mod cached;
mod external;
mod file;
mod pem;
mod role;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, Uri};

pub use cached::{CacheState, CachedCredential};
pub use external::ExternalAccount;
pub use file::GoogleCredential;
pub use pem::pkcs8;
pub use role::Role;

use crate::error::{ErrorKind, TransferError};
use crate::retry;

const AGAIN: &str = "Nothing to do: it is tried again.";

/// A token service, as its errors name it.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    refused: ErrorKind,
    unavailable: ErrorKind,
    unexpected: ErrorKind,
}

/// Where a role's session comes from.
pub(crate) const AWS: Service = Service {
    name: "AWS STS",
    refused: ErrorKind::SourceCredentialRefused,
    unavailable: ErrorKind::SourceUnavailable,
    unexpected: ErrorKind::SourceUnexpected,
};

/// Where a federated token comes from.
pub(crate) const GOOGLE: Service = Service {
    name: "Google STS",
    refused: ErrorKind::DestinationCredentialRefused,
    unavailable: ErrorKind::DestinationUnavailable,
    unexpected: ErrorKind::DestinationUnexpected,
};

/// Where a service account's token comes from.
pub(crate) const IAM: Service = Service {
    name: "IAM Credentials",
    ..GOOGLE
};

impl Service {
    /// No answer came.
    pub(crate) fn silent(&self, detail: &str) -> TransferError {
        let detail = detail.trim_end_matches('.');
        TransferError::new(
            self.unavailable,
            format!("{} gave no answer: {detail}.", self.name),
            AGAIN,
        )
    }

    /// `reply` is no credential for `what`: the service's own code and message say why.
    fn refusal(
        &self,
        reply: &Response<Bytes>,
        (code, message): (&str, &str),
        what: &str,
        advice: &str,
    ) -> TransferError {
        let status = reply.status().as_u16();
        let (kind, advice) = match status {
            408 | 409 | 425 | 429 | 500..=599 => (self.unavailable, AGAIN),
            _ if retry::passes(code) => (self.unavailable, AGAIN),
            // It is nothing that the service has said.
            400..=499 if code.is_empty() => (self.unexpected, AGAIN),
            400..=499 => (self.refused, advice),
            _ => (self.unexpected, "Check the URL of the token service."),
        };
        let name = self.name;
        let message = public(message);
        let space = if code.is_empty() { "" } else { " " };
        let message =
            format!("{name} answered {status}{space}{code} when asked for {what}: {message}.");
        TransferError::new(kind, message, advice).answered(reply, "x-amzn-requestid")
    }

    /// A 200 to a request for `what` has none. `variable` says where the service is.
    fn nothing(&self, what: &str, variable: &str) -> TransferError {
        let name = self.name;
        TransferError::new(
            self.unexpected,
            format!("{name} answered 200 when asked for {what}, but with none."),
            format!("Check {variable}."),
        )
    }
}

/// A message, as far as it may be shown: for a wrong signature it goes on with what should have been
/// signed, the session's token included.
fn public(message: &str) -> &str {
    let message = message.split("The Canonical String").next();
    let line = message.unwrap_or_default().trim().lines().next();
    match line.unwrap_or_default().trim_end_matches('.') {
        "" => "no reason given",
        line => line.get(..300).unwrap_or(line),
    }
}

/// A POST of `body` to `url`.
fn post(url: &Uri, content_type: &'static str, body: String) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.clone();
    let content_type = HeaderValue::from_static(content_type);
    request.headers_mut().insert(CONTENT_TYPE, content_type);
    request
}

const FORM: &str = "application/x-www-form-urlencoded";
