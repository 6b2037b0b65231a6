//! S3 event notifications, as S3 itself and the stores that speak S3 write them.
//!
//! Follows [Event message structure](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html):
//! major version 2, any minor one, unknown fields ignored. MinIO
//! ([bucket notifications](https://min.io/docs/minio/linux/administration/monitoring/bucket-notifications.html))
//! writes `s3:` before a name, tells of reads as well, and of tags as `ObjectCreated`; Ceph
//! ([S3 bucket notifications](https://docs.ceph.com/en/latest/radosgw/notifications/)) tells of a
//! multipart upload before there is an object, and may write a size as text. A hint too many is one look.
//!
//! A record may also be one of SQS's or of SNS's, as Lambda is given them
//! ([SQS](https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html), [SNS](https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html)):
//! what these wrap is read by itself.

use percent_encoding::percent_decode;
use serde_json::value::RawValue;

use super::{Ignored, ObjectHint, Records, Sequencer};
use crate::json::{members, members_of, string, text};
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

/// The keys that `written` may mean in a record of `source`.
///
/// S3, MinIO and RustFS encode keys as forms are, Ceph writes them as they are
/// ([rgw_pubsub.cc](https://github.com/ceph/ceph/blob/main/src/rgw/rgw_pubsub.cc)). Of any other store, and where
/// a form would have none of the letters, nobody can tell: it is one look too many.
fn keys(source: &str, written: &str) -> impl Iterator<Item = String> {
    let decoded = decode_key(written).filter(|_| source != "ceph:s3");
    let is_form = matches!(source, "aws:s3" | "minio:s3" | "rustfs:s3")
        && written.bytes().all(|letter| letter.is_ascii_graphic());
    let raw = (!is_form && decoded.as_deref() != Some(written)).then(|| written.to_owned());
    decoded.into_iter().chain(raw)
}

/// A record, read as far as it must be to know what it is.
pub(super) struct Record<'a> {
    /// The message that it wraps: of SQS or of SNS, as Lambda is given them.
    pub(super) wrapped: Option<&'a RawValue>,
    version: Option<&'a RawValue>,
    source: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    time: Option<&'a RawValue>,
    s3: Option<&'a RawValue>,
}

