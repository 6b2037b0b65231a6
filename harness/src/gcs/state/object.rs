//! An object as the store keeps it, and the rules on its name and metadata.
//!
//! Rules: <https://cloud.google.com/storage/docs/objects#naming> and
//! <https://cloud.google.com/storage/docs/metadata>.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{HashedBody, Refusal};

/// Custom metadata may take this many bytes in all, keys and values together
/// (<https://cloud.google.com/storage/quotas#objects>).
pub const CUSTOM_METADATA_LIMIT: usize = 8192;
/// A custom metadata key may take this many bytes. This and the next are `MAX_CUSTOM_METADATA_FIELD_*`
/// of <https://cloud.google.com/storage/docs/reference/rpc/google.storage.v2#serviceconstants>.
const CUSTOM_KEY_LIMIT: usize = 1024;
/// A custom metadata value may take this many bytes.
const CUSTOM_VALUE_LIMIT: usize = 4096;
/// An object may have this many bytes, uploaded or composed.
pub const SIZE_LIMIT: u64 = 5 << 40;
/// An object name may take this many bytes of UTF-8.
pub const NAME_LIMIT: usize = 1024;

/// What a client may set on an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectMetadata {
    /// `contentType`; without it the object is served as `application/octet-stream`.
    pub content_type: Option<String>,
    /// `contentEncoding`.
    pub content_encoding: Option<String>,
    /// `contentDisposition`.
    pub content_disposition: Option<String>,
    /// `contentLanguage`.
    pub content_language: Option<String>,
    /// `cacheControl`.
    pub cache_control: Option<String>,
    /// `storageClass`; the bucket's when not set, or `STANDARD`.
    pub storage_class: Option<String>,
    /// `kmsKeyName`, kept and shown, never used; the bucket's default when not set.
    pub kms_key_name: Option<String>,
    /// `temporaryHold`: the object can be neither deleted nor replaced.
    pub temporary_hold: Option<bool>,
    /// `eventBasedHold`: the same, and the bucket's retention period begins when it is released.
    pub event_based_hold: Option<bool>,
    /// `customTime`; never goes back and is never removed once set.
    pub custom_time: Option<Timestamp>,
    /// `metadata`: the custom key-value pairs.
    pub custom: BTreeMap<String, String>,
}

const STORAGE_CLASSES: [&str; 7] = [
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
];

impl ObjectMetadata {
    /// The storage class in effect.
    #[must_use]
    pub fn storage_class(&self) -> &str {
        self.storage_class.as_deref().unwrap_or("STANDARD")
    }

    /// Checks the rules that need no earlier version.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for custom metadata over a limit, an unknown storage class, and what is
    /// not the name of a key.
    pub fn validate(&self) -> Result<(), Refusal> {
        let mut size = 0;
        for (key, value) in &self.custom {
            size += key.len() + value.len();
            if key.is_empty() {
                return Err(Refusal::Invalid("A custom metadata key is empty.".into()));
            }
            within("custom metadata key", key.len(), CUSTOM_KEY_LIMIT)?;
            within("custom metadata value", value.len(), CUSTOM_VALUE_LIMIT)?;
        }
        within("custom metadata", size, CUSTOM_METADATA_LIMIT)?;
        validate_storage_class(self.storage_class())?;
        self.kms_key_name
            .as_deref()
            .map_or(Ok(()), validate_kms_key)
    }

    /// Checks the rules of replacing `self` by `next` on the same generation.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when `customTime` would go back or vanish, or a rule of
    /// [`Self::validate`] is broken.
    pub fn validate_change(&self, next: &Self) -> Result<(), Refusal> {
        next.validate()?;
        if next.custom_time < self.custom_time {
            return Err(Refusal::Invalid(
                "Custom time cannot be removed or set to an earlier time.".into(),
            ));
        }
        if next.storage_class() != self.storage_class() {
            return Err(Refusal::Invalid(
                "The storage class changes by rewrite, not by update.".into(),
            ));
        }
        Ok(())
    }
}

