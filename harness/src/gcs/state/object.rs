//! An object as the store keeps it, and the rules on its name and metadata.
//!
//! Rules: <https://cloud.google.com/storage/docs/objects#naming> and
//! <https://cloud.google.com/storage/docs/metadata>.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{HashedBody, Refusal};

/// Custom metadata may take this many bytes in all, keys and values together.
pub const CUSTOM_METADATA_LIMIT: usize = 8192;
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
    /// `storageClass`; `STANDARD` when not set.
    pub storage_class: Option<String>,
    /// `kmsKeyName`, kept and shown, never used.
    pub kms_key_name: Option<String>,
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
    /// [`Refusal::Invalid`] for custom metadata over its limit or an unknown storage class.
    pub fn validate(&self) -> Result<(), Refusal> {
        let size: usize = self
            .custom
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if size > CUSTOM_METADATA_LIMIT {
            return Err(Refusal::Invalid(format!(
                "The custom metadata has {size} bytes; at most {CUSTOM_METADATA_LIMIT} are allowed."
            )));
        }
        if self.custom.keys().any(String::is_empty) {
            return Err(Refusal::Invalid("A custom metadata key is empty.".into()));
        }
        if !STORAGE_CLASSES.contains(&self.storage_class()) {
            return Err(Refusal::Invalid(format!(
                "Invalid storage class: {}",
                self.storage_class()
            )));
        }
        Ok(())
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
}

impl Object {
    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.content.body.length()
    }
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
