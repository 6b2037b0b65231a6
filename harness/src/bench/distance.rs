//! Many small objects between stores that take their time to answer, as those do that are far away. What
//! bounds a worker there is how many of its requests may wait at once, not what an object costs.

use serde_json::Value;

use super::objects::{BARE, OTHER, per_second, rows, through_rclone};
use super::stage::{Known, Stage};
use super::worker::{BareWorker, Worker};
use super::{Bench, Better, Delays, Row, Runs};

const SIZE: u64 = 4 << 10;
/// Objects copied before those that count.
const WARM_UP: usize = 100;
/// Transfers of rclone at once.
const TRANSFERS: [u32; 3] = [8, 32, 64];
/// Messages a second that a queue takes
/// ([Queues' limits](https://developers.cloudflare.com/queues/platform/limits/)).
const QUEUE_LIMIT: f64 = 5000.0;
/// Consumers of a queue at once, by the same page.
const MOST_CONSUMERS: f64 = 250.0;

pub(super) async fn measure(bench: &Bench, delay: Delays) -> anyhow::Result<Vec<Row>> {
    let objects = bench.pick(800, 100);
    bench.progress.subject(&format!(
        "small objects from afar: S3 answers after {} ms, GCS after {} ms (about {})",
        delay.s3,
        delay.gcs,
        bench.pick("4 min", "20 s"),
    ));
    let mut stage = Stage::start().await?;
    let worker = Worker::start(bench, &stage, &Value::Null).await?;
    let bare = BareWorker::start(bench).await?;
    let other = Worker::start_other(bench, &stage).await?;
    stage.move_away(delay);
    let [mut ours, mut least] = <[Runs; 2]>::default();
    let mut rclone = TRANSFERS.map(|transfers| (transfers, Runs::default()));
    let mut before = Runs::default();
    copy(&mut stage, &worker, &bare, WARM_UP).await?;
    if let Some(other) = &other {
        copy(&mut stage, other, &bare, WARM_UP).await?;
    }
    for round in 1..=bench.pick(3, 1) {
        bench.progress.step(format!("round {round}"));
        let [by_ours, by_least] = copy(&mut stage, &worker, &bare, objects).await?;
        ours.add(Ok(by_ours));
        least.add(Ok(by_least));
        if let Some(other) = &other {
            let batch = stage.objects(objects, SIZE, Known::Crc32c)?;
            before.add(other.copy(&stage, &batch).await);
            stage.forget(&batch)?;
            continue;
        }
        for (transfers, runs) in &mut rclone {
            runs.add(through_rclone(bench, &mut stage, objects, SIZE, Some(*transfers)).await);
        }
    }
    worker.stop().await?;
    bare.stop().await?;
    let name = format!("4 KiB at {}/{} ms", delay.s3, delay.gcs);
    let names = TRANSFERS.map(|transfers| format!("rclone, tuned, {transfers} transfers"));
    let others = rclone.iter().map(|(_, runs)| runs).zip(&names);
    let mut others: Vec<(&Runs, &str)> = others.map(|(runs, name)| (runs, &**name)).collect();
    if let Some(other) = other {
        other.stop().await?;
        others = vec![(&before, OTHER)];
    }
    others.insert(0, (&least, BARE));
    let mut rows = rows(&name, objects, &ours, &others);
    rows.extend(on_paper(&name, per_second(objects, ours.seconds())));
    Ok(rows)
}

async fn copy(
    stage: &mut Stage,
    worker: &Worker,
    bare: &BareWorker,
    objects: usize,
) -> anyhow::Result<[super::stage::Cost; 2]> {
    let batch = stage.objects(objects, SIZE, Known::Crc32c)?;
    let ours = worker.copy(stage, &batch).await?;
    stage.forget(&batch)?;
    let batch = stage.objects(objects, SIZE, Known::Crc32c)?;
    let least = bare.copy_queued(stage, &batch).await?;
    stage.forget(&batch)?;
    Ok([ours, least])
}

/// What more consumers make of the `speed` of one. The local runtime has one at a time.
fn on_paper(name: &str, speed: Option<f64>) -> [Row; 2] {
    let all = speed.map(|speed| (speed * MOST_CONSUMERS).min(QUEUE_LIMIT));
    let needed = speed.map(|speed| (QUEUE_LIMIT / speed).ceil().min(MOST_CONSUMERS));
    let note = "on paper: each as fast as the one measured, up to 5,000 messages a second a queue";
    let row =
        |what: &str, unit, better| Row::new(format!("{name}: {what}"), unit, better).note(note);
    [
        row("250 consumers", "objects/s", Better::Higher).ours(all),
        row("consumers that reach it", "consumers", Better::Lower).ours(needed),
    ]
}
