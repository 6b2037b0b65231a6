//! One test's own route, with its own two buckets.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use causeway_harness::gcs::state::{ListQuery, NewObject, Object as Stored};
use causeway_harness::gcs::{Commit, FaultSpec};
use causeway_harness::s3::store::{Attributes, Change, Object, Store, WriteCondition};
use causeway_shared::message::DeadLetter;
use serde_json::{Value, json};

use crate::{Seen, Stack, Witness};

/// A source bucket, a destination bucket and the route between them.
pub struct Lane<'a> {
    /// The stack that it belongs to.
    pub stack: &'a Stack,
    /// The route's name.
    pub route: String,
    /// The bucket at S3.
    pub source: String,
    /// The bucket at GCS.
    pub destination: String,
}

impl<'a> Lane<'a> {
    pub(crate) fn new(stack: &'a Stack, number: usize) -> Self {
        Self {
            stack,
            route: Self::route_of(number),
            source: Self::source_of(number),
            destination: Self::destination_of(number),
        }
    }

    pub(crate) fn route_of(number: usize) -> String {
        format!("lane{number:02}")
    }

    pub(crate) fn source_of(number: usize) -> String {
        format!("source-{number:02}")
    }

    pub(crate) fn destination_of(number: usize) -> String {
        format!("destination-{number:02}")
    }

    /// The variable of the route of lane `number`, and its table with `options`.
    #[must_use]
    pub fn table(number: usize, options: &Value) -> (String, Value) {
        let mut table = json!({
            "source": format!("s3://{}", Self::source_of(number)),
            "destination": format!("gs://{}", Self::destination_of(number)),
        });
        if let (Some(table), Some(options)) = (table.as_object_mut(), options.as_object()) {
            table.extend(options.clone());
        }
        let variable = format!("ROUTE_{}", Self::route_of(number).to_ascii_uppercase());
        (variable, table)
    }

