//! The soak: an hour's worth of events, compressed. Keys are written, overwritten and deleted at the
//! embedded S3, while their events reach the built worker out of order, some twice and some late; at
//! the end both stores must hold the same, and nothing may be in quarantine.
//!
//! Not a bench: it says how long it took, and how much memory the runtime had, and judges neither.

mod parity;
mod plan;
mod sender;
mod tally;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Map, json};

pub use parity::{Parity, Side};

use crate::bench::process;
use crate::client::{AdminClient, WorkerClient};
use crate::runtime::LogSink;
use crate::setup::{self, Reporter};
use crate::stack::{LocalStack, StackOptions};
use plan::Plan;
use sender::Sender;
use tally::Tally;

const ROUTE: &str = "soak";
const SOURCE: &str = "causeway-soak-source";
const DESTINATION: &str = "causeway-soak-destination";
/// The route of what is sent only to see that it has come through the queue.
const MARKS: &str = "marks";
const MARKS_SOURCE: &str = "causeway-marks-source";
const MARKS_DESTINATION: &str = "causeway-marks-destination";
/// How often the bar is drawn anew.
const REDRAW: Duration = Duration::from_millis(250);

/// How much, and which.
#[derive(Debug)]
pub struct SoakOptions {
    /// Deliveries in all: a tenth of them duplicates, a tenth late.
    pub events: usize,
    /// Keys; at least 1.
    pub keys: usize,
    /// What the workload is drawn from.
    pub seed: u64,
    /// Draw a bar on standard error, if it is a terminal.
    pub visible: bool,
    /// Where the worker's console goes.
    pub log: LogSink,
}

impl Default for SoakOptions {
    /// 100,000 events over 20,000 keys.
    fn default() -> Self {
        Self {
            events: 100_000,
            keys: 20_000,
            seed: 1,
            visible: false,
            log: LogSink::default(),
        }
    }
}

/// The most memory that the runtime had at once, in MiB; none where the system does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Peak {
    /// While the first quarter of the events was delivered
    pub first_quarter: Option<f64>,
    /// From the beginning of the last quarter to the end
    pub last_quarter: Option<f64>,
}

/// How it went.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Events delivered
    pub events: usize,
    /// Those that had been delivered before
    pub duplicates: usize,
    /// Those that came first after a newer event of their key
    pub stale: usize,
    /// Keys that changed
    pub keys: usize,
    /// From the first change until nothing was left to do
    pub seconds: f64,
    /// Events a second over that time
    pub events_per_s: f64,
    /// What stands on both sides
    #[serde(flatten)]
    pub parity: Parity,
    /// Entries in quarantine
    pub quarantined: u64,
    /// The runtime's memory
    pub peak_mib: Peak,
    /// Transfers that ended; events of one key that come together make one
    #[serde(skip)]
    pub outcomes: u64,
    /// Transfers that failed and were tried again
    #[serde(skip)]
    pub retried: u64,
}

impl Summary {
    /// Whether both sides hold the same and nothing is in quarantine.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.parity.holds() && self.quarantined == 0
    }
}

/// Runs it.
///
/// # Errors
/// When the set-up or the stack fails, the worker refuses an event, or it falls silent. Sides that
/// differ are no error: they are in the summary.
pub async fn run(options: SoakOptions) -> anyhow::Result<Summary> {
    let toolchain =
        tokio::task::spawn_blocking(|| setup::ensure(&mut Reporter::stderr())).await??;
    let plan = Plan::draw(&options);
    let tally = Tally::new();
    let reader = tally.clone();
    let stack = LocalStack::start(
        &toolchain,
        StackOptions {
            routes: BTreeMap::from([
                (ROUTE.into(), (SOURCE.into(), DESTINATION.into())),
                (
                    MARKS.into(),
                    (MARKS_SOURCE.into(), MARKS_DESTINATION.into()),
                ),
            ]),
            bindings: bindings(options.events),
            silent: true,
            log: options.log.clone().also(move |line| reader.take(line)),
            ..StackOptions::default()
        },
    )
    .await?;
    let file = stack.file();
    let unfit = |error: crate::client::ClientError| anyhow!(error.what);
    let worker = WorkerClient::new(&file.worker_url, &file.events_token).map_err(unfit)?;
    let admin = AdminClient::new(&file.worker_url, &file.admin_token).map_err(unfit)?;

    let began = Instant::now();
    let bar = bar(plan.events, options.visible);
    let memory = Memory::new(stack.runtime.pid(), plan.events);
    let mut sender = Sender::new(options.seed, stack.s3.store(), worker, tally.clone());
    let sending = sender.run(&plan, |sent| {
        memory.sent(sent);
        bar.set_position(sent as u64);
        bar.set_message(format!("{} outcomes", tally.outcomes()));
    });
    sending.await?;
    sender.drain().await?;
    let elapsed = began.elapsed();
    let peak_mib = memory.peak();
    bar.finish_and_clear();

    let parity = Parity::of(stack.s3.store(), SOURCE, stack.gcs.state(), DESTINATION)?;
    let quarantined = admin.route(ROUTE).await.map_err(unfit)?.quarantined;
    stack.stop().await?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = plan.events as f64 / elapsed.as_secs_f64().max(f64::EPSILON);
    Ok(Summary {
        events: plan.events,
        duplicates: plan.duplicates,
        stale: plan.stale,
        keys: plan.keys,
        seconds: tenths(elapsed.as_secs_f64()),
        events_per_s: tenths(rate),
        parity,
        quarantined,
        peak_mib,
        outcomes: tally.outcomes(),
        retried: tally.retried(),
    })
}

/// The route propagates deletes, and its brake lets all of them through.
fn bindings(events: usize) -> Map<String, serde_json::Value> {
    let table = json!({
        "source": format!("s3://{SOURCE}"),
        "destination": format!("gs://{DESTINATION}"),
        "deletes": "propagate",
        "brake_deletes": u32::try_from(events).unwrap_or(u32::MAX).max(1000),
    });
    Map::from_iter([(format!("ROUTE_{}", ROUTE.to_ascii_uppercase()), table)])
}

fn bar(events: usize, visible: bool) -> ProgressBar {
    if !visible {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "  {bar:32} {pos}/{len} events, {per_sec:.0}, {msg}, {elapsed}, left {eta}",
    );
    let bar = ProgressBar::new(events as u64);
    bar.set_style(style.expect("the template is constant"));
    bar.enable_steady_tick(REDRAW);
    bar
}

/// The peak of the runtime's memory in two of the four quarters.
struct Memory {
    pid: Option<u32>,
    events: usize,
    /// Bytes; 0 is unknown.
    first: AtomicU64,
}

impl Memory {
    fn new(pid: Option<u32>, events: usize) -> Self {
        pid.into_iter().for_each(process::reset_peak);
        Self {
            pid,
            events,
            first: AtomicU64::new(0),
        }
    }

    fn sent(&self, sent: usize) {
        if sent == self.events / 4 {
            self.first.store(self.now(), Ordering::Relaxed);
        } else if sent == self.events / 4 * 3 {
            self.pid.into_iter().for_each(process::reset_peak);
        }
    }

    fn now(&self) -> u64 {
        let usage = self.pid.and_then(process::usage);
        usage.map_or(0, |usage| usage.peak)
    }

    fn peak(&self) -> Peak {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let mib = |bytes: u64| (bytes > 0).then(|| tenths(bytes as f64 / f64::from(1 << 20)));
        Peak {
            first_quarter: mib(self.first.load(Ordering::Relaxed)),
            last_quarter: mib(self.now()),
        }
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
