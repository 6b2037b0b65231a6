//! From an event to the commit of its object, at several rates.
//!
//! Open loop: each event is sent when it is due, whatever became of those before, and its delay
//! counts from then. A copier that falls behind cannot hide it by being asked less.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::Instant;

use serde_json::Value;

use super::stage::{Batch, Known, Stage};
use super::worker::Worker;
use super::{Bench, Better, Row};
use crate::percentiles::Percentiles;

/// Events a second.
const RATES: [u32; 5] = [1, 10, 50, 100, 200];
const SIZE: u64 = 4 << 10;
const WARM_UP: usize = 300;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let seconds: u32 = bench.pick(20, 4);
    bench.progress.subject(&format!(
        "delay: 4 KiB objects, 1 to 200 events a second (about {} s)",
        seconds * 5
    ));
    let mut stage = Stage::start().await?;
    let worker = Worker::start(bench, &stage, &Value::Null).await?;
    let batch = stage.objects(WARM_UP, SIZE, Known::Crc32c)?;
    worker.copy(&stage, &batch).await?;
    let mut rows = Vec::new();
    for rate in RATES {
        bench.progress.step(format!("{rate} events a second"));
        let batch = stage.objects((rate * seconds) as usize, SIZE, Known::Crc32c)?;
        let delays = delays(&worker, &stage, &batch, rate).await?;
        let events = delays.len();
        let Percentiles { p50, p99 } = Percentiles::of(delays);
        for (name, value) in [("p50", p50), ("p99", p99)] {
            let row = Row::new(
                format!("event to commit at {rate}/s, {name}"),
                "ms",
                Better::Lower,
            );
            rows.push(row.ours(Some(value)).note(format!("{events} events")));
        }
    }
    worker.stop().await?;
    Ok(rows)
}

async fn delays(
    worker: &Worker,
    stage: &Stage,
    batch: &Batch,
    rate: u32,
) -> anyhow::Result<Vec<SignedDuration>> {
    let mut commits = stage.commits();
    let committed = async {
        let mut committed = HashMap::new();
        while committed.len() < batch.objects() {
            let commit = commits.next().await?;
            committed.insert(commit.name, commit.at);
        }
        anyhow::Ok(committed)
    };
    let (due, committed) = tokio::try_join!(send_on_schedule(worker, batch, rate), committed)?;
    let delay = |(number, due): (usize, Timestamp)| {
        let name = format!("{}{number:06}", batch.prefix);
        let at = committed
            .get(&name)
            .context("an object was copied under another name")?;
        Ok(at.duration_since(due))
    };
    due.into_iter().enumerate().map(delay).collect()
}

/// Gives the times at which the events were due.
async fn send_on_schedule(
    worker: &Worker,
    batch: &Batch,
    rate: u32,
) -> anyhow::Result<Vec<Timestamp>> {
    let (start, clock) = (Instant::now(), Timestamp::now());
    let mut sends = JoinSet::new();
    let mut due = Vec::with_capacity(batch.objects());
    for (number, event) in (0_u32..).zip(batch.events.iter().cloned()) {
        let after = Duration::from_secs(1) * number / rate;
        tokio::time::sleep_until(start + after).await;
        let events = worker.events.clone();
        sends.spawn(async move { events.send(event).await });
        due.push(clock + after);
    }
    while let Some(sent) = sends.join_next().await {
        sent??;
    }
    Ok(due)
}
