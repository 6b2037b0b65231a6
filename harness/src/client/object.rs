//! What the stores say about objects, in one form for both.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::Attributes;

/// What a store says about one object. Listings of S3 leave out what S3 leaves out of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ObjectInfo {
    /// The object's name in its bucket, decoded
    pub key: String,
    /// Stored size in bytes
    pub size: u64,
    /// When the object was written
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<Timestamp>,
    /// S3's or GCS's ETag, without the quotes around it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// S3's version id
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// GCS's generation
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// GCS's metageneration
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metageneration: Option<u64>,
    /// Storage class, in the store's own words
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// Stored checksums by lower-case name (`crc32c`, `crc64nvme`, `md5`, ...), base64 of the
    /// big-endian value; S3's `COMPOSITE` ones keep their `-N`
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub checksums: BTreeMap<String, String>,
    /// Headers and user metadata
    #[serde(flatten)]
    pub attributes: Attributes,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Only keys that begin with this text
    pub prefix: String,
    /// Fold keys that hold `/` after the prefix into [`ListPage::prefixes`]
    pub folded: bool,
    /// [`ListPage::next`] of the page before; `None` for the first
    pub page_token: Option<String>,
    /// Most entries in a page; `None` for the store's own limit of 1,000
    pub page_size: Option<u32>,
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// Objects in the order of the store: by the bytes of their UTF-8 keys
    pub objects: Vec<ObjectInfo>,
    /// Folded prefixes, each ending in `/`
    pub prefixes: Vec<String>,
    /// What to ask the next page with; `None` when this is the last
    pub next: Option<String>,
}
