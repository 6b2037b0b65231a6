//! Tags of an object: GetObjectTagging, PutObjectTagging, DeleteObjectTagging.

use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput,
};
use s3s::{S3Request, S3Response};

use super::convert::{tag_set, tags_of_set, version_id};
use super::errors::refuse;
use super::{Reply, Service};
use crate::s3::store::{ChangeKind, Tags};

pub(super) fn get(
    service: &Service,
    request: &S3Request<GetObjectTaggingInput>,
) -> Reply<GetObjectTaggingOutput> {
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    let settings = service.admit(request, bucket, Some(&input.key), owner)?;
    let object = service
        .store
        .get(bucket, &input.key, input.version_id.as_deref())
        .map_err(refuse)?;
    Ok(S3Response::new(GetObjectTaggingOutput {
        tag_set: tag_set(&object.attributes.tags),
        version_id: version_id(&object, &settings),
    }))
}

pub(super) fn put(
    service: &Service,
    request: &S3Request<PutObjectTaggingInput>,
) -> Reply<PutObjectTaggingOutput> {
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    let settings = service.admit(request, bucket, Some(&input.key), owner)?;
    let tags = tags_of_set(input.tagging.tag_set.clone())?;
    let version = input.version_id.as_deref();
    let object = service
        .store
        .set_tags(bucket, &input.key, version, tags, ChangeKind::TaggingPut)
        .map_err(refuse)?;
    Ok(S3Response::new(PutObjectTaggingOutput {
        version_id: version_id(&object, &settings),
    }))
}

pub(super) fn delete(
    service: &Service,
    request: &S3Request<DeleteObjectTaggingInput>,
) -> Reply<DeleteObjectTaggingOutput> {
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    let settings = service.admit(request, bucket, Some(&input.key), owner)?;
    let (version, none) = (input.version_id.as_deref(), Tags::new());
    let object = service
        .store
        .set_tags(bucket, &input.key, version, none, ChangeKind::TaggingDelete)
        .map_err(refuse)?;
    Ok(S3Response::new(DeleteObjectTaggingOutput {
        version_id: version_id(&object, &settings),
    }))
}
