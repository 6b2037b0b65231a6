//! The state of an S3, apart from HTTP: buckets, keys, versions, uploads.
//!
//! Everything here may be called directly, too, past the signature checks and the bucket's denials:
//! to prepare and to inspect what clients see, and for keys (such as `..`) that no client can reach.
//! Each change is told, in order, to whoever [`Store::subscribe`]d.

mod body;
mod bucket;
mod change;
mod checksum;
mod error;
mod ingest;
mod listing;
mod multipart;
mod object;
mod sparse;
mod state;
mod uploads;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;

pub use body::Body;
use bucket::Bucket;
pub use bucket::{BucketSettings, Version, Versioning};
pub use change::{Change, ChangeKind};
pub(crate) use checksum::Hashers;
pub use checksum::{Algorithm, Checksum, Kind, RawChecksum};
pub use error::StoreError;
pub(crate) use ingest::{ReceiveError, Received, SPILL_PART_ABOVE, Sink, digest, receive};
pub use listing::{Entry, ListQuery, Page};
pub use multipart::{CompletedPart, Completion, Upload};
pub(crate) use object::hex;
pub use object::{Attributes, Object, Part, Tags, VersionId};
pub use sparse::SparseSpec;
pub(crate) use sparse::composite;
use state::State;

/// The account that owns buckets unless their settings say otherwise.
pub const DEFAULT_OWNER: &str = "123456789012";

/// An S3's whole state. Every method is short and holds one lock; none blocks on I/O.
pub struct Store {
    state: Mutex<State>,
    region: String,
}

/// An object about to be written.
pub(crate) struct NewObject {
    pub(crate) key: String,
    pub(crate) body: Body,
    /// As it would be without KMS, without quotes.
    pub(crate) etag: String,
    pub(crate) attributes: Attributes,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) parts: Vec<Part>,
    pub(crate) kind: ChangeKind,
}

/// What must hold of the current object for a write or delete to happen.
#[derive(Clone, Debug, Default)]
pub struct WriteCondition {
    /// `If-None-Match: *`: there must be none.
    pub absent: bool,
    /// `If-Match`: its ETag, without quotes, or `*`.
    pub etag: Option<String>,
}

/// What a deletion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The version removed or the marker made, in a bucket that has versions.
    pub version_id: Option<VersionId>,
    /// Whether a delete marker was made, or removed.
    pub delete_marker: bool,
}

/// A bucket as listings show it.
#[derive(Clone, Debug)]
pub struct BucketSummary {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// When it was made.
    pub created: Timestamp,
}

impl Store {
    /// An empty store whose buckets stand in `region` unless they are told otherwise.
    #[must_use]
    pub fn new(region: impl Into<String>) -> Self {
        Self {
            state: Mutex::default(),
            region: region.into(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every change, in the order in which it is made.
    #[must_use]
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Change> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().subscribers.push(sender);
        receiver
    }

    /// The number of the last change.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.lock().sequence
    }

    /// The settings that [`Store::create_bucket`] starts from.
    #[must_use]
    pub fn default_settings(&self) -> BucketSettings {
        BucketSettings {
            region: self.region.clone(),
            owner: DEFAULT_OWNER.to_owned(),
            versioning: Versioning::Off,
            kms: false,
            list_denied: false,
            attributes_denied: false,
        }
    }

    /// Makes an empty bucket with the default settings.
    ///
    /// # Errors
    /// [`StoreError::BucketAlreadyOwnedByYou`].
    pub fn create_bucket(&self, name: &str) -> Result<(), StoreError> {
        self.create_bucket_with(name, self.default_settings())
    }

    /// Makes an empty bucket.
    ///
    /// # Errors
    /// [`StoreError::BucketAlreadyOwnedByYou`].
    pub fn create_bucket_with(
        &self,
        name: &str,
        settings: BucketSettings,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.buckets.contains_key(name) {
            return Err(StoreError::BucketAlreadyOwnedByYou);
        }
        let bucket = Bucket::new(name.to_owned(), settings, now());
        state.buckets.insert(name.to_owned(), bucket);
        Ok(())
    }

    /// Removes an empty bucket.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], [`StoreError::BucketNotEmpty`].
    pub fn delete_bucket(&self, name: &str) -> Result<(), StoreError> {
        let mut state = self.lock();
        let bucket = state.bucket(name)?;
        if !bucket.keys.is_empty() || !bucket.uploads.is_empty() {
            return Err(StoreError::BucketNotEmpty);
        }
        state.buckets.remove(name);
        Ok(())
    }

    /// All buckets, by name.
    #[must_use]
    pub fn buckets(&self) -> Vec<BucketSummary> {
        let state = self.lock();
        let summaries = state.buckets.values().map(|bucket| BucketSummary {
            name: bucket.name.clone(),
            region: bucket.settings.region.clone(),
            created: bucket.created,
        });
        summaries.collect()
    }

    /// A bucket's settings.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn settings(&self, bucket: &str) -> Result<BucketSettings, StoreError> {
        Ok(self.lock().bucket(bucket)?.settings.clone())
    }

