//! CopyObject and UploadPartCopy. The bytes stay where they are; only what is not known of them yet
//! is hashed.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.

use std::ops::Range;
use std::sync::Arc;

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource,
    MetadataDirective, TaggingDirective, UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::convert::{
    attributes_of, encryption, etag, set_checksum, show_checksum, timestamp, version_id,
};
use super::errors::{self, archived, invalid_argument, invalid_request, refuse};
use super::multipart::part_number;
use super::read::Conditions;
use super::upload::MAX_SINGLE;
use super::{Reply, Service};
use crate::s3::store::{
    Algorithm, Attributes, BucketSettings, ChangeKind, Kind, NewObject, Object, Part,
    WriteCondition, digest, hex,
};

/// The object that a copy reads, once the caller may read it. It may stand in any region: the request
/// is signed for the destination's.
fn source(
    service: &Service,
    from: &CopySource,
    expected_owner: Option<&str>,
) -> S3Result<(Arc<Object>, BucketSettings)> {
    let CopySource::Bucket {
        bucket,
        key,
        version_id,
    } = from
    else {
        return Err(s3_error!(NotImplemented, "access points are not emulated"));
    };
    let settings = service.store.admit(bucket, Some(key)).map_err(refuse)?;
    if expected_owner.is_some_and(|owner| owner != settings.owner) {
        return Err(s3_error!(AccessDenied));
    }
    let object = service
        .store
        .get(bucket, key, version_id.as_deref())
        .map_err(refuse)?;
    if object.is_archived() {
        return Err(archived(&object));
    }
    Ok((object, settings))
}

/// Every condition of a copy that fails is a 412.
fn check_conditions(conditions: &Conditions<'_>, object: &Object) -> S3Result<()> {
    conditions
        .check(object)
        .map_err(|_: S3Error| errors::precondition_failed("x-amz-copy-source-if-*"))
}

