//! What stands in the queues: hints on their way, parts of large objects, and hints that could not
//! be carried out.

mod fold;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::TransferError;
use crate::event::ObjectHint;
use crate::gcs::ResumableSession;
use crate::integrity::{Digest, Digests};
use crate::json::{without, without_bom};
use crate::plan::Session;
use crate::route::Route;
use crate::s3::StoredChecksums;

pub use fold::{Fold, fold};

/// A message of the queue of hints: a hint and the route that it takes.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the stored message, left out where it is not set"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintMessage {
    /// The route's name.
    pub route: String,
    /// What may have changed.
    pub hint: ObjectHint,
    /// When the worker took it in.
    #[serde(deserialize_with = "crate::time::read")]
    pub accepted_at: Timestamp,
    /// The upload that an earlier message began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Box<CarriedSession>>,
    /// Others of its key were folded behind it after its upload was begun: when that has ended, both
    /// sides are looked at once more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub followed: bool,
    /// Parts were tried, and the destination does not let them be deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_stream: bool,
    /// Deliveries of the messages in whose place this one stands: the coordinator of a large object gave them
    /// back, or they were given back before they were begun.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub returns: u32,
    /// It waited because the breaker of its route was open, which may be so still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// A person has said that the delete is meant, so that the brake is not asked, or the load of a second version.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// How often its key had come to quarantine when it was replayed from there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// And when it had first come.
    #[serde(
        default,
        deserialize_with = "crate::time::read_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub first_failed_at: Option<Timestamp>,
    /// Something stands at its destination, as a listing showed: it is looked at before any byte is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stands: bool,
}

/// What the hints of a backfill are called.
pub const BACKFILL: &str = "Backfill";
/// What those of a reconcile are called.
pub const RECONCILE: &str = "Reconcile";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl PartMessage {
    /// Whether `route` still leads from where the object was seen to where its parts stand.
    #[must_use]
    pub fn is_of(&self, route: &Route) -> bool {
        let is = |ours: &str, its: &str| ours.is_empty() || ours == its;
        is(&self.source, &route.source.bucket) && is(&self.bucket, &route.destination.bucket)
    }
}

impl HintMessage {
    /// A new one.
    #[must_use]
    pub fn new(route: &str, hint: ObjectHint, accepted_at: Timestamp) -> Self {
        Self {
            route: route.to_owned(),
            hint,
            accepted_at,
            session: None,
            followed: false,
            one_stream: false,
            returns: 0,
            held: false,
            released: false,
            failures: 0,
            first_failed_at: None,
            stands: false,
        }
    }

    /// Whether a listing of the source had the key.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        matches!(&*self.hint.event, BACKFILL | RECONCILE) && self.hint.size.is_some()
    }
}

/// An upload on its way from message to message: what GCS has of it is always asked of GCS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedSession {
    /// Where the bytes go. Whoever has it can write: it reaches no log and no dead letter.
    pub uri: ResumableSession,
    /// The validator of the object that is being copied: its ETag with quotes, or its time.
    pub etag: String,
    /// Its version, where there are versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// The most of its bytes that GCS was seen to have, in this session or one before.
    #[serde(default)]
    pub furthest: u64,
    /// Bucket and name of what it becomes: `bucket/name`. In messages of older versions the bucket alone, or nothing.
    #[serde(default, rename = "bucket")]
    pub place: String,
    /// How it is carried.
    pub plan: Session,
    /// What S3 has of its bytes.
    pub stored: StoredChecksums,
    /// The checksums of the first bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
}

/// The checksums of the first `offset` bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// How many bytes they cover.
    pub offset: u64,
    /// Their values.
    pub digests: Digests,
}

/// A message of the queue of parts: one part of a large object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartMessage {
    /// The name of the coordinator that wants it.
    pub coordinator: String,
    /// The run that it belongs to.
    pub run: String,
    /// The route's name.
    pub route: String,
    /// The source's key.
    pub key: String,
    /// The validator that the source must still have.
    pub etag: String,
    /// The version that has it, where there are versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Which part, from 0.
    pub part: u32,
    /// Its first byte.
    pub first: u64,
    /// How many bytes.
    pub length: u64,
    /// Of how many in all.
    pub total: u64,
    /// What is computed over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What the names of this run's parts begin with, at the destination.
    pub prefix: String,
    /// The source's bucket; empty in messages of an older version, as the next is.
    #[serde(default)]
    pub source: String,
    /// The destination's bucket.
    #[serde(default)]
    pub bucket: String,
}

/// What a queue of ours holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A part.
    Part(PartMessage),
    /// A hint.
    Hint(HintMessage),
}

impl Message {
    /// Reads one.
    ///
    /// # Errors
    /// Why it is no hint, if it is no part either.
    pub fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        let json = without_bom(json);
        // What a newer version carries on in a way that this one cannot read is begun again.
        let without_session = || {
            let rest = without(json, &["session"])?;
            serde_json::from_slice(rest.as_bytes()).ok()
        };
        // Not `serde(untagged)`: that would bring every type a second time, and the bundle is small.
        serde_json::from_slice(json)
            .map(Self::Hint)
            .or_else(|error| {
                let part = serde_json::from_slice(json).map(Self::Part);
                part.or_else(|_| without_session().map(Self::Hint).ok_or(error))
            })
    }
}

