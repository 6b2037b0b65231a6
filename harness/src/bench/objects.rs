//! Many objects of one size through each copier: what an object costs beside its bytes.

use anyhow::anyhow;

use serde_json::Value;

use super::flask::Flask;
use super::rclone::TUNED;
use super::stage::{Batch, Cost, Known, Stage};
use super::worker::{BareWorker, Worker};
use super::{Bench, Better, Row, Runs};

/// Objects of a size copied before those that count: connections and caches.
const WARM_UP: usize = 300;
/// Objects copied before all others: V8 compiles a function of wasm well once it was called often.
const COMPILED: usize = 6000;

/// What rows call those that ours is compared with.
pub(super) const BARE: &str = "bare JavaScript worker";
pub(super) const OTHER: &str = "the other build";

/// A size, and how many objects of it are copied in one run.
struct Load {
    name: &'static str,
    size: u64,
    objects: usize,
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let load = |name, size, objects| Load {
        name,
        size,
        objects,
    };
    let loads = bench.pick(
        [
            load("4 KiB", 4 << 10, 4000),
            load("64 KiB", 64 << 10, 2000),
            load("1 MiB", 1 << 20, 300),
        ],
        [
            load("4 KiB", 4 << 10, 500),
            load("64 KiB", 64 << 10, 300),
            load("1 MiB", 1 << 20, 50),
        ],
    );
    bench.progress.subject(&format!(
        "small objects: 4 KiB, 64 KiB and 1 MiB through the worker, rclone and the plain design (about {})",
        bench.pick("4 min", "30 s"),
    ));
    let mut stage = Stage::start().await?;
    let mut copiers = Copiers::start(bench, &stage).await?;
    bench.progress.step("compiling");
    copiers.ours(&mut stage, COMPILED, 4 << 10).await?;
    copiers.bare(&mut stage, COMPILED, 4 << 10).await?;
    copiers.other(&mut stage, COMPILED, 4 << 10).await?;
    let mut rows = Vec::new();
    for load in loads {
        rows.extend(copiers.rows(bench, &mut stage, &load).await?);
    }
    if bench.other.is_none() {
        rows.extend(copiers.clients_per_event(bench, &mut stage).await?);
    }
    copiers.stop().await?;
    Ok(rows)
}

struct Copiers {
    worker: Worker,
    /// The build that ours is compared with, if it is: the peers then have nothing to do.
    other: Option<Worker>,
    bare: BareWorker,
    flask: anyhow::Result<Flask>,
}

impl Copiers {
    async fn start(bench: &Bench, stage: &Stage) -> anyhow::Result<Self> {
        Ok(Self {
            worker: Worker::start(bench, stage, &Value::Null).await?,
            other: Worker::start_other(bench, stage).await?,
            bare: BareWorker::start(bench).await?,
            flask: start_flask(bench, stage, false).await,
        })
    }

    async fn rows(
        &mut self,
        bench: &Bench,
        stage: &mut Stage,
        load: &Load,
    ) -> anyhow::Result<Vec<Row>> {
        let warm_up = load.objects.min(WARM_UP);
        self.ours(stage, warm_up, load.size).await?;
        self.bare(stage, warm_up, load.size).await?;
        if self.other.is_some() {
            return self.beside_other(bench, stage, load).await;
        }
        let _ = self.plain(stage, warm_up, load.size).await;
        let [mut ours, mut bare, mut rclone, mut tuned, mut plain] = <[Runs; 5]>::default();
        for round in 1..=bench.pick(3, 1) {
            bench.progress.step(format!("{}, round {round}", load.name));
            ours.add(Ok(self.ours(stage, load.objects, load.size).await?));
            bare.add(Ok(self.bare(stage, load.objects, load.size).await?));
            rclone.add(through_rclone(bench, stage, load.objects, load.size, None).await);
            tuned.add(through_rclone(bench, stage, load.objects, load.size, TUNED).await);
            plain.add(self.plain(stage, load.objects, load.size).await);
        }
        let others = [
            (&bare, BARE),
            (&rclone, "rclone"),
            (&tuned, "rclone, tuned"),
            (&plain, "plain design, clients reused"),
        ];
        Ok(rows(load.name, load.objects, &ours, &others))
    }

    /// The same beside the bare worker and the other build.
    async fn beside_other(
        &self,
        bench: &Bench,
        stage: &mut Stage,
        load: &Load,
    ) -> anyhow::Result<Vec<Row>> {
        let [mut ours, mut bare, mut other] = <[Runs; 3]>::default();
        // Many short rounds: two builds differ by less than a machine does from minute to minute.
        let objects = load.objects.div_ceil(4);
        for round in 1..=bench.pick(15, 3) {
            bench.progress.step(format!("{}, round {round}", load.name));
            ours.add(Ok(self.ours(stage, objects, load.size).await?));
            let cost = self.other(stage, objects, load.size).await?;
            other.costs.extend(cost);
            bare.add(Ok(self.bare(stage, objects, load.size).await?));
        }
        let others = [(&bare, BARE), (&other, OTHER)];
        Ok(rows(load.name, objects, &ours, &others))
    }

