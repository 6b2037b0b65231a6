//! How fast and how dear copying is on this machine: the built worker beside the least that a worker
//! can do, rclone, and the plain design in Python, all between the same two stores.
//!
//! Stores, senders and copiers share the machine's cores, so only ratios within one run mean
//! something. `docs/performance.md` says what each row is and what bounds it.

mod bundle;
mod distance;
mod flask;
mod ingress;
mod latency;
mod objects;
mod parts;
mod peers;
pub(crate) mod process;
mod progress;
mod pulled;
mod rclone;
mod row;
mod signing;
mod sqs;
mod stage;
mod throughput;
mod worker;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::anyhow;
use clap::ValueEnum;

use crate::runtime::Connections;
use crate::setup::{self, Reporter, Toolchain};
use flask::Gunicorn;
use progress::Progress;
use rclone::Rclone;
use stage::Cost;

pub use row::{Better, Row, table};

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// One large object: MiB/s, CPU and memory, against a bare worker and rclone
    Throughput,
    /// Many small objects: objects/s and CPU an object, against rclone and the plain design
    Objects,
    /// Many small objects between stores that are far away, against rclone with 8, 32 and 64 transfers
    Distance,
    /// One large object in parts against one stream, from a source that is slow for each connection
    Parts,
    /// Events taken a second, by token and by SNS's signature, against a hello of a worker in Rust
    Ingress,
    /// Messages pulled from a queue of SQS a second, against a client that only receives and deletes
    Sqs,
    /// From an event to the commit, at 1 to 200 events a second
    Latency,
    /// Signing a request, against aws-sigv4 and reqsign
    Signing,
    /// The size of the built worker, and how long it takes to start
    Bundle,
}

/// What to measure.
#[derive(Debug, Default)]
pub struct BenchOptions {
    /// Only these; everything if there are none.
    pub only: Vec<Subject>,
    /// Less of everything, for a machine that only wants to know that it works.
    pub quick: bool,
    /// What one invocation of a worker may have waiting.
    pub connections: Connections,
    /// How far away the stores of [`Subject::Distance`] are.
    pub delay: Delays,
    /// The folder of another build of the worker, which small objects are then compared with, in place of the peers.
    pub against: Option<PathBuf>,
}

/// How long a store waits before it answers, as one does that is far away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// The source, in milliseconds.
    pub s3: u32,
    /// The destination, in milliseconds.
    pub gcs: u32,
}

impl Default for Delays {
    /// A bucket on another continent, and one nearer by.
    fn default() -> Self {
        Self { s3: 60, gcs: 40 }
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.s3, self.gcs)
    }
}

impl FromStr for Delays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let delays = text.split_once(',').and_then(|(s3, gcs)| {
            Some(Self {
                s3: s3.parse().ok()?,
                gcs: gcs.parse().ok()?,
            })
        });
        delays.ok_or_else(|| format!("`{text}` is not S3,GCS in milliseconds, such as 60,40"))
    }
}

/// Measures; gives a row a figure.
///
/// # Errors
/// When the set-up or a runtime fails, or ours does not copy something. A peer that is not there or
/// fails is no error: its rows say so.
pub async fn run(options: BenchOptions) -> anyhow::Result<Vec<Row>> {
    let bench = Bench::prepare(&options).await?;
    let mut rows = Vec::new();
    for subject in Subject::value_variants() {
        if !options.only.is_empty() && !options.only.contains(subject) {
            continue;
        }
        rows.extend(match subject {
            Subject::Throughput => throughput::measure(&bench).await?,
            Subject::Objects => objects::measure(&bench).await?,
            Subject::Distance => distance::measure(&bench, options.delay).await?,
            Subject::Parts => parts::measure(&bench).await?,
            Subject::Ingress => ingress::measure(&bench).await?,
            Subject::Sqs => pulled::measure(&bench).await?,
            Subject::Latency => latency::measure(&bench).await?,
            Subject::Signing => signing::measure(&bench)?,
            Subject::Bundle => bundle::measure(&bench).await?,
        });
    }
    Ok(rows)
}

/// What all subjects need.
struct Bench {
    toolchain: Toolchain,
    quick: bool,
    connections: Connections,
    /// What runs the other build, if there is one to compare with.
    other: Option<Toolchain>,
    progress: Progress,
    rclone: anyhow::Result<Rclone>,
    gunicorn: anyhow::Result<Gunicorn>,
}

impl Bench {
    async fn prepare(options: &BenchOptions) -> anyhow::Result<Self> {
        let (quick, connections) = (options.quick, options.connections);
        let against = options.against.clone();
        tokio::task::spawn_blocking(move || {
            let mut reporter = Reporter::stderr();
            let toolchain = setup::ensure(&mut reporter)?;
            let root = toolchain.root();
            let (rclone, gunicorn) = if against.is_some() {
                let unused = || anyhow!("another build is compared with");
                (Err(unused()), Err(unused()))
            } else {
                let rclone = peers::rclone(root, &mut reporter).map(Rclone::new);
                (rclone, peers::gunicorn(root, &mut reporter))
            };
            drop(reporter);
            Ok(Self {
                quick,
                connections,
                other: against.map(|folder| toolchain.clone().with_bundle(folder)),
                progress: Progress::stderr(),
                rclone,
                gunicorn,
                toolchain,
            })
        })
        .await?
    }

    /// `full`, or `quick` when little time is to be spent.
    fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Several runs of one copier over the same work, or why it could not be run.
#[derive(Default)]
struct Runs {
    costs: Vec<Cost>,
    failure: Option<String>,
}

impl Runs {
    fn add(&mut self, cost: anyhow::Result<Cost>) {
        match cost {
            Ok(cost) => self.costs.push(cost),
            Err(error) => self.failure = Some(format!("{error:#}")),
        }
    }

    fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The median over the runs of what `of` reads from each; none if one failed.
    fn median(&self, of: impl Fn(&Cost) -> Option<f64>) -> Option<f64> {
        if self.failed() {
            return None;
        }
        let mut values: Vec<f64> = self.costs.iter().filter_map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    fn seconds(&self) -> Option<f64> {
        self.median(|cost| Some(cost.elapsed.as_secs_f64()))
    }

    fn cpu_seconds(&self) -> Option<f64> {
        self.median(|cost| cost.usage.map(|usage| usage.cpu.as_secs_f64()))
    }

    /// MiB a second, where each run copied `size` bytes.
    fn speed(&self, size: u64) -> Option<f64> {
        self.seconds().map(|seconds| mib(size) / seconds)
    }

    /// CPU seconds a GiB, where each run copied `size` bytes.
    fn cpu_per_gib(&self, size: u64) -> Option<f64> {
        self.cpu_seconds()
            .map(|seconds| seconds * 1024.0 / mib(size))
    }

    fn peak_mib(&self) -> Option<f64> {
        self.median(|cost| cost.usage.map(|usage| mib(usage.peak)))
    }

    /// `row` beside this one's figure.
    fn beside(&self, row: Row, name: &str, figure: Option<f64>) -> Row {
        let row = row.against(name, figure);
        match &self.failure {
            Some(failure) => row.note(failure.clone()),
            None => row,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::Delays;

    #[test]
    fn delays_are_read_as_they_are_shown() {
        assert_eq!(Delays::default().to_string(), "60,40");
        assert_eq!("5,0".parse(), Ok(Delays { s3: 5, gcs: 0 }));
        for wrong in ["", "5", "5,", "5,x", "5,6,7", "-1,2"] {
            assert!(wrong.parse::<Delays>().is_err(), "{wrong}");
        }
    }
}
