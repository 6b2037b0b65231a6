//! GetObject, HeadObject, GetObjectAttributes.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>.

use std::ops::Range;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::dto::{
    self, ChecksumMode, ETagCondition, GetObjectAttributesInput, GetObjectAttributesOutput,
    GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob, Timestamp,
};
use s3s::{S3Request, S3Response, S3Result};

use super::convert::{
    condition_value, encryption, etag, set_checksum, show_checksum, signed, timestamp, version_id,
};
use super::errors::{self, refuse};
use super::list::page_size;
use super::{Reply, Service};
use crate::s3::store::{Body, Kind, Object, Part, RawChecksum, StoreError};

/// What S3 says of an object whose writer said nothing.
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// Sets what GetObject and HeadObject say alike.
macro_rules! describe {
    ($output:expr, $object:expr, $settings:expr, $part:expr) => {{
        let (object, attributes) = (&$object, &$object.attributes);
        ($output.server_side_encryption, $output.ssekms_key_id) = encryption(object.kms);
        $output.accept_ranges = Some("bytes".to_owned());
        $output.cache_control.clone_from(&attributes.cache_control);
        $output
            .content_disposition
            .clone_from(&attributes.content_disposition);
        $output
            .content_encoding
            .clone_from(&attributes.content_encoding);
        $output
            .content_language
            .clone_from(&attributes.content_language);
        $output.content_type = Some(content_type(object));
        $output.content_length = Some(signed($part.range.end - $part.range.start));
        $output.content_range = $part.content_range();
        $output.parts_count = $part.count;
        $output.e_tag = Some(etag(&object.etag));
        $output.expires = attributes.expires.map(timestamp);
        $output.last_modified = Some(timestamp(object.last_modified));
        $output.metadata = (!attributes.metadata.is_empty())
            .then(|| attributes.metadata.clone().into_iter().collect());
        $output.storage_class = attributes
            .storage_class
            .clone()
            .filter(|class| class != "STANDARD")
            .map(Into::into);
        $output.version_id = version_id(object, &$settings);
        $output
            .website_redirect_location
            .clone_from(&attributes.website_redirect_location);
        if $part.checksum {
            show_checksum!($output, object.checksum);
        }
        if let Some(kept) = $part.of_part {
            $output.checksum_type = object.checksum.as_ref().map(|shown| kind(shown.kind));
            set_checksum!($output, kept.algorithm, kept.base64());
        }
    }};
}

pub(super) fn get_object(
    service: &Service,
    request: &S3Request<GetObjectInput>,
) -> Reply<GetObjectOutput> {
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    let settings = service.admit(request, bucket, Some(&input.key), owner)?;
    let object = find(service, bucket, &input.key, input.version_id.as_deref())?;
    Conditions {
        etag: input.if_match.as_ref(),
        not_etag: input.if_none_match.as_ref(),
        modified_since: input.if_modified_since.as_ref(),
        unmodified_since: input.if_unmodified_since.as_ref(),
    }
    .check(&object)?;
    if object.is_archived() {
        return Err(errors::archived(&object));
    }
    let mode = input.checksum_mode.as_ref();
    let part = Extent::new(&object, input.range.as_ref(), input.part_number, mode)?;
    let mut output = GetObjectOutput {
        body: Some(blob(&object.body.slice(part.range.clone()))),
        ..GetObjectOutput::default()
    };
    describe!(output, object, settings, part);
    Ok(S3Response::with_headers(output, tagging_count(&object)))
}

pub(super) fn head_object(
    service: &Service,
    request: &S3Request<HeadObjectInput>,
) -> Reply<HeadObjectOutput> {
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    let settings = service.admit(request, bucket, Some(&input.key), owner)?;
    let object = find(service, bucket, &input.key, input.version_id.as_deref())?;
    Conditions {
        etag: input.if_match.as_ref(),
        not_etag: input.if_none_match.as_ref(),
        modified_since: input.if_modified_since.as_ref(),
        unmodified_since: input.if_unmodified_since.as_ref(),
    }
    .check(&object)?;
    let mode = input.checksum_mode.as_ref();
    let part = Extent::new(&object, input.range.as_ref(), input.part_number, mode)?;
    let mut output = HeadObjectOutput::default();
    describe!(output, object, settings, part);
    Ok(S3Response::with_headers(output, tagging_count(&object)))
}

