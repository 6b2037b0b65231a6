//! `causeway simulate`: the state machine against models of everything around it, seed after seed.

use std::io::IsTerminal as _;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::Report;
use super::failure::{Code, Failure};
use super::optimized;
use super::output::Output;
use crate::simulate::{Mutant, Options, Story, Summary, simulate};

/// From here on the build with all optimizations pays.
const MANY_SEEDS: u64 = 100_000;

/// So many stories are told of a run in which more seeds failed.
const STORIES: usize = 3;

/// So many more are named.
const NAMED: usize = 100;

const AFTER_HELP: &str = "\
A seed is a world: a route, writers at the source, and faults, all drawn from its number alone. In it
the very state machine of the worker runs against models of S3, GCS, the queues and Durable Objects,
under a clock of its own. After each commit and at the end it is checked that nothing partial or mixed
is visible, that nothing is forgotten, and that nothing is left behind. docs/simulation.md says more.

A seed that fails is named, with the shortest story found and the command that runs it again.

Examples:
  causeway simulate --seeds 20000               what CI runs, other seeds: --seed says the first
  causeway simulate --seeds 1 --seed 4711       one seed again
  causeway simulate --seeds 20000 --mutant no-precondition
                                                the code with a mistake, which is to be found

With --json: {\"seeds\", \"steps\", \"faults_injected\": {kind: n}, \"counted\": {what: n}, \"violations\",
\"trace\", \"elapsed_s\"}, and
{\"failed\": [{\"seed\", \"violations\", \"replay\", \"lines\"}]} where there are any.";

/// Run the state machine against simulated stores, queues and faults
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Simulate {
    /// How many seeds to run
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed; the others follow it
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Make a mistake, which is to be found; ends at the first seed that does
    #[arg(long, value_name = "MISTAKE", value_enum)]
    mutant: Option<Mutant>,
}

impl Simulate {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        if self.seeds >= MANY_SEEDS {
            optimized::or_else_again("as many seeds take minutes")?;
        }
        let bar = bar(output, self.seeds);
        let options = Options {
            first: self.seed,
            seeds: self.seeds,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            mutant: self.mutant,
            stops: self.mutant.is_some(),
        };
        let ran = tokio::task::spawn_blocking(move || {
            let mut summary = simulate(&options, &|done| bar.set_position(done));
            bar.finish_and_clear();
            for story in summary.failed.iter_mut().take(STORIES) {
                story.tell(options.mutant);
            }
            summary
        });
        let summary = ran
            .await
            .map_err(|error| Failure::new(Code::Failed, error.to_string(), ""))?;
        for story in summary.failed.iter().take(STORIES) {
            tell(output, story);
        }
        for story in summary.failed.iter().skip(STORIES).take(NAMED) {
            let why = story.violations.first().map_or("", String::as_str);
            output.line(&format!("seed {}: {why}", story.seed));
        }
        output.line(&facts(&summary));
        let failure = summary.failed.first().map(|story| {
            let count = summary.violations;
            let what = format!("{count} of {} seeds failed", summary.seeds);
            Failure::new(Code::Failed, what, story.replay.clone())
        });
        Ok(Report {
            json: json!(summary),
            failure,
        })
    }
}

fn tell(output: Output, story: &Story) {
    output.line(&format!("seed {}: the shortest story found", story.seed));
    for line in &story.lines {
        output.line(line);
    }
    for violation in &story.violations {
        output.line(&format!("  VIOLATED: {violation}"));
    }
    output.line(&format!("  again: {}\n", story.replay));
}

fn facts(summary: &Summary) -> String {
    let faults: u64 = summary.faults_injected.values().sum();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = summary.seeds as f64 / summary.elapsed_s.max(0.001);
    format!(
        "{} seeds, {} steps, {faults} faults of {} kinds: {} violations ({:.1} s, {rate:.0} seeds/s)",
        summary.seeds,
        summary.steps,
        summary.faults_injected.len(),
        summary.violations,
        summary.elapsed_s,
    )
}

fn bar(output: Output, seeds: u64) -> ProgressBar {
    if output.is_json() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} seeds {per_sec} {eta}");
    let style = style.expect("the template is a constant");
    ProgressBar::new(seeds).with_style(style)
}
