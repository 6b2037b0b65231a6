//! What the store keeps of one version of one key.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use super::body::Body;
use super::checksum::{Checksum, RawChecksum};

/// A version's name: opaque, or `null` for what was written while versioning was not enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionId(Option<String>);

impl VersionId {
    /// The version that a key has while its bucket does not version.
    pub const NULL: Self = Self(None);

    pub(crate) fn new(number: u64, now: Timestamp) -> Self {
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(format!("{number}/{}", now.as_nanosecond()));
        Self(Some(base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            &digest[..24],
        )))
    }

    /// The name, `null` included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("null")
    }

    /// The name if the version was written while versioning was enabled.
    #[must_use]
    pub fn versioned(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Tags of an object, by their key.
pub type Tags = BTreeMap<String, String>;

/// What a writer says about an object besides its bytes, as the headers say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `Content-Type`; S3 answers `binary/octet-stream` where there is none.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`.
    pub expires: Option<Timestamp>,
    /// `x-amz-website-redirect-location`.
    pub website_redirect_location: Option<String>,
    /// `x-amz-meta-*`, by the name without that prefix, in lower case; values decoded to Unicode.
    pub metadata: BTreeMap<String, String>,
    /// `x-amz-storage-class`; none is `STANDARD`.
    pub storage_class: Option<String>,
    /// `x-amz-tagging`.
    pub tags: Tags,
}

impl Attributes {
    /// Just a content type.
    #[must_use]
    pub fn content_type(content_type: impl Into<String>) -> Self {
        Self {
            content_type: Some(content_type.into()),
            ..Self::default()
        }
    }
}

/// A part of a multipart object, or of an upload.
#[derive(Clone, Debug)]
pub struct Part {
    /// 1 to 10,000.
    pub number: u16,
    /// Its bytes.
    pub body: Body,
    /// MD5 of its bytes.
    pub md5: [u8; 16],
    /// Its checksums: one that the object will show, and perhaps one that the client sent.
    pub checksums: Vec<RawChecksum>,
    /// When it was uploaded.
    pub last_modified: Timestamp,
}

impl Part {
    /// The MD5 in hexadecimal, which is the part's ETag without its quotes.
    #[must_use]
    pub fn etag(&self) -> String {
        hex(&self.md5)
    }
}

/// One version of one key; never changes but for its tags, which make a new value.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its version.
    pub version_id: VersionId,
    /// Its bytes.
    pub body: Body,
    /// Its ETag without quotes: the MD5, `md5-parts` for a multipart object, or neither under KMS.
    pub etag: String,
    /// When it was written, in whole seconds.
    pub last_modified: Timestamp,
    /// What its writer said about it.
    pub attributes: Attributes,
    /// Its stored checksum; none for what an older or another store would have written.
    pub checksum: Option<Checksum>,
    /// Its parts, if it was uploaded in parts.
    pub parts: Vec<Part>,
    /// Whether it is encrypted with a KMS key.
    pub kms: bool,
}

impl Object {
    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.body.length()
    }

    /// Its storage class, `STANDARD` if its writer named none.
    #[must_use]
    pub fn storage_class(&self) -> &str {
        self.attributes
            .storage_class
            .as_deref()
            .unwrap_or("STANDARD")
    }

    /// Whether it must be restored before it can be read.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        matches!(self.storage_class(), "GLACIER" | "DEEP_ARCHIVE")
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
