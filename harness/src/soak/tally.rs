//! What the worker's log says as the soak goes on, and waiting until it says enough.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::sync::watch;

use super::MARKS;
use crate::runtime::LogLine;

/// With no line for this long, beyond the wait for a retry, something is stuck.
const PATIENCE: Duration = Duration::from_mins(2);

/// What was read so far.
#[derive(Debug, Default)]
struct Read {
    lines: u64,
    /// Transfers that ended, one line each; marks apart.
    outcomes: u64,
    /// Transfers that failed and are tried again.
    retried: u64,
    /// The marks that have come through the queue.
    marks: BTreeSet<u64>,
    /// Seconds until the last of the retries comes, since somebody asked.
    longest_wait: Option<u64>,
    given_up: u64,
    quarantined: u64,
}

impl Read {
    fn take(&mut self, line: &Value) {
        self.lines += 1;
        if line["event"] == "quarantined" {
            self.quarantined += 1;
        } else if line["event"] == "failed" {
            self.failed(line);
        } else if line["route"] != MARKS {
            self.outcomes += 1;
        } else if let Some(number) = line["key"].as_str().and_then(|key| key.parse().ok()) {
            self.marks.insert(number);
        }
    }

    fn failed(&mut self, line: &Value) {
        if line["then"] == "quarantined" {
            self.given_up += 1;
        } else {
            self.retried += 1;
            self.longest_wait = self.longest_wait.max(line["delay_s"].as_u64());
        }
    }
}

/// Clones read the same log.
#[derive(Debug, Clone)]
pub(super) struct Tally(watch::Sender<Read>);

impl Tally {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Read::default()))
    }

    pub(super) fn take(&self, line: &LogLine) {
        if let Ok(line @ Value::Object(_)) = serde_json::from_str(&line.message) {
            self.0.send_modify(|read| read.take(&line));
        }
    }

    pub(super) fn outcomes(&self) -> u64 {
        self.0.borrow().outcomes
    }

    pub(super) fn retried(&self) -> u64 {
        self.0.borrow().retried
    }

    /// How long to wait until every retry that was announced since the last call has come; none if
    /// none was.
    pub(super) fn longest_wait(&self) -> Option<Duration> {
        let mut wait = None;
        self.0.send_modify(|read| wait = read.longest_wait.take());
        wait.map(Duration::from_secs)
    }

    /// Waits until mark `number` has come through the queue.
    pub(super) async fn mark(&self, number: u64) -> anyhow::Result<()> {
        let what = format!("mark {number} to come through the queue");
        self.until(&what, |read| read.marks.contains(&number)).await
    }

    /// Waits until all that was given up is in quarantine.
    pub(super) async fn buried(&self) -> anyhow::Result<()> {
        let what = "what was given up to come into quarantine";
        self.until(what, |read| read.quarantined >= read.given_up)
            .await
    }

    async fn until(&self, what: &str, found: impl Fn(&Read) -> bool) -> anyhow::Result<()> {
        let mut read = self.0.subscribe();
        loop {
            if found(&read.borrow_and_update()) {
                return Ok(());
            }
            match tokio::time::timeout(PATIENCE, read.changed()).await {
                Ok(changed) => changed.context("the worker's log has ended")?,
                Err(_) => bail!(
                    "waited for {what}, and the worker has said nothing for {} s",
                    PATIENCE.as_secs()
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_line_counts_for_what_it_says() {
        let mut read = Read::default();
        for line in [
            json!({"event": "copied", "route": "soak", "key": "1"}),
            json!({"event": "deleted", "route": "soak", "key": "2"}),
            json!({"event": "copied", "route": MARKS, "key": "3"}),
            json!({"event": "failed", "route": "soak", "key": "1", "then": "retried", "delay_s": 2}),
            json!({"event": "failed", "route": "soak", "key": "1", "then": "retried", "delay_s": 1}),
            json!({"event": "failed", "route": "soak", "key": "1", "then": "quarantined"}),
            json!({"event": "quarantined", "message": {"route": "soak"}}),
        ] {
            read.take(&line);
        }
        assert_eq!((read.outcomes, read.retried), (2, 2));
        assert_eq!((read.given_up, read.quarantined), (1, 1));
        assert_eq!(read.longest_wait, Some(2));
        assert_eq!(read.marks, BTreeSet::from([3]));
    }
}
