//! S3's events as Amazon EventBridge writes them.
//!
//! Follows [EventBridge event message structure](https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html)
//! and [EventBridge mapping](https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-mapping-troubleshooting.html).
//! One event a message; unlike S3's own, its names are in kebab case and its key is not encoded.

use serde_json::value::RawValue;

use super::{Ignored, ObjectHint, Sequencer};
use crate::json::{members, members_of, size, text};
use crate::time::rfc3339;

/// An event's envelope.
pub(super) struct Event<'a> {
    pub(super) detail_type: String,
    pub(super) source: String,
    pub(super) time: Option<&'a RawValue>,
    pub(super) detail: Option<&'a RawValue>,
}

impl Event<'_> {
    /// Reads it.
    ///
    /// # Errors
    /// Why it gives no hint.
    pub(super) fn read(self) -> Result<ObjectHint, Ignored> {
        let ignored = |reason: String| Ignored {
            bucket: None,
            key: None,
            reason,
        };
        if self.source != "aws.s3" {
            let source = self.source;
            return Err(ignored(format!("source is {source:?}; expected aws.s3.")));
        }
        let detail = self.detail.map_or("{}", RawValue::get);
        let [bucket, object] = members(detail.as_bytes(), ["bucket", "object"])
            .map_err(|error| ignored(format!("The detail is not that of an S3 event: {error}.")))?;
        let [bucket] = members_of(bucket, ["name"]);
        let [key, object_size, version_id, sequencer] =
            members_of(object, ["key", "size", "version-id", "sequencer"]);
        let (bucket, key) = (text(bucket), text(key));
        let ignored = |reason: String| Ignored {
            bucket: bucket.clone(),
            key: key.clone(),
            reason,
        };
        if !may_change_object(&self.detail_type) {
            let kind = &self.detail_type;
            return Err(ignored(format!(
                "{kind:?} does not change what an object is."
            )));
        }
        let Some(bucket) = bucket.clone() else {
            return Err(ignored("The event names no bucket.".into()));
        };
        let Some(key) = key.clone() else {
            return Err(ignored("The event names no key.".into()));
        };
        Ok(ObjectHint {
            bucket,
            key,
            event: self.detail_type,
            time: text(self.time).and_then(|time| rfc3339(&time)),
            version_id: text(version_id),
            size: size(object_size),
            sequencer: text(sequencer).map(Sequencer),
        })
    }
}

/// Whether an event of this type can mean that a key now holds something else; one that AWS invents
/// later counts as a change.
fn may_change_object(detail_type: &str) -> bool {
    !matches!(
        detail_type,
        "Object Restore Initiated"
            | "Object Restore Expired"
            | "Object Storage Class Changed"
            | "Object Access Tier Changed"
            | "Object ACL Updated"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Notification, parse};
    use super::*;
    use serde_json::{Value, json};

    fn event(detail_type: &str) -> Value {
        json!({
            "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": detail_type,
            "source": "aws.s3", "account": "111122223333", "time": "2026-01-02T03:04:05Z",
            "region": "ca-central-1", "resources": ["arn:aws:s3:::photos"],
            "detail": {
                "version": "0", "bucket": {"name": "photos"},
                "object": {"key": "a b+c%2B/é.txt", "size": 7, "etag": "d41d", "version-id": "v1",
                           "sequencer": "617f08299329d189"},
                "request-id": "N4N7GDK58NMKJ12R", "requester": "123456789012",
                "source-ip-address": "1.2.3.4", "reason": "PutObject",
            },
        })
    }

    fn read(event: &Value) -> Result<ObjectHint, Ignored> {
        match parse(event.to_string().as_bytes()).unwrap() {
            Notification::Records(mut records) => {
                assert_eq!(records.len(), 1);
                records.pop().unwrap()
            }
            other @ Notification::Test { .. } => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_every_field_and_takes_the_key_as_it_stands() {
        let expected = ObjectHint {
            bucket: "photos".into(),
            key: "a b+c%2B/é.txt".into(),
            event: "Object Created".into(),
            time: Some("2026-01-02T03:04:05Z".parse().unwrap()),
            version_id: Some("v1".into()),
            size: Some(7),
            sequencer: Some(Sequencer("617f08299329d189".into())),
        };
        assert_eq!(read(&event("Object Created")), Ok(expected));
    }

    #[test]
    fn each_type_is_a_hint_or_is_ignored_with_its_name() {
        for kind in [
            "Object Created",
            "Object Deleted",
            "Object Restore Completed",
            "Object Tags Added",
            "Object Tags Deleted",
            "Object Invented Tomorrow",
        ] {
            assert!(read(&event(kind)).is_ok(), "{kind}");
        }
        for kind in [
            "Object Restore Initiated",
            "Object Restore Expired",
            "Object Storage Class Changed",
            "Object Access Tier Changed",
            "Object ACL Updated",
        ] {
            let ignored = read(&event(kind)).unwrap_err();
            assert!(ignored.reason.contains(kind));
            assert_eq!(ignored.bucket.as_deref(), Some("photos"));
        }
    }

    #[test]
    fn a_deletion_has_no_size() {
        let mut deleted = event("Object Deleted");
        deleted["detail"]["object"] = json!({"key": "k", "sequencer": "00AA"});
        let hint = read(&deleted).unwrap();
        assert_eq!((hint.size, hint.version_id), (None, None));
    }

    #[test]
    fn nothing_that_is_not_needed_drops_an_event() {
        for path in [
            "/time",
            "/detail/object/size",
            "/detail/object/version-id",
            "/detail/object/sequencer",
            "/detail/object/etag",
            "/version",
            "/resources",
        ] {
            for value in [
                json!("seven"),
                json!(7.5),
                json!(-1),
                json!(null),
                json!([]),
                json!({}),
                json!(true),
                json!(u128::MAX.to_string()),
            ] {
                let mut event = event("Object Created");
                *event.pointer_mut(path).unwrap() = value.clone();
                assert!(read(&event).is_ok(), "{path}: {value}");
            }
        }
        let mut event = event("Object Created");
        event["detail"]["object"]["size"] = json!("7");
        assert_eq!(read(&event).unwrap().size, None);
    }

    #[test]
    fn what_names_no_object_or_is_not_s3s_says_so() {
        for (path, value, says) in [
            ("/source", json!("aws.ec2"), "aws.ec2"),
            ("/source", json!(null), "aws.s3"),
            ("/detail", json!(null), "no bucket"),
            ("/detail", json!([7]), "detail"),
            ("/detail/bucket/name", json!(""), "no bucket"),
            ("/detail/object/key", json!(null), "no key"),
        ] {
            let mut event = event("Object Created");
            *event.pointer_mut(path).unwrap() = value;
            let reason = read(&event).unwrap_err().reason;
            assert!(reason.contains(says), "{path}: {reason}");
        }
    }
}
