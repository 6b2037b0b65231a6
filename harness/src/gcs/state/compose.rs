//! Composing: an object made of others, one after the other, without a byte moved.
//!
//! Rules: <https://cloud.google.com/storage/docs/composite-objects> and
//! <https://cloud.google.com/storage/docs/json_api/v1/objects/compose>. Stricter than the service:
//! where a source is encrypted with a key of the customer's, the composite must be too, so that no
//! client loses the key without noticing.

use std::sync::Arc;

use super::{
    HashedBody, Inner, NewObject, Object, Permission, Preconditions, Refusal, State, lock,
};

/// Composing takes this many sources at most.
pub const COMPOSE_LIMIT: usize = 32;

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
    /// Writes an object made of `sources`, one after the other; the object written may be among
    /// them. It has the storage class of its sources. With `delete_sources` they go away at the same
    /// moment (`deleteSourceObjects`).
    ///
    /// What [`NewObject::expected`] says is not looked at: the service ignores an MD5 and promises
    /// nothing of a CRC32C.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for no or more than 32 sources, for storage classes that differ, for a
    /// key that gets lost, and for what `new` breaks; [`Refusal::ObjectNotFound`] for a source that is
    /// not there in its generation; [`Refusal::ConditionNotMet`], [`Refusal::Denied`],
    /// [`Refusal::Held`], [`Refusal::Retained`]; nothing has changed then.
    pub fn compose(
        &self,
        mut new: NewObject,
        sources: &[Source],
        delete_sources: bool,
    ) -> Result<Arc<Object>, Refusal> {
        new.validate()?;
        if !(1..=COMPOSE_LIMIT).contains(&sources.len()) {
            return Err(Refusal::Invalid(format!(
                "The number of source components provided ({}) must be 1 to {COMPOSE_LIMIT}.",
                sources.len()
            )));
        }
        let mut inner = lock(&self.inner);
        inner.require(&new.bucket, Permission::Get)?;
        let parts = sources
            .iter()
            .map(|source| inner.part(&new.bucket, source))
            .collect::<Result<Vec<_>, _>>()?;
        inner.inherit(&mut new, &parts)?;
        let now = inner.now();
        if delete_sources {
            inner.require(&new.bucket, Permission::Delete)?;
            let bucket = inner.bucket(&new.bucket)?;
            parts.iter().try_for_each(|part| bucket.let_go(part, now))?;
        }
        let components = parts
            .iter()
            .map(|part| part.component_count.unwrap_or(1))
            .fold(0, u32::saturating_add);
        let contents: Vec<_> = parts.iter().map(|part| &part.content).collect();
        let content = HashedBody::concatenate(&contents);
        let composed = self.put(&mut inner, new, content, Some(components))?;
        if delete_sources {
            let mut gone: Vec<_> = parts
                .iter()
                .filter(|part| part.name != composed.name)
                .collect();
            gone.sort_by(|a, b| a.name.cmp(&b.name));
            gone.dedup_by(|a, b| a.name == b.name);
            for part in gone {
                self.remove(&mut inner, part, now);
            }
        }
        Ok(composed)
    }
}

impl Inner {
    fn part(&self, bucket: &str, source: &Source) -> Result<Arc<Object>, Refusal> {
        let part = self.object(bucket, &source.name, source.generation)?;
        let wanted = Preconditions {
            generation_match: source.generation_match,
            ..Preconditions::default()
        };
        wanted.check_write(Some(&part))?;
        Ok(part)
    }

    /// Gives the composite what it has of its sources, and looks for what contradicts them.
    fn inherit(&self, new: &mut NewObject, parts: &[Arc<Object>]) -> Result<(), Refusal> {
        let class = parts.first().map(|part| part.metadata.storage_class());
        let named = new.metadata.storage_class.as_deref();
        for found in parts
            .iter()
            .map(|part| part.metadata.storage_class())
            .chain(named)
        {
            if Some(found) != class {
                return Err(Refusal::Invalid(format!(
                    "The sources and the composite object must have the same storage class, not {} and {found}.",
                    class.unwrap_or_default()
                )));
            }
        }
        new.metadata.storage_class = class.map(str::to_owned);
        let default_key = &self.bucket(&new.bucket)?.settings.kms_key_name;
        let encrypted = new.metadata.kms_key_name.is_some() || default_key.is_some();
        match parts
            .iter()
            .find(|part| part.metadata.kms_key_name.is_some())
        {
            Some(part) if !encrypted => Err(Refusal::Invalid(format!(
                "The source {} is encrypted with a Cloud KMS key; kmsKeyName must say with which key the \
                 composite object is to be.",
                part.name
            ))),
            _ => Ok(()),
        }
    }
}
