//! DeleteObject and DeleteObjects.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>.

use s3s::dto::{
    self, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
    DeletedObject, ObjectIdentifier,
};
use s3s::{S3Error, S3Request, S3Response, s3_error};

use super::convert::condition_value;
use super::errors::refuse;
use super::{Reply, Service};
use crate::s3::store::{Deleted, StoreError, VersionId, WriteCondition};

/// S3 takes no more keys in one request.
const MAX_KEYS: usize = 1000;

pub(super) fn delete_object(
    service: &Service,
    request: &S3Request<DeleteObjectInput>,
) -> Reply<DeleteObjectOutput> {
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    service.admit(request, bucket, Some(&input.key), owner)?;
    let condition = WriteCondition {
        absent: false,
        etag: input
            .if_match
            .as_ref()
            .map(|condition| condition_value(condition).to_owned()),
    };
    let deleted = service
        .store
        .delete(bucket, &input.key, input.version_id.as_deref(), &condition)
        .map_err(refuse)?;
    Ok(S3Response::new(DeleteObjectOutput {
        delete_marker: deleted.delete_marker.then_some(true),
        version_id: deleted
            .version_id
            .map(|id| id.to_string())
            .or_else(|| input.version_id.clone()),
        ..DeleteObjectOutput::default()
    }))
}

pub(super) fn delete_objects(
    service: &Service,
    request: &S3Request<DeleteObjectsInput>,
) -> Reply<DeleteObjectsOutput> {
    let input = &request.input;
    let owner = input.expected_bucket_owner.as_deref();
    service.admit(request, &input.bucket, None, owner)?;
    if input.delete.objects.len() > MAX_KEYS {
        return Err(s3_error!(MalformedXML, "at most 1000 keys in one request"));
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for wanted in &input.delete.objects {
        match delete_one(service, &input.bucket, wanted) {
            Ok(done) => deleted.push(shown(wanted, done)),
            Err(error) => errors.push(failed(wanted, &refuse(error))),
        }
    }
    let quiet = input.delete.quiet.unwrap_or(false);
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..DeleteObjectsOutput::default()
    }))
}

fn delete_one(
    service: &Service,
    bucket: &str,
    wanted: &ObjectIdentifier,
) -> Result<Deleted, StoreError> {
    service.store.admit(bucket, Some(&wanted.key))?;
    let condition = WriteCondition {
        absent: false,
        etag: wanted.e_tag.as_ref().map(|etag| etag.value().to_owned()),
    };
    let version = wanted.version_id.as_deref();
    service
        .store
        .delete(bucket, &wanted.key, version, &condition)
}

fn shown(wanted: &ObjectIdentifier, done: Deleted) -> DeletedObject {
    let marker = done.delete_marker;
    DeletedObject {
        key: Some(wanted.key.clone()),
        version_id: wanted.version_id.clone(),
        delete_marker: marker.then_some(true),
        delete_marker_version_id: done
            .version_id
            .filter(|_| marker)
            .map(|id: VersionId| id.to_string()),
    }
}

fn failed(wanted: &ObjectIdentifier, error: &S3Error) -> dto::Error {
    dto::Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(wanted.key.clone()),
        message: error.message().map(ToOwned::to_owned),
        version_id: wanted.version_id.clone(),
    }
}