    /// The plain design at its plainest is too slow to be given as much as the others.
    async fn clients_per_event(
        &mut self,
        bench: &Bench,
        stage: &mut Stage,
    ) -> anyhow::Result<Vec<Row>> {
        bench.progress.step("4 KiB, clients made for each event");
        let objects = 40;
        let mut ours = Runs::default();
        ours.add(Ok(self.ours(stage, 1000, 4 << 10).await?));
        let mut plain = Runs::default();
        plain.add(match start_flask(bench, stage, true).await {
            Ok(flask) => {
                let batch = stage.objects(objects, 4 << 10, Known::Crc32c)?;
                let cost = flask.copy(stage, &batch).await;
                flask.stop().await?;
                cost
            }
            Err(error) => Err(error),
        });
        let speed = |runs: &Runs, objects| per_second(objects, runs.seconds());
        let row = Row::new("4 KiB: objects", "objects/s", Better::Higher).ours(speed(&ours, 1000));
        let row = plain.beside(
            row,
            "plain design, clients made for each event",
            speed(&plain, objects),
        );
        Ok(vec![row])
    }

    async fn ours(&self, stage: &mut Stage, objects: usize, size: u64) -> anyhow::Result<Cost> {
        let batch = stage.objects(objects, size, Known::Crc32c)?;
        let cost = self.worker.copy(stage, &batch).await?;
        stage.forget(&batch)?;
        Ok(cost)
    }

    async fn other(
        &self,
        stage: &mut Stage,
        objects: usize,
        size: u64,
    ) -> anyhow::Result<Option<Cost>> {
        let Some(other) = &self.other else {
            return Ok(None);
        };
        let batch = stage.objects(objects, size, Known::Crc32c)?;
        let cost = other.copy(stage, &batch).await?;
        stage.forget(&batch)?;
        Ok(Some(cost))
    }

    async fn bare(&self, stage: &mut Stage, objects: usize, size: u64) -> anyhow::Result<Cost> {
        let batch = stage.objects(objects, size, Known::Crc32c)?;
        let cost = self.bare.copy_queued(stage, &batch).await?;
        stage.forget(&batch)?;
        Ok(cost)
    }

    async fn plain(&self, stage: &mut Stage, objects: usize, size: u64) -> anyhow::Result<Cost> {
        let flask = self.flask.as_ref().map_err(|error| anyhow!("{error:#}"))?;
        let batch = stage.objects(objects, size, Known::Crc32c)?;
        let cost = flask.copy(stage, &batch).await?;
        stage.forget(&batch)?;
        Ok(cost)
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.worker.stop().await?;
        self.bare.stop().await?;
        if let Some(other) = self.other {
            other.stop().await?;
        }
        match self.flask {
            Ok(flask) => flask.stop().await,
            Err(_) => Ok(()),
        }
    }
}

async fn start_flask(bench: &Bench, stage: &Stage, per_event: bool) -> anyhow::Result<Flask> {
    match &bench.gunicorn {
        Ok(gunicorn) => Flask::start(gunicorn, bench.toolchain.root(), stage, per_event).await,
        Err(error) => Err(anyhow!("{error:#}")),
    }
}

pub(super) async fn through_rclone(
    bench: &Bench,
    stage: &mut Stage,
    objects: usize,
    size: u64,
    transfers: Option<u32>,
) -> anyhow::Result<Cost> {
    let rclone = bench
        .rclone
        .as_ref()
        .map_err(|error| anyhow!("{error:#}"))?;
    let batch: Batch = stage.objects(objects, size, Known::Crc32c)?;
    let cost = rclone.copy(stage, &batch, transfers).await?;
    stage.forget(&batch)?;
    Ok(cost)
}

/// How many of `objects` a second, and what one costs, beside each of `others`.
pub(super) fn rows(name: &str, objects: usize, ours: &Runs, others: &[(&Runs, &str)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (runs, other) in others {
        let row = Row::new(format!("{name}: objects"), "objects/s", Better::Higher);
        let row = row.ours(per_second(objects, ours.seconds()));
        rows.push(runs.beside(row, other, per_second(objects, runs.seconds())));
    }
    for (runs, other) in others {
        let row = Row::new(format!("{name}: CPU an object"), "CPU ms", Better::Lower);
        let row = row.ours(each(objects, ours.cpu_seconds()));
        rows.push(runs.beside(row, other, each(objects, runs.cpu_seconds())));
    }
    rows
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
pub(super) fn per_second(objects: usize, seconds: Option<f64>) -> Option<f64> {
    seconds.map(|seconds| objects as f64 / seconds)
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn each(objects: usize, seconds: Option<f64>) -> Option<f64> {
    seconds.map(|seconds| seconds * 1e3 / objects as f64)
}
