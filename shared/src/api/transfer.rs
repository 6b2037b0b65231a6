//! Transfers, as far as a ledger remembers them.
//!
//! A transfer is named by what it copies, `bucket/key`, as the entries of quarantine are: however many
//! events tell of a key, what is to be done is one thing.

use serde::{Deserialize, Serialize};

use super::Entry;
use crate::ledger::{Ledger, Record};

/// What became of a key, the last time or one of the last times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// `bucket/key`.
    pub id: String,
    /// What the ledger has of it.
    #[serde(flatten)]
    pub record: Record,
    /// Its entry in quarantine, where it has one and one transfer is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Entry>,
}

/// A page of transfers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfers {
    /// The newest first.
    pub transfers: Vec<Transfer>,
    /// What to give as `after` for the next page; none at the end.
    pub next: Option<String>,
}

impl From<Record> for Transfer {
    fn from(record: Record) -> Self {
        Self {
            id: format!("{}/{}", record.bucket, record.key),
            record,
            quarantine: None,
        }
    }
}

impl Transfer {
    /// The last of `id` that `ledger` remembers; `entry` is what quarantine has of it. None where both
    /// know nothing: it is under way, or was longer ago than a ledger remembers.
    #[must_use]
    pub fn last(ledger: &Ledger, id: &str, entry: Option<Entry>) -> Option<Self> {
        let is_it = |record: &&Record| {
            let key = id.strip_prefix(&*record.bucket);
            key.and_then(|key| key.strip_prefix('/')) == Some(&*record.key)
        };
        let last = ledger.recent.iter().find(is_it).cloned().map(Self::from);
        let known = last.or_else(|| entry.as_ref().map(Self::of));
        known.map(|known| Self {
            quarantine: entry,
            ..known
        })
    }

    /// What an entry says of the last time.
    fn of(entry: &Entry) -> Self {
        Record {
            at: entry.last_failed_at,
            began_at: None,
            bucket: entry.bucket.clone(),
            key: entry.key.clone(),
            outcome: "quarantined".to_owned(),
            bytes: None,
            ms: None,
            event_ms: None,
            kind: Some(entry.kind),
        }
        .into()
    }
}

impl Transfers {
    /// At most `limit` of those that `ledger` remembers, older than the one that `after` counts. Each
    /// has the number of its record, from the ledger's first, so that a page stays where it was while
    /// new ones come.
    #[must_use]
    pub fn of(ledger: &Ledger, limit: usize, after: Option<u64>) -> Self {
        let count: u64 = ledger.counts.values().sum();
        let numbers = (1..=count).rev();
        let older = numbers
            .zip(&ledger.recent)
            .filter(|(number, _)| after.is_none_or(|after| *number < after));
        let mut page: Vec<_> = older.take(limit + 1).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let last = page.last().filter(|_| more);
        Self {
            next: last.map(|(number, _)| number.to_string()),
            transfers: page
                .into_iter()
                .map(|(_, record)| record.clone().into())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::ErrorKind;

    fn record(bucket: &str, key: &str, outcome: &str) -> Record {
        serde_json::from_value(serde_json::json!({
            "at": "2026-01-01T00:00:00Z", "bucket": bucket, "key": key, "outcome": outcome,
        }))
        .unwrap()
    }

    #[test]
    fn pages_stay_where_they_were_while_new_ones_come() {
        let mut ledger = Ledger::default();
        ledger.record(
            (0..70)
                .map(|n| record("b", &n.to_string(), "copied"))
                .collect(),
        );
        let keys = |page: &Transfers| -> Vec<String> {
            page.transfers
                .iter()
                .map(|one| one.record.key.clone())
                .collect()
        };
        let first = Transfers::of(&ledger, 3, None);
        assert_eq!(keys(&first), ["69", "68", "67"]);
        ledger.record(vec![record("b", "new", "identical")]);
        let after = first.next.unwrap().parse().unwrap();
        let second = Transfers::of(&ledger, 3, Some(after));
        assert_eq!(keys(&second), ["66", "65", "64"]);
        let rest = Transfers::of(&ledger, 100, Some(after));
        assert_eq!((rest.transfers.len(), rest.next), (46, None));
        assert!(Transfers::of(&ledger, 3, Some(1)).transfers.is_empty());
        assert!(Transfers::of(&Ledger::default(), 3, None).next.is_none());
    }

    #[test]
    fn the_last_outcome_of_a_key_is_its_transfer() {
        let mut ledger = Ledger::default();
        ledger.record(vec![
            record("b", "a/k", "retried"),
            record("b", "a/k", "copied"),
            record("b/a", "other", "kept"),
        ]);
        let last = |id: &str| Transfer::last(&ledger, id, None).map(|last| last.record.outcome);
        assert_eq!(last("b/a/k").as_deref(), Some("copied"));
        for unknown in ["", "b", "b/", "b/a", "ba/k", "a/k", "b/a/k/"] {
            assert_eq!(last(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn what_only_quarantine_remembers_is_in_quarantine() {
        let entry: Entry = serde_json::from_value(serde_json::json!({
            "id": "b/k", "bucket": "b", "key": "k", "kind": "too-large", "fault": "source",
            "message": "m", "advice": "a", "deliveries": 1, "failures": 1,
            "first_failed_at": "2026-01-01T00:00:00Z", "last_failed_at": "2026-01-02T00:00:00Z",
        }))
        .unwrap();
        let last = Transfer::last(&Ledger::default(), "b/k", Some(entry.clone())).unwrap();
        assert_eq!(
            (&*last.record.outcome, last.record.kind),
            ("quarantined", Some(ErrorKind::TooLarge))
        );
        assert_eq!(
            (last.record.at, last.quarantine),
            (entry.last_failed_at, Some(entry))
        );
    }
}
