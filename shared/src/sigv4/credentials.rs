//! The keys a request is signed with. They are checked once, here, and never printed.

use std::fmt;

use super::SigningError;

/// An access key id, its secret and, for temporary credentials, their session token.
///
/// `Debug` shows the access key id only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

impl Credentials {
    /// Takes long-term keys (no token) or temporary ones (with the token that came with them).
    ///
    /// # Errors
    /// [`SigningError::AccessKeyId`], [`SigningError::SecretAccessKey`] or [`SigningError::SessionToken`] where one
    /// is empty or could not be sent. The checks catch the usual mistake, a line end copied with the value.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Result<Self, SigningError> {
        let access_key_id = access_key_id.into();
        let secret_access_key = secret_access_key.into();
        let fits_scope = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b',';
        if access_key_id.is_empty() || !access_key_id.bytes().all(fits_scope) {
            let length = access_key_id.len();
            return Err(SigningError::AccessKeyId { length });
        }
        if secret_access_key.is_empty() || secret_access_key.trim() != secret_access_key {
            let length = secret_access_key.len();
            return Err(SigningError::SecretAccessKey { length });
        }
        if let Some(token) = &session_token
            && (token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            let length = token.len();
            return Err(SigningError::SessionToken { length });
        }
        Ok(Self {
            access_key_id,
            secret_access_key,
            session_token,
        })
    }

    /// The public name of the key. It travels in every signed request.
    #[must_use]
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The secret. It never travels; keep it out of logs.
    #[must_use]
    pub fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    /// The token of temporary credentials. It travels, but is as secret as the key while it lives.
    #[must_use]
    pub fn session_token(&self) -> Option<&str> {
        self.session_token.as_deref()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"redacted")
            .field(
                "session_token",
                &self.session_token.as_ref().map(|_| "redacted"),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn debug_shows_neither_secret_nor_token() {
        let credentials = Credentials::new("AKID", "s3cr3t", Some("t0k3n".into())).unwrap();
        let shown = format!("{credentials:?} {credentials:#?}");
        assert!(shown.contains("AKID"), "{shown}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
        assert!(!shown.contains("t0k3n"), "{shown}");
    }

    #[test]
    fn a_copied_line_end_is_refused_without_showing_the_value() {
        let refused = [
            Credentials::new("AKID\n", "secret", None),
            Credentials::new("AKID", "secret\n", None),
            Credentials::new("AKID", "secret", Some("token\n".into())),
            Credentials::new("AK/ID", "secret", None),
            Credentials::new("", "secret", None),
            Credentials::new("AKID", "", None),
            Credentials::new("AKID", "secret", Some(String::new())),
        ];
        for refusal in refused {
            let error = refusal.unwrap_err();
            assert!(error.is_configuration());
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("AKID\n"), "{shown}");
            assert!(!shown.contains("secret\n"), "{shown}");
            assert!(!shown.contains("token\n"), "{shown}");
        }
    }
}
