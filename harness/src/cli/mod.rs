//! The operator's command line, `causeway`: one file a command.
//!
//! A command prints for people as it goes (names and facts on standard output, progress and errors
//! on standard error) and returns a [`Report`]; `--json` prints that instead, as one object.

mod bench;
mod build;
mod demo;
mod dev;
mod environment;
mod failure;
mod get;
mod histogram;
mod interrupt;
mod loads;
mod ls;
mod many;
mod name;
mod optimized;
mod other_tools;
mod output;
mod put;
mod quarantine;
mod replay;
mod rm;
mod selection;
mod send;
mod simulate;
mod soak;
mod stat;
mod status;
mod store;
mod submit;
mod target;
mod transfer;
mod walk;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::json;

pub use failure::{Code, Failure};
pub use name::{ObjectName, Scheme};
pub use other_tools::OtherTools;
pub use output::Output;
pub use store::Store;

/// What a command that ran to its end has to say.
#[derive(Debug)]
pub struct Report {
    /// All of it, for `--json`; `null` when it has been printed already
    pub json: serde_json::Value,
    /// Set when a part of the work failed
    pub failure: Option<Failure>,
}

impl Report {
    /// Everything was done.
    #[must_use]
    pub fn done(json: serde_json::Value) -> Self {
        Self {
            json,
            failure: None,
        }
    }

    /// Everything was done, and what there was to say has been said.
    fn silent() -> Self {
        Self::done(serde_json::Value::Null)
    }
}

const AFTER_HELP: &str = "\
Examples:
  causeway put notes.txt s3://inbox/2026/        upload a file under its own name
  causeway ls -r gs://inbox-copy/2026/           see whether it arrived
  causeway stat gs://inbox-copy/2026/notes.txt   with which headers and checksums
  causeway send s3://inbox/2026/notes.txt        tell the worker about it once more
  causeway status                                how every route does
  causeway submit inbox 2026/notes.txt           look at a key again, as the route's administrator
  causeway transfer inbox 2026/notes.txt         what became of it
  causeway loads events                          what was loaded into a route's table
  causeway quarantine list inbox                 what could not be done, and why
  causeway replay inbox --kind source-denied     once the reason is mended
  causeway reconcile inbox --dry-run             whether both sides are the same

Where it goes:
  s3://  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION (or
         AWS_DEFAULT_REGION, else us-east-1), AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL
  gs://  GOOGLE_APPLICATION_CREDENTIALS (a service account's key file) or GOOGLE_CREDENTIALS (its
         content), STORAGE_EMULATOR_HOST (alone: no token is sent)
  send   CAUSEWAY_URL, CAUSEWAY_EVENTS_TOKEN
  status, submit, transfer, loads, quarantine, replay, backfill, reconcile
         CAUSEWAY_URL, CAUSEWAY_ADMIN_TOKEN; where Cloudflare Access stands before the worker
         CAUSEWAY_ACCESS_CLIENT_ID and CAUSEWAY_ACCESS_CLIENT_SECRET, a service token of its
  Where none of these is set: the local stack that `causeway dev` runs in this folder or one above.
  --local takes the local stack whatever is set, --stack FOLDER that of another folder, --no-local
  never takes one. Each command says on standard error which target it uses. rm, quarantine drop,
  replay and reconcile, which delete or may release deletes, do nothing where both could be meant.

Exit codes:
  0  done
  1  failed, as a whole or in part; everything was ignored; a wait for something that was cancelled
  2  the command line, an input or the configuration is wrong, or the target is unclear
  3  there is no such object, bucket, route, load or entry, or nothing to cancel
  4  refused: the credentials are wrong or may not do this (401, 403)
  5  unreachable: nobody answered
  6  with `reconcile --exit-code`: the sides differ
  129, 130, 143  cut short by SIGHUP, SIGINT (Ctrl-C) or SIGTERM

With --json each command prints one JSON object on standard output: what its own help says, with
  {\"target\": {\"s3\", \"gs\", \"worker\"}}, the URLs of those that it used, or
  {\"error\": {\"kind\", \"message\", \"advice\"}}
where kind is failed, usage, not_found, refused, unreachable, differs or interrupted. A command line
that cannot be understood is answered in plain text.";

#[derive(Debug, Parser)]
#[command(
    name = "causeway",
    version,
    about = "Keeps Google Cloud Storage in step with S3: the operator's command line",
    after_help = AFTER_HELP,
    max_term_width = 100
)]
struct Cli {
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Dev(dev::Dev),
    Put(put::Put),
    Get(get::Get),
    Ls(ls::Ls),
    Rm(rm::Rm),
    Stat(stat::Stat),
    Send(send::Send),
    Status(status::Status),
    Submit(submit::Submit),
    Transfer(transfer::Transfer),
    Loads(loads::Loads),
    Quarantine(quarantine::Quarantine),
    Replay(replay::Replay),
    Backfill(walk::Backfill),
    Reconcile(walk::Reconcile),
    Bench(bench::Bench),
    Simulate(simulate::Simulate),
    Soak(soak::Soak),
    Build(build::Build),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return output.fail(&Failure::new(
                Code::Failed,
                format!("cannot start: {error}"),
                "",
            ));
        }
    };
    let outcome = runtime.block_on(run(cli.command, output));
    // Standard input may be waiting in a thread of its own, which nothing can end.
    runtime.shutdown_background();
    match outcome {
        Ok(Report { mut json, failure }) => {
            if !json.is_null() {
                target::add_to(&mut json);
                output.json(&json);
            }
            failure.map_or(ExitCode::SUCCESS, |failure| output::explain(&failure))
        }
        Err(failure) => output.fail(&failure),
    }
}

async fn run(command: Command, output: Output) -> Result<Report, Failure> {
    match command {
        Command::Put(put) => put.run(output).await,
        Command::Get(get) => get.run(output).await,
        Command::Ls(ls) => ls.run(output).await,
        Command::Rm(rm) => rm.run(output).await,
        Command::Stat(stat) => stat.run(output).await,
        Command::Send(send) => send.run(output).await,
        Command::Status(status) => status.run(output).await,
        Command::Submit(submit) => submit.run(output).await,
        Command::Transfer(transfer) => transfer.run(output).await,
        Command::Loads(loads) => loads.run(output).await,
        Command::Quarantine(quarantine) => quarantine.run(output).await,
        Command::Replay(replay) => replay.run(output).await,
        Command::Demo(demo) => Box::pin(interrupt::until_cut(demo.run(output))).await,
        Command::Dev(dev) => dev.run(output).await,
        Command::Backfill(backfill) => backfill.run(output).await,
        Command::Reconcile(reconcile) => reconcile.run(output).await,
        Command::Bench(bench) => interrupt::until_cut(bench.run(output)).await,
        Command::Simulate(simulate) => simulate.run(output).await,
        Command::Soak(soak) => interrupt::until_cut(soak.run(output)).await,
        Command::Build(build) => build.run(output).await,
    }
}

/// What `--json` says of an object: its full name, then everything known of it.
fn described(name: &ObjectName, info: &crate::client::ObjectInfo) -> serde_json::Value {
    let mut described = json!({ "name": name.to_string() });
    if let (Some(all), Ok(serde_json::Value::Object(info))) =
        (described.as_object_mut(), serde_json::to_value(info))
    {
        all.extend(info);
    }
    described
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
