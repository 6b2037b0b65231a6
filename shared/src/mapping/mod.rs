//! Where each thing that S3 says of an object goes at GCS. `docs/metadata.md` has it as a table.

mod compare;
mod custom;

use crate::gcs::{Object, Provenance};
use crate::integrity::{Checksum, Proof};
use crate::route::Route;
use crate::s3::SourceObject;

pub use compare::{Less, describes, has_same_bytes};
pub use custom::{OMITTED, custom_metadata, omitted};

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
/// `checksum` where there is one, its bytes proven by `proof` once it is committed: content headers
/// as they are, the rest as `route` asks.
#[must_use]
pub fn object(
    route: &Route,
    source: &SourceObject,
    name: &str,
    provenance: &Provenance,
    checksum: Option<Checksum>,
    proof: Proof,
) -> Object {
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
        custom_time: source
            .last_modified
            .as_deref()
            .filter(|_| route.custom_time)
            .and_then(crate::time::http)
            .map(|time| time.to_string()),
        storage_class: route.storage_class.clone(),
        kms_key_name: route.kms_key.clone(),
        metadata: custom_metadata(source, provenance, proof),
        ..Object::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn route(options: &Value) -> Route {
        let mut table = json!({"source": "s3://src", "destination": "gs://dst"});
        let options = options.as_object().unwrap().clone();
        table.as_object_mut().unwrap().extend(options);
        Route::parse("ROUTE_R", table).unwrap()
    }

    fn written(options: &Value, source: &SourceObject) -> Object {
        object(
            &route(options),
            source,
            "n",
            &provenance(source, "src", "k"),
            None,
            Proof::StoredMd5,
        )
    }

    #[test]
    fn the_source_s_last_change_is_the_custom_time_unless_the_route_says_no() {
        let source = |date: &str| SourceObject {
            last_modified: Some(date.to_owned()),
            ..SourceObject::default()
        };
        let written = |date: &str, options: Value| written(&options, &source(date)).custom_time;
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(
            written(date, json!({})).as_deref(),
            Some("2015-10-21T07:28:00Z")
        );
        assert_eq!(written(date, json!({"custom_time": false})), None);
        let wrong_day = "Mon, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(
            written(wrong_day, json!({})).as_deref(),
            Some("2015-10-21T07:28:00Z")
        );
        assert_eq!(written("yesterday", json!({})), None);
    }

    #[test]
    fn the_route_chooses_storage_class_and_key() {
        let key = "projects/p/locations/eu/keyRings/r/cryptoKeys/k";
        let options = json!({"storage_class": "COLDLINE", "kms_key": key});
        let written = written(&options, &SourceObject::default());
        assert_eq!(written.kms_key_name.as_deref(), Some(key));
        assert_eq!(written.storage_class.as_deref(), Some("COLDLINE"));
    }

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
            metadata: [("author".into(), "Ada".into())].into(),
            ..SourceObject::default()
        };
        let origin = provenance(&source, "src", "k");
        let plain = route(&json!({}));
        let written = object(
            &plain,
            &source,
            "n",
            &origin,
            Some(Checksum::Crc32c(1)),
            Proof::StoredMd5,
        );
        let json = serde_json::to_value(&written).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "name": "n", "contentType": "text/plain", "contentEncoding": "gzip",
                "contentDisposition": "inline", "contentLanguage": "de", "cacheControl": "no-store",
                "crc32c": "AAAAAQ==",
                "metadata": {
                    "author": "Ada", "causeway-proof": "stored-md5",
                    "causeway-source-bucket": "src", "causeway-source-key": "k",
                    "causeway-source-etag": "\"e\"", "causeway-source-size": "3"
                }
            })
        );
        let md5 = object(
            &plain,
            &source,
            "n",
            &origin,
            Some(Checksum::Md5([0; 16])),
            Proof::StoredMd5,
        );
        assert!(md5.md5_hash.is_some() && md5.crc32c.is_none());
        let none = object(&plain, &source, "n", &origin, None, Proof::StoredMd5);
        assert!(none.md5_hash.is_none() && none.crc32c.is_none());
    }
}
