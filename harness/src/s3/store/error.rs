//! Why the store refuses, in S3's words; the codes and statuses are the service's affair.

use super::object::VersionId;

/// A refusal of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No bucket has this name.
    #[error("the bucket does not exist")]
    NoSuchBucket,
    /// A bucket has this name already.
    #[error("the bucket exists already and you own it")]
    BucketAlreadyOwnedByYou,
    /// Only an empty bucket can be deleted.
    #[error("the bucket still holds versions, delete markers or uploads")]
    BucketNotEmpty,
    /// No object has this key, and the caller may know that.
    #[error("the key does not exist")]
    NoSuchKey,
    /// The version does not exist.
    #[error("the version does not exist")]
    NoSuchVersion,
    /// What the request names is a delete marker.
    #[error("the version is a delete marker")]
    DeleteMarker {
        /// The marker's version id.
        version_id: VersionId,
        /// When it was made.
        last_modified: jiff::Timestamp,
        /// Whether the request named the marker itself (405), not just the key (404).
        named: bool,
    },
    /// The bucket or key is denied, its owner is somebody else, or a key is missing where the
    /// caller may not list.
    #[error("access denied")]
    AccessDenied,
    /// A conditional write's condition does not hold.
    #[error("the precondition {0} does not hold")]
    PreconditionFailed(&'static str),
    /// No upload has this id.
    #[error("the upload does not exist: it was completed or aborted, or never begun")]
    NoSuchUpload,
    /// A part is missing, or differs from what the caller says of it.
    #[error("part {number}: {reason}")]
    InvalidPart {
        /// Its number.
        number: u16,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The parts of a completion do not ascend.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// A part other than the last has less than 5 MiB.
    #[error("part {number} has {size} bytes; all but the last need 5 MiB (5242880 bytes)")]
    EntityTooSmall {
        /// Its number.
        number: u16,
        /// Its size in bytes.
        size: u64,
    },
    /// The object's checksum is not the one the caller gave.
    #[error("the {algorithm} checksum is {found}, not {expected} as the request says")]
    BadChecksum {
        /// Its algorithm's name.
        algorithm: &'static str,
        /// What the request says.
        expected: String,
        /// What the bytes give.
        found: String,
    },
    /// The request contradicts itself or the state of the upload.
    #[error("{0}")]
    InvalidRequest(String),
}