fn find(
    service: &Service,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> S3Result<Arc<Object>> {
    service.store.get(bucket, key, version).map_err(refuse)
}

fn content_type(object: &Object) -> String {
    let given = object.attributes.content_type.as_deref();
    given.unwrap_or(DEFAULT_CONTENT_TYPE).to_owned()
}

fn tagging_count(object: &Object) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !object.attributes.tags.is_empty() {
        headers.insert(
            HeaderName::from_static("x-amz-tagging-count"),
            HeaderValue::from(object.attributes.tags.len()),
        );
    }
    headers
}

pub(super) fn blob(body: &Body) -> StreamingBlob {
    match body.in_memory() {
        Some(bytes) => StreamingBlob::from(s3s::Body::from(bytes)),
        None => StreamingBlob::wrap(body.stream()),
    }
}

fn kind(kind: Kind) -> dto::ChecksumType {
    dto::ChecksumType::from_static(kind.name())
}

/// Which of an object's bytes a request is answered with.
struct Extent<'a> {
    range: Range<u64>,
    size: u64,
    /// Whether it is not simply all of them.
    partial: bool,
    count: Option<i32>,
    checksum: bool,
    /// The checksum of the part that was asked for.
    of_part: Option<&'a RawChecksum>,
}

impl<'a> Extent<'a> {
    fn new(
        object: &'a Object,
        range: Option<&dto::Range>,
        part_number: Option<i32>,
        mode: Option<&ChecksumMode>,
    ) -> S3Result<Self> {
        let size = object.size();
        let wanted = match (range, part_number) {
            (Some(_), Some(_)) => {
                return Err(errors::invalid_request(
                    "Cannot specify both Range header and partNumber query parameter",
                ));
            }
            (Some(range), None) => Some(
                range
                    .check(size)
                    .map_err(|_| errors::range_not_satisfiable(size))?,
            ),
            (None, Some(number)) => Some(part_range(object, number)?),
            (None, None) => None,
        };
        let partial = wanted.is_some();
        let count = part_number.and(i32::try_from(object.parts.len()).ok());
        let wants_checksum = mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
        let part = part_number.filter(|_| wants_checksum);
        Ok(Self {
            range: wanted.unwrap_or(0..size),
            size,
            partial,
            count: count.filter(|count| *count > 0),
            checksum: !partial && wants_checksum,
            of_part: part.and_then(|number| {
                let mut parts = object.parts.iter();
                let part = parts.find(|part| i32::from(part.number) == number)?;
                shown_of(object, part)
            }),
        })
    }

    fn content_range(&self) -> Option<String> {
        let (start, end) = (self.range.start, self.range.end);
        (self.partial && start < end).then(|| format!("bytes {start}-{}/{}", end - 1, self.size))
    }
}

/// The checksum of `part` that S3 shows: under one of the whole object, none but that of its only part
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributesParts.html>).
fn shown_of<'a>(object: &Object, part: &'a Part) -> Option<&'a RawChecksum> {
    let shown = object.checksum.as_ref()?;
    let is_shown = shown.kind == Kind::Composite || object.parts.len() == 1;
    let mut kept = part.checksums.iter().filter(|_| is_shown);
    kept.find(|kept| kept.algorithm == shown.algorithm)
}

fn part_range(object: &Object, number: i32) -> S3Result<Range<u64>> {
    if object.parts.is_empty() && number == 1 {
        return Ok(0..object.size());
    }
    let mut start = 0;
    for part in &object.parts {
        let end = start + part.body.length();
        if i32::from(part.number) == number {
            return Ok(start..end);
        }
        start = end;
    }
    Err(errors::range_not_satisfiable(object.size()))
}

/// The conditions of a read, in the order of RFC 9110, section 13.2.2.
pub(super) struct Conditions<'a> {
    pub(super) etag: Option<&'a ETagCondition>,
    pub(super) not_etag: Option<&'a ETagCondition>,
    pub(super) modified_since: Option<&'a Timestamp>,
    pub(super) unmodified_since: Option<&'a Timestamp>,
}

