//! `causeway soak`: an hour's worth of events, compressed, and parity at the end.

use std::path::PathBuf;

use clap::Args;

use super::Report;
use super::failure::{Code, Failure};
use super::output::{Output, human, log_file};
use crate::soak::{Side, SoakOptions, Summary, run};

const AFTER_HELP: &str = "\
Starts the embedded stores and the built worker, with a route that propagates deletes. Objects are
written, overwritten and deleted at S3; their events reach the worker one a request, out of order, a
tenth of them twice and at least a tenth after a newer event of their key, while the source goes on changing.
When nothing is left to do, both stores are compared key by key. Nothing leaves this machine.

The same seed makes the same workload; how its requests fall together differs from run to run.

Examples:
  cargo causeway soak                                 100,000 events over 20,000 keys
  cargo causeway soak --events 5000 --keys 1000       a minute's worth
  cargo causeway soak --seed 7 --log soak.log         another workload, and the worker's own words

Exits with 0 only if both sides hold the same and nothing is in quarantine.

With --json: {\"events\", \"duplicates\", \"stale\", \"keys\", \"seconds\", \"events_per_s\", \"source\": {\"keys\",
\"bytes\"}, \"destination\": {\"keys\", \"bytes\"}, \"equal\", \"missing\", \"different\", \"extra\",
\"quarantined\", \"peak_mib\": {\"first_quarter\", \"last_quarter\"}}, where a peak is null if the system
does not tell it.";

/// Send an hour's worth of events through the built worker, and compare both stores at the end
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Soak {
    /// How many events are delivered
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    events: u32,
    /// Over how many keys
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    keys: u32,
    /// What the workload is drawn from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Write the worker's log to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

impl Soak {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let log = self.log.as_deref().map(log_file).transpose()?;
        let seed = self.seed;
        let summary = run(SoakOptions {
            events: self.events as usize,
            keys: self.keys as usize,
            seed,
            visible: !output.is_json(),
            log: log.unwrap_or_default(),
        })
        .await
        .map_err(|error| Failure::from_setup(&error))?;
        for line in lines(&summary, seed) {
            output.line(&line);
        }
        let failure = (!summary.passed()).then(|| {
            let parity = &summary.parity;
            Failure::new(
                Code::Failed,
                format!(
                    "the sides differ: {} missing, {} different, {} extra, {} in quarantine (seed {seed})",
                    parity.missing, parity.different, parity.extra, summary.quarantined
                ),
                "--log FILE keeps what the worker said; run the same seed again with it",
            )
        });
        let json = serde_json::to_value(&summary)
            .map_err(|error| Failure::new(Code::Failed, error.to_string(), ""))?;
        Ok(Report { json, failure })
    }
}

fn lines(summary: &Summary, seed: u64) -> Vec<String> {
    let Summary { parity, .. } = summary;
    let side = |side: Side| format!("{} keys, {}", side.keys, human(side.bytes));
    let peak = |mib: Option<f64>| mib.map_or("unknown".to_owned(), |mib| format!("{mib} MiB"));
    let mut lines = vec![
        format!(
            "{} events over {} keys (seed {seed}): {} duplicates, {} stale",
            summary.events, summary.keys, summary.duplicates, summary.stale
        ),
        format!(
            "{} s, {} events/s, {} transfers, {} tried again",
            summary.seconds, summary.events_per_s, summary.outcomes, summary.retried
        ),
        format!(
            "S3 {}; GCS {}",
            side(parity.source),
            side(parity.destination)
        ),
        format!(
            "{} equal, {} missing, {} different, {} extra; {} in quarantine",
            parity.equal, parity.missing, parity.different, parity.extra, summary.quarantined
        ),
        format!(
            "the runtime's peak memory: {} in the first quarter, {} in the last",
            peak(summary.peak_mib.first_quarter),
            peak(summary.peak_mib.last_quarter)
        ),
    ];
    lines.extend(parity.named.iter().map(|line| format!("  {line}")));
    lines
}
