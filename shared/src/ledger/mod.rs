//! What people look at of one route: counts, delays, the last outcomes, and the state of its brake.
//!
//! Pure, and bounded in bytes however much is copied and whatever keys are called: storage takes two
//! megabytes of it. Whoever stores it writes it once a batch. No
//! decision about an object is made from it; what is in quarantine stands beside it ([`Quarantined`]).

mod histogram;
mod load;
mod quarantine;
mod record;

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use histogram::Histogram;
pub use load::Load;
pub use quarantine::{Quarantined, Selector};
pub use record::Record;

use crate::brake::{Brake, BrakeState, DeletePermit};
use crate::breaker::Breaker;
use crate::json::without;
use crate::walk::Walk;

/// How many of the last outcomes are kept.
const RECENT: usize = 50;
/// And of the last walks.
const WALKS: usize = 10;
/// How long it is believed that parts can be deleted somewhere, in seconds, and of how many places.
const GOOD_FOR: i64 = 3600;
const PLACES: usize = 10;
/// How many large objects of a route are copied in parts at once. At most 250 consumers copy six parts each, and a run
/// has up to thirty: a third of these runs keep all consumers busy, and the rest are there for runs of few parts. With
/// more, parts would only wait in their queue, and a run whose parts wait for an hour looks as if they were lost.
pub const RUNS: usize = 128;
/// How long a run that does not say that it goes on counts, in seconds. It says so at least every 45 minutes.
const RUN_COUNTS_FOR: i64 = 90 * 60;

/// What a ledger can do without: first what is only there to be looked at, then all but what bounds deletes and what
/// counts the quarantine.
const DISPENSABLE: [&[&str]; 2] = [
    &["recent", "walks"],
    &[
        "since",
        "counts",
        "bytes",
        "accepted_to_commit",
        "event_to_commit",
        "event_to_queryable",
        "breaker",
        "overflowed",
        "deletable",
        "runs",
    ],
];

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
    /// From the time that an event tells to its rows' being in the table.
    pub event_to_queryable: Histogram,
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
    /// Whether the route's hints are held back.
    pub breaker: Breaker,
    /// How many keys failed for which there was no more room in quarantine.
    pub overflowed: u64,
    /// Where parts were found to be deletable (bucket and folder), and when, in seconds of Unix.
    pub deletable: VecDeque<(String, i64)>,
    /// The large objects that are being copied in parts, and until when each counts, in seconds of Unix.
    pub runs: VecDeque<(String, i64)>,
}

