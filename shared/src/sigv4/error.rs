//! Why a request could not be signed, and who has to mend it. No variant carries a secret.

use jiff::Timestamp;

/// A request or a configuration that cannot be signed.
///
/// None of these is worth a retry: the same input fails again. [`SigningError::is_configuration`] tells the
/// operator's mistakes from our own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The access key id could not stand in a credential scope.
    #[error(
        "configuration: an access key id is visible ASCII without '/' and ','; found {length} bytes that are not: check for an empty value or a copied line end"
    )]
    AccessKeyId {
        /// Length of what was found, in bytes.
        length: usize,
    },
    /// The secret access key is empty or begins or ends with white space.
    #[error(
        "configuration: a secret access key is neither empty nor bordered by white space; found {length} bytes that are: check for an empty value or a copied line end"
    )]
    SecretAccessKey {
        /// Length of what was found, in bytes.
        length: usize,
    },
    /// The session token could not stand in a header.
    #[error(
        "configuration: a session token is visible ASCII; found {length} bytes that are not: leave it out for long-term keys, otherwise check for an empty value or a copied line end"
    )]
    SessionToken {
        /// Length of what was found, in bytes.
        length: usize,
    },
    /// The region or the service could not stand in a credential scope.
    #[error(
        "configuration: a {part} is made of letters, digits, '-' and '_'; found {found:?}: set the one the endpoint expects, such as us-east-1 and s3"
    )]
    ScopePart {
        /// `region` or `service`.
        part: &'static str,
        /// What was found.
        found: String,
    },
    /// Neither a Host header nor an authority in the URI: there is no host to sign.
    #[error(
        "ourselves: a signed request names its host in a Host header or in its URI; found neither"
    )]
    NoHost,
    /// A header to be signed holds bytes that are not UTF-8.
    #[error("ourselves: the value of header {name} is not UTF-8: encode it before signing")]
    HeaderValue {
        /// Name of the header; the value is kept out of errors.
        name: String,
    },
    /// The time given is before 1970: no real clock says that.
    #[error("ourselves: the time to sign at is before 1970: {now}")]
    Clock {
        /// The time given.
        now: Timestamp,
    },
    /// A presigned URL lives between one second and seven days.
    #[error(
        "ourselves: a presigned URL expires after 1 to 604800 seconds; asked for {seconds}: ask for a lifetime within it"
    )]
    Expiry {
        /// The lifetime asked for, in whole seconds.
        seconds: u64,
    },
    /// The query already carries a parameter that presigning adds.
    #[error(
        "ourselves: the query already has {name}: presign a request that has not been presigned"
    )]
    AlreadyPresigned {
        /// The parameter, as it stands in the query.
        name: String,
    },
    /// Only requests that announce their payload's hash in a header (S3) may leave it unsigned.
    #[error("ourselves: service {service} needs the hash of the body; found UNSIGNED-PAYLOAD")]
    UnsignedPayload {
        /// The service signed for.
        service: String,
    },
    /// The presigned URL is not one that the `http` crate can hold.
    #[error("ourselves: the presigned URL cannot be built from the request's: {reason}")]
    Uri {
        /// What the `http` crate says.
        reason: String,
    },
}

impl SigningError {
    /// Whether the operator's configuration is at fault; otherwise the caller's code is.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::AccessKeyId { .. }
                | Self::SecretAccessKey { .. }
                | Self::SessionToken { .. }
                | Self::ScopePart { .. }
        )
    }
}
