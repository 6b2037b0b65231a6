//! Changes to objects: insert, update, delete, copy. Each takes effect at once, under the store's
//! lock, after its preconditions held there and whatever it would replace may be let go.
//!
//! Preconditions come first: a 412 is answered where both it and a 403 for a kept object would do.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::object::{validate_name, validate_size};
use super::{
    Commit, Expected, HashedBody, Inner, Object, ObjectMetadata, Permission, Preconditions,
    Refusal, State, lock,
};

/// An object to be written, all but its bytes.
#[derive(Debug, Clone, Default)]
pub struct NewObject {
    /// The bucket's name.
    pub bucket: String,
    /// The object's name.
    pub name: String,
    /// What the client sets.
    pub metadata: ObjectMetadata,
    /// What must hold of the object that is replaced.
    pub preconditions: Preconditions,
    /// What the bytes must hash to.
    pub expected: Expected,
}

impl NewObject {
    /// Checks name and metadata.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`].
    pub fn validate(&self) -> Result<(), Refusal> {
        validate_name(&self.name)?;
        self.metadata.validate()
    }
}

impl State {
    /// Writes an object with the bytes of `content`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for the name, the metadata, the size or a checksum that does not match,
    /// [`Refusal::BucketNotFound`], [`Refusal::ConditionNotMet`], [`Refusal::Denied`],
    /// [`Refusal::Held`], [`Refusal::Retained`]; nothing has changed then.
    pub fn insert(&self, new: NewObject, mut content: HashedBody) -> Result<Arc<Object>, Refusal> {
        new.validate()?;
        new.expected.check(&content)?;
        if self.settings.discard_bodies {
            content.md5 = new.expected.md5;
        }
        let mut inner = lock(&self.inner);
        inner.ensure_bucket(&new.bucket, self.settings.create_buckets)?;
        self.put(&mut inner, new, content, None)
    }

    pub(super) fn put(
        &self,
        inner: &mut Inner,
        mut new: NewObject,
        content: HashedBody,
        component_count: Option<u32>,
    ) -> Result<Arc<Object>, Refusal> {
        validate_size(content.body.length())?;
        inner.require(&new.bucket, Permission::Create)?;
        let now = inner.now();
        inner.may_put(&new, now)?;
        inner.is_rested(&new, self.settings.write_interval)?;
        let bucket = inner.bucket(&new.bucket)?;
        bucket.settings.complete(&mut new.metadata);
        let object = Arc::new(Object {
            generation: inner.next_generation(now),
            metageneration: 1,
            bucket: new.bucket,
            name: new.name,
            metadata: new.metadata,
            content,
            component_count,
            created: now,
            updated: now,
            retained_from: now,
        });
        let replaced = inner.store(&object)?;
        let replaced = replaced.map(|replaced| (replaced.generation, replaced.size()));
        if self.settings.write_interval.is_some() {
            inner.note_written(&object);
        }
        self.announce(&object, now, false, replaced);
        Ok(object)
    }

    /// Whether `new` may be written already, so short after the last write of its name.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooOften`].
    pub(super) fn may_write_again(&self, new: &NewObject) -> Result<(), Refusal> {
        lock(&self.inner).is_rested(new, self.settings.write_interval)
    }

    /// Changes an object's metadata to what `change` makes of it. Releasing an event-based hold lets
    /// the bucket's retention period begin.
    ///
    /// # Errors
    ///
    /// As [`State::object`]; [`Refusal::ConditionNotMet`], [`Refusal::Denied`], and
    /// [`Refusal::Invalid`] for what the new metadata breaks.
    pub fn update(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<u64>,
        preconditions: &Preconditions,
        change: impl FnOnce(&ObjectMetadata) -> Result<ObjectMetadata, Refusal>,
    ) -> Result<Arc<Object>, Refusal> {
        let mut inner = lock(&self.inner);
        inner.require(bucket, Permission::Update)?;
        let current = inner.object(bucket, name, generation)?;
        preconditions.check_write(Some(&current))?;
        let metadata = change(&current.metadata)?;
        current.metadata.validate_change(&metadata)?;
        let now = inner.now();
        let held = |metadata: &ObjectMetadata| metadata.event_based_hold == Some(true);
        let released = held(&current.metadata) && !held(&metadata);
        let object = Arc::new(Object {
            metadata,
            metageneration: current.metageneration + 1,
            updated: now,
            retained_from: if released { now } else { current.retained_from },
            ..Object::clone(&current)
        });
        inner.store(&object)?;
        Ok(object)
    }

    /// Deletes an object.
    ///
    /// # Errors
    ///
    /// As [`State::object`]; [`Refusal::ConditionNotMet`], [`Refusal::Denied`], [`Refusal::Held`],
    /// [`Refusal::Retained`].
    pub fn delete(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<u64>,
        preconditions: &Preconditions,
    ) -> Result<(), Refusal> {
        let mut inner = lock(&self.inner);
        inner.require(bucket, Permission::Delete)?;
        let current = inner.object(bucket, name, generation)?;
        preconditions.check_write(Some(&current))?;
        let now = inner.now();
        inner.bucket(bucket)?.let_go(&current, now)?;
        self.remove(&mut inner, &current, now);
        Ok(())
    }

