//! Buckets: making, removing, listing, location, versioning.

use s3s::dto::{
    Bucket, BucketLocationConstraint, BucketVersioningStatus, CreateBucketInput,
    CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput,
    GetBucketLocationOutput, GetBucketVersioningInput, GetBucketVersioningOutput, HeadBucketInput,
    HeadBucketOutput, ListBucketsInput, ListBucketsOutput, Owner, PutBucketVersioningInput,
    PutBucketVersioningOutput,
};
use s3s::region::Region;
use s3s::{S3Request, S3Response, s3_error};

use super::convert::timestamp;
use super::errors::refuse;
use super::{Reply, Service};
use crate::s3::store::{DEFAULT_OWNER, Versioning};

/// The region that S3 calls by no name.
const UNNAMED_REGION: &str = "us-east-1";

pub(super) fn create(
    service: &Service,
    request: &S3Request<CreateBucketInput>,
) -> Reply<CreateBucketOutput> {
    let input = &request.input;
    let mut settings = service.store.default_settings();
    let constraint = input
        .create_bucket_configuration
        .as_ref()
        .and_then(|configuration| configuration.location_constraint.as_ref());
    if let Some(constraint) = constraint {
        // The name that S3 had for its first region outside America.
        let region = match constraint.as_str() {
            "EU" => "eu-west-1",
            region => region,
        };
        if region.parse::<Region>().is_err() {
            return Err(s3_error!(
                InvalidLocationConstraint,
                "The specified location-constraint is not valid"
            ));
        }
        region.clone_into(&mut settings.region);
    }
    service
        .store
        .create_bucket_with(&input.bucket, settings)
        .map_err(refuse)?;
    Ok(S3Response::new(CreateBucketOutput {
        location: Some(format!("/{}", input.bucket)),
    }))
}

pub(super) fn delete(
    service: &Service,
    request: &S3Request<DeleteBucketInput>,
) -> Reply<DeleteBucketOutput> {
    let input = &request.input;
    let owner = input.expected_bucket_owner.as_deref();
    service.admit(request, &input.bucket, None, owner)?;
    service.store.delete_bucket(&input.bucket).map_err(refuse)?;
    Ok(S3Response::new(DeleteBucketOutput::default()))
}

pub(super) fn head(
    service: &Service,
    request: &S3Request<HeadBucketInput>,
) -> Reply<HeadBucketOutput> {
    let input = &request.input;
    let owner = input.expected_bucket_owner.as_deref();
    let settings = service.admit(request, &input.bucket, None, owner)?;
    Ok(S3Response::new(HeadBucketOutput {
        bucket_region: Some(settings.region),
        ..HeadBucketOutput::default()
    }))
}

// Like the others, for the table.
#[allow(clippy::unnecessary_wraps)]
pub(super) fn list(
    service: &Service,
    request: &S3Request<ListBucketsInput>,
) -> Reply<ListBucketsOutput> {
    let prefix = request.input.prefix.as_deref().unwrap_or_default();
    let buckets = service
        .store
        .buckets()
        .into_iter()
        .filter(|bucket| bucket.name.starts_with(prefix))
        .map(|bucket| Bucket {
            bucket_region: Some(bucket.region),
            creation_date: Some(timestamp(bucket.created)),
            name: Some(bucket.name),
        })
        .collect();
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(buckets),
        owner: Some(Owner {
            display_name: None,
            id: Some(DEFAULT_OWNER.to_owned()),
        }),
        prefix: request.input.prefix.clone(),
        ..ListBucketsOutput::default()
    }))
}

pub(super) fn location(
    service: &Service,
    request: &S3Request<GetBucketLocationInput>,
) -> Reply<GetBucketLocationOutput> {
    let input = &request.input;
    let owner = input.expected_bucket_owner.as_deref();
    let region = service.enter(&input.bucket, None, owner)?.region;
    let constraint = (region != UNNAMED_REGION).then(|| BucketLocationConstraint::from(region));
    Ok(S3Response::new(GetBucketLocationOutput {
        location_constraint: constraint,
    }))
}

pub(super) fn versioning(
    service: &Service,
    request: &S3Request<GetBucketVersioningInput>,
) -> Reply<GetBucketVersioningOutput> {
    let input = &request.input;
    let owner = input.expected_bucket_owner.as_deref();
    let settings = service.admit(request, &input.bucket, None, owner)?;
    let status = match settings.versioning {
        Versioning::Off => None,
        Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
        Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
    };
    Ok(S3Response::new(GetBucketVersioningOutput {
        status: status.map(BucketVersioningStatus::from_static),
        ..GetBucketVersioningOutput::default()
    }))
}

pub(super) fn set_versioning(
    service: &Service,
    request: &S3Request<PutBucketVersioningInput>,
) -> Reply<PutBucketVersioningOutput> {
    let input = &request.input;
    let owner = input.expected_bucket_owner.as_deref();
    service.admit(request, &input.bucket, None, owner)?;
    let status = input.versioning_configuration.status.as_ref();
    let versioning = match status.map(BucketVersioningStatus::as_str) {
        Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
        Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
        _ => {
            return Err(s3_error!(
                MalformedXML,
                "Status must be Enabled or Suspended"
            ));
        }
    };
    service
        .store
        .configure(&input.bucket, |settings| settings.versioning = versioning)
        .map_err(refuse)?;
    Ok(S3Response::new(PutBucketVersioningOutput::default()))
}
