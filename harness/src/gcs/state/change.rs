//! Changes to objects: insert, update, delete, compose, copy. Each takes effect at once, under the
//! store's lock, after its preconditions held there.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;

use super::object::validate_name;
use super::{
    Commit, HashedBody, Inner, Object, ObjectMetadata, Permission, Preconditions, Refusal, State,
    lock,
};

/// Composing takes this many sources at most.
const COMPOSE_LIMIT: usize = 32;

/// Checksums that the sender says the bytes have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// CRC32C.
    pub crc32c: Option<u32>,
    /// MD5.
    pub md5: Option<[u8; 16]>,
}

impl Expected {
    /// Both expectations at once.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when they contradict each other.
    pub fn merge(&self, other: &Self) -> Result<Self, Refusal> {
        let contradiction = |a: bool, name: &str| {
            if a {
                Err(Refusal::Invalid(format!(
                    "Two different {name} values were provided."
                )))
            } else {
                Ok(())
            }
        };
        contradiction(
            self.crc32c
                .is_some_and(|a| other.crc32c.is_some_and(|b| a != b)),
            "CRC32C",
        )?;
        contradiction(
            self.md5.is_some_and(|a| other.md5.is_some_and(|b| a != b)),
            "MD5",
        )?;
        Ok(Self {
            crc32c: self.crc32c.or(other.crc32c),
            md5: self.md5.or(other.md5),
        })
    }

    /// Compares with what was received. An MD5 that was not computed (discarded body) is not
    /// compared.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] with both values.
    pub fn check(&self, content: &HashedBody) -> Result<(), Refusal> {
        let mismatch = |name: &str, expected: &[u8], found: &[u8]| {
            let (expected, found) = (
                BASE64_STANDARD.encode(expected),
                BASE64_STANDARD.encode(found),
            );
            Err(Refusal::Invalid(format!(
                "Provided {name} \"{expected}\" doesn't match calculated {name} \"{found}\"."
            )))
        };
        if let Some(crc32c) = self.crc32c.filter(|crc32c| *crc32c != content.crc32c) {
            return mismatch(
                "CRC32C",
                &crc32c.to_be_bytes(),
                &content.crc32c.to_be_bytes(),
            );
        }
        match (self.md5, content.md5) {
            (Some(expected), Some(found)) if expected != found => {
                mismatch("MD5 hash", &expected, &found)
            }
            _ => Ok(()),
        }
    }
}

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

/// An object to compose from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Its name, in the destination's bucket.
    pub name: String,
    /// Its generation, if it must be that one.
    pub generation: Option<u64>,
    /// `objectPreconditions.ifGenerationMatch`.
    pub generation_match: Option<u64>,
}

impl State {
    /// Writes an object with the bytes of `content`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for the name, the metadata or a checksum that does not match,
    /// [`Refusal::BucketNotFound`], [`Refusal::ConditionNotMet`], [`Refusal::Denied`]; nothing has
    /// changed then.
    pub fn insert(&self, new: NewObject, content: HashedBody) -> Result<Arc<Object>, Refusal> {
        new.validate()?;
        new.expected.check(&content)?;
        let mut inner = lock(&self.inner);
        inner.ensure_bucket(&new.bucket, self.settings.create_buckets)?;
        self.put(&mut inner, new, content, None)
    }

    fn put(
        &self,
        inner: &mut Inner,
        new: NewObject,
        content: HashedBody,
        component_count: Option<u32>,
    ) -> Result<Arc<Object>, Refusal> {
        inner.require(&new.bucket, Permission::Create)?;
        let current = inner.bucket(&new.bucket)?.objects.get(&new.name).cloned();
        new.preconditions.check_write(current.as_deref())?;
        if current.is_some() {
            inner.require(&new.bucket, Permission::Delete)?;
        }
        let now = Timestamp::now();
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
        });
        inner.store(&object)?;
        self.announce(&object, now, false);
        Ok(object)
    }

    /// Changes an object's metadata to what `change` makes of it.
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
        let object = Arc::new(Object {
            metadata,
            metageneration: current.metageneration + 1,
            updated: Timestamp::now(),
            ..Object::clone(&current)
        });
        inner.store(&object)?;
        Ok(object)
    }

    /// Deletes an object.
    ///
    /// # Errors
    ///
    /// As [`State::object`]; [`Refusal::ConditionNotMet`], [`Refusal::Denied`].
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
        inner
            .buckets
            .get_mut(bucket)
            .ok_or(Refusal::BucketNotFound)?
            .objects
            .remove(name);
        self.announce(&current, Timestamp::now(), true);
        Ok(())
    }

    /// Writes an object made of `sources`, one after the other.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for no or more than 32 sources, for sources of different storage
    /// classes, and for what `new` breaks; [`Refusal::ObjectNotFound`] for a source that is not
    /// there in its generation; [`Refusal::ConditionNotMet`], [`Refusal::Denied`].
    pub fn compose(&self, new: NewObject, sources: &[Source]) -> Result<Arc<Object>, Refusal> {
        new.validate()?;
        if !(1..=COMPOSE_LIMIT).contains(&sources.len()) {
            return Err(Refusal::Invalid(format!(
                "The number of source components provided ({}) must be 1 to {COMPOSE_LIMIT}.",
                sources.len()
            )));
        }
        let mut inner = lock(&self.inner);
        inner.require(&new.bucket, Permission::Get)?;
        let mut parts = Vec::with_capacity(sources.len());
        for source in sources {
            let part = inner.object(&new.bucket, &source.name, source.generation)?;
            let wanted = Preconditions {
                generation_match: source.generation_match,
                ..Preconditions::default()
            };
            wanted.check_write(Some(&part))?;
            if part.metadata.storage_class() != new.metadata.storage_class() {
                return Err(Refusal::Invalid(
                    "Sources and destination must have the same storage class.".into(),
                ));
            }
            parts.push(part);
        }
        let components = parts
            .iter()
            .map(|part| part.component_count.unwrap_or(1))
            .sum();
        let contents: Vec<_> = parts.iter().map(|part| &part.content).collect();
        let content = HashedBody::concatenate(&contents);
        new.expected.check(&content)?;
        self.put(&mut inner, new, content, Some(components))
    }

    /// Writes a copy of `source`'s bytes; `metadata` replaces the source's when given.
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
        new.metadata = metadata.unwrap_or_else(|| source.metadata.clone());
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

    fn announce(&self, object: &Object, at: Timestamp, deleted: bool) {
        let commit = Commit {
            bucket: object.bucket.clone(),
            name: object.name.clone(),
            generation: object.generation,
            size: object.size(),
            at,
            deleted,
        };
        // No receiver is no error: nobody is watching.
        let _ = self.commits.send(commit);
    }
}

impl Inner {
    fn store(&mut self, object: &Arc<Object>) -> Result<(), Refusal> {
        let bucket = self
            .buckets
            .get_mut(&object.bucket)
            .ok_or(Refusal::BucketNotFound)?;
        bucket
            .objects
            .insert(object.name.clone(), Arc::clone(object));
        Ok(())
    }
}
