//! Why the store refuses an operation, in the store's own terms. Not HTTP: which status and reason
//! a refusal is answered with is `http::error`'s to know.

use jiff::Timestamp;

use super::Permission;

/// A refused operation. The text of each says what was expected and what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request contradicts itself, the rules, or the bytes that came with it.
    #[error("{0}")]
    Invalid(String),
    /// Something that must be there is not; names it.
    #[error("Required parameter: {0}")]
    Required(&'static str),
    /// There is no such bucket.
    #[error("The specified bucket does not exist.")]
    BucketNotFound,
    /// There is no such object, or not in that generation; names bucket and object.
    #[error("No such object: {0}")]
    ObjectNotFound(String),
    /// No upload session has this id: never started, cancelled, or refused at its completion.
    #[error("The upload session was not found. Start a new one.")]
    SessionNotFound,
    /// The session was there once and has expired.
    #[error("The upload session has expired. Start a new one.")]
    SessionGone,
    /// The bucket to be made is there already.
    #[error("The bucket already exists.")]
    BucketExists,
    /// The bucket to be deleted still holds objects.
    #[error("The bucket you tried to delete is not empty.")]
    BucketNotEmpty,
    /// A precondition of a write, or a `...Match` of a read, did not hold.
    #[error("At least one of the pre-conditions you specified did not hold: {0}")]
    ConditionNotMet(String),
    /// A `...NotMatch` of a read did not hold: the reader has this version.
    #[error("Not modified")]
    NotModified,
    /// A permission was taken away with [`super::State::deny`].
    #[error("denied: {0}")]
    Denied(Permission),
    /// The object has a hold, which must be released before it is deleted or replaced. The words are
    /// the service's.
    #[error(
        "Object '{object}' is under active {kind} hold and cannot be deleted, overwritten or archived \
         until hold is removed."
    )]
    Held {
        /// Bucket and name.
        object: String,
        /// Which hold.
        kind: &'static str,
    },
    /// The bucket's retention policy keeps the object from being deleted or replaced. The words are
    /// the service's.
    #[error(
        "Object '{object}' is subject to bucket's retention policy or object retention and cannot be \
         deleted or overwritten until {until}"
    )]
    Retained {
        /// Bucket and name.
        object: String,
        /// When the policy lets it go.
        until: Timestamp,
    },
    /// A read starts at or after the end of the object, whose size in bytes this is.
    #[error("The requested range cannot be satisfied: the object has {0} bytes.")]
    RangeNotSatisfiable(u64),
    /// A later request on the same session took over.
    #[error("A later request took over this upload session.")]
    Superseded,
    /// An upload piece starts after what is persisted.
    #[error(
        "Invalid request. According to the Content-Range header, the upload offset is {offset} byte(s), \
         which exceeds already uploaded size of {persisted} byte(s)."
    )]
    Gap {
        /// Where the piece starts.
        offset: u64,
        /// How many bytes the session holds.
        persisted: u64,
    },
    /// The body was dropped on purpose ([`super::Settings::discard_bodies`]) and cannot be read.
    #[error("This server was started to discard object bodies; it has none to give.")]
    Discarded,
    /// The name was written a moment ago ([`super::Settings::write_interval`]).
    #[error(
        "The object exceeded the rate limit for object mutation operations (create, update, and delete). \
         Please reduce your request rate."
    )]
    TooOften,
    /// The machine under the emulator failed (temporary file).
    #[error("The emulator could not keep the body: {0}")]
    Storage(String),
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Storage(error.to_string())
    }
}