impl Ledger {
    /// Reads what was stored, by whichever version. Where a newer one wrote something in a way that this one cannot
    /// read, the ledger goes on without what it can do without.
    ///
    /// # Errors
    /// What is wrong with all the rest: a brake that forgets would let a second flood through.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        let mut ledger: Self = serde_json::from_slice(text.as_bytes()).or_else(|error| {
            (1..=DISPENSABLE.len())
                .filter_map(|lists| without(text.as_bytes(), &DISPENSABLE[..lists].concat()))
                .find_map(|rest| serde_json::from_slice(rest.as_bytes()).ok())
                .ok_or(error)
        })?;
        ledger.bound();
        Ok(ledger)
    }

    /// Bounds what was stored by a version that did not.
    fn bound(&mut self) {
        self.recent.truncate(RECENT);
        self.recent.iter_mut().for_each(Record::bound);
        self.walks.truncate(WALKS);
        self.walks.iter_mut().for_each(Walk::bound);
    }

    /// Takes `records` in, in their order.
    pub fn record(&mut self, records: Vec<Record>) {
        for mut record in records {
            record.bound();
            // Only the quarantine asks.
            record.began_at = None;
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
            if record.is_loaded() {
                record
                    .event_ms
                    .into_iter()
                    .for_each(|ms| self.event_to_queryable.add(ms));
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
            walk.bound();
            self.walks.push_front(walk);
            self.walks.truncate(WALKS);
        }
    }

    /// Whether parts could be deleted at `place` within the last hour: what is tried for one large object need not
    /// be tried for each, and a bucket takes one write a second of one name.
    #[must_use]
    pub fn is_deletable(&self, place: &str, now: Timestamp) -> bool {
        let mut found = self.deletable.iter();
        found.any(|(known, at)| known == place && now.as_second() - at < GOOD_FOR)
    }

    /// Parts could be deleted at `place`.
    pub fn note_deletable(&mut self, place: String, now: Timestamp) {
        self.deletable.retain(|(known, _)| *known != place);
        self.deletable.push_front((place, now.as_second()));
        self.deletable.truncate(PLACES);
    }

    /// The run `id` wants to begin, or to go on. Whether it may.
    pub fn may_run(&mut self, id: String, now: Timestamp) -> bool {
        let now = now.as_second();
        let goes_on = self.runs.iter().any(|(known, _)| *known == id);
        self.runs
            .retain(|(known, until)| *known != id && *until > now);
        let may = goes_on || self.runs.len() < RUNS;
        if may {
            self.runs.push_back((id, now + RUN_COUNTS_FOR));
        }
        may
    }

    /// The run `id` has ended.
    pub fn run_ended(&mut self, id: &str) {
        self.runs.retain(|(known, _)| known != id);
    }

    /// Asks the brake for up to `count` deletes, as [`BrakeState::ask`] has it.
    pub fn ask(&mut self, brake: &Brake, now: Timestamp, count: u32) -> (u32, DeletePermit) {
        self.brake.ask(brake, self.objects, now, count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::{ErrorKind, TransferError};
    use crate::event::ObjectHint;
    use crate::gcs::Generation;
    use crate::integrity::Proof;
    use crate::message::HintMessage;
    use crate::transfer::Outcome;
    use crate::walk::{Kind, Page, Request};
    use serde_json::json;

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
    fn runs_are_limited_and_a_dead_one_counts_no_longer_than_ninety_minutes() {
        let mut ledger = Ledger::default();
        for run in 0..RUNS {
            assert!(ledger.may_run(run.to_string(), at(0)));
        }
        assert!(!ledger.may_run("x".into(), at(60)));
        // One that goes on takes no second place.
        assert!(ledger.may_run("0".into(), at(2700)));
        assert!(!ledger.may_run("x".into(), at(2700)));
        ledger.run_ended("1");
        assert!(ledger.may_run("x".into(), at(2700)));
        assert!(!ledger.may_run("y".into(), at(5399)));
        let text = serde_json::to_string(&ledger).unwrap();
        let mut ledger = Ledger::read(&text).unwrap();
        assert!(ledger.may_run("y".into(), at(5400)));
        assert_eq!(ledger.runs.len(), 3);
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
    fn what_is_loaded_is_counted_apart_from_what_is_copied() {
        let mut ledger = Ledger::default();
        ledger.record(vec![
            Record::succeeded(&message("k"), &copied(10), at(3)),
            Record::loaded(&message("k"), at(9)),
        ]);
        assert_eq!(ledger.event_to_commit.max(), Some(3000));
        assert_eq!(ledger.accepted_to_commit.count(), 1);
        assert_eq!(ledger.event_to_queryable.count(), 1);
        assert_eq!(ledger.event_to_queryable.max(), Some(9000));
    }

    #[test]
    fn it_is_bounded_in_bytes_and_so_is_what_an_older_version_stored() {
        let long = "\u{1}".repeat(100_000);
        let error = TransferError::new(ErrorKind::SourceUnexpected, long.clone(), long.clone());
        let failed = || Record::failed(&message(&long), &error, "retried", at(1));
        let walk = |second| {
            let request = Request {
                prefix: long.clone(),
                ..Request::default()
            };
            let mut walk = Walk::new(Kind::Reconcile, "r", request, None, at(second));
            walk.last_key = Some(long.clone());
            walk.failed(error.clone(), at(second), 0);
            walk
        };
        let mut ledger = Ledger::default();
        ledger.record((0..100).map(|_| failed()).collect());
        (0..20).for_each(|second| ledger.walked(walk(second)));
        let size = |ledger: &Ledger| serde_json::to_string(ledger).unwrap().len();
        assert!(size(&ledger) < 1_500_000, "{}", size(&ledger));
        assert_eq!((ledger.recent.len(), ledger.walks.len()), (RECENT, WALKS));

        let mut stored = Ledger {
            recent: (0..100).map(|_| failed()).collect(),
            walks: (0..20).map(walk).collect(),
            ..Ledger::default()
        };
        assert!(size(&stored) > 2_000_000);
        stored.bound();
        assert!(size(&stored) < 1_500_000, "{}", size(&stored));
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

    /// What a newer version may have stored before it was rolled back: members and words that this one does not know.
    #[test]
    fn what_tomorrows_version_stored_is_read() {
        let mut ledger = Ledger::default();
        let failed = TransferError::new(ErrorKind::SourceDenied, "m", "a");
        ledger.record(vec![Record::failed(
            &message("k"),
            &failed,
            "quarantined",
            at(1),
        )]);
        ledger.bytes = 9;
        ledger.quarantined = 7;
        let today = serde_json::to_value(&ledger).unwrap();

        let mut tomorrow = today.clone();
        tomorrow["shards"] = json!([1]);
        tomorrow["recent"][0]["kind"] = json!("source-on-mars");
        tomorrow["recent"][0]["planet"] = json!({"name": "mars"});
        let read = Ledger::read(&tomorrow.to_string()).unwrap();
        assert_eq!(read.recent[0].kind, Some(ErrorKind::Unknown));
        assert_eq!((read.quarantined, read.bytes), (7, 9));

        let mut tomorrow = today;
        tomorrow["walks"] = json!([{"kind": "sweep"}]);
        let read = Ledger::read(&tomorrow.to_string()).unwrap();
        assert_eq!((read.quarantined, read.bytes), (7, 9));
        assert!(read.walks.is_empty());

        let names: Vec<_> = tomorrow.as_object().unwrap().keys().cloned().collect();
        for name in names {
            let mut other = tomorrow.clone();
            other[&name] = json!({"by": ["sol"]});
            let read = Ledger::read(&other.to_string()).map(|read| read.quarantined);
            let is_needed = ["quarantined", "brake", "objects"].contains(&&*name);
            assert_eq!(read.ok(), (!is_needed).then_some(7), "{name}");
        }
        assert!(Ledger::read("").is_err());
    }

    #[test]
    fn where_parts_can_be_deleted_is_believed_for_an_hour_and_of_few_places() {
        let mut ledger = Ledger::default();
        assert!(!ledger.is_deletable("b/f", at(0)));
        ledger.note_deletable("b/f".into(), at(0));
        assert!(ledger.is_deletable("b/f", at(3599)) && !ledger.is_deletable("b/f", at(3600)));
        assert!(!ledger.is_deletable("b/g", at(1)));
        for number in 0..100 {
            ledger.note_deletable(format!("b/{number}"), at(1));
        }
        assert_eq!(ledger.deletable.len(), PLACES);
    }
}