    /// Changes a bucket's settings.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn configure(
        &self,
        bucket: &str,
        change: impl FnOnce(&mut BucketSettings),
    ) -> Result<(), StoreError> {
        change(&mut self.lock().bucket(bucket)?.settings);
        Ok(())
    }

    /// From now on requests for `key`, or without one for anything in the bucket, are refused with
    /// 403.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn deny(&self, bucket: &str, key: Option<&str>) -> Result<(), StoreError> {
        let mut state = self.lock();
        let bucket = state.bucket(bucket)?;
        match key {
            Some(key) => drop(bucket.denied.insert(key.to_owned())),
            None => bucket.all_denied = true,
        }
        Ok(())
    }

    /// Takes every [`Store::deny`] of the bucket back.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn allow(&self, bucket: &str) -> Result<(), StoreError> {
        let mut state = self.lock();
        let bucket = state.bucket(bucket)?;
        bucket.denied.clear();
        bucket.all_denied = false;
        Ok(())
    }

    /// Lets a request pass, or not, and gives the bucket's settings.
    pub(crate) fn admit(
        &self,
        bucket: &str,
        key: Option<&str>,
    ) -> Result<BucketSettings, StoreError> {
        let mut state = self.lock();
        let bucket = state.bucket(bucket)?;
        bucket.check_access(key)?;
        Ok(bucket.settings.clone())
    }

    /// Writes an object, as a PUT would.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: impl Into<Bytes>,
        attributes: Attributes,
    ) -> Result<Arc<Object>, StoreError> {
        let bytes = bytes.into();
        let mut hashers = Hashers::new([Algorithm::Crc64Nvme]);
        hashers.update(&bytes);
        let digests = hashers.finish();
        let new = NewObject {
            key: key.to_owned(),
            body: bytes.into(),
            etag: hex(&digests.md5),
            attributes,
            checksum: Some(digests.checksums[0].full_object()),
            parts: Vec::new(),
            kind: ChangeKind::Put,
        };
        self.commit(bucket, new, &WriteCondition::default())
    }

    /// Writes an object if the condition holds.
    pub(crate) fn commit(
        &self,
        bucket: &str,
        new: NewObject,
        condition: &WriteCondition,
    ) -> Result<Arc<Object>, StoreError> {
        self.lock().commit(bucket, new, condition)
    }

    /// The current object of `key`, or the one of that version.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], [`StoreError::NoSuchKey`], [`StoreError::NoSuchVersion`],
    /// [`StoreError::DeleteMarker`]; [`StoreError::AccessDenied`] instead of the second where the
    /// bucket denies listing.
    pub fn get(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Arc<Object>, StoreError> {
        Ok(Arc::clone(self.lock().bucket(bucket)?.find(key, version)?))
    }

    /// Deletes a key, or removes one of its versions for good. What is not there is no error.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], [`StoreError::PreconditionFailed`].
    pub fn delete(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        condition: &WriteCondition,
    ) -> Result<Deleted, StoreError> {
        let mut state = self.lock();
        condition.check(state.bucket(bucket)?, key)?;
        state.delete(bucket, key, version)
    }

    /// Replaces an object's tags.
    ///
    /// # Errors
    /// Those of [`Store::get`].
    pub fn set_tags(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        tags: Tags,
        kind: ChangeKind,
    ) -> Result<Arc<Object>, StoreError> {
        let mut state = self.lock();
        let bucket_state = state.bucket(bucket)?;
        let mut changed = Object::clone(bucket_state.find(key, version)?);
        changed.attributes.tags = tags;
        let changed = Arc::new(changed);
        bucket_state.replace(&changed);
        state.tell(bucket, kind, key, Some(&changed), &changed.version_id);
        Ok(changed)
    }

    /// A page of the current objects.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn list(&self, bucket: &str, query: &ListQuery) -> Result<Page<Arc<Object>>, StoreError> {
        let mut state = self.lock();
        let keys = &state.bucket(bucket)?.keys;
        Ok(listing::list(keys, query, |_, versions| {
            versions.last().and_then(Version::object).cloned()
        }))
    }

    /// A page of keys with all their versions, the newest first.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn list_versions(
        &self,
        bucket: &str,
        query: &ListQuery,
    ) -> Result<Page<(String, Vec<Version>)>, StoreError> {
        let mut state = self.lock();
        let keys = &state.bucket(bucket)?.keys;
        Ok(listing::list(keys, query, |key, versions| {
            Some((key.to_owned(), versions.iter().rev().cloned().collect()))
        }))
    }
}

/// S3 keeps whole seconds.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
