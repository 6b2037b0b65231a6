//! Buckets, and what their owner sets on them: the storage class and key of objects that name none,
//! and what keeps objects from being deleted and replaced.
//!
//! Rules: <https://cloud.google.com/storage/docs/bucket-lock> and
//! <https://cloud.google.com/storage/docs/object-holds>. Policies are never locked, and an object has
//! no retention configuration of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::object::{validate_kms_key, validate_storage_class};
use super::{Inner, Object, ObjectMetadata, Refusal, State, lock, validate_bucket_name};

/// A retention period may have this many seconds, a hundred years.
pub const RETENTION_LIMIT: u64 = 3_155_760_000;

/// A bucket.
#[derive(Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// 1 at first, one more for every change of its settings.
    pub metageneration: u64,
    /// What its owner set.
    pub settings: BucketSettings,
    pub(super) objects: BTreeMap<String, Arc<Object>>,
    /// When each name was written last, where that is limited.
    pub(super) written: BTreeMap<String, Timestamp>,
}

/// What a bucket's owner sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketSettings {
    /// `storageClass`, of objects that name none; `STANDARD` when not set.
    pub storage_class: Option<String>,
    /// `encryption.defaultKmsKeyName`, of objects that name none.
    pub kms_key_name: Option<String>,
    /// `retentionPolicy.retentionPeriod` in seconds: objects younger than that, those that are there
    /// already included, cannot be deleted or replaced.
    pub retention_seconds: Option<u64>,
    /// `defaultEventBasedHold`, put on objects that say nothing of one.
    pub event_based_hold: bool,
}

impl BucketSettings {
    fn validate(&self) -> Result<(), Refusal> {
        if let Some(seconds) = self.retention_seconds
            && !(1..=RETENTION_LIMIT).contains(&seconds)
        {
            return Err(Refusal::Invalid(format!(
                "A retention period has 1 to {RETENTION_LIMIT} seconds, not {seconds}."
            )));
        }
        if let Some(class) = &self.storage_class {
            validate_storage_class(class)?;
        }
        self.kms_key_name
            .as_deref()
            .map_or(Ok(()), validate_kms_key)
    }

    /// Fills in what a new object does not say.
    pub(super) fn complete(&self, metadata: &mut ObjectMetadata) {
        if metadata.storage_class.is_none() {
            metadata.storage_class.clone_from(&self.storage_class);
        }
        if metadata.kms_key_name.is_none() {
            metadata.kms_key_name.clone_from(&self.kms_key_name);
        }
        if metadata.event_based_hold.is_none() && self.event_based_hold {
            metadata.event_based_hold = Some(true);
        }
    }
}

impl Bucket {
    /// When the retention policy lets `object` go: `retentionExpirationTime`. `None` without a policy,
    /// and while an event-based hold keeps the period from beginning.
    #[must_use]
    pub fn retained_until(&self, object: &Object) -> Option<Timestamp> {
        let seconds = i64::try_from(self.settings.retention_seconds?).ok()?;
        if object.metadata.event_based_hold == Some(true) {
            return None;
        }
        object
            .retained_from
            .checked_add(SignedDuration::from_secs(seconds))
            .ok()
    }

    /// Asks whether `object` may be deleted or replaced at `now`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Held`], [`Refusal::Retained`].
    pub(super) fn let_go(&self, object: &Object, now: Timestamp) -> Result<(), Refusal> {
        let name = || format!("{}/{}", object.bucket, object.name);
        for (held, kind) in [
            (object.metadata.temporary_hold, "Temporary"),
            (object.metadata.event_based_hold, "Event-Based"),
        ] {
            if held == Some(true) {
                return Err(Refusal::Held {
                    object: name(),
                    kind,
                });
            }
        }
        match self.retained_until(object) {
            Some(until) if until > now => Err(Refusal::Retained {
                object: name(),
                until,
            }),
            _ => Ok(()),
        }
    }

