//! What was seen of a worker since it started, and waiting for it.

use std::time::Duration;

use causeway_harness::gcs::Commit;
use causeway_harness::runtime::LogSink;
use causeway_shared::message::DeadLetter;
use serde_json::Value;
use tokio::sync::{broadcast, watch};

/// What ought to happen within a second may take this long on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything so far, in the order in which it arrived here.
#[derive(Debug, Default)]
pub struct Seen {
    /// Writes and deletes at GCS.
    pub commits: Vec<Commit>,
    /// What arrived in the queue of dead letters.
    pub letters: Vec<DeadLetter>,
    /// The worker's log lines that are JSON.
    pub log: Vec<Value>,
    /// Its other output.
    pub output: Vec<String>,
}

/// Writes everything down from the start, so that nobody can come too late to see it.
#[derive(Debug, Clone)]
pub struct Witness(watch::Sender<Seen>);

impl Default for Witness {
    fn default() -> Self {
        Self(watch::Sender::new(Seen::default()))
    }
}

impl Witness {
    /// Where the worker's console is to go.
    #[must_use]
    pub fn log(&self) -> LogSink {
        let seen = self.0.clone();
        LogSink::new(move |line| {
            seen.send_modify(|seen| match serde_json::from_str(&line.message) {
                Ok(line @ Value::Object(_)) => seen.log.push(line),
                _ => seen.output.push(format!("{} {}", line.level, line.message)),
            });
        })
    }

    /// Writes down what arrives at `commits` and `letters`.
    pub fn watch(
        &self,
        commits: broadcast::Receiver<Commit>,
        letters: broadcast::Receiver<DeadLetter>,
    ) {
        self.collect(commits, |seen, commit| seen.commits.push(commit));
        self.collect(letters, |seen, letter| seen.letters.push(letter));
    }

    fn collect<T: Clone + Send + 'static>(
        &self,
        mut from: broadcast::Receiver<T>,
        add: impl Fn(&mut Seen, T) + Send + 'static,
    ) {
        let seen = self.0.clone();
        tokio::spawn(async move {
            loop {
                match from.recv().await {
                    Ok(item) => seen.send_modify(|seen| add(seen, item)),
                    Err(broadcast::error::RecvError::Closed) => return,
                    Err(error) => {
                        seen.send_modify(|seen| seen.output.push(format!("missed: {error}")));
                    }
                }
            }
        });
    }

    /// What `look` finds in what was seen so far.
    pub fn now<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.0.borrow())
    }

    /// Waits until `look` finds something.
    ///
    /// # Panics
    /// When it does not find it in time: with `what` was waited for and the last that was seen.
    pub async fn until<T>(&self, what: &str, look: impl FnMut(&Seen) -> Option<T>) -> T {
        self.until_within(PATIENCE, what, look).await
    }

    /// As [`Self::until`], with a patience of one's own.
    ///
    /// # Panics
    /// As [`Self::until`].
    pub async fn until_within<T>(
        &self,
        patience: Duration,
        what: &str,
        mut look: impl FnMut(&Seen) -> Option<T>,
    ) -> T {
        let mut receiver = self.0.subscribe();
        let mut found = None;
        let waiting = receiver.wait_for(|seen| {
            found = look(seen);
            found.is_some()
        });
        let ended = tokio::time::timeout(patience, waiting).await.is_ok();
        match found {
            Some(found) if ended => found,
            _ => panic!("waited in vain for {what}. {}", self.now(Seen::tail)),
        }
    }
}

impl Seen {
    /// The last of each kind.
    fn tail(&self) -> String {
        fn last<T>(items: &[T]) -> &[T] {
            &items[items.len().saturating_sub(15)..]
        }
        format!(
            "Seen last: {:#?}\n{:#?}\n{:#?}\n{:#?}",
            last(&self.commits),
            last(&self.letters),
            last(&self.log),
            last(&self.output)
        )
    }

    /// The log's lines on `key` of `bucket`: how transfers ended, in their order.
    #[must_use]
    pub fn outcomes(&self, bucket: &str, key: &str) -> Vec<&Value> {
        let is_ours = |line: &&Value| {
            let goes_on = matches!(line["event"].as_str(), Some("in-parts" | "carried-on"));
            line["bucket"] == bucket && line["key"] == key && !goes_on
        };
        self.log.iter().filter(is_ours).collect()
    }
}
