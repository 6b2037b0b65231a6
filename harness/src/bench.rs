//! How fast the built worker is on this machine, between the embedded stores: small objects a
//! second, and the delay of one event when nothing else is going on.
//!
//! Stores, senders and worker share the machine's cores, so the figures are those of all together.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast::Receiver;

use crate::demo::Percentiles;
use crate::gcs::Commit;
use crate::s3::Delivery;
use crate::setup::{self, Reporter};
use crate::stack::{LocalStack, StackOptions};

const SOURCE: &str = "causeway-bench-source";
const DESTINATION: &str = "causeway-bench-destination";
/// The size of a small object, in bytes.
const SMALL: usize = 4096;
/// With no commit for this long, the run has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Objects copied before anything is measured: connections, caches, the token.
const WARM_UP: usize = 200;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// 4 KiB objects a second, from the first event sent to the last commit.
    pub small_objects_per_s: f64,
    /// How many objects that was.
    pub small_objects: usize,
    /// From sending one event to its commit, one at a time.
    pub event_to_commit_ms: Percentiles,
    /// How many events that was.
    pub events: usize,
}

impl Figures {
    /// The lines for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Percentiles { p50, p99 } = self.event_to_commit_ms;
        vec![
            format!(
                "  4 KiB objects      {} a second   ({} objects, event to commit, all at once)",
                self.small_objects_per_s, self.small_objects
            ),
            format!(
                "  event to commit    p50 {p50} ms   p99 {p99} ms   ({} events, one at a time)",
                self.events
            ),
        ]
    }
}

/// Measures with `small_objects` objects at once and `events` events one at a time.
///
/// # Errors
/// When the set-up or the stack fails, or an object is not copied.
pub async fn run(small_objects: usize, events: usize) -> anyhow::Result<Figures> {
    let toolchain =
        tokio::task::spawn_blocking(|| setup::ensure(&mut Reporter::stderr())).await??;
    let routes = BTreeMap::from([("bench".into(), (SOURCE.into(), DESTINATION.into()))]);
    let options = StackOptions {
        routes,
        ..StackOptions::default()
    };
    let stack = LocalStack::start(&toolchain, options).await?;
    let mut bench = Bench {
        commits: stack.gcs.commits(),
        deliveries: stack.s3.deliveries(),
        stack,
    };
    bench.copy_all("warm-up", WARM_UP).await?;
    let elapsed = bench.copy_all("small", small_objects).await?;
    let event_to_commit_ms = bench.copy_each(events).await?;
    bench.stack.stop().await?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = small_objects as f64 / elapsed.as_secs_f64();
    Ok(Figures {
        small_objects_per_s: rate.round(),
        small_objects,
        event_to_commit_ms,
        events,
    })
}

struct Bench {
    stack: LocalStack,
    commits: Receiver<Commit>,
    deliveries: Receiver<Delivery>,
}

impl Bench {
    fn put(&self, key: &str, number: usize) -> anyhow::Result<()> {
        let body = Bytes::from(format!("{number:08}").repeat(SMALL / 8));
        let attributes = crate::s3::store::Attributes::default();
        self.stack.s3.store().put(SOURCE, key, body, attributes)?;
        Ok(())
    }

    async fn committed(&mut self) -> anyhow::Result<Commit> {
        let commit = tokio::time::timeout(PATIENCE, self.commits.recv());
        Ok(commit.await.context("no object was copied for 30 s")??)
    }

    /// Copies `count` objects that appear at once; gives the time from the first to the last.
    async fn copy_all(&mut self, prefix: &str, count: usize) -> anyhow::Result<Duration> {
        let began = Timestamp::now();
        for number in 0..count {
            self.put(&format!("{prefix}/{number:06}"), number)?;
        }
        let mut last = began;
        for _ in 0..count {
            last = self.committed().await?.at;
        }
        self.deliveries = self.stack.s3.deliveries();
        Ok(last.duration_since(began).try_into()?)
    }

    /// Copies `count` objects, each after the one before is there.
    async fn copy_each(&mut self, count: usize) -> anyhow::Result<Percentiles> {
        let mut delays = Vec::with_capacity(count);
        for number in 0..count {
            self.put(&format!("single/{number:06}"), number)?;
            let commit = self.committed().await?;
            let delivery = tokio::time::timeout(PATIENCE, self.deliveries.recv());
            let sent = delivery
                .await
                .context("an event was not delivered")??
                .sent_at;
            delays.push(commit.at.duration_since(sent));
        }
        Ok(Percentiles::of(delays))
    }
}
