//! One large object in parts against the same in one stream, from a source that sends no connection
//! more than so many bytes a second, as S3 does: what parallel parts buy, and from which size on.

use serde_json::json;

use super::stage::{Known, Stage};
use super::worker::Worker;
use super::{Bench, Better, Row, Runs};

/// Bytes a second for each connection to the source.
const LIMIT: u64 = 50_000_000;
const MIB: u64 = 1 << 20;
/// From here on objects are cut as they are by default.
const DEFAULT_ABOVE: u64 = 64;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    // A mebibyte above a threshold: what would be gained if it were there.
    let sizes: &[u64] = bench.pick(&[17, 33, 65, 257, 4096], &[65, 257]);
    bench.progress.subject(&format!(
        "parts: objects of up to {} MiB in parts and in one stream, {} MB/s a connection (about {})",
        sizes.last().unwrap_or(&0),
        LIMIT / 1_000_000,
        bench.pick("3 min", "20 s"),
    ));
    let mut stage = Stage::start().await?;
    let mut rows = Vec::new();
    for &size in sizes {
        let above = (size - 1).min(DEFAULT_ABOVE);
        let options = [json!({"parts_above_mib": above}), json!({"parts": false})];
        let [mut in_parts, mut streamed] = <[Runs; 2]>::default();
        for (options, runs) in options.iter().zip([&mut in_parts, &mut streamed]) {
            let worker = Worker::start(bench, &stage, options).await?;
            // The first is not counted, and need not be slow.
            for round in 0..=bench.pick(3, 1).min(1024 / size).max(1) {
                bench
                    .progress
                    .step(format!("{size} MiB, {options}, round {round}"));
                let batch = stage.objects(1, size * MIB, Known::Crc32c)?;
                stage.s3.throttle().set(Some(LIMIT).filter(|_| round > 0));
                let cost = worker.copy(&stage, &batch).await?;
                if round > 0 {
                    runs.add(Ok(cost));
                }
            }
            worker.stop().await?;
        }
        let name = format!("{size} MiB, {} MB/s a connection: time", LIMIT / 1_000_000);
        let row = Row::new(name, "s", Better::Lower).ours(in_parts.seconds());
        rows.push(streamed.beside(row, "one stream", streamed.seconds()));
    }
    Ok(rows)
}
