//! ListObjects and ListObjectsV2.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::{
    self, ChecksumAlgorithm, ChecksumType, CommonPrefix, EncodingType, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ObjectStorageClass, Owner,
};
use s3s::{S3Request, S3Response, S3Result};

use super::convert::{etag, form_encode, owner, signed, timestamp};
use super::errors::{invalid_argument, refuse};
use super::{Reply, Service};
use crate::s3::store::{Entry, ListQuery, Object, StoreError};

/// S3 lists no more at once.
const MAX_KEYS: i32 = 1000;

/// How names are written in a listing: as they are, or form-encoded (`encoding-type=url`), for XML
/// cannot carry every character.
#[derive(Clone, Copy)]
pub(super) struct Encoder(bool);

impl Encoder {
    pub(super) fn new(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some(EncodingType::URL) => Ok(Self(true)),
            Some(_) => Err(invalid_argument(
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    pub(super) fn encode(self, name: &str) -> String {
        if self.0 {
            form_encode(name)
        } else {
            name.to_owned()
        }
    }

    pub(super) fn encode_some(self, name: Option<&String>) -> Option<String> {
        name.map(|name| self.encode(name))
    }
}

/// The page size: what was asked for, at most 1000.
pub(super) fn page_size(max: Option<i32>) -> S3Result<(i32, usize)> {
    let max = max.unwrap_or(MAX_KEYS);
    let size = usize::try_from(max.min(MAX_KEYS))
        .map_err(|_| invalid_argument("max-keys must not be negative"))?;
    Ok((max, size))
}

/// The page size of a listing that the bucket's settings allow.
pub(super) fn check_listable(denied: bool) -> S3Result<()> {
    if denied {
        return Err(refuse(StoreError::AccessDenied));
    }
    Ok(())
}

pub(super) fn list_objects_v2(
    service: &Service,
    request: &S3Request<ListObjectsV2Input>,
) -> Reply<ListObjectsV2Output> {
    let input = &request.input;
    let owner_id = input.expected_bucket_owner.as_deref();
    let settings = service.admit(request, &input.bucket, None, owner_id)?;
    check_listable(settings.list_denied)?;
    let encoder = Encoder::new(input.encoding_type.as_ref())?;
    let (max_keys, limit) = page_size(input.max_keys)?;
    let token = input.continuation_token.as_deref();
    let after = match token {
        Some(token) => Some(after_token(token)?),
        None => input.start_after.clone(),
    };
    let query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().unwrap_or_default(),
        after: after.filter(|after| !after.is_empty()),
        limit,
    };
    let page = service.store.list(&input.bucket, &query).map_err(refuse)?;
    let shown_owner = input.fetch_owner.unwrap_or(false).then(|| owner(&settings));
    let key_count = i32::try_from(page.entries.len()).ok();
    let (contents, common_prefixes) = split(page.entries, encoder, shown_owner.as_ref());
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket.clone()),
        prefix: Some(encoder.encode(&query.prefix)),
        delimiter: encoder.encode_some(input.delimiter.as_ref()),
        max_keys: Some(max_keys.min(MAX_KEYS)),
        key_count,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.map(|next| URL_SAFE_NO_PAD.encode(next)),
        continuation_token: input.continuation_token.clone(),
        start_after: encoder.encode_some(input.start_after.as_ref()),
        encoding_type: input.encoding_type.clone(),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        ..ListObjectsV2Output::default()
    }))
}

fn after_token(token: &str) -> S3Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| invalid_argument("The continuation token provided is incorrect"))
}

pub(super) fn list_objects(
    service: &Service,
    request: &S3Request<ListObjectsInput>,
) -> Reply<ListObjectsOutput> {
    let input = &request.input;
    let owner_id = input.expected_bucket_owner.as_deref();
    let settings = service.admit(request, &input.bucket, None, owner_id)?;
    check_listable(settings.list_denied)?;
    let encoder = Encoder::new(input.encoding_type.as_ref())?;
    let (max_keys, limit) = page_size(input.max_keys)?;
    let query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().unwrap_or_default(),
        after: input.marker.clone().filter(|marker| !marker.is_empty()),
        limit,
    };
    let page = service.store.list(&input.bucket, &query).map_err(refuse)?;
    let shown_owner = owner(&settings);
    let (contents, common_prefixes) = split(page.entries, encoder, Some(&shown_owner));
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket.clone()),
        prefix: Some(encoder.encode(&query.prefix)),
        delimiter: encoder.encode_some(input.delimiter.as_ref()),
        marker: Some(encoder.encode(input.marker.as_deref().unwrap_or_default())),
        max_keys: Some(max_keys.min(MAX_KEYS)),
        is_truncated: Some(page.next.is_some()),
        // Without a delimiter the last key serves as the next marker.
        next_marker: encoder
            .encode_some(page.next.as_ref())
            .filter(|_| !query.delimiter.is_empty()),
        encoding_type: input.encoding_type.clone(),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        ..ListObjectsOutput::default()
    }))
}

fn split(
    entries: Vec<Entry<Arc<Object>>>,
    encoder: Encoder,
    owner: Option<&Owner>,
) -> (Vec<dto::Object>, Vec<CommonPrefix>) {
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::Item(object) => contents.push(shown(&object, encoder, owner)),
            Entry::CommonPrefix(prefix) => prefixes.push(common_prefix(&prefix, encoder)),
        }
    }
    (contents, prefixes)
}

pub(super) fn common_prefix(prefix: &str, encoder: Encoder) -> CommonPrefix {
    CommonPrefix {
        prefix: Some(encoder.encode(prefix)),
    }
}

fn shown(object: &Object, encoder: Encoder, owner: Option<&Owner>) -> dto::Object {
    let checksum = object.checksum.as_ref();
    dto::Object {
        key: Some(encoder.encode(&object.key)),
        e_tag: Some(etag(&object.etag)),
        size: Some(signed(object.size())),
        last_modified: Some(timestamp(object.last_modified)),
        storage_class: Some(ObjectStorageClass::from(object.storage_class().to_owned())),
        checksum_algorithm: checksum
            .map(|shown| vec![ChecksumAlgorithm::from_static(shown.algorithm.name())]),
        checksum_type: checksum.map(|shown| ChecksumType::from_static(shown.kind.name())),
        owner: owner.cloned(),
        ..dto::Object::default()
    }
}
