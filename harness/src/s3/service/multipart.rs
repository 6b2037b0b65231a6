//! Uploads in parts.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>.

use s3s::dto::{
    self, AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListPartsInput, ListPartsOutput, MultipartUpload, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::convert::{
    attributes_of, encryption, etag, given_checksum, owner, set_checksum, show_checksum, signed,
    timestamp, version_id,
};
use super::errors::{self, invalid_argument, invalid_request, refuse};
use super::list::{Encoder, check_listable, page_size};
use super::upload::Promise;
use super::write::write_condition;
use super::{Reply, Service};
use crate::s3::store::{
    Algorithm, CompletedPart, Completion, Kind, Part, SPILL_PART_ABOVE, Sink, Upload,
};

/// Parts are numbered from 1 to this.
const MAX_PART_NUMBER: u16 = 10_000;

pub(super) fn create(
    service: &Service,
    request: &S3Request<CreateMultipartUploadInput>,
) -> Reply<CreateMultipartUploadOutput> {
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    let settings = service.admit(request, bucket, Some(&input.key), owner)?;
    let checksum = wanted_checksum(
        input.checksum_algorithm.as_ref(),
        input.checksum_type.as_ref(),
    )?;
    let id = service
        .store
        .begin_upload(bucket, &input.key, attributes_of!(input), checksum)
        .map_err(refuse)?;
    let (server_side_encryption, ssekms_key_id) = encryption(settings.kms);
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(bucket.clone()),
        key: Some(input.key.clone()),
        upload_id: Some(id),
        checksum_algorithm: checksum.map(|(algorithm, _)| algorithm_name(algorithm)),
        checksum_type: checksum.map(|(_, kind)| ChecksumType::from_static(kind.name())),
        server_side_encryption,
        ssekms_key_id,
        ..CreateMultipartUploadOutput::default()
    }))
}

fn algorithm_name(algorithm: Algorithm) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from_static(algorithm.name())
}

fn wanted_checksum(
    algorithm: Option<&ChecksumAlgorithm>,
    kind: Option<&ChecksumType>,
) -> S3Result<Option<(Algorithm, Kind)>> {
    let Some(name) = algorithm.map(ChecksumAlgorithm::as_str) else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let algorithm = Algorithm::from_name(name).ok_or_else(|| {
        invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
    })?;
    let kind = match kind.map(ChecksumType::as_str) {
        None => algorithm.default_kind(),
        Some(name) => Kind::from_name(name)
            .ok_or_else(|| invalid_request("Value for x-amz-checksum-type header is invalid."))?,
    };
    if !algorithm.allows(kind) {
        return Err(invalid_request(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.name()
        )));
    }
    Ok(Some((algorithm, kind)))
}

pub(super) fn part_number(number: i32) -> S3Result<u16> {
    u16::try_from(number)
        .ok()
        .filter(|number| (1..=MAX_PART_NUMBER).contains(number))
        .ok_or_else(|| {
            invalid_argument("Part number must be an integer between 1 and 10000, inclusive")
        })
}

pub(super) async fn upload_part(
    service: &Service,
    mut request: S3Request<UploadPartInput>,
) -> Reply<UploadPartOutput> {
    let body = request.input.body.take();
    let input = &request.input;
    let (bucket, key, owner) = (
        &input.bucket,
        &input.key,
        input.expected_bucket_owner.as_deref(),
    );
    let settings = service.admit(&request, bucket, Some(key), owner)?;
    let number = part_number(input.part_number)?;
    let store = &service.store;
    let wanted = store
        .with_upload(bucket, key, &input.upload_id, |upload| upload.checksum)
        .map_err(refuse)?;
    let promise = Promise::new(
        &request,
        input.content_length,
        input.content_md5.as_deref(),
        given_checksum!(input)?,
    )?;
    let wanted = wanted.map(|(algorithm, _)| algorithm);
    check_algorithm(wanted, promise.algorithm())?;
    let kept = wanted.unwrap_or(Algorithm::Crc64Nvme);
    let shown = promise.algorithm().unwrap_or(kept);
    let sink = if promise.length() > SPILL_PART_ABOVE {
        let spill = store.with_upload(bucket, key, &input.upload_id, Upload::spill);
        Sink::File(spill.map_err(refuse)?.map_err(errors::io)?)
    } else {
        Sink::Memory
    };
    let received = promise.receive(body, kept, sink).await?;
    let part = Part {
        number,
        body: received.body,
        md5: received.digests.md5,
        checksums: received.digests.checksums,
        last_modified: jiff::Timestamp::now(),
    };
    let (server_side_encryption, ssekms_key_id) = encryption(settings.kms);
    let mut output = UploadPartOutput {
        e_tag: Some(etag(&part.etag())),
        server_side_encryption,
        ssekms_key_id,
        ..UploadPartOutput::default()
    };
    if let Some(kept) = part.checksums.iter().find(|kept| kept.algorithm == shown) {
        set_checksum!(output, shown, kept.base64());
    }
    store
        .add_part(bucket, key, &input.upload_id, part)
        .map_err(refuse)?;
    Ok(S3Response::new(output))
}

