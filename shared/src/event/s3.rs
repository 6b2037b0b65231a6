//! S3 event notifications, as S3 itself and the stores that speak S3 write them.
//!
//! Follows [Event message structure](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html):
//! major version 2, any minor one, unknown fields ignored. MinIO
//! ([bucket notifications](https://min.io/docs/minio/linux/administration/monitoring/bucket-notifications.html))
//! writes `s3:` before a name, tells of reads as well, and of tags as `ObjectCreated`; Ceph
//! ([S3 bucket notifications](https://docs.ceph.com/en/latest/radosgw/notifications/)) tells of a
//! multipart upload before there is an object, and may write a size as text. A hint too many is one look.

use percent_encoding::percent_decode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Ignored, ObjectHint, Sequencer};
use crate::time::rfc3339;

/// Decodes a key as S3 writes it into events: `application/x-www-form-urlencoded`.
///
/// `None` when what comes out is not UTF-8.
#[must_use]
pub fn decode_key(encoded: &str) -> Option<String> {
    let spaced = encoded.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_version: Option<String>,
    event_source: Option<String>,
    event_name: Option<String>,
    event_time: Option<String>,
    s3: Option<Entity>,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Option<Bucket>,
    object: Option<Object>,
}

#[derive(Deserialize)]
struct Bucket {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: Option<String>,
    size: Option<Box<RawValue>>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

/// Reads one record.
///
/// # Errors
/// Why it gives no hint.
pub(super) fn read_record(record: &RawValue) -> Result<ObjectHint, Ignored> {
    let record: Record =
        serde_json::from_slice(record.get().as_bytes()).map_err(|error| Ignored {
            bucket: None,
            key: None,
            reason: format!("The record is not an S3 event record: {error}."),
        })?;
    let (bucket, object) = match record.s3 {
        Some(entity) => (entity.bucket.and_then(|bucket| bucket.name), entity.object),
        None => (None, None),
    };
    let key = object.as_ref().and_then(|object| object.key.clone());
    let ignored = |reason: String| Ignored {
        bucket: bucket.clone(),
        key: key.clone(),
        reason,
    };

    let source = record.event_source.as_deref().unwrap_or_default();
    if !source.ends_with(":s3") {
        return Err(ignored(format!(
            "eventSource is {source:?}; expected aws:s3 or another store's :s3."
        )));
    }
    let version = record.event_version.as_deref().unwrap_or_default();
    if version.split('.').next() != Some("2") {
        return Err(ignored(format!(
            "eventVersion is {version:?}; this version reads 2.x."
        )));
    }
    let event = record.event_name.unwrap_or_default();
    let event = event.strip_prefix("s3:").unwrap_or(&event).to_owned();
    if !may_change_object(&event) {
        return Err(ignored(format!(
            "{event:?} does not change what an object is."
        )));
    }
    let Some(bucket_name) = bucket.clone().filter(|name| !name.is_empty()) else {
        return Err(ignored("The record names no bucket.".into()));
    };
    let (Some(object), Some(encoded)) = (object, key.as_deref().filter(|key| !key.is_empty()))
    else {
        return Err(ignored("The record names no key.".into()));
    };
    let Some(decoded) = decode_key(encoded) else {
        return Err(ignored("The key is not UTF-8 after URL-decoding.".into()));
    };
    Ok(ObjectHint {
        bucket: bucket_name,
        key: decoded,
        event,
        time: record.event_time.and_then(|time| rfc3339(&time)),
        version_id: object.version_id.filter(|version| !version.is_empty()),
        size: object
            .size
            .and_then(|size| size.get().trim_matches('"').parse().ok()),
        sequencer: object.sequencer.map(Sequencer),
    })
}

/// Whether an event of this name can mean that a key now holds something else.
///
/// Every type of
/// [Supported event types](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html)
/// has its place here; one that AWS invents later counts as a change, because looking once too
/// often costs a request and looking too seldom loses an object.
fn may_change_object(event: &str) -> bool {
    let unchanged = [
        "ReducedRedundancyLostObject",
        "Replication:",
        "LifecycleTransition",
        "IntelligentTiering",
        "ObjectRestore:Post",
        "ObjectRestore:Delete",
        "ObjectAcl:",
        // MinIO's and Ceph's own.
        "ObjectAccessed:",
        "ObjectCreated:PutRetention",
        "ObjectCreated:PutLegalHold",
        "ObjectTransition:",
        "ObjectLifecycle:Transition",
        "Scanner:",
    ];
    !event.is_empty() && !unchanged.iter().any(|prefix| event.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Notification, parse};
    use super::*;
    use serde_json::{Value, json};

    fn record(name: &str) -> Value {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
            "eventTime": "2026-01-02T03:04:05.678Z", "eventName": name,
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "c",
                "bucket": {"name": "photos", "arn": "arn:aws:s3:::photos"},
                "object": {"key": "a+b%2Bc/%C3%A9.txt", "size": 7, "eTag": "d41d",
                           "versionId": "v1", "sequencer": "0055AED6DCD90281E5"}
            }
        })
    }

    fn parse_one(value: &Value) -> Result<ObjectHint, Ignored> {
        match parse(json!({"Records": [value]}).to_string().as_bytes()).unwrap() {
            Notification::Records(mut records) => records.pop().unwrap(),
            other @ Notification::Test { .. } => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_every_field_of_a_record() {
        let hint = parse_one(&record("ObjectCreated:Put")).unwrap();
        assert_eq!(
            hint,
            ObjectHint {
                bucket: "photos".into(),
                key: "a b+c/é.txt".into(),
                event: "ObjectCreated:Put".into(),
                time: Some("2026-01-02T03:04:05.678Z".parse().unwrap()),
                version_id: Some("v1".into()),
                size: Some(7),
                sequencer: Some(Sequencer("0055AED6DCD90281E5".into())),
            }
        );
    }

    #[test]
    fn every_minor_version_of_2_is_read_and_no_other_major() {
        for minor in 0..=6 {
            let mut value = record("ObjectCreated:Put");
            value["eventVersion"] = json!(format!("2.{minor}"));
            value["glacierEventData"] = json!({"future": [1, 2]});
            assert!(parse_one(&value).is_ok(), "2.{minor}");
        }
        for version in ["1.0", "3.0", "20.1", ""] {
            let mut value = record("ObjectCreated:Put");
            value["eventVersion"] = json!(version);
            assert!(
                parse_one(&value)
                    .unwrap_err()
                    .reason
                    .contains("eventVersion")
            );
        }
    }

    #[test]
    fn each_event_type_is_a_hint_or_is_ignored_with_its_name() {
        let hints = [
            "ObjectCreated:Put",
            "ObjectCreated:Post",
            "ObjectCreated:Copy",
            "ObjectCreated:CompleteMultipartUpload",
            "ObjectRemoved:Delete",
            "ObjectRemoved:DeleteMarkerCreated",
            "ObjectRestore:Completed",
            "LifecycleExpiration:Delete",
            "LifecycleExpiration:DeleteMarkerCreated",
            "ObjectTagging:Put",
            "ObjectTagging:Delete",
            "s3:ObjectCreated:Put",
            "ObjectInvented:Tomorrow",
        ];
        for name in hints {
            assert!(parse_one(&record(name)).is_ok(), "{name}");
        }
        let ignored = [
            "ReducedRedundancyLostObject",
            "Replication:OperationFailedReplication",
            "Replication:OperationMissedThreshold",
            "Replication:OperationReplicatedAfterThreshold",
            "Replication:OperationNotTracked",
            "LifecycleTransition",
            "IntelligentTiering",
            "ObjectRestore:Post",
            "ObjectRestore:Delete",
            "ObjectAcl:Put",
            "s3:ObjectAccessed:Head",
            "s3:ObjectCreated:PutRetention",
            "ObjectLifecycle:Transition:Current",
        ];
        for name in ignored {
            let name = name.trim_start_matches("s3:");
            assert!(parse_one(&record(name)).unwrap_err().reason.contains(name));
        }
    }

    #[test]
    fn a_delete_needs_neither_size_nor_etag() {
        let mut value = record("ObjectRemoved:Delete");
        value["s3"]["object"] = json!({"key": "k", "sequencer": "00AA"});
        let hint = parse_one(&value).unwrap();
        assert_eq!((hint.size, hint.version_id), (None, None));
    }

    #[test]
    fn a_size_may_be_text_and_one_that_is_none_is_not_missed() {
        for (size, read) in [
            (json!("1024"), Some(1024)),
            (json!(-1), None),
            (json!([]), None),
        ] {
            let mut value = record("ObjectCreated:Put");
            value["s3"]["object"]["size"] = size;
            assert_eq!(parse_one(&value).unwrap().size, read);
        }
    }

    #[test]
    fn one_bad_record_does_not_spoil_the_others() {
        let body = json!({"Records": [record("ObjectCreated:Put"), 7, {"eventVersion": "2.1"}]});
        let Notification::Records(records) = parse(body.to_string().as_bytes()).unwrap() else {
            panic!("not records")
        };
        let good: Vec<bool> = records.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, false, false]);
    }

    #[test]
    fn a_key_that_is_not_utf8_or_is_empty_is_ignored() {
        for key in ["%ff", ""] {
            let mut value = record("ObjectCreated:Put");
            value["s3"]["object"]["key"] = json!(key);
            assert!(parse_one(&value).is_err(), "{key:?}");
        }
    }
}
