//! `causeway bench`: how fast the built worker is on this machine.

use clap::Args;

use super::Report;
use super::failure::{Code, Failure};
use super::output::Output;
use crate::bench;

const AFTER_HELP: &str = "\
Everything runs on this machine and shares its cores: the sender, the embedded stores, the worker.

With --json: {\"small_objects_per_s\", \"small_objects\", \"event_to_commit_ms\": {\"p50\", \"p99\"}, \"events\"}";

/// Measure the built worker between the embedded stores
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Bench {
    /// 4 KiB objects to copy at once
    #[arg(long, value_name = "COUNT", default_value_t = 5000)]
    objects: usize,
    /// Events to send one at a time
    #[arg(long, value_name = "COUNT", default_value_t = 300)]
    events: usize,
}

impl Bench {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let figures = bench::run(self.objects, self.events)
            .await
            .map_err(|error| Failure::from_setup(&error))?;
        for line in figures.lines() {
            output.line(&line);
        }
        serde_json::to_value(&figures)
            .map(Report::done)
            .map_err(|error| Failure::new(Code::Failed, error.to_string(), ""))
    }
}
