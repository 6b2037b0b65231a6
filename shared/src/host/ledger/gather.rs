//! Where a route's ledger is told too much, other objects of the class gather for it, and tell it together.

use std::time::Duration;

use super::{Report, RouteLedger, tell};
use crate::host::{Platform, Storage, from_json, to_json};
use crate::ledger::Record;

/// So many gather for one route: 5,000 calls a second are less than 200 each.
const SHARDS: u128 = 32;

/// How long each gathers.
const GATHERS: Duration = Duration::from_secs(5);

/// What the names of stored reports begin with, and how many are told at once.
const GATHERED: &str = "gathered/";
const REPORTS: usize = 50;

/// One that gathers for `route`.
pub(super) fn shard(platform: &impl Platform, route: &str) -> String {
    format!("{route}\u{1f}{}", platform.random() % SHARDS)
}

impl<P: Platform, S: Storage> RouteLedger<P, S> {
    /// Keeps what a ledger is to be told.
    pub(super) async fn gather(&self, report: &Report) -> Result<(), String> {
        if !self.storage.has_alarm().await? {
            self.storage.set_alarm(Some(GATHERS)).await?;
        }
        let name = format!("{GATHERED}{:032x}", self.platform.random());
        self.storage.put(vec![(name, to_json(report))]).await
    }

    /// Tells what was gathered.
    ///
    /// # Errors
    /// The platform's error, if it cannot be told later either.
    pub async fn alarm(&self) -> Result<(), String> {
        let told = self.tell_gathered().await;
        let (platform, storage) = (&self.platform, &self.storage);
        self.ledger
            .end_alarm(platform, storage, "ledger", told)
            .await
    }

    async fn tell_gathered(&self) -> Result<(), String> {
        let (platform, storage) = (&self.platform, &self.storage);
        loop {
            let stored = storage.list(GATHERED, None, Some(REPORTS)).await?;
            let mut names = Vec::new();
            let mut all: Option<(String, Vec<Record>)> = None;
            for (name, report) in stored {
                names.push(name);
                if let Report::Gather(route, records) = from_json(&report)? {
                    all.get_or_insert((route, Vec::new())).1.extend(records);
                }
            }
            let Some((route, records)) = all else {
                return Ok(());
            };
            tell(platform, &route, &Report::Record(records)).await?;
            storage.replace(names, Vec::new()).await?;
        }
    }
}
