//! Where an object came from, written beside it, so that "already there" is decided from the two
//! buckets alone.

use std::collections::BTreeMap;

const BUCKET: &str = "causeway-source-bucket";
const KEY: &str = "causeway-source-key";
const ETAG: &str = "causeway-source-etag";
const VERSION: &str = "causeway-source-version-id";
const LAST_MODIFIED: &str = "causeway-source-last-modified";
const SIZE: &str = "causeway-source-size";

/// The source object that a destination object was copied from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The source bucket.
    pub bucket: String,
    /// The source key.
    pub key: String,
    /// The ETag, with its quotes; empty where the store says none.
    pub etag: String,
    /// The version id, where the bucket has versions.
    pub version_id: Option<String>,
    /// `Last-Modified`, as S3 wrote it.
    pub last_modified: Option<String>,
    /// The size in bytes.
    pub size: u64,
}

impl Provenance {
    /// Adds this to an object's custom metadata.
    pub fn write(&self, metadata: &mut BTreeMap<String, String>) {
        let size = self.size.to_string();
        let fields = [
            (BUCKET, Some(&self.bucket)),
            (KEY, Some(&self.key)),
            (ETAG, Some(&self.etag).filter(|etag| !etag.is_empty())),
            (VERSION, self.version_id.as_ref()),
            (LAST_MODIFIED, self.last_modified.as_ref()),
            (SIZE, Some(&size)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                metadata.insert(name.to_owned(), value.clone());
            }
        }
    }

    /// Reads it back; `None` for an object that Causeway did not write.
    #[must_use]
    pub fn read(metadata: &BTreeMap<String, String>) -> Option<Self> {
        let field = |name: &str| metadata.get(name).cloned();
        Some(Self {
            bucket: field(BUCKET)?,
            key: field(KEY)?,
            etag: field(ETAG).unwrap_or_default(),
            version_id: field(VERSION),
            last_modified: field(LAST_MODIFIED),
            size: field(SIZE)?.parse().ok()?,
        })
    }

    /// The same, of a copy of `key` in `bucket` alone.
    #[must_use]
    pub fn of(metadata: &BTreeMap<String, String>, bucket: &str, key: &str) -> Option<Self> {
        Self::read(metadata).filter(|found| found.bucket == bucket && found.key == key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let provenance = Provenance {
            bucket: "b".into(),
            key: "k/é".into(),
            etag: "\"e\"".into(),
            version_id: None,
            last_modified: Some("Fri, 02 Jan 2026 03:04:05 GMT".into()),
            size: 7,
        };
        let mut metadata = BTreeMap::from([("own".to_owned(), "kept".to_owned())]);
        provenance.write(&mut metadata);
        assert_eq!(Provenance::read(&metadata), Some(provenance));
        assert_eq!(metadata.get("own").unwrap(), "kept");
        let without = Provenance {
            etag: String::new(),
            ..Provenance::read(&metadata).unwrap()
        };
        let mut metadata = BTreeMap::new();
        without.write(&mut metadata);
        assert!(!metadata.contains_key(ETAG));
        assert_eq!(Provenance::read(&metadata), Some(without));
    }

    #[test]
    fn a_foreign_object_has_none() {
        assert_eq!(Provenance::read(&BTreeMap::new()), None);
    }
}
