//! What people look at of one route: counts, delays, the last outcomes, and the state of its brake.
//!
//! Pure, and bounded in size however much is copied. Whoever stores it writes it once a batch. No
//! decision about an object is made from it; what is in quarantine stands beside it ([`Quarantined`]).

mod histogram;
mod quarantine;

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use histogram::Histogram;
pub use quarantine::{Quarantined, Selector};

use crate::brake::{Brake, BrakeState, Leave};
use crate::error::{ErrorKind, TransferError};
use crate::message::HintMessage;
use crate::transfer::Outcome;
use crate::walk::Walk;

/// How many of the last outcomes are kept.
const RECENT: usize = 50;
/// And of the last walks.
const WALKS: usize = 10;

/// What came of one hint, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    #[serde(deserialize_with = "crate::time::read")]
    pub at: Timestamp,
    /// The source's bucket.
    pub bucket: String,
    /// The source's key.
    pub key: String,
    /// `copied`, `identical`, `deleted`, `kept`, `source-gone`, `folder-marker`, `retried` or `quarantined`.
    pub outcome: String,
    /// How many bytes were copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Milliseconds since the worker took the event in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// Milliseconds since the time that the event itself tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_ms: Option<u64>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ErrorKind>,
}

impl Record {
    /// That `message` ended well at `now`.
    #[must_use]
    pub fn succeeded(message: &HintMessage, outcome: &Outcome, now: Timestamp) -> Self {
        let bytes = match outcome {
            Outcome::Copied { size, .. } => Some(*size),
            _ => None,
        };
        Self {
            bytes,
            ms: Some(milliseconds(message.accepted_at, now)),
            event_ms: message.hint.time.map(|time| milliseconds(time, now)),
            ..Self::of(message, outcome.name(), now)
        }
    }

    /// That `message` failed with `error`, and is now `retried` or `quarantined`.
    #[must_use]
    pub fn failed(
        message: &HintMessage,
        error: &TransferError,
        then: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            kind: Some(error.kind),
            ..Self::of(message, then, now)
        }
    }

    fn of(message: &HintMessage, outcome: &str, now: Timestamp) -> Self {
        Self {
            at: now,
            bucket: message.hint.bucket.clone(),
            key: message.hint.key.clone(),
            outcome: outcome.to_owned(),
            bytes: None,
            ms: None,
            event_ms: None,
            kind: None,
        }
    }

    /// Whether the destination is now as it should be: an older failure of the key is mended.
    #[must_use]
    pub fn settles(&self) -> bool {
        self.kind.is_none()
    }
}

/// The ledger of one route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// When the first record came.
    #[serde(deserialize_with = "crate::time::read_option")]
    pub since: Option<Timestamp>,
    /// How many records there were of each outcome.
    pub counts: BTreeMap<String, u64>,
    /// How many bytes were copied.
    pub bytes: u64,
    /// From the worker's taking an event in to the commit at GCS.
    pub accepted_to_commit: Histogram,
    /// From the time that an event tells to the commit at GCS.
    pub event_to_commit: Histogram,
    /// The last records, the newest first.
    pub recent: VecDeque<Record>,
    /// How many keys are in quarantine.
    pub quarantined: u64,
    /// How many objects the source had when they were last counted.
    pub objects: Option<u64>,
    /// The last backfills and reconciles that have ended, the newest first, without their differences.
    pub walks: VecDeque<Walk>,
    /// The deletes that were granted lately.
    pub brake: BrakeState,
}

impl Ledger {
    /// Takes `records` in, in their order.
    pub fn record(&mut self, records: Vec<Record>) {
        for record in records {
            self.since.get_or_insert(record.at);
            *self.counts.entry(record.outcome.clone()).or_default() += 1;
            if let Some(bytes) = record.bytes {
                self.bytes = self.bytes.saturating_add(bytes);
                record
                    .ms
                    .into_iter()
                    .for_each(|ms| self.accepted_to_commit.add(ms));
                record
                    .event_ms
                    .into_iter()
                    .for_each(|ms| self.event_to_commit.add(ms));
            }
            self.recent.push_front(record);
            self.recent.truncate(RECENT);
        }
    }

