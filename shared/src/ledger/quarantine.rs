//! What failed for good, or too often: one entry a key, with all that a replay needs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ErrorKind, TransferError, cut};
use crate::message::{DeadLetter, HintMessage};
use crate::time::rfc3339;

/// The longest name of an entry, in bytes: that of a bucket and a key of S3 has less.
const ID_BYTES: usize = 1280;

/// The longest text that is kept of what is no message of ours, in bytes.
const TEXT_BYTES: usize = 32 * 1024;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The message as it stood in the queue of hints, at the last failure.
    pub message: Value,
    /// Why it is here; S3's or GCS's last answer.
    pub error: TransferError,
    /// How often it was delivered before the last failure.
    pub deliveries: u32,
    /// Whether the message is only its beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// How often the key came here.
    pub failures: u32,
    /// When it first came.
    #[serde(deserialize_with = "crate::time::read")]
    pub first_failed_at: Timestamp,
    /// When it last came.
    #[serde(deserialize_with = "crate::time::read")]
    pub last_failed_at: Timestamp,
}

/// Which entries are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Selector {
    /// One.
    Id(String),
    /// Those with one reason.
    Kind(ErrorKind),
    /// All of the route: `{"all": true}`.
    All(bool),
}

impl Quarantined {
    /// `letter` as an entry; `before` is the entry that the key has already. One that a replay took out has
    /// left with the message how often the key had come here, and since when.
    #[must_use]
    pub fn new(letter: DeadLetter, before: Option<&Self>) -> Self {
        let DeadLetter {
            mut message,
            mut error,
            deliveries,
            failed_at,
            ..
        } = letter;
        error.bound();
        let mut is_cut = false;
        if let Value::String(text) = &mut message {
            is_cut = text.len() > TEXT_BYTES;
            cut(text, TEXT_BYTES);
        }
        let failures = message["failures"].as_u64().unwrap_or_default();
        let failures = u32::try_from(failures).unwrap_or(u32::MAX);
        let first = message["first_failed_at"].as_str().and_then(rfc3339);
        let known = before.map(|before| before.first_failed_at);
        Self {
            message,
            error,
            deliveries,
            is_cut,
            failures: before
                .map_or(0, |before| before.failures)
                .max(failures)
                .saturating_add(1),
            first_failed_at: first.into_iter().chain(known).min().unwrap_or(failed_at),
            last_failed_at: failed_at,
        }
    }

    /// The hint that goes back to the queue; none if the message was no hint. The brake is asked for its delete
    /// unless `is_released`: a person who mends one thing has not said that something else is meant.
    #[must_use]
    pub fn replayed(&self, is_released: bool) -> Option<HintMessage> {
        let message = serde_json::to_vec(&self.message).ok()?;
        let hint: HintMessage = serde_json::from_slice(&message).ok()?;
        Some(HintMessage {
            session: None,
            followed: false,
            returns: 0,
            held: false,
            released: is_released,
            failures: self.failures,
            first_failed_at: Some(self.first_failed_at),
            ..hint
        })
    }

    /// The text of a message that is no hint, as it came: this version may read it, or take the event that it is.
    #[must_use]
    pub fn as_it_came(&self) -> Option<String> {
        let whole = (!self.is_cut).then_some(&self.message)?;
        let text = whole.as_str().map(str::to_owned);
        Some(text.unwrap_or_else(|| whole.to_string()))
    }

    /// Bucket and key, if the message was a hint.
    #[must_use]
    pub fn object(&self) -> Option<(&str, &str)> {
        let hint = &self.message["hint"];
        Some((hint["bucket"].as_str()?, hint["key"].as_str()?))
    }
}

impl Selector {
    /// Whether a replay of what is meant says of `entry` that its delete, or its load, is: who names the entry, or the
    /// reason, has seen what held it back. Who means all may not have.
    #[must_use]
    pub fn releases(&self, entry: &Quarantined) -> bool {
        let is_named = !matches!(self, Self::All(_));
        let kind = entry.error.kind;
        is_named
            && matches!(
                kind,
                ErrorKind::DeletesBraked | ErrorKind::LoadRefused | ErrorKind::OverwriteRefused
            )
    }

    /// Whether the entry `id` is meant.
    #[must_use]
    pub fn takes(&self, id: &str, entry: &Quarantined) -> bool {
        match self {
            Self::Id(wanted) => wanted == id,
            Self::Kind(kind) => entry.error.kind == *kind,
            Self::All(all) => *all,
        }
    }
}

