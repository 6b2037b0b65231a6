//! `causeway replay`: entries of the quarantine down the road again.

use clap::Args;

use super::Report;
use super::failure::Failure;
use super::output::Output;
use super::selection::{self, Which};
use super::target::Effect;
use super::worker::Worker;
use crate::client::admin::Action;

const AFTER_HELP: &str = "\
Examples:
  causeway replay photos 2026/a.jpg                one key
  causeway replay photos --kind source-denied      all that failed for one reason, once it is mended
  causeway replay photos --kind deletes-braked     release the deletes that the brake held back
  causeway replay photos --all                     every entry; the brake still checks each delete

A replayed entry leaves the quarantine and its key takes the same road as an event: the worker asks
S3 what it is now. Replaying is never wrong; what fails again comes back, with one failure more.
What became of it: `causeway status ROUTE`.

The worker is CAUSEWAY_URL or --url, its token CAUSEWAY_ADMIN_TOKEN or --token; where neither is
set, the local stack's.

With --json: {\"route\", \"replayed\"}; with \"error\" when it broke off after some.";

/// Try again what is in quarantine
#[derive(Debug, Args)]
#[command(
    after_help = AFTER_HELP,
    override_usage = "causeway replay [OPTIONS] <ROUTE> <KEY|--kind <KIND>|--all>"
)]
pub(super) struct Replay {
    /// The route's name
    route: String,
    #[command(flatten)]
    which: Which,
    /// Let deletes among them pass the brake
    #[arg(long)]
    release: bool,
    #[command(flatten)]
    worker: Worker,
}

impl Replay {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let worker = self.worker.connect(Effect::Deletes)?;
        let chosen = self.which.choose(&worker, &self.route).await?;
        let action = Action::Replay {
            release: self.release,
        };
        selection::act(&worker, action, &self.route, chosen, output).await
    }
}