pub(super) async fn copy_object(
    service: &Service,
    request: S3Request<CopyObjectInput>,
) -> Reply<CopyObjectOutput> {
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    let settings = service.admit(&request, bucket, Some(&input.key), owner)?;
    let source_owner = input.expected_source_bucket_owner.as_deref();
    let (from, from_settings) = source(service, &input.copy_source, source_owner)?;
    check_conditions(
        &Conditions {
            etag: input.copy_source_if_match.as_ref(),
            not_etag: input.copy_source_if_none_match.as_ref(),
            modified_since: input.copy_source_if_modified_since.as_ref(),
            unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        },
        &from,
    )?;
    if from.size() > MAX_SINGLE {
        return Err(invalid_request(
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    let attributes = copied_attributes(input, &from)?;
    check_changes_something(input, &from, &attributes)?;
    let algorithm = input
        .checksum_algorithm
        .as_ref()
        .and_then(|name| Algorithm::from_name(name.as_str()))
        .or(from.checksum.as_ref().map(|known| known.algorithm))
        .unwrap_or(Algorithm::Crc64Nvme);
    let new = NewObject {
        attributes,
        ..copy_of(&from, input.key.clone(), algorithm).await?
    };
    let object = service
        .store
        .commit(bucket, new, &WriteCondition::default())
        .map_err(refuse)?;
    let (server_side_encryption, ssekms_key_id) = encryption(object.kms);
    let mut result = CopyObjectResult {
        e_tag: Some(etag(&object.etag)),
        last_modified: Some(timestamp(object.last_modified)),
        ..CopyObjectResult::default()
    };
    show_checksum!(result, object.checksum);
    Ok(S3Response::new(CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: version_id(&from, &from_settings),
        version_id: version_id(&object, &settings),
        server_side_encryption,
        ssekms_key_id,
        ..CopyObjectOutput::default()
    }))
}

fn copied_attributes(input: &CopyObjectInput, from: &Object) -> S3Result<Attributes> {
    let given: Attributes = attributes_of!(input);
    let directive = input.metadata_directive.as_ref();
    let directive = directive.map_or(MetadataDirective::COPY, MetadataDirective::as_str);
    let tagging = input.tagging_directive.as_ref();
    let tagging = tagging.map_or(TaggingDirective::COPY, TaggingDirective::as_str);
    let described = match directive {
        MetadataDirective::COPY => &from.attributes,
        MetadataDirective::REPLACE => &given,
        _ => return Err(invalid_argument("Unknown metadata directive.")),
    };
    let tagged = match tagging {
        TaggingDirective::COPY => &from.attributes,
        TaggingDirective::REPLACE => &given,
        _ => return Err(invalid_argument("Unknown tagging directive.")),
    };
    Ok(Attributes {
        tags: tagged.tags.clone(),
        // A copy is STANDARD unless it says otherwise, whatever its source is.
        storage_class: given.storage_class.clone(),
        ..described.clone()
    })
}

/// S3 refuses to copy an object onto itself for nothing.
fn check_changes_something(
    input: &CopyObjectInput,
    from: &Object,
    attributes: &Attributes,
) -> S3Result<()> {
    let CopySource::Bucket {
        bucket,
        key,
        version_id,
    } = &input.copy_source
    else {
        return Ok(());
    };
    let same = **bucket == *input.bucket && **key == *input.key && version_id.is_none();
    let replaces = input
        .metadata_directive
        .as_ref()
        .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
    if same && !replaces && *attributes == from.attributes && input.checksum_algorithm.is_none() {
        return Err(invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    Ok(())
}

/// The same bytes under another key, hashed again where what is known does not say enough: a copy is
/// one piece, however its source came about.
async fn copy_of(from: &Object, key: String, algorithm: Algorithm) -> S3Result<NewObject> {
    let known = from.checksum.as_ref().filter(|known| {
        from.parts.is_empty()
            && !from.kms
            && known.algorithm == algorithm
            && known.kind == Kind::FullObject
            && !from.etag.contains('-')
    });
    let (md5, checksum) = if let Some(known) = known {
        (from.etag.clone(), known.clone())
    } else {
        let digests = digest(&from.body, [algorithm]).await.map_err(errors::io)?;
        (hex(&digests.md5), digests.checksums[0].full_object())
    };
    Ok(NewObject {
        key,
        body: from.body.clone(),
        etag: md5,
        attributes: Attributes::default(),
        checksum: Some(checksum),
        parts: Vec::new(),
        kind: ChangeKind::Copy,
    })
}

pub(super) async fn upload_part_copy(
    service: &Service,
    request: S3Request<UploadPartCopyInput>,
) -> Reply<UploadPartCopyOutput> {
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    let settings = service.admit(&request, bucket, Some(&input.key), owner)?;
    let number = part_number(input.part_number)?;
    let upload = service
        .store
        .upload(bucket, &input.key, &input.upload_id)
        .map_err(refuse)?;
    let source_owner = input.expected_source_bucket_owner.as_deref();
    let (from, from_settings) = source(service, &input.copy_source, source_owner)?;
    check_conditions(
        &Conditions {
            etag: input.copy_source_if_match.as_ref(),
            not_etag: input.copy_source_if_none_match.as_ref(),
            modified_since: input.copy_source_if_modified_since.as_ref(),
            unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        },
        &from,
    )?;
    let body = match input.copy_source_range.as_deref() {
        None => from.body.clone(),
        Some(range) => from.body.slice(copy_range(range, from.size())?),
    };
    let digests = digest(&body, [upload.algorithm()])
        .await
        .map_err(errors::io)?;
    let part = Part {
        number,
        body,
        md5: digests.md5,
        checksums: digests.checksums,
        last_modified: jiff::Timestamp::now(),
    };
    let mut result = CopyPartResult {
        e_tag: Some(etag(&part.etag())),
        last_modified: Some(timestamp(part.last_modified)),
        ..CopyPartResult::default()
    };
    set_checksum!(result, upload.algorithm(), part.checksums[0].base64());
    service
        .store
        .add_part(bucket, &input.key, &input.upload_id, part)
        .map_err(refuse)?;
    let (server_side_encryption, ssekms_key_id) = encryption(settings.kms);
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: version_id(&from, &from_settings),
        server_side_encryption,
        ssekms_key_id,
        ..UploadPartCopyOutput::default()
    }))
}

/// `bytes=first-last`, both within the source.
fn copy_range(header: &str, size: u64) -> S3Result<Range<u64>> {
    let range = header
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .and_then(|(first, last)| Some((first.parse().ok()?, last.parse::<u64>().ok()?)));
    match range {
        Some((first, last)) if first <= last && last < size => Ok(first..last + 1),
        _ => Err(invalid_argument(format!(
            "The x-amz-copy-source-range value must be of the form bytes=first-last within the source's {size} bytes"
        ))),
    }
}
