//! The JSON of the HTTP API, as the worker writes it and the command line reads it: docs/openapi.yaml.
//! Fields that a newer worker adds are left out by an older reader, and what an older worker does not
//! say is nothing.

mod loads;
pub mod metrics;
mod register;
mod transfer;

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Fault, TransferError};
use crate::ledger::{Histogram, Ledger, Quarantined, Record};
use crate::route::Route;
use crate::walk::Walk;
pub use loads::{Load, LoadCounts, Loads, LoadsBlocked};
pub use register::{Destination, Options, Source};
pub use transfer::{Transfer, Transfers};

/// What a route has done, and what it has in quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteStatus {
    /// Its name.
    pub route: String,
    /// Where it reads; none for what belongs to no route.
    pub source: Option<Source>,
    /// Where it writes; none for what belongs to no route.
    pub destination: Option<Destination>,
    /// What it does beyond copying; none for what belongs to no route.
    pub options: Option<Options>,
    /// Since when is counted; none before anything was.
    pub since: Option<Timestamp>,
    /// How often each outcome was.
    pub counts: BTreeMap<String, u64>,
    /// Bytes copied.
    pub bytes: u64,
    /// From the worker's taking the event in to the commit.
    pub accepted_to_commit: Delays,
    /// From the event's own time to the commit.
    pub event_to_commit: Delays,
    /// From the event's own time to its rows' being in the table; of a route into a bucket it counts nothing.
    pub event_to_queryable: Delays,
    /// The last outcomes, newest first.
    pub recent: VecDeque<Record>,
    /// Entries that are in quarantine now.
    pub quarantined: u64,
    /// Keys that failed while the quarantine was full; a reconcile finds them.
    pub overflowed: u64,
    /// Why hints wait in the queue; none where they do not.
    pub breaker: Option<BreakerStatus>,
    /// How many keys the source had when all of them were last counted, by a backfill or a reconcile.
    pub objects: Option<u64>,
    /// The last backfills and reconciles that have ended, newest first.
    pub walks: VecDeque<Walk>,
    /// The brake on deletes, where the route propagates them.
    pub brake: Option<BrakeStatus>,
}

/// How long something took, over all times that it was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delays {
    /// How many times.
    pub count: u64,
    /// The median, in milliseconds.
    pub p50_ms: Option<u64>,
    /// What 99 of 100 do not exceed, in milliseconds.
    pub p99_ms: Option<u64>,
    /// The longest, in milliseconds.
    pub max_ms: Option<u64>,
    /// In the order of their bounds.
    pub buckets: Vec<Bucket>,
}

/// The times above the bucket before and up to this one's bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The bound in milliseconds; the last bucket has none.
    pub le_ms: Option<u64>,
    /// How many times.
    pub count: u64,
}

/// How near a route is to its brake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrakeStatus {
    /// Deletes within the window.
    pub deletes: u64,
    /// How many go within a window.
    pub limit: u64,
    /// The window, in seconds.
    pub window_s: u32,
}

/// A key that could not be brought in step, with everything known of why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `bucket/key`.
    pub id: String,
    /// The source bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The error's kind.
    pub kind: ErrorKind,
    /// Whose it is.
    pub fault: Fault,
    /// What happened.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// The last answer's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The last answer's request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// How often the message was delivered.
    pub deliveries: u32,
    /// How often the key came here.
    pub failures: u32,
    /// When it first did.
    pub first_failed_at: Timestamp,
    /// When it last did.
    pub last_failed_at: Timestamp,
}

/// A page of the quarantine. It may be short, or empty, and still not be the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// In the order of their ids.
    pub entries: Vec<Entry>,
    /// What to give as `after` for the next page; none at the end.
    pub next: Option<String>,
}

/// What one call to replay or to drop did. It looks at a hundred entries at most, so that it may have done nothing
/// and there still be more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Entries replayed or dropped.
    pub count: u64,
    /// Whether there are more.
    pub more: bool,
    /// What to give as `after` to go on behind those that were looked at; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Taken {
    /// So many were, and the next page begins behind `next`.
    #[must_use]
    pub fn new(count: u64, next: Option<String>) -> Self {
        let more = next.is_some();
        Self { count, more, next }
    }
}

