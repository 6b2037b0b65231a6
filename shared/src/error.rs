//! What can go wrong with a transfer, said so that the reader knows whose fault it is, what was
//! found, and what to do.
//!
//! How long to wait after an error is decided in [`crate::retry`], not here.

use std::fmt;
use std::time::Duration;

use http::Response;
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer, Serialize};

/// Who has to act before the same transfer can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The source store, or what stands in it.
    Source,
    /// The destination store, or what stands in it.
    Destination,
    /// What the operator configured: routes, credentials, permissions.
    Configuration,
    /// The event, or whoever sent it.
    Event,
    /// Causeway itself.
    Causeway,
}

/// What went wrong, as a stable word for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// S3 refused access to the object (403 AccessDenied).
    SourceDenied,
    /// S3 does not accept the credential, its signature or its clock.
    SourceCredentialRefused,
    /// The source bucket does not exist, or is in another region than the route says.
    SourceBucketMissing,
    /// The object is in an archive tier and cannot be read before it is restored.
    SourceArchived,
    /// S3 is throttling, failing or unreachable.
    SourceUnavailable,
    /// The object changed while it was being read.
    SourceChanged,
    /// The source's body ended early, or broke.
    SourceBroken,
    /// The bytes that S3 sent are not the ones that its own checksum names.
    SourceChecksumMismatch,
    /// The source does not say how long the object is.
    SourceLengthUnknown,
    /// S3 answered something that its documentation does not have.
    SourceUnexpected,
    /// The key has `.` or `..` segments, which HTTP clients remove from a URL.
    KeyUnreachable,
    /// The object is larger than GCS can hold.
    TooLarge,
    /// The name or metadata is one that GCS does not take.
    DestinationRefused,
    /// GCS refused access (403).
    DestinationDenied,
    /// GCS does not accept the credential (401).
    DestinationCredentialRefused,
    /// The destination bucket does not exist.
    DestinationBucketMissing,
    /// GCS is throttling, failing or unreachable.
    DestinationUnavailable,
    /// The bytes that arrived are not the ones that the checksum names.
    ChecksumRefused,
    /// Somebody else kept writing the same destination name.
    PreconditionLost,
    /// GCS answered something that its documentation does not have.
    DestinationUnexpected,
    /// The table does not exist, or not in the location that the route says.
    TableMissing,
    /// BigQuery could not read the file, or the table does not take its rows.
    LoadRefused,
    /// A second version of a key whose rows are loaded once (`on_overwrite = "refuse"`).
    OverwriteRefused,
    /// No route of that name is configured any more.
    RouteMissing,
    /// A variable or secret of the worker is missing or malformed.
    ConfigurationInvalid,
    /// A message in the queue that this version cannot read.
    MessageUnreadable,
    /// More deletes than the route's brake lets through: a person is to say that they are meant.
    DeletesBraked,
    /// The route's ledger gave no answer.
    LedgerUnavailable,
    /// The worker ended without an answer at every delivery of the message.
    Abandoned,
    /// Parts of a large object were sent to their queue and never heard of again.
    PartsLost,
    /// A runtime answered a step with an event that does not belong to it.
    OutOfTurn,
    /// What a newer version has written down and this one has no word for: see [`read_kind`].
    Unknown,
}

