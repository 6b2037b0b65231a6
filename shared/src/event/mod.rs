//! What senders say, one file a dialect, all turned into the same [`ObjectHint`].
//!
//! A hint says only that a key may have changed. It is never trusted for what the object is:
//! whoever handles it asks the source.

mod eventbridge;
mod r2;
pub mod s3;
mod seaweedfs;

use std::cmp::Ordering;

use std::fmt;

use jiff::Timestamp;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::error::cut;

/// The most records of one notification.
pub const RECORDS: usize = 5_000;

/// The longest key of S3, in bytes
/// ([Naming objects](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html)).
pub const KEY_BYTES: usize = 1024;

/// The longest of what else a hint says, in bytes: S3's own have less.
const WORD_BYTES: usize = 1024;

/// Why no store can be asked for `key`, if it cannot.
#[must_use]
pub fn unusable(key: &str) -> Option<&'static str> {
    if key.len() > KEY_BYTES {
        Some("The key is longer than 1,024 bytes.")
    } else if has_dot_segment(key) {
        Some(
            "The key has a segment \".\" or \"..\", which HTTP clients take out of a URL. Rename the object.",
        )
    } else {
        None
    }
}

/// Whether a segment of `key` is `.` or `..`.
pub(crate) fn has_dot_segment(key: &str) -> bool {
    key.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// A key of a source bucket that may have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectHint {
    /// The source bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// What the sender says happened, in its own words (`ObjectCreated:Put`).
    pub event: String,
    /// When the sender says that it happened.
    #[serde(
        default,
        deserialize_with = "crate::time::read_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub time: Option<Timestamp>,
    /// The version that the event speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The size that the event speaks of, in bytes: good for planning, never for copying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The event's place in the order of this key's events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<Sequencer>,
}

impl ObjectHint {
    /// Takes out, or cuts, what else it says where that is longer than any store says it: a hint goes into
    /// a queue and a ledger, which hold only so much.
    pub fn bound(&mut self) {
        cut(&mut self.event, WORD_BYTES);
        let fits = |text: &String| text.len() <= WORD_BYTES;
        self.version_id = self.version_id.take().filter(fits);
        self.sequencer = self.sequencer.take().filter(|order| fits(&order.0));
    }
}

/// What a sender says, read.
#[derive(Debug, PartialEq, Eq)]
pub enum Notification {
    /// `s3:TestEvent`, sent once when the notification is configured.
    Test {
        /// The bucket whose notification was configured.
        bucket: String,
    },
    /// One verdict a record, in the order of the message; an event of EventBridge or R2 is one.
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

/// Why a body is no notification.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not JSON at all.
    #[error("The body is not JSON: {0}. Send the S3 event as it is, as application/json.")]
    NotJson(String),
    /// JSON of no dialect.
    #[error(
        "The body is JSON, but of no dialect that is known: S3's has `Records`, EventBridge's `detail-type`, R2's `action`, SeaweedFS's `event_type`, SNS's `\"Type\": \"Notification\"`."
    )]
    NotS3,
    /// More than [`RECORDS`].
    #[error("The event has more than 5,000 records. Send fewer at once.")]
    TooMany,
}

/// The first [`RECORDS`] records of a message, and whether it has more: what stands in a list of a mebibyte
/// is many times as long in memory.
struct Records {
    first: Vec<Box<RawValue>>,
    more: bool,
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Records;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Records, A::Error> {
                let (mut first, mut more) = (Vec::new(), false);
                while let Some(record) = list.next_element()? {
                    more = first.len() == RECORDS;
                    if !more {
                        first.push(record);
                    }
                }
                Ok(Records { first, more })
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Every dialect's outermost fields.
#[derive(Deserialize)]
struct Message {
    /// S3's, and that of the stores that speak S3. Read one by one.
    #[serde(rename = "Records")]
    records: Option<Records>,
    #[serde(rename = "Event")]
    event: Option<String>,
    #[serde(rename = "Bucket")]
    test_bucket: Option<String>,
    /// EventBridge's.
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    source: Option<String>,
    time: Option<String>,
    detail: Option<Box<RawValue>>,
    /// R2's.
    action: Option<String>,
    bucket: Option<String>,
    object: Option<Box<RawValue>>,
    #[serde(rename = "eventTime")]
    event_time: Option<String>,
    /// SeaweedFS's.
    event_type: Option<String>,
    key: Option<String>,
    #[serde(rename = "message")]
    change: Option<Box<RawValue>>,
    /// SNS's envelope.
    #[serde(rename = "Type")]
    envelope: Option<String>,
    #[serde(rename = "Message")]
    inner: Option<String>,
}

/// Reads the body of a notification in whichever dialect it is, out of SNS's envelope if it is in one.
/// Who sent it is not looked at here: that is [`crate::sender`]'s.
///
/// # Errors
/// [`EventError`] when the whole body is none. A single record that cannot be used does not spoil
/// the others: it is given as [`Ignored`].
pub fn parse(body: &[u8]) -> Result<Notification, EventError> {
    let message = read(body)?;
    if message.envelope.as_deref() == Some("Notification")
        && let Some(inner) = &message.inner
    {
        return read(inner.as_bytes())?.notification();
    }
    message.notification()
}

fn read(body: &[u8]) -> Result<Message, EventError> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => EventError::NotS3,
        _ => EventError::NotJson(error.to_string()),
    })
}