    /// Takes in a walk that has ended; once, however often it is told.
    pub fn walked(&mut self, mut walk: Walk) {
        self.objects = walk.count().or(self.objects);
        let is_same = |known: &Walk| (known.kind, known.started_at) == (walk.kind, walk.started_at);
        if !self.walks.iter().any(is_same) {
            walk.differences.clear();
            self.walks.push_front(walk);
            self.walks.truncate(WALKS);
        }
    }

    /// Asks the brake for one delete.
    pub fn ask(&mut self, brake: &Brake, now: Timestamp) -> Leave {
        self.brake.ask(brake, self.objects, now)
    }
}

fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::event::ObjectHint;
    use crate::gcs::Generation;
    use crate::integrity::Proof;
    use crate::walk::{Kind, Page, Request};

    fn message(key: &str) -> HintMessage {
        let hint = ObjectHint {
            bucket: "b".into(),
            key: key.into(),
            event: "ObjectCreated:Put".into(),
            time: Some(at(0)),
            version_id: None,
            size: None,
            sequencer: None,
        };
        HintMessage::new("r", hint, at(2))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn copied(size: u64) -> Outcome {
        Outcome::Copied {
            generation: Generation(7),
            size,
            proof: Proof::StoredCrc32c,
            omitted: None,
        }
    }

    #[test]
    fn it_counts_and_keeps_the_last_and_stays_small() {
        let mut ledger = Ledger::default();
        let records =
            (0..1000).map(|n| Record::succeeded(&message(&n.to_string()), &copied(10), at(3)));
        ledger.record(records.collect());
        let error = TransferError::new(ErrorKind::SourceDenied, "no", "");
        ledger.record(vec![Record::failed(
            &message("x"),
            &error,
            "quarantined",
            at(9),
        )]);
        assert_eq!(
            ledger.counts,
            [("copied".into(), 1000), ("quarantined".into(), 1)].into()
        );
        assert_eq!((ledger.bytes, ledger.since), (10_000, Some(at(3))));
        assert_eq!(ledger.recent.len(), RECENT);
        assert_eq!(
            (&*ledger.recent[0].key, &*ledger.recent[1].key),
            ("x", "999")
        );
        assert_eq!(ledger.recent[0].kind, Some(ErrorKind::SourceDenied));
        assert_eq!(ledger.accepted_to_commit.count(), 1000);
        assert_eq!(ledger.event_to_commit.quantile(1.0), Some(3000));
        let text = serde_json::to_string(&ledger).unwrap();
        assert!(text.len() < 16_000, "{}", text.len());
        assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
    }

    #[test]
    fn the_last_walks_are_kept_and_one_of_all_keys_is_a_count() {
        let mut ledger = Ledger::default();
        for n in 0..20 {
            let request = Request {
                prefix: if n == 18 { String::new() } else { "a".into() },
                ..Request::default()
            };
            let mut walk = Walk::new(Kind::Reconcile, "r", request, None, at(n));
            let mut page = Page::default();
            page.parity.source.keys = 7;
            walk.took(page, 0, at(n));
            ledger.walked(walk.clone());
            ledger.walked(walk);
        }
        assert_eq!((ledger.walks.len(), ledger.objects), (WALKS, Some(7)));
        let last: Vec<_> = ledger.walks.iter().map(|walk| walk.started_at).collect();
        assert_eq!(last[..2], [at(19), at(18)]);
    }

    #[test]
    fn a_clock_that_was_ahead_makes_no_delay_negative() {
        let record = Record::succeeded(&message("k"), &copied(1), at(1));
        assert_eq!((record.ms, record.event_ms), (Some(0), Some(1000)));
    }
}