impl<'a> Record<'a> {
    /// Reads one.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn read(record: &'a RawValue) -> Result<Self, Ignored> {
        let names = [
            "eventVersion",
            "eventSource",
            "eventName",
            "eventTime",
            "s3",
            "body",
            "Sns",
        ];
        let [version, source, name, time, s3, body, sns] = members(record.get().as_bytes(), names)
            .map_err(|error| Ignored {
                bucket: None,
                key: None,
                reason: format!("The record is not an S3 event record: {error}."),
            })?;
        let [message] = members_of(sns, ["Message"]);
        Ok(Self {
            wrapped: body.or(message).filter(|_| s3.is_none()),
            version,
            source,
            name,
            time,
            s3,
        })
    }

    /// Gives its hints, or why it has none.
    pub(super) fn hints(&self, records: &mut Records) {
        let [bucket, object] = members_of(self.s3, ["bucket", "object"]);
        let [bucket] = members_of(bucket, ["name"]);
        let [key] = members_of(object, ["key"]);
        let (bucket, key) = (string(bucket), string(key));
        match self.read_hints(bucket.as_deref(), key.as_deref(), object) {
            Ok(hints) => records.extend(hints.into_iter().map(Ok)),
            Err(reason) => records.push(Err(Ignored {
                bucket,
                key,
                reason,
            })),
        }
    }

    fn read_hints(
        &self,
        bucket: Option<&str>,
        key: Option<&str>,
        object: Option<&RawValue>,
    ) -> Result<Vec<ObjectHint>, String> {
        let source = text(self.source).unwrap_or_default();
        if !source.ends_with(":s3") {
            return Err(format!(
                "eventSource is {source:?}; expected aws:s3 or another store's :s3."
            ));
        }
        let version = text(self.version).unwrap_or_default();
        if version.split('.').next() != Some("2") {
            return Err(format!(
                "eventVersion is {version:?}; this version reads 2.x."
            ));
        }
        let event = text(self.name).unwrap_or_default();
        let event = event.strip_prefix("s3:").unwrap_or(&event);
        if !may_change_object(event) {
            return Err(format!("{event:?} does not change what an object is."));
        }
        let bucket = bucket.filter(|name| !name.is_empty());
        let bucket = bucket.ok_or("The record names no bucket.")?;
        let key = key.filter(|key| !key.is_empty());
        let key = key.ok_or("The record names no key.")?;
        let [size, version_id, sequencer] = members_of(object, ["size", "versionId", "sequencer"]);
        let hint = |key| ObjectHint {
            bucket: bucket.to_owned(),
            key,
            event: event.to_owned(),
            time: text(self.time).and_then(|time| rfc3339(&time)),
            version_id: text(version_id),
            // Ceph may write it as text.
            size: size.and_then(|size| size.get().trim_matches('"').parse().ok()),
            sequencer: text(sequencer).map(Sequencer),
        };
        let hints: Vec<ObjectHint> = keys(&source, key).map(hint).collect();
        if hints.is_empty() {
            return Err("The key is not UTF-8 after URL-decoding.".to_owned());
        }
        Ok(hints)
    }
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
    fn nothing_that_is_not_needed_drops_a_record() {
        for path in [
            "/eventTime",
            "/s3/object/size",
            "/s3/object/versionId",
            "/s3/object/sequencer",
            "/s3/object/eTag",
            "/awsRegion",
            "/s3/bucket/arn",
        ] {
            for other in [
                json!("x"),
                json!(7.5),
                json!(-1),
                json!(null),
                json!([1]),
                json!({}),
            ] {
                let mut value = record("ObjectCreated:Put");
                *value.pointer_mut(path).unwrap() = other.clone();
                assert!(parse_one(&value).is_ok(), "{path}: {other}");
            }
        }
    }

    #[test]
    fn a_member_that_comes_twice_drops_no_record() {
        let twice = r#"{"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "b"}, "object": {"key": "k", "size": 1, "size": 2}}}]}"#;
        let Notification::Records(records) = parse(twice.as_bytes()).unwrap() else {
            panic!("not records")
        };
        assert_eq!(records[0].as_ref().unwrap().size, Some(2));
    }

    #[test]
    fn a_key_is_decoded_where_its_store_encodes_and_both_are_looked_at_where_nobody_knows() {
        let of = |source: &str, key: &str| -> Vec<String> {
            let mut value = record("ObjectCreated:Put");
            value["eventSource"] = json!(source);
            value["s3"]["object"]["key"] = json!(key);
            let body = json!({"Records": [value]}).to_string();
            let Notification::Records(records) = parse(body.as_bytes()).unwrap() else {
                panic!("not records")
            };
            records.into_iter().map(|hint| hint.unwrap().key).collect()
        };
        for key in ["a+b.txt", "100%", "%41", "a b", "%FF", "é+%20"] {
            assert_eq!(of("ceph:s3", key), [key], "{key}");
        }
        for source in ["aws:s3", "minio:s3", "rustfs:s3"] {
            assert_eq!(of(source, "a+b%2Bc%2Fd.txt"), ["a b+c/d.txt"], "{source}");
            assert_eq!(of(source, "plain.txt"), ["plain.txt"], "{source}");
            // No form has a space or an umlaut.
            assert_eq!(of(source, "a b.txt"), ["a b.txt"], "{source}");
            assert_eq!(of(source, "ä+b"), ["ä b", "ä+b"], "{source}");
        }
        assert_eq!(of("sgws:s3", "a+b.txt"), ["a b.txt", "a+b.txt"]);
        assert_eq!(of("my:s3", "plain.txt"), ["plain.txt"]);
        assert_eq!(of("my:s3", "%FF"), ["%FF"]);
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
