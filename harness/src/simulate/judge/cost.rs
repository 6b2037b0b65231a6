//! What a seed cost: deliveries, bytes that were read, bytes that are kept after a delete.

use causeway_shared::host::Queue;
use causeway_shared::message::Message;
use http::Uri;
use serde_json::Value;

use super::Judge;
use crate::gcs::Commit;
use crate::simulate::fault::Faults;
use crate::simulate::gcs::decoded;
use crate::simulate::workload::FOREIGN;
use crate::simulate::world::{Owner, World};

/// For each hint, each fault and each request that a store refused, at most this many times the largest object is read.
const AMPLIFICATION: u64 = 3;

/// How often a bucket keeps a byte that was read, at most, after it was deleted: in a part, in some of them put
/// together, and in a copy that was replaced.
const KEPT_TIMES: u64 = 3;

impl Judge {
    /// A hint comes into its queue.
    pub(in crate::simulate) fn takes_in(&mut self, text: &str) {
        let goes_on = ["\"session\":", "\"returns\":", "\"held\":"];
        if !goes_on.iter().any(|member| text.contains(member)) {
            self.reasons += 1;
        }
    }

    /// The hint `text` is delivered for the `count`th time: whatever used up the deliveries before was a transfer, or
    /// an end of its consumer.
    pub(in crate::simulate) fn delivered(&mut self, text: &str, count: u32) {
        if count == 1 && !text.contains("\"returns\":") {
            return;
        }
        let Ok(Message::Hint(hint)) = Message::read(text.as_bytes()) else {
            return;
        };
        let (used, key) = (hint.returns + count - 1, &hint.hint.key);
        let begun = self.begun.get(key).copied().unwrap_or_default();
        if used > begun + self.excused {
            self.object(format!(
                "{used} deliveries of {key:?} are used up, and {begun} transfers were begun"
            ));
        }
    }

    /// The bucket keeps what was deleted or replaced for a week, and charges for it.
    pub(in crate::simulate) fn kept(&mut self, commit: &Commit) {
        let replaced = commit.replaced.map_or(0, |(_, size)| size);
        let more = if commit.deleted {
            commit.size
        } else {
            replaced
        };
        self.count("soft_deleted_bytes", more);
    }

    /// What the seed cost is bounded, and everything in quarantine can be reached.
    pub(super) fn bounded(&mut self, world: &World, faults: &Faults) {
        let reasons = self.reasons + faults.injected.values().sum::<u64>();
        let offered = reasons * world.s3.borrow().largest();
        let counted = |what| self.counted.get(what).copied().unwrap_or_default();
        let (soft_deleted, read) = (counted("soft_deleted_bytes"), counted("read_bytes"));
        // While isolates lead to different places, what one has begun the other begins again.
        let is_settled = world.scenario.circumstances.change.is_none();
        if is_settled && read > AMPLIFICATION * offered {
            self.object(format!(
                "{read} bytes were read, and there was reason for {offered}"
            ));
        }
        let foreign = FOREIGN * (world.scenario.writes.len() + world.scenario.foreign.len()) as u64;
        if soft_deleted > KEPT_TIMES * read + foreign {
            self.object(format!(
                "{soft_deleted} deleted bytes are kept, and {read} were read"
            ));
        }
        let unseen =
            |(id, _): &(String, Value)| !self.seen.as_ref().is_some_and(|seen| seen.contains(id));
        if let Some((id, _)) = world.entries().into_iter().find(unseen) {
            self.object(format!("{id:?} is in quarantine, and no page shows it"));
        }
    }
}

impl World {
    /// A transfer of `owner`'s begins with a request to `uri`.
    pub(in crate::simulate) fn note_begun(&self, owner: &Owner, uri: &Uri) {
        let invocations = self.invocations.borrow();
        let is_of_hints = |id| {
            invocations
                .get(id)
                .is_some_and(|found| found.queue == Queue::Hints)
        };
        let is_transfer = match owner {
            Owner::Invocation(id) => is_of_hints(id),
            Owner::Object(name) => name.starts_with("BatchShare"),
            Owner::Operator => false,
        };
        if !is_transfer {
            return;
        }
        let mut judge = self.judge.borrow_mut();
        let key = if uri.host() == Some("s3") {
            let key = uri.path().splitn(3, '/').nth(2).unwrap_or_default();
            Some(decoded(key))
        } else {
            self.name_at(uri).and_then(|name| self.key_of(&name))
        };
        *judge.begun.entry(key.unwrap_or_default()).or_default() += 1;
    }
}