/// A message of the dead-letter queue: everything needed to understand and to replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The message as it stood in the queue of hints.
    pub message: Value,
    /// Why it is here.
    pub error: TransferError,
    /// How often it was delivered.
    pub deliveries: u32,
    /// When it was given up.
    #[serde(deserialize_with = "crate::time::read")]
    pub failed_at: Timestamp,
    /// The queue's id of the message, by which those are told apart that name no object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

impl DeadLetter {
    /// That of a message with the body `text`, without its session: whoever has a session's URI can
    /// write with it.
    #[must_use]
    pub fn new(
        text: &str,
        mut error: TransferError,
        deliveries: u32,
        failed_at: Timestamp,
    ) -> Self {
        error.bound();
        let message = serde_json::from_slice(without_bom(text.as_bytes()));
        let mut message = message.unwrap_or_else(|_| Value::from(text));
        if let Some(fields) = message.as_object_mut() {
            fields.remove("session");
        }
        Self {
            message,
            error,
            deliveries,
            failed_at,
            message_id: None,
        }
    }

    /// The same, of the message that its queue knows by `id`.
    #[must_use]
    pub fn of(self, id: String) -> Self {
        let message_id = Some(id).filter(|id| !id.is_empty());
        Self { message_id, ..self }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::ErrorKind;
    use crate::event::Sequencer;

    pub(in crate::message) fn message(
        route: &str,
        key: &str,
        sequencer: Option<&str>,
    ) -> HintMessage {
        let hint = ObjectHint {
            bucket: "b".into(),
            key: key.into(),
            event: "ObjectCreated:Put".into(),
            time: None,
            version_id: None,
            size: None,
            sequencer: sequencer.map(|text| Sequencer(text.into())),
        };
        HintMessage::new(route, hint, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_dead_letter_keeps_as_much_of_an_error_as_its_queue_takes() {
        let page = "<html>".repeat(100_000);
        let error = TransferError::new(ErrorKind::SourceUnexpected, page.clone(), page);
        let letter = DeadLetter::new("{}", error, 1, Timestamp::UNIX_EPOCH);
        assert!(serde_json::to_string(&letter).unwrap().len() < 10_000);
    }

    #[test]
    fn a_byte_order_mark_before_a_message_is_taken() {
        let hint = message("r", "a", None);
        let marked = "\u{feff}".to_owned() + &serde_json::to_string(&hint).unwrap();
        assert_eq!(
            Message::read(marked.as_bytes()).unwrap(),
            Message::Hint(hint)
        );
        let error = TransferError::new(ErrorKind::SourceDenied, "no", "ask");
        let letter = DeadLetter::new(&marked, error, 1, Timestamp::UNIX_EPOCH);
        assert_eq!(letter.message["route"], "r");
    }

    pub(in crate::message) fn session() -> CarriedSession {
        CarriedSession {
            uri: serde_json::from_str("\"http://gcs/upload?upload_id=hush\"").unwrap(),
            etag: "\"e\"".into(),
            version: None,
            size: 1 << 40,
            furthest: 0,
            place: String::new(),
            plan: Session {
                slice: 1 << 20,
                digest: Some(Digest::default()),
            },
            stored: StoredChecksums::default(),
            running: Some(Running::default()),
        }
    }

    #[test]
    fn messages_survive_the_queue() {
        let mut hint = message("r", "a", Some("0A"));
        let text = serde_json::to_string(&hint).unwrap();
        assert!(!text.contains("session") && !text.contains("returns"));
        assert!(!text.contains("released"));
        assert_eq!(
            Message::read(text.as_bytes()).unwrap(),
            Message::Hint(hint.clone())
        );
        // What a newer version carries on is begun again, and the hint is not lost.
        let mut tomorrow: Value = serde_json::from_str(&text).unwrap();
        tomorrow["session"] = serde_json::json!({"by": "quic"});
        tomorrow["planet"] = serde_json::json!("mars");
        let read = Message::read(tomorrow.to_string().as_bytes()).unwrap();
        assert_eq!(read, Message::Hint(hint.clone()));
        hint.session = Some(Box::new(session()));
        hint.returns = 2;
        hint.released = true;
        let text = serde_json::to_string(&hint).unwrap();
        assert!(text.contains("hush") && !format!("{hint:?}").contains("hush"));
        assert_eq!(Message::read(text.as_bytes()).unwrap(), Message::Hint(hint));
        let part = PartMessage {
            coordinator: "r/b/k".into(),
            run: "1".into(),
            route: "r".into(),
            key: "k".into(),
            etag: "\"e\"".into(),
            version: None,
            part: 3,
            first: 9,
            length: 3,
            total: 12,
            digest: None,
            prefix: "p/".into(),
            source: "b".into(),
            bucket: "d".into(),
        };
        let text = serde_json::to_string(&part).unwrap();
        assert_eq!(Message::read(text.as_bytes()).unwrap(), Message::Part(part));
    }
}