impl fmt::Display for ErrorKind {
    /// As programs have it: `source-denied`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Fault {
    /// As programs have it: `configuration`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Reads what was written down: a version that has more kinds may have done it, before it was rolled back.
///
/// # Errors
/// When it is no text.
pub fn read_kind<'de, D: Deserializer<'de>>(stored: D) -> Result<ErrorKind, D::Error> {
    let text = String::deserialize(stored)?;
    let known = ErrorKind::deserialize(StrDeserializer::<D::Error>::new(&text));
    Ok(known.unwrap_or(ErrorKind::Unknown))
}

/// The same of what may be missing.
///
/// # Errors
/// As [`read_kind`].
pub fn read_kind_option<'de, D: Deserializer<'de>>(
    stored: D,
) -> Result<Option<ErrorKind>, D::Error> {
    read_kind(stored).map(Some)
}

impl ErrorKind {
    /// Who has to act.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Self::SourceArchived
            | Self::SourceUnavailable
            | Self::SourceChanged
            | Self::SourceBroken
            | Self::SourceChecksumMismatch
            | Self::SourceLengthUnknown
            | Self::SourceUnexpected
            | Self::KeyUnreachable
            | Self::TooLarge
            | Self::LoadRefused
            | Self::OverwriteRefused => Fault::Source,
            Self::DestinationRefused
            | Self::DestinationUnavailable
            | Self::ChecksumRefused
            | Self::PreconditionLost
            | Self::DestinationUnexpected => Fault::Destination,
            Self::SourceDenied
            | Self::SourceCredentialRefused
            | Self::SourceBucketMissing
            | Self::DestinationDenied
            | Self::DestinationCredentialRefused
            | Self::DestinationBucketMissing
            | Self::TableMissing
            | Self::DeletesBraked
            | Self::RouteMissing
            | Self::ConfigurationInvalid => Fault::Configuration,
            Self::MessageUnreadable
            | Self::LedgerUnavailable
            | Self::Abandoned
            | Self::PartsLost
            | Self::OutOfTurn
            | Self::Unknown => Fault::Causeway,
        }
    }

    /// Whether the same attempt, made again later, can succeed with nobody acting.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::SourceUnavailable
                | Self::SourceChanged
                | Self::SourceBroken
                | Self::SourceChecksumMismatch
                | Self::DestinationUnavailable
                | Self::ChecksumRefused
                | Self::PreconditionLost
                | Self::LedgerUnavailable
        )
    }

    /// Whether a person usually has to act first, and yet one such answer proves nothing: a permission
    /// that was given takes minutes to arrive, and a proxy answers in a store's name.
    #[must_use]
    pub fn is_doubtful(self) -> bool {
        matches!(
            self,
            Self::SourceDenied
                | Self::SourceCredentialRefused
                | Self::SourceBucketMissing
                | Self::SourceLengthUnknown
                | Self::SourceUnexpected
                | Self::DestinationDenied
                | Self::DestinationCredentialRefused
                | Self::DestinationBucketMissing
                | Self::DestinationUnexpected
                | Self::TableMissing
        )
    }
}

/// Cuts `text` to its first `most` bytes, or fewer where a character ends earlier.
pub fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
    }
}

/// The longest sentence of an error that is kept, in bytes: a store's own words may be a page of HTML.
const SENTENCE_BYTES: usize = 4096;

/// Why a transfer failed.
///
/// `Display` gives one sentence of what happened and one of what to do. Neither holds a secret:
/// they are made of names, numbers and the stores' own error codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferError {
    /// What went wrong, for programs.
    #[serde(deserialize_with = "read_kind")]
    pub kind: ErrorKind,
    /// What was expected and what was found.
    pub message: String,
    /// What to do about it.
    pub advice: String,
    /// The HTTP status behind it, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The store's own id of the request, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// How long the store asked to be left alone (`Retry-After`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// The store names a reason that no waiting ends, whatever others of the kind do.
    #[serde(default, rename = "final", skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
}

impl TransferError {
    /// An error of `kind` that no HTTP answer stands behind.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            advice: advice.into(),
            status: None,
            request_id: None,
            retry_after: None,
            is_final: false,
        }
    }

    /// Adds what the HTTP answer behind it says of itself: its `status`, its id in the header `id`, and
    /// how long it asks to be left alone.
    #[must_use]
    pub(crate) fn answered<B>(self, reply: &Response<B>, id: &str) -> Self {
        let header = |name| reply.headers().get(name)?.to_str().ok();
        Self {
            status: Some(reply.status().as_u16()),
            request_id: self.request_id.or_else(|| header(id).map(str::to_owned)),
            retry_after: header("retry-after")
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
            ..self
        }
    }

    /// Whether GCS may have refused the metadata of an object, and not its name.
    pub(crate) fn is_of_metadata(&self) -> bool {
        self.kind == ErrorKind::DestinationRefused && self.status == Some(400)
    }
}

impl TransferError {
    /// Cuts its sentences to what a queue and a ledger have room for.
    pub(crate) fn bound(&mut self) {
        cut(&mut self.message, SENTENCE_BYTES);
        cut(&mut self.advice, SENTENCE_BYTES);
        if let Some(id) = &mut self.request_id {
            cut(id, SENTENCE_BYTES);
        }
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.message, self.advice)
    }
}

impl std::error::Error for TransferError {}

/// A variable that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {message}")]
pub struct ConfigError {
    /// The variable's or secret's name.
    pub variable: String,
    /// What is wrong with it and what is expected, without its value if that is a secret.
    pub message: String,
}

impl ConfigError {
    /// An error about `variable`.
    #[must_use]
    pub fn new(variable: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            variable: variable.into(),
            message: message.into(),
        }
    }
}

impl From<ConfigError> for TransferError {
    fn from(error: ConfigError) -> Self {
        let ConfigError { variable, message } = error;
        Self::new(
            ErrorKind::ConfigurationInvalid,
            format!("{variable} {message}"),
            format!("Set {variable} right and deploy again."),
        )
    }
}
