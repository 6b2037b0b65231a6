//! What senders say, one file a dialect, all turned into the same [`ObjectHint`].
//!
//! A hint says only that a key may have changed. It is never trusted for what the object is:
//! whoever handles it asks the source.

mod eventbridge;
mod r2;
pub mod s3;
mod seaweedfs;
mod sequencer;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::value::RawValue;

pub use sequencer::Sequencer;

use crate::error::cut;
use crate::json::{each, inner, members, string, text};

/// How deep an event may be wrapped: one of EventBridge in SNS in SQS in Lambda's is the third.
const DEPTH: u8 = 4;

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
    /// That `key` of `bucket` may have changed, and nothing more.
    #[must_use]
    pub fn of(bucket: &str, key: String, event: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            key,
            event: event.to_owned(),
            time: None,
            version_id: None,
            size: None,
            sequencer: None,
        }
    }

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
    /// What the records say, in the order of the message; an event of EventBridge or R2 is one.
    Records(Records),
}

/// A hint for each key that a record may mean, or why it gives none.
pub type Records = Vec<Result<ObjectHint, Ignored>>;

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

/// Reads the body of a notification in whichever dialect it is, out of whatever it is wrapped in: SNS's
/// envelope, or Lambda's events of SQS and of SNS. Who sent it is not looked at here: that is
/// [`crate::sender`]'s.
///
/// # Errors
/// [`EventError`] when the whole body is none. A single record that cannot be used does not spoil
/// the others: it is given as [`Ignored`].
pub fn parse(body: &[u8]) -> Result<Notification, EventError> {
    let mut records = Records::new();
    let test = read(body, DEPTH, &mut records)?;
    if records.len() > RECORDS {
        return Err(EventError::TooMany);
    }
    Ok(match test {
        Some(bucket) if records.is_empty() => Notification::Test { bucket },
        _ => Notification::Records(records),
    })
}

/// Reads a message into `records`; gives the bucket of a test event.
fn read(body: &[u8], depth: u8, records: &mut Records) -> Result<Option<String>, EventError> {
    #[rustfmt::skip] // A name and its place are read side by side.
    let [
        envelope, message, list, test, test_bucket,
        detail_type, source, time, detail,
        action, bucket, object, event_time,
        event_type, key, change,
        wrapped,
    ] = members(body, [
        "Type", "Message", "Records", "Event", "Bucket", // SNS's envelope; S3's and its kin's.
        "detail-type", "source", "time", "detail", // EventBridge's.
        "action", "bucket", "object", "eventTime", // R2's.
        "event_type", "key", "message", // SeaweedFS's.
        "body", // SQS's, as EventBridge's pipes send one message.
    ])
    .map_err(|error| match error.classify() {
        Category::Data => EventError::NotS3,
        _ => EventError::NotJson(error.to_string()),
    })?;
    let message = message.filter(|_| text(envelope).as_deref() == Some("Notification"));
    if let Some(message) = message {
        return unwrap(message, depth, records);
    }
    if let Some(list) = list {
        return read_list(list, depth, records);
    }
    if text(test).as_deref() == Some("s3:TestEvent") {
        return Ok(Some(text(test_bucket).unwrap_or_default()));
    }
    if let Some(detail_type) = string(detail_type) {
        let event = eventbridge::Event {
            detail_type,
            source: text(source).unwrap_or_default(),
            time,
            detail,
        };
        records.push(event.read());
    } else if let Some(action) = text(action) {
        let event = r2::Event {
            action,
            bucket: text(bucket),
            object,
            time: event_time,
        };
        records.push(event.read());
    } else if let (Some(kind), Some(path)) = (text(event_type), text(key)) {
        seaweedfs::read(&kind, &path, change, records);
    } else {
        return unwrap(wrapped.ok_or(EventError::NotS3)?, depth, records);
    }
    Ok(None)
}

/// Reads what `wrapped` holds.
fn unwrap(
    wrapped: &RawValue,
    depth: u8,
    records: &mut Records,
) -> Result<Option<String>, EventError> {
    let depth = depth.checked_sub(1).ok_or(EventError::NotS3)?;
    let inner = inner(wrapped).ok_or(EventError::NotS3)?;
    read(inner.as_bytes(), depth, records)
}

