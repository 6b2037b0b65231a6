//! S3's operations over the store: what `s3s` has parsed and whose signature it has checked is
//! answered here. Each operation stands in the module of its kind; this file only says where.
//!
//! Not here: signatures, clock skew, the form of requests (`s3s`); the state (`store`).

mod buckets;
mod convert;
mod copy;
mod delete;
mod errors;
mod list;
mod multipart;
mod read;
mod tagging;
mod upload;
mod versions;
mod write;

use std::sync::Arc;

// The table below names them all once.
#[allow(clippy::wildcard_imports)]
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::store::{BucketSettings, Store};

pub(super) use convert::form_encode;

type Reply<T> = S3Result<S3Response<T>>;

/// The operations of one store.
#[derive(Clone)]
pub(crate) struct Service {
    store: Arc<Store>,
}

impl Service {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Lets a request pass that may touch this bucket and key, whose owner is the expected one, and
    /// that is signed for the bucket's region.
    fn admit<T>(
        &self,
        request: &S3Request<T>,
        bucket: &str,
        key: Option<&str>,
        expected_owner: Option<&str>,
    ) -> S3Result<BucketSettings> {
        let settings = self.enter(bucket, key, expected_owner)?;
        match &request.region {
            Some(region) if region.as_str() != settings.region => {
                Err(errors::wrong_region(region.as_str(), &settings.region))
            }
            _ => Ok(settings),
        }
    }

    /// The same, of a request that may be signed for another region.
    fn enter(
        &self,
        bucket: &str,
        key: Option<&str>,
        expected_owner: Option<&str>,
    ) -> S3Result<BucketSettings> {
        let settings = self.store.admit(bucket, key).map_err(errors::refuse)?;
        if expected_owner.is_some_and(|owner| owner != settings.owner) {
            return Err(errors::refuse(super::store::StoreError::AccessDenied));
        }
        Ok(settings)
    }
}

/// Operations by the function that answers them: `now` ones with the lock held for a moment, `awaited`
/// ones while bytes move.
macro_rules! operations {
    (
        now { $($name:ident: $input:ident -> $output:ident = $($path:ident)::+;)* }
        awaited { $($slow:ident: $slow_input:ident -> $slow_output:ident = $($slow_path:ident)::+;)* }
    ) => {
        #[async_trait::async_trait]
        impl S3 for Service {
            $(async fn $name(&self, request: S3Request<$input>) -> Reply<$output> {
                $($path)::+(self, &request)
            })*

            $(async fn $slow(&self, request: S3Request<$slow_input>) -> Reply<$slow_output> {
                $($slow_path)::+(self, request).await
            })*
        }
    };
}

operations! {
    now {
        create_bucket: CreateBucketInput -> CreateBucketOutput = buckets::create;
        delete_bucket: DeleteBucketInput -> DeleteBucketOutput = buckets::delete;
        head_bucket: HeadBucketInput -> HeadBucketOutput = buckets::head;
        list_buckets: ListBucketsInput -> ListBucketsOutput = buckets::list;
        get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput = buckets::location;
        get_bucket_versioning: GetBucketVersioningInput -> GetBucketVersioningOutput = buckets::versioning;
        put_bucket_versioning: PutBucketVersioningInput -> PutBucketVersioningOutput = buckets::set_versioning;

        get_object: GetObjectInput -> GetObjectOutput = read::get_object;
        head_object: HeadObjectInput -> HeadObjectOutput = read::head_object;
        get_object_attributes: GetObjectAttributesInput -> GetObjectAttributesOutput = read::get_object_attributes;
        delete_object: DeleteObjectInput -> DeleteObjectOutput = delete::delete_object;
        delete_objects: DeleteObjectsInput -> DeleteObjectsOutput = delete::delete_objects;

        list_objects: ListObjectsInput -> ListObjectsOutput = list::list_objects;
        list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output = list::list_objects_v2;
        list_object_versions: ListObjectVersionsInput -> ListObjectVersionsOutput = versions::list_object_versions;

        get_object_tagging: GetObjectTaggingInput -> GetObjectTaggingOutput = tagging::get;
        put_object_tagging: PutObjectTaggingInput -> PutObjectTaggingOutput = tagging::put;
        delete_object_tagging: DeleteObjectTaggingInput -> DeleteObjectTaggingOutput = tagging::delete;

        create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput = multipart::create;
        list_parts: ListPartsInput -> ListPartsOutput = multipart::list_parts;
        list_multipart_uploads: ListMultipartUploadsInput -> ListMultipartUploadsOutput = multipart::list_uploads;
        complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput = multipart::complete;
        abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput = multipart::abort;
    }
    awaited {
        // A browser's form (POST) comes here, too.
        put_object: PutObjectInput -> PutObjectOutput = write::put_object;
        copy_object: CopyObjectInput -> CopyObjectOutput = copy::copy_object;
        upload_part: UploadPartInput -> UploadPartOutput = multipart::upload_part;
        upload_part_copy: UploadPartCopyInput -> UploadPartCopyOutput = copy::upload_part_copy;
    }
}
