//! The store's side of uploads in parts: beginning, adding, listing, ending.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::multipart::Upload;
use super::object::{Attributes, Object, Part, VersionId};
use super::{
    Algorithm, ChangeKind, Completion, Kind, NewObject, Store, StoreError, WriteCondition, now,
};

impl Store {
    /// Begins an upload and gives its id.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn begin_upload(
        &self,
        bucket: &str,
        key: &str,
        attributes: Attributes,
        checksum: Option<(Algorithm, Kind)>,
    ) -> Result<String, StoreError> {
        let mut state = self.lock();
        let id = VersionId::new(state.next_sequence(), now()).to_string();
        let upload = Upload {
            id: id.clone(),
            key: key.to_owned(),
            attributes,
            checksum,
            initiated: now(),
            parts: BTreeMap::new(),
            spill: None,
        };
        state.bucket(bucket)?.uploads.insert(id.clone(), upload);
        Ok(id)
    }

    /// An unfinished upload, as it is now.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], [`StoreError::NoSuchUpload`].
    pub fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, StoreError> {
        self.with_upload(bucket, key, id, |upload| upload.clone())
    }

    /// Looks at an unfinished upload, or changes it, without copying its parts.
    pub(crate) fn with_upload<T>(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        act: impl FnOnce(&mut Upload) -> T,
    ) -> Result<T, StoreError> {
        let mut state = self.lock();
        let upload = state.bucket(bucket)?.uploads.get_mut(id);
        upload
            .filter(|upload| upload.key == key)
            .map(act)
            .ok_or(StoreError::NoSuchUpload)
    }

    /// The unfinished uploads, by key and then by id.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn uploads(&self, bucket: &str) -> Result<Vec<Upload>, StoreError> {
        let mut state = self.lock();
        let mut uploads: Vec<_> = state.bucket(bucket)?.uploads.values().cloned().collect();
        uploads.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        Ok(uploads)
    }

    /// Adds a part, or replaces the one of the same number.
    pub(crate) fn add_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        part: Part,
    ) -> Result<(), StoreError> {
        self.with_upload(bucket, key, id, |upload| {
            upload.parts.insert(part.number, part);
        })
    }

    /// Makes an object of an upload's parts; the upload is gone then.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`], the ones about parts, [`StoreError::BadChecksum`],
    /// [`StoreError::PreconditionFailed`]: the upload stays as it is.
    pub fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        completion: &Completion,
        condition: &WriteCondition,
    ) -> Result<Arc<Object>, StoreError> {
        let upload = self.upload(bucket, key, id)?;
        let assembled = upload.assemble(completion)?;
        let new = NewObject {
            key: key.to_owned(),
            body: assembled.body,
            etag: assembled.etag,
            attributes: upload.attributes,
            checksum: Some(assembled.checksum),
            parts: assembled.parts,
            kind: ChangeKind::CompleteMultipartUpload,
        };
        let mut state = self.lock();
        if !state.bucket(bucket)?.uploads.contains_key(id) {
            return Err(StoreError::NoSuchUpload);
        }
        let object = state.commit(bucket, new, condition)?;
        state.bucket(bucket)?.uploads.remove(id);
        Ok(object)
    }

    /// Throws an upload and its parts away.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], [`StoreError::NoSuchUpload`].
    pub fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> Result<(), StoreError> {
        self.with_upload(bucket, key, id, |_| ())?;
        self.lock().bucket(bucket)?.uploads.remove(id);
        Ok(())
    }
}
