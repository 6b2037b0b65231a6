//! ListObjectVersions.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>.

use s3s::dto::{
    ChecksumAlgorithm, ChecksumType, CommonPrefix, DeleteMarkerEntry, ListObjectVersionsInput,
    ListObjectVersionsOutput, ObjectVersion, ObjectVersionStorageClass, Owner,
};
use s3s::{S3Request, S3Response};

use super::convert::{etag, owner, signed, timestamp};
use super::errors::refuse;
use super::list::{Encoder, check_listable, common_prefix, page_size};
use super::{Reply, Service};
use crate::s3::store::{Entry, ListQuery, Object, Version};

pub(super) fn list_object_versions(
    service: &Service,
    request: &S3Request<ListObjectVersionsInput>,
) -> Reply<ListObjectVersionsOutput> {
    let input = &request.input;
    let owner_id = input.expected_bucket_owner.as_deref();
    let settings = service.admit(request, &input.bucket, None, owner_id)?;
    check_listable(settings.list_denied)?;
    let (max_keys, limit) = page_size(input.max_keys)?;
    let key_marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
    let mut listing = Listing {
        encoder: Encoder::new(input.encoding_type.as_ref())?,
        owner: owner(&settings),
        limit,
        count: 0,
        versions: Vec::new(),
        markers: Vec::new(),
        prefixes: Vec::new(),
        last: None,
        truncated: false,
    };
    let mut query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().unwrap_or_default(),
        after: key_marker.clone(),
        limit,
    };
    if let (Some(key), Some(id)) = (&key_marker, &input.version_id_marker) {
        // The rest of the marker's own key comes first.
        let one = ListQuery {
            prefix: key.clone(),
            limit: 1,
            ..ListQuery::default()
        };
        let page = service.store.list_versions(&input.bucket, &one);
        for entry in page.map_err(refuse)?.entries {
            if let Entry::Item((found, versions)) = entry
                && found == *key
            {
                let after = versions
                    .iter()
                    .position(|version| version.id().as_str() == id);
                listing.key(&found, &versions, after.map_or(0, |at| at + 1));
            }
        }
    }
    query.limit = limit;
    let page = service.store.list_versions(&input.bucket, &query);
    let page = page.map_err(refuse)?;
    for entry in page.entries {
        match entry {
            Entry::Item((key, versions)) => listing.key(&key, &versions, 0),
            Entry::CommonPrefix(prefix) => listing.prefix(prefix),
        }
    }
    listing.truncated |= page.next.is_some() && limit > 0;
    Ok(S3Response::new(listing.output(input, max_keys)))
}

struct Listing {
    encoder: Encoder,
    owner: Owner,
    limit: usize,
    count: usize,
    versions: Vec<ObjectVersion>,
    markers: Vec<DeleteMarkerEntry>,
    prefixes: Vec<CommonPrefix>,
    /// The last entry's key or prefix, and its version id.
    last: Option<(String, Option<String>)>,
    truncated: bool,
}

impl Listing {
    fn room(&mut self) -> bool {
        let room = !self.truncated && self.count < self.limit;
        self.truncated |= !room && self.limit > 0;
        self.count += usize::from(room);
        room
    }

    fn prefix(&mut self, prefix: String) {
        if self.room() {
            self.prefixes.push(common_prefix(&prefix, self.encoder));
            self.last = Some((prefix, None));
        }
    }

    fn key(&mut self, key: &str, versions: &[Version], from: usize) {
        for (at, version) in versions.iter().enumerate().skip(from) {
            if !self.room() {
                return;
            }
            self.last = Some((key.to_owned(), Some(version.id().to_string())));
            match version {
                Version::Object(object) => {
                    let shown = self.shown(key, object, at == 0);
                    self.versions.push(shown);
                }
                Version::DeleteMarker {
                    version_id,
                    last_modified,
                } => self.markers.push(DeleteMarkerEntry {
                    is_latest: Some(at == 0),
                    key: Some(self.encoder.encode(key)),
                    last_modified: Some(timestamp(*last_modified)),
                    owner: Some(self.owner.clone()),
                    version_id: Some(version_id.to_string()),
                }),
            }
        }
    }

    fn shown(&self, key: &str, object: &Object, is_latest: bool) -> ObjectVersion {
        let checksum = object.checksum.as_ref();
        ObjectVersion {
            key: Some(self.encoder.encode(key)),
            version_id: Some(object.version_id.to_string()),
            is_latest: Some(is_latest),
            e_tag: Some(etag(&object.etag)),
            size: Some(signed(object.size())),
            last_modified: Some(timestamp(object.last_modified)),
            storage_class: Some(ObjectVersionStorageClass::from(
                object.storage_class().to_owned(),
            )),
            checksum_algorithm: checksum
                .map(|shown| vec![ChecksumAlgorithm::from_static(shown.algorithm.name())]),
            checksum_type: checksum.map(|shown| ChecksumType::from_static(shown.kind.name())),
            owner: Some(self.owner.clone()),
            ..ObjectVersion::default()
        }
    }

    fn output(self, input: &ListObjectVersionsInput, max_keys: i32) -> ListObjectVersionsOutput {
        let encoder = self.encoder;
        let (next_key, next_version) = self
            .last
            .filter(|_| self.truncated)
            .map_or((None, None), |(key, version)| (Some(key), version));
        ListObjectVersionsOutput {
            name: Some(input.bucket.clone()),
            prefix: Some(encoder.encode(input.prefix.as_deref().unwrap_or_default())),
            delimiter: encoder.encode_some(input.delimiter.as_ref()),
            key_marker: Some(encoder.encode(input.key_marker.as_deref().unwrap_or_default())),
            version_id_marker: input.version_id_marker.clone(),
            next_key_marker: encoder.encode_some(next_key.as_ref()),
            next_version_id_marker: next_version,
            max_keys: Some(max_keys),
            is_truncated: Some(self.truncated),
            encoding_type: input.encoding_type.clone(),
            versions: Some(self.versions),
            delete_markers: Some(self.markers),
            common_prefixes: Some(self.prefixes),
            ..ListObjectVersionsOutput::default()
        }
    }
}