/// One live generation of an object.
#[derive(Clone)]
pub struct Object {
    /// The bucket's name.
    pub bucket: String,
    /// The object's name.
    pub name: String,
    /// Grows with every write in the whole store; looks like a clock in microseconds.
    pub generation: u64,
    /// 1 for a new generation, one more for every metadata change.
    pub metageneration: u64,
    /// What the client set.
    pub metadata: ObjectMetadata,
    /// The bytes and their hashes.
    pub content: HashedBody,
    /// How many uploads make up a composed object.
    pub component_count: Option<u32>,
    /// When this generation was written.
    pub created: Timestamp,
    /// When it, or its metadata, was written.
    pub updated: Timestamp,
    /// When the bucket's retention period begins for it: its creation, or its event-based hold's end.
    pub retained_from: Timestamp,
}

impl Object {
    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.content.body.length()
    }
}

fn within(what: &str, found: usize, limit: usize) -> Result<(), Refusal> {
    if found <= limit {
        return Ok(());
    }
    Err(Refusal::Invalid(format!(
        "The {what} has {found} bytes; at most {limit} are allowed."
    )))
}

/// Checks that an object of `size` bytes can be.
pub(super) fn validate_size(size: u64) -> Result<(), Refusal> {
    if size <= SIZE_LIMIT {
        return Ok(());
    }
    Err(Refusal::Invalid(format!(
        "The object would have {size} bytes; at most {SIZE_LIMIT} (5 TiB) are allowed."
    )))
}

pub(super) fn validate_storage_class(class: &str) -> Result<(), Refusal> {
    if STORAGE_CLASSES.contains(&class) {
        return Ok(());
    }
    Err(Refusal::Invalid(format!(
        "Invalid storage class '{class}': expected one of {}.",
        STORAGE_CLASSES.join(", ")
    )))
}

/// Checks the form of a Cloud KMS key's name. A version of a key is not a key: the service takes the
/// primary one by itself.
pub(super) fn validate_kms_key(name: &str) -> Result<(), Refusal> {
    let segments: Vec<_> = name.split('/').collect();
    let good = matches!(
        segments[..],
        ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key]
            if [project, location, ring, key].iter().all(|name| !name.is_empty())
    );
    if good {
        return Ok(());
    }
    Err(Refusal::Invalid(format!(
        "Malformed Cloud KMS crypto key '{name}': expected \
         projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY."
    )))
}

/// Checks an object name.
///
/// # Errors
///
/// [`Refusal::Invalid`] for a name that is empty, longer than [`NAME_LIMIT`], `.` or `..`, holds a
/// carriage return or line feed, or starts with `.well-known/acme-challenge/`.
pub fn validate_name(name: &str) -> Result<(), Refusal> {
    let fault = if name.is_empty() {
        "it is empty".into()
    } else if name.len() > NAME_LIMIT {
        format!(
            "it has {} bytes of UTF-8, at most {NAME_LIMIT} are allowed",
            name.len()
        )
    } else if name == "." || name == ".." {
        "it is . or ..".into()
    } else if name.contains(['\r', '\n']) {
        "it has a carriage return or line feed".into()
    } else if name.starts_with(".well-known/acme-challenge/") {
        "it starts with .well-known/acme-challenge/".into()
    } else {
        return Ok(());
    };
    Err(Refusal::Invalid(format!("Invalid object name: {fault}.")))
}

/// Checks a bucket name (<https://cloud.google.com/storage/docs/buckets#naming>; not the rules on
/// domain ownership).
///
/// # Errors
///
/// [`Refusal::Invalid`] saying what a name may be.
pub fn validate_bucket_name(name: &str) -> Result<(), Refusal> {
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let length = if name.contains('.') { 3..=222 } else { 3..=63 };
    let good = length.contains(&name.len())
        && name
            .chars()
            .all(|c| ends(c) || matches!(c, '-' | '_' | '.'))
        && name.starts_with(ends)
        && name.ends_with(ends)
        && name.split('.').all(|label| (1..=63).contains(&label.len()))
        && !name.starts_with("goog")
        && !name.contains("google");
    if good {
        return Ok(());
    }
    Err(Refusal::Invalid(format!(
        "Invalid bucket name: '{name}'. 3 to 63 lower-case letters, digits, '-', '_' or '.', \
         with a letter or digit at each end."
    )))
}
