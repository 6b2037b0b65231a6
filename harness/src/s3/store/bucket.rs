//! One bucket: its settings, its keys with their versions, its uploads. No locking here.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::error::StoreError;
use super::multipart::Upload;
use super::object::{Object, VersionId};

/// Whether a bucket keeps what is overwritten or deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    /// Never enabled.
    #[default]
    Off,
    /// Every write makes a version, a delete makes a marker.
    Enabled,
    /// Older versions stay; writes and deletes replace the `null` version.
    Suspended,
}

/// A bucket's settings.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    /// The region that requests must be signed for.
    pub region: String,
    /// The owner's account id, which `x-amz-expected-bucket-owner` is compared with.
    pub owner: String,
    /// See [`Versioning`].
    pub versioning: Versioning,
    /// Objects written from now on are encrypted with a KMS key: their ETag is not an MD5.
    pub kms: bool,
    /// The caller lacks `s3:ListBucket`: a missing key answers 403, and listing is refused.
    pub list_denied: bool,
    /// Whether clients may not ask for the attributes of objects (`s3:GetObjectAttributes`).
    pub attributes_denied: bool,
}

/// A key, ordered by its UTF-8 bytes as S3 orders it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) String);

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// One entry in a key's history.
#[derive(Clone, Debug)]
pub enum Version {
    /// An object.
    Object(Arc<Object>),
    /// The mark that a deletion leaves in a versioned bucket.
    DeleteMarker {
        /// Its version id.
        version_id: VersionId,
        /// When it was made.
        last_modified: Timestamp,
    },
}

impl Version {
    /// Its version id.
    #[must_use]
    pub fn id(&self) -> &VersionId {
        match self {
            Self::Object(object) => &object.version_id,
            Self::DeleteMarker { version_id, .. } => version_id,
        }
    }

    /// The object, unless this is a delete marker.
    #[must_use]
    pub fn object(&self) -> Option<&Arc<Object>> {
        match self {
            Self::Object(object) => Some(object),
            Self::DeleteMarker { .. } => None,
        }
    }
}

pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) settings: BucketSettings,
    pub(crate) created: Timestamp,
    /// Each key's versions, the current one last; never empty.
    pub(crate) keys: BTreeMap<Key, Vec<Version>>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    /// Keys that every request is refused for.
    pub(crate) denied: BTreeSet<String>,
    /// Whether every request to the bucket is refused.
    pub(crate) all_denied: bool,
}

impl Bucket {
    pub(crate) fn new(name: String, settings: BucketSettings, created: Timestamp) -> Self {
        Self {
            name,
            settings,
            created,
            keys: BTreeMap::new(),
            uploads: BTreeMap::new(),
            denied: BTreeSet::new(),
            all_denied: false,
        }
    }

    pub(crate) fn check_access(&self, key: Option<&str>) -> Result<(), StoreError> {
        if self.all_denied || key.is_some_and(|key| self.denied.contains(key)) {
            return Err(StoreError::AccessDenied);
        }
        Ok(())
    }

    /// What a missing key answers: S3 does not say that it is missing to who may not list.
    fn missing(&self) -> StoreError {
        if self.settings.list_denied {
            StoreError::AccessDenied
        } else {
            StoreError::NoSuchKey
        }
    }

    /// The current object of `key`, if there is one.
    pub(crate) fn current(&self, key: &str) -> Option<&Arc<Object>> {
        self.keys.get(key.as_bytes())?.last()?.object()
    }

    /// The object that a request for `key`, and perhaps for one version, means.
    pub(crate) fn find(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<&Arc<Object>, StoreError> {
        let versions = self.keys.get(key.as_bytes()).ok_or_else(|| match version {
            Some(_) => StoreError::NoSuchVersion,
            None => self.missing(),
        })?;
        let found = match version {
            None => versions.last(),
            Some(id) => versions.iter().find(|version| version.id().as_str() == id),
        };
        match found {
            None => Err(StoreError::NoSuchVersion),
            Some(Version::Object(object)) => Ok(object),
            Some(Version::DeleteMarker { .. })
                if version.is_none() && self.settings.list_denied =>
            {
                Err(StoreError::AccessDenied)
            }
            Some(Version::DeleteMarker {
                version_id,
                last_modified,
            }) => Err(StoreError::DeleteMarker {
                version_id: version_id.clone(),
                last_modified: *last_modified,
                named: version.is_some(),
            }),
        }
    }

    /// Puts a version on top, and takes away the one that it replaces.
    pub(crate) fn push(&mut self, key: &str, version: Version) {
        let versions = self.keys.entry(Key(key.to_owned())).or_default();
        if version.id() == &VersionId::NULL {
            versions.retain(|old| old.id() != &VersionId::NULL);
        }
        versions.push(version);
    }

    /// Removes one version for good and says what it was.
    pub(crate) fn remove(&mut self, key: &str, id: &str) -> Option<Version> {
        let versions = self.keys.get_mut(key.as_bytes())?;
        let at = versions
            .iter()
            .position(|version| version.id().as_str() == id)?;
        let removed = versions.remove(at);
        if versions.is_empty() {
            self.keys.remove(key.as_bytes());
        }
        Some(removed)
    }

    /// Puts `changed` in the place of the version that it is a changed copy of.
    pub(crate) fn replace(&mut self, changed: &Arc<Object>) {
        let versions = self.keys.get_mut(changed.key.as_bytes());
        for version in versions.into_iter().flatten() {
            if version.id() == &changed.version_id {
                *version = Version::Object(Arc::clone(changed));
            }
        }
    }
}
