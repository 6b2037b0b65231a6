//! Where each thing that S3 says of an object goes at GCS.

use std::collections::BTreeMap;

use crate::gcs::{Object, Provenance};
use crate::integrity::Checksum;
use crate::s3::SourceObject;

/// What `source` is, standing at `key` of `bucket`.
#[must_use]
pub fn provenance(source: &SourceObject, bucket: &str, key: &str) -> Provenance {
    Provenance {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        etag: source.etag.clone(),
        version_id: source.version_id.clone(),
        last_modified: source.last_modified.clone(),
        size: source.size,
    }
}

/// The resource that describes `source` at its destination `name`, to be checked against
/// `checksum` where there is one: content headers as they are, user metadata beside the provenance.
#[must_use]
pub fn object(
    source: &SourceObject,
    name: &str,
    provenance: &Provenance,
    checksum: Option<Checksum>,
) -> Object {
    let mut metadata: BTreeMap<String, String> = source.metadata.iter().cloned().collect();
    provenance.write(&mut metadata);
    let base64_if = |wanted: bool| checksum.filter(|_| wanted).map(Checksum::to_base64);
    let is_crc32c = matches!(checksum, Some(Checksum::Crc32c(_)));
    Object {
        name: name.to_owned(),
        content_type: source.content_type.clone(),
        content_encoding: source.content_encoding.clone(),
        content_disposition: source.content_disposition.clone(),
        content_language: source.content_language.clone(),
        cache_control: source.cache_control.clone(),
        crc32c: base64_if(is_crc32c),
        md5_hash: base64_if(!is_crc32c),
        metadata,
        ..Object::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn headers_metadata_provenance_and_checksum_each_have_their_place() {
        let text = |value: &str| Some(value.to_owned());
        let source = SourceObject {
            size: 3,
            etag: "\"e\"".into(),
            content_type: text("text/plain"),
            content_encoding: text("gzip"),
            content_disposition: text("inline"),
            content_language: text("de"),
            cache_control: text("no-store"),
            metadata: vec![("author".into(), "Ada".into())],
            ..SourceObject::default()
        };
        let origin = provenance(&source, "src", "k");
        let written = object(&source, "n", &origin, Some(Checksum::Crc32c(1)));
        let json = serde_json::to_value(&written).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "name": "n", "contentType": "text/plain", "contentEncoding": "gzip",
                "contentDisposition": "inline", "contentLanguage": "de", "cacheControl": "no-store",
                "crc32c": "AAAAAQ==",
                "metadata": {
                    "author": "Ada",
                    "causeway-source-bucket": "src", "causeway-source-key": "k",
                    "causeway-source-etag": "\"e\"", "causeway-source-size": "3"
                }
            })
        );
        let md5 = object(&source, "n", &origin, Some(Checksum::Md5([0; 16])));
        assert!(md5.md5_hash.is_some() && md5.crc32c.is_none());
        let none = object(&source, "n", &origin, None);
        assert!(none.md5_hash.is_none() && none.crc32c.is_none());
    }
}
