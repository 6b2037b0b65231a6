//! `causeway submit`: keys of a route, down the road of an event, as its administrator asks for them.

use clap::Args;

use super::Report;
use super::failure::Failure;
use super::name::ObjectName;
use super::output::Output;
use super::selection::refuse_other_names;
use super::send::{report, say};
use super::target::Effect;
use super::worker::Worker;
use crate::client::AdminClient;
use crate::client::events::TakenIn;

/// The most keys that the worker takes at once.
const BATCH: usize = 100;

const AFTER_HELP: &str = "\
Examples:
  causeway submit photos 2026/a.jpg 2026/b.jpg
  causeway submit photos s3://my-photos/2026/a.jpg
  causeway transfer photos 2026/a.jpg              what became of it
  causeway backfill photos --prefix 2026/          all keys that begin so

The worker asks S3 what each key is now, so submitting one is never wrong. Unlike `causeway send` it
takes the administrator's token, one route and no event. A key that the route leaves out is ignored;
exits with 1 if every one was.

The worker is CAUSEWAY_URL or --url, its token CAUSEWAY_ADMIN_TOKEN or --token; where neither is
set, the local stack's.

With --json: {\"accepted\": [{\"id\", \"bucket\", \"key\", \"route\"}], \"ignored\": [{\"bucket\", \"key\",
\"reason\"}]}; \"id\" is the transfer's.";

/// Have a route look at keys again
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Submit {
    /// The route's name
    route: String,
    /// Keys in the route's source bucket, or s3://bucket/key
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    worker: Worker,
}

impl Submit {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let worker = self.worker.connect(Effect::Other)?;
        let keys = keys(&worker, &self.route, self.keys).await?;
        let mut all = TakenIn::default();
        for keys in keys.chunks(BATCH) {
            let taken = worker.submit(&self.route, keys).await?;
            say(&taken, output);
            all.accepted.extend(taken.accepted);
            all.ignored.extend(taken.ignored);
        }
        Ok(report(&all))
    }
}

/// The keys that `names` mean.
async fn keys(
    worker: &AdminClient,
    route: &str,
    names: Vec<String>,
) -> Result<Vec<String>, Failure> {
    for name in &names {
        refuse_other_names(name)?;
    }
    if !names.iter().any(|name| name.starts_with("s3://")) {
        return Ok(names);
    }
    let source = worker.route(route).await?.source.unwrap_or_default();
    let key = |name: String| {
        if !name.starts_with("s3://") {
            return Ok(name);
        }
        let parsed: Result<ObjectName, _> = name.parse();
        let object = parsed.map_err(|why| Failure::usage(format!("{name}: {why}"), ""))?;
        if object.bucket == source.bucket {
            return Ok(object.key);
        }
        Err(Failure::usage(
            format!("{name} is not in the source of {route}, {}", source.uri),
            "`causeway status` shows the routes",
        ))
    };
    names.into_iter().map(key).collect()
}
