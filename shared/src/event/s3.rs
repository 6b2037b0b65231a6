//! S3 event notifications, as S3 itself and the stores that speak S3 write them.
//!
//! Follows [Event message structure](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html):
//! major version 2, any minor one, unknown fields ignored. How the message came here (SNS,
//! EventBridge, SQS) is not this file's matter.

use std::str::FromStr;

use jiff::Timestamp;
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{ObjectHint, Sequencer};

/// An S3 notification, read.
#[derive(Debug, PartialEq, Eq)]
pub enum Notification {
    /// `s3:TestEvent`, sent once when the notification is configured.
    Test {
        /// The bucket whose notification was configured.
        bucket: String,
    },
    /// One verdict a record, in the order of the message.
    Records(Vec<Result<ObjectHint, Ignored>>),
}

/// A record that gives no hint.
#[derive(Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The bucket, as far as the record says.
    pub bucket: Option<String>,
    /// The key as it stood in the record, as far as the record says.
    pub key: Option<String>,
    /// Why, in a sentence.
    pub reason: String,
}

/// Why a body is not an S3 notification.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not JSON at all.
    #[error("The body is not JSON: {0}. Send the S3 event as it is, as application/json.")]
    NotJson(String),
    /// JSON, but with neither `Records` nor `"Event": "s3:TestEvent"`.
    #[error(
        "The body is JSON, but not an S3 event: it has neither an array `Records` nor `\"Event\": \"s3:TestEvent\"`."
    )]
    NotS3,
}

/// Reads the body of an S3 notification.
///
/// # Errors
/// [`EventError`] when the whole body is none. A single record that cannot be used does not spoil
/// the others: it is given as [`Ignored`].
pub fn parse(body: &[u8]) -> Result<Notification, EventError> {
    let message: Message =
        serde_json::from_slice(body).map_err(|error| match error.classify() {
            Category::Data => EventError::NotS3,
            _ => EventError::NotJson(error.to_string()),
        })?;
    match message {
        Message {
            records: Some(records),
            ..
        } => Ok(Notification::Records(
            records.iter().map(|record| read_record(record)).collect(),
        )),
        Message {
            event: Some(event),
            bucket,
            ..
        } if event == "s3:TestEvent" => Ok(Notification::Test {
            bucket: bucket.unwrap_or_default(),
        }),
        Message { .. } => Err(EventError::NotS3),
    }
}

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
struct Message {
    /// Read one by one.
    #[serde(rename = "Records")]
    records: Option<Vec<Box<RawValue>>>,
    #[serde(rename = "Event")]
    event: Option<String>,
    #[serde(rename = "Bucket")]
    bucket: Option<String>,
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
    size: Option<u64>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

fn read_record(record: &RawValue) -> Result<ObjectHint, Ignored> {
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
        time: record
            .event_time
            .and_then(|time| Timestamp::from_str(&time).ok()),
        version_id: object.version_id.filter(|version| !version.is_empty()),
        size: object.size,
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
    ];
    !event.is_empty() && !unchanged.iter().any(|prefix| event.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
        ];
        for name in ignored {
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
    fn a_test_event_names_its_bucket() {
        let body = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"});
        assert_eq!(
            parse(body.to_string().as_bytes()),
            Ok(Notification::Test {
                bucket: "photos".into()
            })
        );
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
    fn what_is_no_s3_event_is_refused() {
        assert!(matches!(parse(b"{"), Err(EventError::NotJson(_))));
        for body in [
            &b"[]"[..],
            b"7",
            b"{}",
            br#"{"Records": 1}"#,
            br#"{"Event": "other"}"#,
        ] {
            assert_eq!(parse(body), Err(EventError::NotS3));
        }
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
