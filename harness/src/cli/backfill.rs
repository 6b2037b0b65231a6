//! `causeway backfill`: what was there before the notifications were, down the road of an event.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::Report;
use super::failure::{Code, Failure};
use super::output::{Output, human, shown};
use super::worker::Worker;
use crate::client::operator::{Backfill as Progress, BackfillRequest};

const AFTER_HELP: &str = "\
Examples:
  causeway backfill photos                         every key of the route's source
  causeway backfill photos --prefix 2026/ --rate 200
  causeway backfill photos --dry-run               only count
  causeway backfill photos --status                how far the last one is
  causeway backfill photos --cancel

The worker lists the source page by page and puts a hint for each key into its queue. What is there
already moves no byte. It goes on by itself, whatever becomes of this command: Ctrl-C leaves it alone.
What became of the keys: `causeway status ROUTE`.

The worker is CAUSEWAY_URL or --url, its token CAUSEWAY_OPERATOR_TOKEN or --token; where neither is
set, the local stack's.

With --json: {\"route\", \"request\", \"started_at\", \"keys\", \"bytes\", \"last_key\", \"end\"}, at its end.";

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Copy what was there before the notifications were
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Backfill {
    /// The route's name
    route: String,
    /// Only keys that begin with this, behind the route's own prefix
    #[arg(long, default_value = "")]
    prefix: String,
    /// At most so many keys a second; 0: as fast as they can be listed
    #[arg(long, default_value_t = 0, value_name = "KEYS")]
    rate: u32,
    /// Only list and count
    #[arg(long)]
    dry_run: bool,
    /// Say how far the last one is
    #[arg(long, conflicts_with_all = ["prefix", "rate", "dry_run", "cancel"])]
    status: bool,
    /// End the one that is under way
    #[arg(long, conflicts_with_all = ["prefix", "rate", "dry_run"])]
    cancel: bool,
    /// Do not wait for its end
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    worker: Worker,
}

impl Backfill {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let worker = self.worker.connect()?;
        let request = BackfillRequest {
            prefix: self.prefix,
            rate: self.rate,
            dry_run: self.dry_run,
        };
        let mut progress = match (self.status, self.cancel) {
            (true, _) => worker.backfilled(&self.route).await?,
            (_, true) => worker.end_backfill(&self.route).await?,
            _ => worker.backfill(&self.route, &request).await?,
        };
        let bar = output.counter(None);
        while progress.end.is_none() && !(self.status || self.detach) {
            bar.set_position(progress.keys);
            bar.set_message(format!("keys, {}", human(progress.bytes)));
            tokio::time::sleep(LOOK).await;
            progress = worker.backfilled(&self.route).await?;
        }
        bar.finish_and_clear();
        output.line(&line(&progress));
        let failure = failure(&progress);
        Ok(Report {
            json: json!(progress),
            failure,
        })
    }
}

fn line(progress: &Progress) -> String {
    let (keys, size) = (progress.keys, human(progress.bytes));
    let listed = if progress.request.dry_run {
        "counted"
    } else {
        "sent"
    };
    let how = match outcome(progress) {
        None => "so far",
        Some("done") => "all of them",
        Some("cancelled") => "before it was cancelled",
        Some(_) => "before it failed",
    };
    shown(&format!("{listed} {keys} keys, {size}: {how}"))
}

fn outcome(progress: &Progress) -> Option<&str> {
    progress.end.as_ref()?["outcome"].as_str()
}

fn failure(progress: &Progress) -> Option<Failure> {
    let end = progress.end.as_ref()?;
    (end["outcome"] == "failed").then(|| {
        let text = |name: &str| end["error"][name].as_str().unwrap_or_default().to_owned();
        Failure::new(Code::Failed, text("message"), text("advice"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn progress(end: &serde_json::Value) -> Progress {
        serde_json::from_value(json!({
            "route": "r", "request": {"prefix": "", "rate": 0, "dry_run": false},
            "started_at": "2026-01-01T00:00:00Z", "keys": 3, "bytes": 2048, "last_key": "k", "end": end,
        }))
        .unwrap()
    }

    #[test]
    fn it_says_how_far_it_came_and_why_no_further() {
        let error =
            json!({"outcome": "failed", "error": {"message": "S3 said no.", "advice": "Ask."}});
        for (end, says) in [
            (json!(null), "so far"),
            (
                json!({"outcome": "done", "error": "2026-01-01T00:00:00Z"}),
                "all of them",
            ),
            (
                json!({"outcome": "cancelled", "error": "2026-01-01T00:00:00Z"}),
                "cancelled",
            ),
            (error.clone(), "failed"),
        ] {
            let line = line(&progress(&end));
            assert!(
                line.starts_with("sent 3 keys, 2.00 KiB: ") && line.ends_with(says),
                "{line}"
            );
        }
        let failure = failure(&progress(&error)).unwrap();
        assert_eq!(
            (failure.code, &*failure.what),
            (Code::Failed, "S3 said no.")
        );
    }
}