/// A part's checksum must be of the algorithm that its upload began with, if it began with one.
fn check_algorithm(wanted: Option<Algorithm>, given: Option<Algorithm>) -> S3Result<()> {
    match (wanted, given) {
        (Some(wanted), Some(given)) if wanted != given => Err(invalid_request(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            wanted.name().to_lowercase(),
            given.name().to_lowercase()
        ))),
        _ => Ok(()),
    }
}

pub(super) fn complete(
    service: &Service,
    request: &S3Request<CompleteMultipartUploadInput>,
) -> Reply<CompleteMultipartUploadOutput> {
    let input = &request.input;
    let (bucket, key, owner) = (
        &input.bucket,
        &input.key,
        input.expected_bucket_owner.as_deref(),
    );
    let settings = service.admit(request, bucket, Some(key), owner)?;
    let condition = write_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let completion = Completion {
        parts: completed_parts(input)?,
        checksum: given_checksum!(input)?,
        size: input
            .mpu_object_size
            .map(u64::try_from)
            .transpose()
            .map_err(|_| invalid_argument("x-amz-mp-object-size must not be negative"))?,
    };
    let object = service
        .store
        .complete_upload(bucket, key, &input.upload_id, &completion, &condition)
        .map_err(refuse)?;
    let (server_side_encryption, ssekms_key_id) = encryption(object.kms);
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(bucket.clone()),
        key: Some(key.clone()),
        location: Some(format!("/{bucket}/{key}")),
        e_tag: Some(etag(&object.etag)),
        version_id: version_id(&object, &settings),
        server_side_encryption,
        ssekms_key_id,
        ..CompleteMultipartUploadOutput::default()
    };
    show_checksum!(output, object.checksum);
    Ok(S3Response::new(output))
}

fn completed_parts(input: &CompleteMultipartUploadInput) -> S3Result<Vec<CompletedPart>> {
    let parts = input.multipart_upload.as_ref();
    let parts = parts.and_then(|parts| parts.parts.as_deref());
    let malformed = || s3_error!(MalformedXML, "a part needs its number and its ETag");
    parts
        .unwrap_or_default()
        .iter()
        .map(|part| {
            Ok(CompletedPart {
                number: part_number(part.part_number.ok_or_else(malformed)?)?,
                etag: part
                    .e_tag
                    .as_ref()
                    .ok_or_else(malformed)?
                    .value()
                    .to_owned(),
                checksum: given_checksum!(part)?,
            })
        })
        .collect()
}