    /// Takes `object` away, after all that could be against it was looked at.
    pub(super) fn remove(&self, inner: &mut Inner, object: &Object, now: Timestamp) {
        if let Some(bucket) = inner.buckets.get_mut(&object.bucket) {
            bucket.objects.remove(&object.name);
            self.announce(object, now, true, None);
        }
    }

    /// Writes a copy of `source`'s bytes; `metadata` replaces the source's when given. Holds and keys
    /// are never copied.
    ///
    /// # Errors
    ///
    /// As [`State::object`] for the source and [`State::insert`] for the destination.
    pub fn copy(
        &self,
        source: &Object,
        mut new: NewObject,
        metadata: Option<ObjectMetadata>,
    ) -> Result<Arc<Object>, Refusal> {
        new.metadata = metadata.unwrap_or_else(|| ObjectMetadata {
            kms_key_name: new.metadata.kms_key_name.take(),
            temporary_hold: None,
            event_based_hold: None,
            ..source.metadata.clone()
        });
        new.validate()?;
        let mut inner = lock(&self.inner);
        inner.ensure_bucket(&new.bucket, self.settings.create_buckets)?;
        self.put(
            &mut inner,
            new,
            source.content.clone(),
            source.component_count,
        )
    }

    /// Gives `source` the name `to`, with all that it has: a new generation there, and nothing under the
    /// old name.
    ///
    /// # Errors
    ///
    /// [`Refusal::ObjectNotFound`] when it has been replaced meanwhile; as [`State::insert`] for the new
    /// name and [`State::delete`] for the old one; nothing has changed then.
    pub fn rename(
        &self,
        source: &Object,
        to: &str,
        preconditions: Preconditions,
    ) -> Result<Arc<Object>, Refusal> {
        let new = NewObject {
            bucket: source.bucket.clone(),
            name: to.to_owned(),
            metadata: source.metadata.clone(),
            preconditions,
            ..NewObject::default()
        };
        new.validate()?;
        if source.name == to {
            return Err(Refusal::Invalid("The object has that name already.".into()));
        }
        let mut inner = lock(&self.inner);
        inner.require(&source.bucket, Permission::Delete)?;
        let source = inner.object(&source.bucket, &source.name, Some(source.generation))?;
        let now = inner.now();
        inner.bucket(&source.bucket)?.let_go(&source, now)?;
        let (content, count) = (source.content.clone(), source.component_count);
        let renamed = self.put(&mut inner, new, content, count)?;
        self.remove(&mut inner, &source, now);
        Ok(renamed)
    }

    fn announce(
        &self,
        object: &Object,
        at: Timestamp,
        deleted: bool,
        replaced: Option<(u64, u64)>,
    ) {
        let commit = Commit {
            bucket: object.bucket.clone(),
            name: object.name.clone(),
            generation: object.generation,
            size: object.size(),
            at,
            deleted,
            replaced,
        };
        // No receiver is no error: nobody is watching.
        let _ = self.commits.send(commit);
    }
}

impl Inner {
    /// Whether preconditions, permissions, holds and retention let `new` be written at `now`.
    pub(super) fn may_put(&self, new: &NewObject, now: Timestamp) -> Result<(), Refusal> {
        let bucket = self.bucket(&new.bucket)?;
        let current = bucket.objects.get(&new.name);
        new.preconditions.check_write(current.map(Arc::as_ref))?;
        let Some(current) = current else {
            return Ok(());
        };
        self.require(&new.bucket, Permission::Delete)?;
        bucket.let_go(current, now)
    }

    /// Whether the last write of the name of `new` is `interval` ago.
    fn is_rested(&self, new: &NewObject, interval: Option<SignedDuration>) -> Result<(), Refusal> {
        let Some(interval) = interval else {
            return Ok(());
        };
        let bucket = self.bucket(&new.bucket)?;
        match bucket.written.get(&new.name) {
            Some(&last) if self.now().duration_since(last) < interval => Err(Refusal::TooOften),
            _ => Ok(()),
        }
    }

    fn note_written(&mut self, object: &Object) {
        if let Some(bucket) = self.buckets.get_mut(&object.bucket) {
            bucket.written.insert(object.name.clone(), object.created);
        }
    }

    /// Puts `object` under its name; gives what it replaces.
    fn store(&mut self, object: &Arc<Object>) -> Result<Option<Arc<Object>>, Refusal> {
        let bucket = self
            .buckets
            .get_mut(&object.bucket)
            .ok_or(Refusal::BucketNotFound)?;
        Ok(bucket
            .objects
            .insert(object.name.clone(), Arc::clone(object)))
    }
}
