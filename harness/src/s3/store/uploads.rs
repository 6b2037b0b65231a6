//! The store's side of uploads in parts: beginning, adding, listing, ending.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::body::SpillFile;
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
        let mut state = self.lock();
        let upload = state.bucket(bucket)?.uploads.get(id);
        upload
            .filter(|upload| upload.key == key)
            .cloned()
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

    /// The file for the upload's large parts: one, so that many parts do not take many handles.
    pub(crate) fn upload_spill(&self, bucket: &str, id: &str) -> io::Result<Arc<SpillFile>> {
        let mut state = self.lock();
        let upload = state.bucket(bucket).map_err(io::Error::other)?;
        let upload = upload
            .uploads
            .get_mut(id)
            .ok_or_else(|| io::Error::other(StoreError::NoSuchUpload))?;
        match &upload.spill {
            Some(spill) => Ok(Arc::clone(spill)),
            None => {
                let spill = Arc::new(SpillFile::create()?);
                upload.spill = Some(Arc::clone(&spill));
                Ok(spill)
            }
        }
    }

    /// Adds a part, or replaces the one of the same number.
    pub(crate) fn add_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        part: Part,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        let upload = state.bucket(bucket)?.uploads.get_mut(id);
        let upload = upload
            .filter(|upload| upload.key == key)
            .ok_or(StoreError::NoSuchUpload)?;
        upload.parts.insert(part.number, part);
        Ok(())
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
            checksum: assembled.checksum,
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
        self.upload(bucket, key, id)?;
        self.lock().bucket(bucket)?.uploads.remove(id);
        Ok(())
    }
}