pub(super) fn abort(
    service: &Service,
    request: &S3Request<AbortMultipartUploadInput>,
) -> Reply<AbortMultipartUploadOutput> {
    let input = &request.input;
    let owner = input.expected_bucket_owner.as_deref();
    service.admit(request, &input.bucket, Some(&input.key), owner)?;
    service
        .store
        .abort_upload(&input.bucket, &input.key, &input.upload_id)
        .map_err(refuse)?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

pub(super) fn list_parts(
    service: &Service,
    request: &S3Request<ListPartsInput>,
) -> Reply<ListPartsOutput> {
    let input = &request.input;
    let owner_id = input.expected_bucket_owner.as_deref();
    let settings = service.admit(request, &input.bucket, Some(&input.key), owner_id)?;
    let upload = service
        .store
        .upload(&input.bucket, &input.key, &input.upload_id)
        .map_err(refuse)?;
    let (max_parts, limit) = page_size(input.max_parts)?;
    let marker = input.part_number_marker.unwrap_or(0);
    let mut rest = upload
        .parts
        .values()
        .filter(|part| i32::from(part.number) > marker);
    let parts: Vec<_> = rest
        .by_ref()
        .take(limit)
        .map(|part| shown_part(part, upload.algorithm()))
        .collect();
    let truncated = rest.next().is_some();
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        upload_id: Some(upload.id.clone()),
        checksum_algorithm: upload
            .checksum
            .map(|(algorithm, _)| algorithm_name(algorithm)),
        checksum_type: upload
            .checksum
            .map(|(_, kind)| ChecksumType::from_static(kind.name())),
        is_truncated: Some(truncated),
        max_parts: Some(max_parts),
        part_number_marker: Some(marker),
        next_part_number_marker: parts.last().and_then(|part| part.part_number),
        owner: Some(owner(&settings)),
        parts: Some(parts),
        ..ListPartsOutput::default()
    }))
}

fn shown_part(part: &Part, algorithm: Algorithm) -> dto::Part {
    let mut shown = dto::Part {
        part_number: Some(part.number.into()),
        e_tag: Some(etag(&part.etag())),
        size: Some(signed(part.body.length())),
        last_modified: Some(timestamp(part.last_modified)),
        ..dto::Part::default()
    };
    let kept = part
        .checksums
        .iter()
        .find(|kept| kept.algorithm == algorithm);
    if let Some(kept) = kept {
        set_checksum!(shown, algorithm, kept.base64());
    }
    shown
}

/// Delimiters are not folded here: nobody lists uploads by folder.
pub(super) fn list_uploads(
    service: &Service,
    request: &S3Request<ListMultipartUploadsInput>,
) -> Reply<ListMultipartUploadsOutput> {
    let input = &request.input;
    let owner_id = input.expected_bucket_owner.as_deref();
    let settings = service.admit(request, &input.bucket, None, owner_id)?;
    check_listable(settings.list_denied)?;
    let encoder = Encoder::new(input.encoding_type.as_ref())?;
    let (max_uploads, limit) = page_size(input.max_uploads)?;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let after = (
        input.key_marker.as_deref().unwrap_or_default(),
        input.upload_id_marker.as_deref(),
    );
    let uploads = service.store.uploads(&input.bucket).map_err(refuse)?;
    let mut rest = uploads
        .iter()
        .filter(|upload| upload.key.starts_with(prefix))
        .filter(|upload| match after {
            (key, Some(id)) => (upload.key.as_str(), upload.id.as_str()) > (key, id),
            (key, None) => upload.key.as_str() > key,
        });
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let last = page.last().filter(|_| rest.next().is_some());
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(input.bucket.clone()),
        prefix: Some(encoder.encode(prefix)),
        key_marker: Some(encoder.encode(after.0)),
        upload_id_marker: input.upload_id_marker.clone(),
        next_key_marker: last.map(|upload| encoder.encode(&upload.key)),
        next_upload_id_marker: last.map(|upload| upload.id.clone()),
        max_uploads: Some(max_uploads),
        is_truncated: Some(last.is_some()),
        encoding_type: input.encoding_type.clone(),
        uploads: Some(
            page.iter()
                .map(|upload| shown_upload(upload, encoder, &settings.owner))
                .collect(),
        ),
        ..ListMultipartUploadsOutput::default()
    }))
}

fn shown_upload(upload: &Upload, encoder: Encoder, owner: &str) -> MultipartUpload {
    MultipartUpload {
        key: Some(encoder.encode(&upload.key)),
        upload_id: Some(upload.id.clone()),
        initiated: Some(timestamp(upload.initiated)),
        checksum_algorithm: upload
            .checksum
            .map(|(algorithm, _)| algorithm_name(algorithm)),
        checksum_type: upload
            .checksum
            .map(|(_, kind)| ChecksumType::from_static(kind.name())),
        owner: Some(dto::Owner {
            display_name: None,
            id: Some(owner.to_owned()),
        }),
        ..MultipartUpload::default()
    }
}
