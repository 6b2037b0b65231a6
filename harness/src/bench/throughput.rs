//! One large object through each copier, in one stream: what of the platform's speed is left.

use serde_json::json;

use super::rclone::TUNED;
use super::stage::{Known, Stage};
use super::worker::{BareWorker, Worker};
use super::{Bench, Better, Row, Runs};

const GIB: u64 = 1 << 30;
/// A first copy that is not counted: connections, compilation.
const WARM_UP: u64 = 64 << 20;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let size = bench.pick(GIB, GIB / 4);
    bench.progress.subject(&format!(
        "throughput: one object of {} MiB through the worker, a bare worker and rclone (about {})",
        size >> 20,
        bench.pick("1 min", "10 s"),
    ));
    let mut stage = Stage::start().await?;
    let one_stream = json!({"parts": false});
    let worker = Worker::start(bench, &stage, &one_stream).await?;
    let bare = BareWorker::start(bench).await?;
    let mut rows = Vec::new();
    for (known, checksum) in [
        (Known::Crc32c, "checksum known"),
        (Known::Composite, "COMPOSITE CRC32C"),
        (Known::Nothing, "CRC32C computed"),
    ] {
        let runs = copy(bench, &mut stage, &worker, &bare, size, known).await?;
        rows.extend(runs.rows(size, checksum));
    }
    rows.extend(checksum_in_wasm(bench, &mut stage, &worker, &bare).await?);
    worker.stop().await?;
    bare.stop().await?;
    Ok(rows)
}

/// The checksum that S3 stores by default is computed in wasm: against the runtime's own.
async fn checksum_in_wasm(
    bench: &Bench,
    stage: &mut Stage,
    worker: &Worker,
    bare: &BareWorker,
) -> anyhow::Result<Vec<Row>> {
    let size = GIB / 4;
    let [mut ours, mut theirs] = <[Runs; 2]>::default();
    for round in 0..=bench.pick(5, 2) {
        bench
            .progress
            .step(format!("CRC64NVME of {} MiB, round {round}", size >> 20));
        let batch = stage.objects(1, size, Known::Crc64Nvme)?;
        let (one, other) = (
            worker.copy(stage, &batch).await?,
            bare.copy(stage, &batch, Some("crc64nvme")).await?,
        );
        // The first is compilation.
        if round > 0 {
            ours.add(Ok(one));
            theirs.add(Ok(other));
        }
    }
    let other = "bare JavaScript worker, the runtime's CRC64NVME";
    let name = |what| {
        format!(
            "{} MiB, CRC64NVME compared, CRC32C computed: {what}",
            size >> 20
        )
    };
    let fast = Row::new(name("throughput"), "MiB/s", Better::Higher).ours(ours.speed(size));
    let dear = Row::new(name("CPU"), "CPU s/GiB", Better::Lower).ours(ours.cpu_per_gib(size));
    Ok(vec![
        theirs.beside(fast, other, theirs.speed(size)),
        theirs.beside(dear, other, theirs.cpu_per_gib(size)),
    ])
}

#[derive(Default)]
struct Copiers {
    ours: Runs,
    bare: Runs,
    rclone: Runs,
    tuned: Runs,
}

async fn copy(
    bench: &Bench,
    stage: &mut Stage,
    worker: &Worker,
    bare: &BareWorker,
    size: u64,
    known: Known,
) -> anyhow::Result<Copiers> {
    let mut runs = Copiers::default();
    for _ in 0..2 {
        let batch = stage.objects(1, WARM_UP, known)?;
        worker.copy(stage, &batch).await?;
        bare.copy(stage, &batch, None).await?;
    }
    // In turns, so that whatever else the machine does meets all of them.
    for round in 1..=bench.pick(5, 2) {
        bench
            .progress
            .step(format!("{} MiB, round {round}", size >> 20));
        let batch = stage.objects(1, size, known)?;
        runs.ours.add(Ok(worker.copy(stage, &batch).await?));
        let batch = stage.objects(1, size, known)?;
        runs.bare.add(Ok(bare.copy(stage, &batch, None).await?));
        for (transfers, runs) in [(None, &mut runs.rclone), (TUNED, &mut runs.tuned)] {
            let batch = stage.objects(1, size, known)?;
            runs.add(match &bench.rclone {
                Ok(rclone) => rclone.copy(stage, &batch, transfers).await,
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            });
        }
    }
    Ok(runs)
}

impl Copiers {
    fn rows(&self, size: u64, checksum: &str) -> Vec<Row> {
        let name = |what: &str| format!("{} MiB, {checksum}: {what}", size >> 20);
        let others = [
            (&self.bare, "bare JavaScript worker"),
            (&self.rclone, "rclone"),
            (&self.tuned, "rclone, tuned"),
        ];
        let mut rows = Vec::new();
        for (runs, other) in others {
            let row =
                Row::new(name("throughput"), "MiB/s", Better::Higher).ours(self.ours.speed(size));
            rows.push(runs.beside(row, other, runs.speed(size)));
        }
        for (runs, other) in others {
            let row =
                Row::new(name("CPU"), "CPU s/GiB", Better::Lower).ours(self.ours.cpu_per_gib(size));
            rows.push(runs.beside(row, other, runs.cpu_per_gib(size)));
        }
        for (runs, other) in others {
            let row =
                Row::new(name("peak memory"), "MiB", Better::Lower).ours(self.ours.peak_mib());
            rows.push(runs.beside(row, other, runs.peak_mib()));
        }
        rows
    }
}