impl DeadLetter {
    /// The name of its entry in quarantine: bucket and key, so that a key has one. A message that
    /// is no hint has its queue's id, or its time. Of a key that no store has, because it is too long, the first
    /// bytes.
    #[must_use]
    pub fn id(&self) -> String {
        let hint = &self.message["hint"];
        let mut id = match (hint["bucket"].as_str(), hint["key"].as_str()) {
            (Some(bucket), Some(key)) => format!("{bucket}/{key}"),
            _ => match &self.message_id {
                Some(id) => format!("?/{id}"),
                None => format!("?/{}", self.failed_at),
            },
        };
        cut(&mut id, ID_BYTES);
        id
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::event::ObjectHint;
    use serde_json::json;

    fn letter(second: i64) -> DeadLetter {
        let hint = ObjectHint {
            bucket: "b".into(),
            key: "a/k".into(),
            event: "ObjectRemoved:Delete".into(),
            time: None,
            version_id: None,
            size: None,
            sequencer: None,
        };
        let mut message = HintMessage::new("r", hint, Timestamp::UNIX_EPOCH);
        message.returns = 5;
        DeadLetter {
            message_id: None,
            message: serde_json::to_value(message).unwrap(),
            error: TransferError::new(ErrorKind::DeletesBraked, "too many", "look"),
            deliveries: 1,
            failed_at: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn a_key_that_fails_again_keeps_its_entry_and_when_it_first_came() {
        let first = Quarantined::new(letter(1), None);
        let again = Quarantined::new(letter(9), Some(&first));
        assert_eq!(letter(1).id(), "b/a/k");
        assert_eq!((first.failures, again.failures), (1, 2));
        assert_eq!(again.first_failed_at, first.first_failed_at);
        assert_eq!(again.last_failed_at, Timestamp::from_second(9).unwrap());
    }

    #[test]
    fn a_replay_that_fails_again_is_one_failure_more_since_the_first() {
        let first = Quarantined::new(letter(5), None);
        let again = Quarantined::new(letter(9), Some(&first));
        let mut replayed = letter(20);
        replayed.message = serde_json::to_value(again.replayed(false).unwrap()).unwrap();
        // An event of its own may have failed meanwhile.
        for before in [None, Some(&Quarantined::new(letter(15), None))] {
            let entry = Quarantined::new(replayed.clone(), before);
            assert_eq!(entry.failures, 3);
            assert_eq!(entry.first_failed_at, first.first_failed_at);
            assert_eq!(entry.replayed(false).unwrap().failures, 3);
        }
    }

    #[test]
    fn an_entry_is_bounded_in_bytes_whatever_the_message_is() {
        let mut long = letter(1);
        long.message["hint"]["key"] = json!("\u{1}".repeat(100_000));
        assert_eq!(long.id().len(), ID_BYTES);
        let mut text = letter(1);
        text.message = json!("\u{1}".repeat(120_000));
        text.error.message = "<html>".repeat(20_000);
        let entry = Quarantined::new(text, None);
        let size = serde_json::to_string(&entry).unwrap().len();
        assert!(size < 250_000, "{size}");
    }

    #[test]
    fn what_is_replayed_begins_anew_and_is_released_only_where_that_was_said() {
        let mut released = letter(1);
        released.message["released"] = json!(true);
        let entry = Quarantined::new(released, None);
        let replayed = entry.replayed(false).unwrap();
        assert!(!replayed.released && replayed.returns == 0);
        assert!(entry.replayed(true).unwrap().released);
        let mut unreadable = letter(1);
        unreadable.message = json!("what is this");
        assert_eq!(unreadable.id(), "?/1970-01-01T00:00:01Z");
        let unreadable = unreadable.of("0a".into());
        assert_eq!(unreadable.id(), "?/0a");
        let entry = Quarantined::new(unreadable, None);
        assert_eq!(entry.replayed(true), None);
        assert_eq!(entry.as_it_came().as_deref(), Some("what is this"));
        let event = Quarantined::new(
            DeadLetter::new(
                r#"{"Records":[]}"#,
                letter(1).error,
                1,
                Timestamp::UNIX_EPOCH,
            ),
            None,
        );
        assert_eq!(event.as_it_came().as_deref(), Some(r#"{"Records":[]}"#));
        let long = "x".repeat(TEXT_BYTES + 1);
        let long = DeadLetter::new(&long, letter(1).error, 1, Timestamp::UNIX_EPOCH);
        assert_eq!(Quarantined::new(long, None).as_it_came(), None);
    }

    #[test]
    fn only_who_names_what_the_brake_held_back_releases_it() {
        let braked = Quarantined::new(letter(1), None);
        let mut denied = letter(1);
        denied.error.kind = ErrorKind::SourceDenied;
        let denied = Quarantined::new(denied, None);
        let id = || Selector::Id("b/a/k".into());
        assert!(id().releases(&braked) && !id().releases(&denied));
        let kind = Selector::Kind(ErrorKind::DeletesBraked);
        assert!(kind.releases(&braked) && !kind.releases(&denied));
        assert!(!Selector::All(true).releases(&braked));
    }

    #[test]
    fn a_selector_means_one_or_a_reason_or_all() {
        let entry = Quarantined::new(letter(1), None);
        let takes = |selector: Value| {
            let selector: Selector = serde_json::from_value(selector).unwrap();
            selector.takes("b/a/k", &entry)
        };
        assert!(takes(json!({"id": "b/a/k"})) && !takes(json!({"id": "b/a"})));
        assert!(takes(json!({"kind": "deletes-braked"})) && !takes(json!({"kind": "too-large"})));
        assert!(takes(json!({"all": true})) && !takes(json!({"all": false})));
    }
}
