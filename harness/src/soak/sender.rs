//! Makes the changes of a plan at the source and delivers their events: one a request, as S3 does, many
//! on their way at once, while the source goes on changing.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::plan::{Change, Operation, Plan, Step};
use super::tally::Tally;
use super::{MARKS, MARKS_SOURCE, SOURCE};
use crate::client::WorkerClient;
use crate::rng::Rng;
use crate::s3::store::{self, Attributes, WriteCondition};
use crate::s3::{Store, event_json};

/// Deliveries on their way at once.
const AT_ONCE: usize = 32;
/// A mark goes into the queue after so many events: half a batch, so that writing keeps step with
/// handling and the two meet all the time.
const MARK_EVERY: usize = 50;
/// So many marks may be in the queue at once. The local runtime keeps its queues within the process
/// whose memory is watched: an unbounded backlog would be all that is seen.
const MARKS_AT_ONCE: u64 = 20;
/// How often a delivery is tried.
const ATTEMPTS: u32 = 5;
const WAIT: Duration = Duration::from_millis(200);

pub(super) struct Sender {
    seed: u64,
    store: Arc<Store>,
    changes: mpsc::UnboundedReceiver<store::Change>,
    worker: WorkerClient,
    slots: Arc<Semaphore>,
    sends: JoinSet<anyhow::Result<()>>,
    /// Of each change so far.
    events: Vec<Bytes>,
    sent: usize,
    marks: u64,
    tally: Tally,
}

impl Sender {
    pub(super) fn new(seed: u64, store: &Arc<Store>, worker: WorkerClient, tally: Tally) -> Self {
        Self {
            seed,
            store: Arc::clone(store),
            changes: store.subscribe(),
            worker,
            slots: Arc::new(Semaphore::new(AT_ONCE)),
            sends: JoinSet::new(),
            events: Vec::new(),
            sent: 0,
            marks: 0,
            tally,
        }
    }

    /// Carries the plan out; tells `sent` of each delivery that begins.
    ///
    /// # Errors
    /// When the worker does not accept an event, or says nothing any more.
    pub(super) async fn run(&mut self, plan: &Plan, sent: impl Fn(usize)) -> anyhow::Result<()> {
        for step in &plan.steps {
            match step {
                Step::Change(change) => self.change(*change)?,
                Step::Deliver(at) => {
                    let event = self.events.get(*at).context("no such change yet")?.clone();
                    self.deliver(event).await?;
                    self.sent += 1;
                    sent(self.sent);
                    if self.sent.is_multiple_of(MARK_EVERY) {
                        self.mark().await?;
                        if let Some(earlier) = self.marks.checked_sub(MARKS_AT_ONCE) {
                            self.tally.mark(earlier).await?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits until nothing is left in the queue, nor on its way back to it.
    ///
    /// The local queue hands out one batch after the other, in order, so that a mark that has come
    /// through has everything before it settled or given back. What was given back with a delay is
    /// waited for and followed by another mark. Three in a row without a retry: the first may share
    /// a batch with the last events, and what that batch gave back at once stands before the third.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(super) async fn drain(&mut self) -> anyhow::Result<()> {
        while let Some(send) = self.sends.join_next().await {
            send??;
        }
        let mut quiet = 0;
        while quiet < 3 {
            let mark = self.mark().await?;
            self.tally.mark(mark).await?;
            match self.tally.longest_wait() {
                None => quiet += 1,
                Some(wait) => {
                    quiet = 0;
                    tokio::time::sleep(wait).await;
                }
            }
        }
        self.tally.buried().await
    }

    fn change(&mut self, change: Change) -> anyhow::Result<()> {
        let number = self.events.len();
        let key = format!("{:02}/{:06}", change.key % 100, change.key);
        match change.operation {
            Operation::Put(size) => {
                let mut attributes = Attributes::content_type("application/octet-stream");
                let metadata = &mut attributes.metadata;
                metadata.insert("change".to_owned(), number.to_string());
                let body = body(self.seed, number as u64, size);
                self.store.put(SOURCE, &key, body, attributes)?;
            }
            Operation::Delete => {
                self.store
                    .delete(SOURCE, &key, None, &WriteCondition::default())?;
            }
        }
        let event = self.event(SOURCE)?;
        self.events.push(event);
        Ok(())
    }

    /// Sends a mark: an object of its own on a route of its own. Gives its number.
    async fn mark(&mut self) -> anyhow::Result<u64> {
        let mark = self.marks;
        self.marks += 1;
        let attributes = Attributes::default();
        self.store
            .put(MARKS_SOURCE, &mark.to_string(), "", attributes)
            .with_context(|| format!("writing to the source of {MARKS}"))?;
        let event = self.event(MARKS_SOURCE)?;
        self.deliver(event).await?;
        Ok(mark)
    }

    /// The event of the change that was just made in `bucket`.
    fn event(&mut self, bucket: &str) -> anyhow::Result<Bytes> {
        let change = self
            .changes
            .try_recv()
            .context("the source tells nothing")?;
        anyhow::ensure!(change.bucket == bucket, "somebody else changes the source");
        Ok(event_json(&change).to_string().into())
    }

    /// Begins a delivery, when fewer than [`AT_ONCE`] are on their way.
    async fn deliver(&mut self, event: Bytes) -> anyhow::Result<()> {
        while let Some(send) = self.sends.try_join_next() {
            send??;
        }
        let slot = Arc::clone(&self.slots).acquire_owned().await?;
        let worker = self.worker.clone();
        self.sends.spawn(async move {
            let sent = send(&worker, &event).await;
            drop(slot);
            sent
        });
        Ok(())
    }
}

async fn send(worker: &WorkerClient, event: &Bytes) -> anyhow::Result<()> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let event = String::from_utf8_lossy(event).into_owned();
        match worker.post::<Value>("/events", event).await {
            Ok(_) => return Ok(()),
            // S3 tries again, too.
            Err(_) if attempts < ATTEMPTS => tokio::time::sleep(WAIT * attempts).await,
            Err(error) => return Err(anyhow!("delivering an event: {}", error.what)),
        }
    }
}

/// `size` bytes that no other change has, unless there are none.
fn body(seed: u64, number: u64, size: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed ^ number.rotate_left(32), 5);
    let mut bytes = number.to_le_bytes().to_vec();
    while bytes.len() < size {
        bytes.extend(rng.word().to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
