//! What the store's lock guards, and the changes that are made under it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::bucket::{Bucket, Version, Versioning};
use super::object::{Object, VersionId, hex};
use super::{Change, ChangeKind, Deleted, NewObject, StoreError, WriteCondition, now};

#[derive(Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) sequence: u64,
    pub(super) subscribers: Vec<mpsc::UnboundedSender<Change>>,
}

impl WriteCondition {
    pub(super) fn check(&self, bucket: &Bucket, key: &str) -> Result<(), StoreError> {
        let current = bucket.current(key);
        if self.absent && current.is_some() {
            return Err(StoreError::PreconditionFailed("If-None-Match"));
        }
        match (&self.etag, current) {
            (Some(_), None) => Err(StoreError::NoSuchKey),
            (Some(etag), Some(current)) if etag != "*" && *etag != current.etag => {
                Err(StoreError::PreconditionFailed("If-Match"))
            }
            _ => Ok(()),
        }
    }
}

impl State {
    pub(super) fn bucket(&mut self, name: &str) -> Result<&mut Bucket, StoreError> {
        self.buckets.get_mut(name).ok_or(StoreError::NoSuchBucket)
    }

    /// A number above all earlier ones, and near the clock so that a restart keeps the order.
    pub(super) fn next_sequence(&mut self) -> u64 {
        let clock = u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0);
        self.sequence = clock.max(self.sequence + 1);
        self.sequence
    }

    fn new_version_id(&mut self, versioning: Versioning) -> VersionId {
        match versioning {
            Versioning::Enabled => VersionId::new(self.next_sequence(), now()),
            Versioning::Off | Versioning::Suspended => VersionId::NULL,
        }
    }

    pub(super) fn commit(
        &mut self,
        bucket: &str,
        new: NewObject,
        condition: &WriteCondition,
    ) -> Result<Arc<Object>, StoreError> {
        let settings = self.bucket(bucket)?.settings.clone();
        condition.check(self.bucket(bucket)?, &new.key)?;
        let version_id = self.new_version_id(settings.versioning);
        let etag = if settings.kms {
            kms_etag(&new.etag, self.next_sequence())
        } else {
            new.etag
        };
        let object = Arc::new(Object {
            key: new.key,
            version_id,
            body: new.body,
            etag,
            last_modified: now(),
            attributes: new.attributes,
            checksum: new.checksum,
            parts: new.parts,
            kms: settings.kms,
        });
        let version = Version::Object(Arc::clone(&object));
        self.bucket(bucket)?.push(&object.key, version);
        self.tell(
            bucket,
            new.kind,
            &object.key,
            Some(&object),
            &object.version_id,
        );
        Ok(object)
    }

    pub(super) fn delete(
        &mut self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Deleted, StoreError> {
        let versioning = self.bucket(bucket)?.settings.versioning;
        if version.is_none() && versioning != Versioning::Off {
            let version_id = self.new_version_id(versioning);
            let marker = Version::DeleteMarker {
                version_id: version_id.clone(),
                last_modified: now(),
            };
            self.bucket(bucket)?.push(key, marker);
            self.tell(
                bucket,
                ChangeKind::DeleteMarkerCreated,
                key,
                None,
                &version_id,
            );
            return Ok(Deleted {
                version_id: Some(version_id),
                delete_marker: true,
            });
        }
        let id = version.unwrap_or(VersionId::NULL.as_str());
        let removed = self.bucket(bucket)?.remove(key, id);
        if let Some(removed) = &removed {
            self.tell(bucket, ChangeKind::Delete, key, None, removed.id());
        }
        Ok(Deleted {
            delete_marker: removed.as_ref().is_some_and(|v| v.object().is_none()),
            version_id: removed
                .map(|removed| removed.id().clone())
                .filter(|_| version.is_some()),
        })
    }

    pub(super) fn tell(
        &mut self,
        bucket: &str,
        kind: ChangeKind,
        key: &str,
        object: Option<&Object>,
        version_id: &VersionId,
    ) {
        let sequence = self.next_sequence();
        let Ok(settings) = self.bucket(bucket).map(|bucket| bucket.settings.clone()) else {
            return;
        };
        let change = Change {
            kind,
            bucket: bucket.to_owned(),
            region: settings.region,
            owner: settings.owner,
            key: key.to_owned(),
            size: object.map(Object::size),
            etag: object.map(|object| object.etag.clone()),
            version_id: version_id.clone(),
            sequence,
            time: Timestamp::now(),
        };
        self.subscribers
            .retain(|subscriber| subscriber.send(change.clone()).is_ok());
    }
}

/// An ETag of the same form that is no MD5 of the object.
fn kms_etag(etag: &str, salt: u64) -> String {
    use md5::Digest as _;
    let (_, parts) = etag.split_once('-').unwrap_or((etag, ""));
    let digest = hex(&md5::Md5::digest(format!("{etag}/{salt}")));
    if parts.is_empty() {
        digest
    } else {
        format!("{digest}-{parts}")
    }
}