    /// The source's state.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        self.stack.local.s3.store()
    }

    fn witness(&self) -> &Witness {
        &self.stack.witness
    }

    /// Writes an object at the source; S3 notifies the worker.
    ///
    /// # Panics
    /// When the source does not take it.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>, attributes: Attributes) -> Arc<Object> {
        let put = self.store().put(&self.source, key, bytes, attributes);
        put.expect("the source takes it")
    }

    /// Deletes an object at the source; S3 notifies the worker.
    ///
    /// # Panics
    /// When the source does not do it.
    pub fn delete(&self, key: &str) {
        let condition = WriteCondition::default();
        let deleted = self.store().delete(&self.source, key, None, &condition);
        deleted.expect("the source deletes it");
    }

    /// Writes an object at the destination that is no copy of anything.
    ///
    /// # Panics
    /// When the destination does not take it.
    #[must_use]
    pub fn insert(&self, name: &str, bytes: &[u8]) -> Arc<Stored> {
        let state = self.stack.local.gcs.state();
        let mut body = state.body_writer();
        body.write(bytes).expect("the destination keeps the bytes");
        let new = NewObject {
            bucket: self.destination.clone(),
            name: name.to_owned(),
            ..NewObject::default()
        };
        let stored = state.insert(new, body.finish());
        stored.expect("the destination takes it")
    }

    /// Does `act` at the source and gives the changes that it made there, in their order.
    #[must_use]
    pub fn changes(&self, act: impl FnOnce()) -> Vec<Change> {
        let mut changes = self.store().subscribe();
        act();
        std::iter::from_fn(|| changes.try_recv().ok())
            .filter(|change| change.bucket == self.source)
            .collect()
    }

    /// Waits for the end of `count` transfers of `key` and gives the log's lines on them.
    pub async fn outcomes(&self, key: &str, count: usize) -> Vec<Value> {
        let what = format!("{count} outcomes of {key:?} in {}", self.source);
        let look = |seen: &Seen| {
            let outcomes = seen.outcomes(&self.source, key);
            (outcomes.len() >= count).then(|| outcomes.into_iter().cloned().collect())
        };
        self.witness().until(&what, look).await
    }

    /// Waits for the first transfer of `key`, which must have copied it, and gives what stands at
    /// the destination.
    ///
    /// # Panics
    /// When the transfer ended otherwise.
    pub async fn copied(&self, key: &str) -> Arc<Stored> {
        let what = format!("an outcome of {key:?} on {}", self.route);
        let look = |seen: &Seen| {
            let outcomes = seen.outcomes(&self.source, key);
            outcomes
                .into_iter()
                .find(|line| line["route"] == *self.route)
                .cloned()
        };
        let outcome = self.witness().until(&what, look).await;
        assert_eq!(outcome["event"], "copied", "{outcome}");
        let stored = self.stored(key).expect("what was copied is there");
        assert_eq!(outcome["generation"], stored.generation);
        stored
    }

    /// Sends an object of its own along the lane and waits for it: whatever was in the queue
    /// before, and not put back into it, is then done.
    pub async fn drained(&self) {
        self.put("the-sentinel", "", Attributes::default());
        self.copied("the-sentinel").await;
    }

    /// What stands at the destination under `name`.
    #[must_use]
    pub fn stored(&self, name: &str) -> Option<Arc<Stored>> {
        let state = self.stack.local.gcs.state();
        state.object(&self.destination, name, None).ok()
    }

    /// The names at the destination.
    ///
    /// # Panics
    /// When the destination is gone.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let query = ListQuery {
            limit: 10_000,
            ..ListQuery::default()
        };
        let listing = self.stack.local.gcs.state().list(&self.destination, &query);
        let listing = listing.expect("the destination is there");
        listing
            .items
            .iter()
            .map(|object| object.name.clone())
            .collect()
    }

    /// Waits for `count` writes of `name` at the destination and gives those so far.
    pub async fn commits(&self, name: &str, count: usize) -> Vec<Commit> {
        let what = format!("{count} writes of {name:?} in {}", self.destination);
        let is_ours = |commit: &&Commit| commit.bucket == self.destination && commit.name == name;
        let look = |seen: &Seen| {
            let commits: Vec<_> = seen.commits.iter().filter(is_ours).cloned().collect();
            (commits.len() >= count).then_some(commits)
        };
        self.witness().until(&what, look).await
    }

    /// This lane's dead letters so far.
    #[must_use]
    pub fn letters(&self) -> Vec<DeadLetter> {
        let is_ours = |letter: &&DeadLetter| letter.message["route"] == *self.route;
        self.witness()
            .now(|seen| seen.letters.iter().filter(is_ours).cloned().collect())
    }

    /// Waits for this lane's first dead letter.
    pub async fn letter(&self) -> DeadLetter {
        let what = format!("a dead letter of {}", self.route);
        let is_ours = |letter: &&DeadLetter| letter.message["route"] == *self.route;
        self.witness()
            .until(&what, |seen| seen.letters.iter().find(is_ours).cloned())
            .await
    }

    /// Lets the next request with `method` to the destination suffer `fault`.
    pub fn fail_next(&self, method: reqwest::Method, fault: causeway_harness::gcs::Fault) {
        self.stack.local.gcs.faults().fail_next(FaultSpec {
            method: Some(method),
            path_contains: format!("/b/{}/", self.destination),
            fault,
        });
    }

    /// The faults that no request to the destination has met yet.
    #[must_use]
    pub fn pending_faults(&self) -> Vec<FaultSpec> {
        let path = format!("/b/{}/", self.destination);
        let mut pending = self.stack.local.gcs.faults().pending();
        pending.retain(|spec| spec.path_contains == path);
        pending
    }
}

/// An object's bytes.
///
/// # Panics
/// When the destination lost them.
#[must_use]
pub fn content(stored: &Stored) -> Bytes {
    let mut bytes = BytesMut::new();
    while (bytes.len() as u64) < stored.size() {
        let piece = stored.content.body.read_at(bytes.len() as u64, usize::MAX);
        bytes.extend_from_slice(&piece.expect("the destination kept the bytes"));
    }
    bytes.freeze()
}

/// `length` bytes that look like nothing in particular, the same for the same `seed`.
#[must_use]
pub fn noise(seed: u64, length: usize) -> Bytes {
    // Xorshift; any seed but zero does.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let mut bytes: Vec<u8> = words.take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes.into()
}