impl Conditions<'_> {
    /// Passes, or refuses with 412 or 304.
    pub(super) fn check(&self, object: &Object) -> S3Result<()> {
        let matches = |condition: &ETagCondition| {
            let value = condition_value(condition);
            value == "*" || value == object.etag
        };
        let modified = timestamp(object.last_modified);
        match (self.etag, self.unmodified_since) {
            (Some(condition), _) if !matches(condition) => {
                return Err(errors::precondition_failed("If-Match"));
            }
            (None, Some(time)) if modified > *time => {
                return Err(errors::precondition_failed("If-Unmodified-Since"));
            }
            _ => {}
        }
        match (self.not_etag, self.modified_since) {
            (Some(condition), _) if matches(condition) => Err(errors::not_modified(object)),
            (None, Some(time)) if modified <= *time => Err(errors::not_modified(object)),
            _ => Ok(()),
        }
    }
}

pub(super) fn get_object_attributes(
    service: &Service,
    request: &S3Request<GetObjectAttributesInput>,
) -> Reply<GetObjectAttributesOutput> {
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    let settings = service.admit(request, bucket, Some(&input.key), owner)?;
    if settings.attributes_denied {
        return Err(refuse(StoreError::AccessDenied));
    }
    let object = find(service, bucket, &input.key, input.version_id.as_deref())?;
    let (max_parts, limit) = page_size(input.max_parts)?;
    let after = input.part_number_marker.unwrap_or(0);
    // One header may name several; `s3s` only splits repeated headers.
    let wanted: Vec<&str> = input
        .object_attributes
        .iter()
        .flat_map(|names| names.as_str().split(','))
        .map(str::trim)
        .collect();
    let wants = |name| wanted.contains(&name);
    let output = GetObjectAttributesOutput {
        e_tag: wants("ETag").then(|| etag(&object.etag)),
        checksum: wants("Checksum").then(|| checksum_of(&object)),
        object_parts: (wants("ObjectParts") && !object.parts.is_empty())
            .then(|| parts_of(&object, max_parts, limit, after)),
        object_size: wants("ObjectSize").then(|| signed(object.size())),
        storage_class: wants("StorageClass").then(|| object.storage_class().to_owned().into()),
        last_modified: Some(timestamp(object.last_modified)),
        version_id: version_id(&object, &settings),
        ..GetObjectAttributesOutput::default()
    };
    Ok(S3Response::new(output))
}

/// S3 shows a composite without how many parts it is of here, and nowhere else.
fn checksum_of(object: &Object) -> dto::Checksum {
    let mut shown = dto::Checksum::default();
    if let Some(checksum) = &object.checksum {
        let bare = checksum.value.split('-').next().unwrap_or_default();
        shown.checksum_type = Some(kind(checksum.kind));
        set_checksum!(shown, checksum.algorithm, bare.to_owned());
    }
    shown
}

/// A page of the parts of a composite; of any other object, how many there are.
fn parts_of(
    object: &Object,
    max_parts: i32,
    limit: usize,
    after: i32,
) -> dto::GetObjectAttributesParts {
    let total_parts_count = i32::try_from(object.parts.len()).ok();
    let checksum = object.checksum.as_ref();
    if checksum.is_none_or(|checksum| checksum.kind != Kind::Composite) {
        return dto::GetObjectAttributesParts {
            total_parts_count,
            ..dto::GetObjectAttributesParts::default()
        };
    }
    let mut rest = object
        .parts
        .iter()
        .filter(|part| i32::from(part.number) > after);
    let page = rest.by_ref().take(limit);
    let parts: Vec<_> = page.map(|part| shown_part(object, part)).collect();
    dto::GetObjectAttributesParts {
        total_parts_count,
        is_truncated: Some(rest.next().is_some()),
        max_parts: Some(max_parts),
        part_number_marker: Some(after),
        next_part_number_marker: parts.last().map_or(Some(0), |part| part.part_number),
        parts: Some(parts),
    }
}

fn shown_part(object: &Object, part: &Part) -> dto::ObjectPart {
    let mut shown = dto::ObjectPart {
        part_number: Some(part.number.into()),
        size: Some(signed(part.body.length())),
        ..dto::ObjectPart::default()
    };
    if let Some(kept) = shown_of(object, part) {
        set_checksum!(shown, kept.algorithm, kept.base64());
    }
    shown
}