    /// The bucket without its objects.
    fn clone_head(&self) -> Self {
        Self {
            name: self.name.clone(),
            created: self.created,
            metageneration: self.metageneration,
            settings: self.settings.clone(),
            objects: BTreeMap::new(),
            written: BTreeMap::new(),
        }
    }
}

impl State {
    /// Makes a bucket.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for its name, [`Refusal::BucketExists`].
    pub fn create_bucket(&self, name: &str) -> Result<Bucket, Refusal> {
        self.create_bucket_with(name, BucketSettings::default())
    }

    /// Makes a bucket with settings.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for its name or a setting, [`Refusal::BucketExists`].
    pub fn create_bucket_with(
        &self,
        name: &str,
        settings: BucketSettings,
    ) -> Result<Bucket, Refusal> {
        validate_bucket_name(name)?;
        settings.validate()?;
        let mut inner = lock(&self.inner);
        if inner.buckets.contains_key(name) {
            return Err(Refusal::BucketExists);
        }
        let bucket = inner.add_bucket(name);
        bucket.settings = settings;
        Ok(bucket.clone_head())
    }

    /// Changes a bucket's settings, for the objects that are there as well.
    ///
    /// # Errors
    ///
    /// [`Refusal::BucketNotFound`], [`Refusal::Invalid`] for a setting; nothing has changed then.
    pub fn configure_bucket(
        &self,
        name: &str,
        change: impl FnOnce(&mut BucketSettings),
    ) -> Result<Bucket, Refusal> {
        let mut inner = lock(&self.inner);
        let bucket = inner.buckets.get_mut(name).ok_or(Refusal::BucketNotFound)?;
        let mut settings = bucket.settings.clone();
        change(&mut settings);
        settings.validate()?;
        bucket.settings = settings;
        bucket.metageneration += 1;
        Ok(bucket.clone_head())
    }

    /// Looks a bucket up; its objects are not copied with it.
    ///
    /// # Errors
    ///
    /// [`Refusal::BucketNotFound`].
    pub fn bucket(&self, name: &str) -> Result<Bucket, Refusal> {
        lock(&self.inner).bucket(name).map(Bucket::clone_head)
    }

    /// All buckets whose name starts with `prefix`, by name.
    #[must_use]
    pub fn buckets(&self, prefix: &str) -> Vec<Bucket> {
        let inner = lock(&self.inner);
        inner
            .buckets
            .values()
            .filter(|bucket| bucket.name.starts_with(prefix))
            .map(Bucket::clone_head)
            .collect()
    }

    /// Deletes an empty bucket.
    ///
    /// # Errors
    ///
    /// [`Refusal::BucketNotFound`], [`Refusal::BucketNotEmpty`].
    pub fn delete_bucket(&self, name: &str) -> Result<(), Refusal> {
        let mut inner = lock(&self.inner);
        if !inner.bucket(name)?.objects.is_empty() {
            return Err(Refusal::BucketNotEmpty);
        }
        inner.buckets.remove(name);
        Ok(())
    }
}

impl Inner {
    fn add_bucket(&mut self, name: &str) -> &mut Bucket {
        let bucket = Bucket {
            name: name.to_owned(),
            created: self.now(),
            metageneration: 1,
            settings: BucketSettings::default(),
            objects: BTreeMap::new(),
            written: BTreeMap::new(),
        };
        self.buckets.entry(name.to_owned()).or_insert(bucket)
    }

    pub(super) fn ensure_bucket(
        &mut self,
        name: &str,
        create: bool,
    ) -> Result<&mut Bucket, Refusal> {
        if create && !self.buckets.contains_key(name) {
            validate_bucket_name(name)?;
            return Ok(self.add_bucket(name));
        }
        self.buckets.get_mut(name).ok_or(Refusal::BucketNotFound)
    }

    pub(super) fn bucket(&self, name: &str) -> Result<&Bucket, Refusal> {
        self.buckets.get(name).ok_or(Refusal::BucketNotFound)
    }
}
