//! Endpoints and credentials of a route: turns "read this key" and "write that object" into requests
//! that the stores accept.
//!
//! A request gets its credential when it is sent (`renew`). The private key of a Google account
//! is not here: the runtime signs with it.

mod gcs;
mod refresh;
mod s3;

use std::sync::Arc;

use http::Uri;

pub use gcs::GcsAccess;
pub(crate) use refresh::RefreshStep;
pub use s3::{Endpoints, Read, S3Access};

use crate::error::{ConfigError, ErrorKind, TransferError};

/// Access of a route to both sides.
#[derive(Debug)]
pub struct Access {
    /// The reading side.
    pub s3: S3Access,
    /// The writing side. Routes of one identity share it, and its token.
    pub gcs: Arc<GcsAccess>,
}

impl Access {
    /// Whether new credentials may help against `error`, a refusal by a store. The refused ones are then
    /// forgotten, so that the next request gets others. `renewed` says that this was done before: once is
    /// enough.
    pub(crate) fn forget_refused(&self, error: &TransferError, renewed: &mut bool) -> bool {
        if *renewed {
            return false;
        }
        match error.kind {
            ErrorKind::DestinationCredentialRefused => self.gcs.token().forget(),
            ErrorKind::SourceCredentialRefused if self.s3.role().is_some() => {
                self.s3.signer().forget();
            }
            _ => return false,
        }
        *renewed = true;
        true
    }
}

fn cannot_sign(reason: &str) -> TransferError {
    TransferError::new(
        ErrorKind::ConfigurationInvalid,
        format!("The request to S3 cannot be signed: {reason}."),
        "Check the route and the AWS_… variables of the worker.",
    )
}

/// Whether `key` can stand in a URL.
///
/// # Errors
/// [`ErrorKind::KeyUnreachable`] when a segment is `.` or `..`.
pub(crate) fn check_reachable(key: &str) -> Result<(), TransferError> {
    if crate::event::has_dot_segment(key) {
        return Err(TransferError::new(
            ErrorKind::KeyUnreachable,
            format!(
                "The key {key:?} has a segment \".\" or \"..\", which HTTP clients take out of a URL."
            ),
            "Rename the object at the source.",
        ));
    }
    Ok(())
}

/// Reads a base URL, without the slash at its end. Nobody's name and password may be in it: they would
/// stand in whatever names the URL.
///
/// # Errors
/// [`ConfigError`] about `variable`.
pub fn base_url(variable: &str, url: &str) -> Result<String, ConfigError> {
    let url = url.trim_end_matches('/');
    let uri: Option<Uri> = url.parse().ok();
    let is_base = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && !url.contains('@')
            && uri.query().is_none()
            && uri.path() == "/"
    });
    if !is_base {
        return Err(ConfigError::new(
            variable,
            "is not http(s)://host[:port] with nothing behind it and no user before it.",
        ));
    }
    Ok(url.to_owned())
}
