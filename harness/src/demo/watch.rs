//! Watches events leave S3 and objects appear at GCS, and joins the two by key.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use causeway_shared::composite::PARTS_FOLDER;
use causeway_shared::message::DeadLetter;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast::{self, Receiver};
use tokio::task::JoinHandle;

use super::Screen;
use crate::gcs::Commit;
use crate::s3::Delivery;
use crate::stack::LocalStack;

/// With no event, copy or dead letter for this long, what is missing is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// When each key's notification was first sent.
    pub(super) sent: HashMap<String, Timestamp>,
    /// When each name was committed.
    pub(super) committed: HashMap<String, Timestamp>,
    /// Why each key was given up.
    pub(super) given_up: HashMap<String, String>,
    /// Notifications that the worker never took, and why.
    pub(super) undelivered: HashMap<String, String>,
}

impl Seen {
    /// From the first sending of a key's event to its commit, for every key that has both.
    #[must_use]
    pub(super) fn delays(&self) -> Vec<SignedDuration> {
        self.committed
            .iter()
            .filter_map(|(key, committed)| Some(committed.duration_since(*self.sent.get(key)?)))
            .collect()
    }

    fn is_settled(&self, key: &str) -> bool {
        self.committed.contains_key(key)
            || self.given_up.contains_key(key)
            || self.undelivered.contains_key(key)
    }
}

/// Watches from before the first upload until [`Watch::settled`].
pub(super) struct Watch {
    task: JoinHandle<Seen>,
    expected: tokio::sync::oneshot::Sender<HashSet<String>>,
}

impl Watch {
    /// Starts watching `stack`, showing on `screen`.
    #[must_use]
    pub(super) fn start(stack: &LocalStack, screen: Screen) -> Self {
        let (expected, keys) = tokio::sync::oneshot::channel();
        let watcher = Watcher {
            deliveries: stack.s3.deliveries(),
            commits: stack.gcs.commits(),
            dead_letters: stack.dead_letters(),
            screen,
            seen: Seen::default(),
        };
        Self {
            task: tokio::spawn(watcher.run(keys)),
            expected,
        }
    }

    /// Waits until every one of `keys` is copied or given up, or nothing happens any more.
    ///
    /// # Errors
    /// When the watching task died.
    pub(super) async fn settled(self, keys: HashSet<String>) -> anyhow::Result<Seen> {
        // A watcher that has ended says why when it is joined.
        let _ = self.expected.send(keys);
        Ok(self.task.await?)
    }
}

struct Watcher {
    deliveries: Receiver<Delivery>,
    commits: Receiver<Commit>,
    dead_letters: Receiver<DeadLetter>,
    screen: Screen,
    seen: Seen,
}

impl Watcher {
    async fn run(mut self, mut keys: tokio::sync::oneshot::Receiver<HashSet<String>>) -> Seen {
        let mut missing: Option<HashSet<String>> = None;
        loop {
            let quiet = tokio::time::sleep(PATIENCE);
            let settled = tokio::select! {
                Ok(all) = &mut keys, if missing.is_none() => {
                    missing = Some(all.into_iter().filter(|key| !self.seen.is_settled(key)).collect());
                    None
                }
                delivery = self.deliveries.recv() => self.delivered(delivery),
                commit = self.commits.recv() => self.committed(commit),
                letter = self.dead_letters.recv() => self.gave_up(letter),
                () = quiet, if missing.is_some() => return self.seen,
            };
            if let Some(missing) = &mut missing {
                if let Some(key) = settled {
                    missing.remove(&key);
                }
                // A key whose commit is seen may still lack its delivery: the reply is on its way.
                let all_sent = self
                    .seen
                    .committed
                    .keys()
                    .all(|key| self.seen.sent.contains_key(key));
                if missing.is_empty() && all_sent {
                    return self.seen;
                }
            }
        }
    }

    fn delivered(
        &mut self,
        delivery: Result<Delivery, broadcast::error::RecvError>,
    ) -> Option<String> {
        let delivery = delivery.ok()?;
        let key = delivery.key;
        self.seen
            .sent
            .entry(key.clone())
            .or_insert(delivery.sent_at);
        match delivery.status {
            Ok(status) if (200..300).contains(&status) => {
                self.screen.accepted(&key);
                return None;
            }
            Ok(status) => self
                .seen
                .undelivered
                .insert(key.clone(), format!("the worker answered {status}")),
            Err(reason) => self.seen.undelivered.insert(key.clone(), reason),
        };
        Some(key)
    }

    fn committed(&mut self, commit: Result<Commit, broadcast::error::RecvError>) -> Option<String> {
        let is_object = |commit: &Commit| !commit.deleted && !commit.name.starts_with(PARTS_FOLDER);
        let commit = commit.ok().filter(is_object)?;
        self.screen.copied(&commit.name, commit.size);
        self.seen
            .committed
            .entry(commit.name.clone())
            .or_insert(commit.at);
        Some(commit.name)
    }

    fn gave_up(
        &mut self,
        letter: Result<DeadLetter, broadcast::error::RecvError>,
    ) -> Option<String> {
        let letter = letter.ok()?;
        let key = letter.message["hint"]["key"].as_str()?.to_owned();
        self.screen.gave_up(&key, &letter.error);
        self.seen
            .given_up
            .insert(key.clone(), letter.error.to_string());
        Some(key)
    }
}