/// Why a route's hints wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerStatus {
    /// Since when.
    pub since: Timestamp,
    /// When one of them is carried out, to find out whether it goes on.
    pub next_attempt_at: Timestamp,
    /// The last refusal's kind.
    pub kind: ErrorKind,
    /// Whose it is.
    pub fault: Fault,
    /// What happened.
    pub message: String,
    /// What to do.
    pub advice: String,
}

impl RouteStatus {
    /// What `ledger` says of `route`; `name` is what it is called, `route` none for what belongs to
    /// none.
    #[must_use]
    pub fn new(name: &str, route: Option<&Route>, ledger: &mut Ledger, now: Timestamp) -> Self {
        let mirrored = route.filter(|route| route.propagates_deletes());
        Self {
            route: name.to_owned(),
            source: route.map(Source::of),
            destination: route.map(Destination::of),
            options: route.map(Options::of),
            since: ledger.since,
            counts: ledger.counts.clone(),
            bytes: ledger.bytes,
            accepted_to_commit: Delays::of(&ledger.accepted_to_commit),
            event_to_commit: Delays::of(&ledger.event_to_commit),
            event_to_queryable: Delays::of(&ledger.event_to_queryable),
            recent: ledger.recent.clone(),
            quarantined: ledger.quarantined,
            overflowed: ledger.overflowed,
            breaker: ledger.breaker.shown().map(BreakerStatus::new),
            objects: ledger.objects,
            walks: ledger.walks.clone(),
            brake: mirrored.map(|Route { brake, .. }| BrakeStatus {
                deletes: ledger.brake.deletes(brake, now),
                limit: brake.limit(ledger.objects),
                window_s: brake.window,
            }),
        }
    }
}

impl BreakerStatus {
    fn new((since, next_attempt_at, error): (Timestamp, Timestamp, &TransferError)) -> Self {
        Self {
            since,
            next_attempt_at,
            kind: error.kind,
            fault: error.kind.fault(),
            message: error.message.clone(),
            advice: error.advice.clone(),
        }
    }
}

impl Delays {
    fn of(histogram: &Histogram) -> Self {
        let buckets = histogram.steps();
        Self {
            count: histogram.count(),
            p50_ms: histogram.quantile(0.5),
            p99_ms: histogram.quantile(0.99),
            max_ms: histogram.max(),
            buckets: buckets
                .map(|(le_ms, count)| Bucket { le_ms, count })
                .collect(),
        }
    }
}

impl Entry {
    /// The entry `id` of the quarantine.
    #[must_use]
    pub fn new(id: String, entry: Quarantined) -> Self {
        let (bucket, key) = entry.object().unwrap_or_default();
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let error = entry.error;
        Self {
            id,
            bucket,
            key,
            kind: error.kind,
            fault: error.kind.fault(),
            message: error.message,
            advice: error.advice,
            status: error.status,
            request_id: error.request_id,
            deliveries: entry.deliveries,
            failures: entry.failures,
            first_failed_at: entry.first_failed_at,
            last_failed_at: entry.last_failed_at,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_worker_leaves_out_is_nothing_and_what_it_adds_is_no_error() {
        let status: RouteStatus = serde_json::from_value(json!({
            "route": "r", "source": {"kind": "s3", "uri": "s3://b/"}, "since": null,
            "accepted_to_commit": {"count": 0, "p50_ms": null, "p99_ms": null, "max_ms": null},
            "event_to_commit": {"count": 0}, "brake": null, "moon": "full",
        }))
        .unwrap();
        assert!(status.counts.is_empty() && status.quarantined == 0 && status.walks.is_empty());
        let taken: Taken =
            serde_json::from_value(json!({"count": 3, "more": true, "sun": 1})).unwrap();
        assert_eq!((taken.count, taken.more, taken.next), (3, true, None));
    }
}