/// Reads records, some of which may wrap other messages. Where none of those holds an event, nothing of
/// the list is of use.
fn read_list(
    list: &RawValue,
    depth: u8,
    records: &mut Records,
) -> Result<Option<String>, EventError> {
    let (before, mut test, mut error, mut failed) = (records.len(), None, None, 0);
    let read = each(list, &mut |record| {
        // A list of a mebibyte is many times as long in memory: what is too many is not read.
        if records.len() > RECORDS {
            return;
        }
        let record = match s3::Record::read(record) {
            Ok(record) => record,
            Err(ignored) => return records.push(Err(ignored)),
        };
        let Some(wrapped) = record.wrapped else {
            return record.hints(records);
        };
        match unwrap(wrapped, depth, records) {
            Ok(bucket) => test = test.take().or(bucket),
            Err(why) => {
                records.push(Err(Ignored {
                    bucket: None,
                    key: None,
                    reason: format!("The message in the record is no event. {why}"),
                }));
                error = Some(why);
                failed += 1;
            }
        }
    });
    read.map_err(|_| EventError::NotS3)?;
    match error {
        Some(error) if records.len() - before == failed && test.is_none() => {
            records.truncate(before);
            Err(error)
        }
        _ => Ok(test),
    }
}

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

    fn keys(body: &str) -> Vec<Result<String, String>> {
        let Ok(Notification::Records(records)) = parse(body.as_bytes()) else {
            panic!("no records: {body}");
        };
        let key = |record: Result<ObjectHint, Ignored>| {
            let hint = record.map(|hint| hint.key);
            hint.map_err(|ignored| ignored.reason)
        };
        records.into_iter().map(key).collect()
    }

    fn s3(key: &str) -> String {
        json!({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "b"}, "object": {"key": key}}}]})
        .to_string()
    }

    fn eventbridge(key: &str) -> String {
        json!({"detail-type": "Object Created", "source": "aws.s3",
            "detail": {"bucket": {"name": "b"}, "object": {"key": key}}})
        .to_string()
    }

    fn sns(message: &str) -> String {
        json!({"Type": "Notification", "Message": message}).to_string()
    }

    fn of_sqs(bodies: &[String]) -> String {
        let record = |body| json!({"messageId": "m", "body": body, "eventSource": "aws:sqs"});
        json!({"Records": bodies.iter().map(record).collect::<Vec<_>>()}).to_string()
    }

    fn of_sns(message: &str) -> String {
        json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0",
            "Sns": {"Type": "Notification", "Message": message}}]})
        .to_string()
    }

    #[test]
    fn what_is_wrapped_is_read_however_deep_senders_wrap_it() {
        let key = |key: &str| Ok(key.to_owned());
        let batch = of_sqs(&[
            s3("one"),
            sns(&s3("two")),
            eventbridge("three"),
            sns(&eventbridge("four")),
            "\u{feff}".to_owned() + &s3("five"),
            s3("six"),
        ]);
        let expected = ["one", "two", "three", "four", "five", "six"].map(key);
        assert_eq!(keys(&batch), expected);
        assert_eq!(keys(&of_sns(&s3("k"))), [key("k")]);
        assert_eq!(keys(&of_sns(&eventbridge("k"))), [key("k")]);
        assert_eq!(keys(&sns(&sns(&s3("k")))), [key("k")]);
        // EventBridge's pipes send SQS's messages one by one.
        let piped = json!({"messageId": "m", "body": sns(&s3("k"))}).to_string();
        assert_eq!(keys(&piped), [key("k")]);
        // Some have the message as it stands, not as a text of it.
        let within: serde_json::Value = serde_json::from_str(&s3("k")).unwrap();
        let within = json!({"Type": "Notification", "Message": within}).to_string();
        assert_eq!(keys(&within), [key("k")]);
    }

    #[test]
    fn a_message_in_a_batch_that_is_no_event_spoils_no_other_and_alone_is_refused() {
        let found = keys(&of_sqs(&["hello".into(), s3("k"), "{}".into()]));
        assert_eq!(found[1], Ok("k".to_owned()));
        let reasons = [&found[0], &found[2]].map(|found| found.clone().unwrap_err());
        assert!(reasons[0].contains("not JSON"), "{reasons:?}");
        assert!(reasons[1].contains("no dialect"), "{reasons:?}");
        for useless in [
            of_sqs(&["hello".into(), "7".into()]),
            of_sns("hello"),
            sns("hello"),
            json!({"body": 7}).to_string(),
        ] {
            assert!(parse(useless.as_bytes()).is_err(), "{useless}");
        }
        let test = json!({"Event": "s3:TestEvent", "Bucket": "b"}).to_string();
        let bucket = "b".to_owned();
        let wrapped = parse(of_sqs(&[sns(&test)]).as_bytes());
        assert_eq!(wrapped, Ok(Notification::Test { bucket }));
        assert_eq!(keys(&of_sqs(&[test, s3("k")])), [Ok("k".to_owned())]);
        let mut deep = s3("k");
        for _ in 0..6 {
            deep = sns(&deep);
        }
        assert_eq!(parse(deep.as_bytes()), Err(EventError::NotS3));
    }

    #[test]
    fn what_only_looks_like_a_wrapper_hides_no_event() {
        let with_body = |event: &str, at: &str| {
            let mut event: serde_json::Value = serde_json::from_str(event).unwrap();
            event.pointer_mut(at).unwrap()["body"] = json!("hello");
            event.pointer_mut(at).unwrap()["Sns"] = json!({"Message": "hello"});
            event.to_string()
        };
        for (event, at) in [
            (s3("k"), "/Records/0"),
            (s3("k"), ""),
            (eventbridge("k"), ""),
        ] {
            let event = with_body(&event, at);
            assert_eq!(keys(&event), [Ok("k".to_owned())], "{event}");
        }
    }

    #[test]
    fn a_byte_order_mark_before_an_event_is_taken() {
        assert_eq!(
            keys(&("\u{feff}".to_owned() + &s3("k"))),
            [Ok("k".to_owned())]
        );
        let within = sns(&("\u{feff}".to_owned() + &eventbridge("k")));
        assert_eq!(keys(&within), [Ok("k".to_owned())]);
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
        // However many wrappers they are spread over.
        let some = sns(&list(RECORDS / 2));
        let spread = |count| of_sqs(&vec![some.clone(); count]);
        assert_eq!(records(&spread(2)), Ok(RECORDS));
        assert_eq!(records(&spread(3)), Err(EventError::TooMany));
        assert_eq!(records(&spread(100)), Err(EventError::TooMany));
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
}