impl Message {
    fn notification(self) -> Result<Notification, EventError> {
        let records = if let Some(Records { first, more }) = self.records {
            if more {
                return Err(EventError::TooMany);
            }
            first.iter().map(|record| s3::read_record(record)).collect()
        } else if self.event.as_deref() == Some("s3:TestEvent") {
            let bucket = self.test_bucket.unwrap_or_default();
            return Ok(Notification::Test { bucket });
        } else if let Some(detail_type) = self.detail_type {
            let event = eventbridge::Event {
                detail_type,
                source: self.source.unwrap_or_default(),
                time: self.time,
                detail: self.detail,
            };
            vec![event.read()]
        } else if let Some(action) = self.action {
            let event = r2::Event {
                action,
                bucket: self.bucket,
                object: self.object,
                time: self.event_time,
            };
            vec![event.read()]
        } else if let (Some(kind), Some(path)) = (self.event_type, self.key) {
            seaweedfs::read(&kind, &path, self.change.as_deref())
        } else {
            return Err(EventError::NotS3);
        };
        Ok(Notification::Records(records))
    }
}

/// S3's order of events on one key: hexadecimal, compared after padding on the left with zeros.
///
/// Says nothing about events on different keys
/// ([Event message structure](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html)).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequencer(pub String);

impl Sequencer {
    fn significant(&self) -> &str {
        self.0.trim_start_matches('0')
    }
}

impl Ord for Sequencer {
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs) = (self.significant(), other.significant());
        ours.len().cmp(&theirs.len()).then_with(|| {
            let upper = |c: u8| c.to_ascii_uppercase();
            ours.bytes().map(upper).cmp(theirs.bytes().map(upper))
        })
    }
}

impl PartialOrd for Sequencer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sequencer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sequencer {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

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
    fn what_is_of_no_dialect_is_refused() {
        assert!(matches!(parse(b"{"), Err(EventError::NotJson(_))));
        for body in [
            &b"[]"[..],
            b"7",
            b"{}",
            br#"{"Records": 1}"#,
            br#"{"Event": "other"}"#,
            br#"{"source": "aws.s3"}"#,
            br#"{"detail-type": 7}"#,
        ] {
            assert_eq!(parse(body), Err(EventError::NotS3));
        }
    }

    #[test]
    fn a_list_of_more_records_than_are_taken_is_refused_as_a_whole() {
        let list = |count: usize| format!(r#"{{"Records":[{}]}}"#, vec!["0"; count].join(","));
        let records = |body: &str| match parse(body.as_bytes())? {
            Notification::Records(records) => Ok(records.len()),
            Notification::Test { .. } => Ok(0),
        };
        assert_eq!(records(&list(RECORDS)), Ok(RECORDS));
        assert_eq!(records(&list(RECORDS + 1)), Err(EventError::TooMany));
        let inside = json!({"Type": "Notification", "Message": list(RECORDS + 1)});
        assert_eq!(records(&inside.to_string()), Err(EventError::TooMany));
    }

    #[test]
    fn a_key_that_no_store_can_be_asked_for_has_its_reason() {
        for key in ["k".repeat(1024), "a/...".into(), "..a/.b/c.".into()] {
            assert_eq!(unusable(&key), None, "{key}");
        }
        for key in ["k".repeat(1025), "é".repeat(513)] {
            assert!(unusable(&key).unwrap().contains("1,024 bytes"));
        }
        for key in ["..", "../1", "a/./b", "a/.."] {
            assert!(unusable(key).unwrap().contains("segment"), "{key}");
        }
    }

    #[test]
    fn what_else_a_hint_says_is_bounded() {
        let hint = |length| ObjectHint {
            bucket: "b".into(),
            key: "k".into(),
            event: "é".repeat(length),
            time: None,
            version_id: Some("v".repeat(length)),
            size: Some(7),
            sequencer: Some(Sequencer("a".repeat(length))),
        };
        let (mut long, mut short) = (hint(2000), hint(500));
        long.bound();
        assert_eq!((long.event.len(), long.size), (1024, Some(7)));
        assert!(long.version_id.is_none() && long.sequencer.is_none());
        short.bound();
        assert_eq!(short, hint(500));
    }

    #[test]
    fn sequencers_are_compared_as_if_padded_on_the_left() {
        let order = |a: &str, b: &str| Sequencer(a.into()).cmp(&Sequencer(b.into()));
        assert_eq!(
            order("0055AED6DCD90281E5", "55AED6DCD90281E5"),
            Ordering::Equal
        );
        assert_eq!(order("55aed6", "55AED6"), Ordering::Equal);
        assert_eq!(order("FF", "100"), Ordering::Less);
        assert_eq!(order("0A", "9"), Ordering::Greater);
        assert_eq!(order("", "000"), Ordering::Equal);
    }
}
