//! `causeway dev`: the local stack, left running for people and their tools.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::failure::{Code, Failure};
use super::interrupt::Interrupts;
use super::output::{Output, complain, log_file, shown, shown_lines};
use super::{OtherTools, Report};
use crate::runtime::LogSink;
use crate::setup::{self, Reporter};
use crate::stack::{LocalStack, Ports, StackOptions};
use crate::stack_file::{STACK_FILE, StackFile};

const SOURCE: &str = "inbox";
const DESTINATION: &str = "inbox-copy";

const AFTER_HELP: &str = "\
The bucket s3://inbox is copied to gs://inbox-copy as it changes. Other commands of causeway find the
stack by themselves while it runs; other tools are told where it is by the lines that it prints.

Example, in two terminals:
  cargo causeway dev
  cargo causeway put --local README.md s3://inbox/
  cargo causeway stat --local gs://inbox-copy/README.md

--local is for a terminal that has credentials of another store: they come first otherwise.

Ends with Ctrl-C; everything in the stores is gone then. With --json: one object with the
addresses and keys when the stack is ready, {\"s3_endpoint\", \"access_key_id\", \"secret_access_key\",
\"region\", \"gcs_endpoint\", \"bigquery_endpoint\", \"google_credentials\", \"worker_url\",
\"events_token\", \"admin_token\"}.";

/// Run the embedded S3, GCS and BigQuery and the worker until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Dev {
    /// Port of the embedded S3
    #[arg(long, value_name = "PORT", default_value_t = 9000)]
    s3_port: u16,
    /// Port of the embedded GCS
    #[arg(long, value_name = "PORT", default_value_t = 4443)]
    gcs_port: u16,
    /// Port of the embedded BigQuery
    #[arg(long, value_name = "PORT", default_value_t = 9050)]
    bigquery_port: u16,
    /// Port of the worker
    #[arg(long, value_name = "PORT", default_value_t = 8787)]
    worker_port: u16,
    /// Write the worker's log to this file instead of standard error
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

impl Dev {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        self.check_ports()?;
        let log = match &self.log {
            Some(file) => log_file(file)?,
            None => LogSink::new(|line| {
                complain(&format!(
                    "worker {}: {}",
                    line.level,
                    shown_lines(&line.message)
                ));
            }),
        };
        let failed = |error: anyhow::Error| Failure::from_setup(&error);
        let mut signals = Interrupts::listen()?;
        let starting = async { self.start(log).await.map_err(failed) };
        let stack = signals.cut(starting).await?;
        let files = Files::write(&stack.file()).map_err(failed)?;
        output.json(&json!(stack.file()));
        for line in introduction(&stack.file(), &files.tools) {
            output.line(&line);
        }
        tokio::select! {
            () = watch(&stack, output) => {}
            // How it is meant to end.
            _ = signals.next() => {}
        }
        drop(files);
        let stopping = async { stack.stop().await.map_err(failed) };
        // Whoever asks once more does not want to wait.
        signals.cut(stopping).await?;
        Ok(Report::silent())
    }

    /// Finds out which port cannot be had before minutes are spent on a build.
    fn check_ports(&self) -> Result<(), Failure> {
        let ports = [
            ("--s3-port", "the embedded S3", self.s3_port),
            ("--gcs-port", "the embedded GCS", self.gcs_port),
            (
                "--bigquery-port",
                "the embedded BigQuery",
                self.bigquery_port,
            ),
            ("--worker-port", "the worker", self.worker_port),
        ];
        for (nth, (option, _, port)) in ports.iter().enumerate() {
            let same = ports[..nth].iter().find(|(_, _, other)| other == port);
            if let (Some((other, ..)), 1..) = (same, *port) {
                return Err(Failure::usage(
                    format!("{other} and {option} are both {port}"),
                    "give each server a port of its own; 0 takes a free one",
                ));
            }
        }
        for (option, server, port) in ports {
            let listener = TcpListener::bind(("127.0.0.1", port));
            listener.map_err(|error| no_port(option, server, port, &error))?;
        }
        Ok(())
    }

    async fn start(&self, log: LogSink) -> anyhow::Result<LocalStack> {
        let toolchain =
            tokio::task::spawn_blocking(|| setup::ensure(&mut Reporter::stderr())).await??;
        let options = StackOptions {
            routes: BTreeMap::from([(SOURCE.into(), (SOURCE.into(), DESTINATION.into()))]),
            ports: Ports {
                s3: self.s3_port,
                gcs: self.gcs_port,
                bigquery: self.bigquery_port,
                worker: self.worker_port,
            },
            emulator: true,
            log,
            ..StackOptions::default()
        };
        LocalStack::start(&toolchain, options).await
    }
}

fn no_port(option: &str, server: &str, port: u16, error: &io::Error) -> Failure {
    let what = format!("cannot listen on 127.0.0.1:{port} for {server}: {error}");
    let other = format!("choose another port with {option} PORT; 0 takes a free one");
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("end what listens there, such as another `causeway dev`, or {other}")
        }
        _ => other,
    };
    Failure::new(Code::Failed, what, advice)
}

/// Shows what happens, for ever.
async fn watch(stack: &LocalStack, output: Output) {
    let (mut deliveries, mut commits) = (stack.s3.deliveries(), stack.gcs.commits());
    let mut dead_letters = stack.dead_letters();
    let mut loads = stack.bigquery.ends();
    loop {
        let line = tokio::select! {
            Ok(sent) = deliveries.recv() => match sent.status {
                Ok(status) => format!("event   {status} {}  s3://{}/{}", sent.event_name, sent.bucket, sent.key),
                Err(reason) => format!("event   lost: {reason}  s3://{}/{}", sent.bucket, sent.key),
            },
            Ok(commit) = commits.recv() => {
                let what = if commit.deleted { "delete" } else { "commit" };
                format!("{what}  {} bytes, generation {}  gs://{}/{}", commit.size, commit.generation, commit.bucket, commit.name)
            }
            Ok(end) = loads.recv() => match end.result {
                Ok(done) => format!("load    {} rows of {} files  {}", done.output_rows, done.input_files, end.table),
                Err(error) => format!("load    failed: {}  {}", error.message, end.table),
            },
            Ok(letter) = dead_letters.recv() => format!("given up after {} deliveries: {}", letter.deliveries, letter.error),
            else => continue,
        };
        output.line(&shown(&line));
    }
}

/// The file by which the other commands find the stack, and what other tools need; all of it goes when
/// this does.
struct Files {
    stack: PathBuf,
    tools: OtherTools,
}

impl Files {
    fn write(stack: &StackFile) -> anyhow::Result<Self> {
        let file = std::env::current_dir()?.join(STACK_FILE);
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        std::fs::write(&file, serde_json::to_vec_pretty(stack)?)?;
        Ok(Self {
            tools: OtherTools::write(folder, stack)?,
            stack: file,
        })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // It may have been removed by hand; then there is nothing to do.
        let _ = std::fs::remove_file(&self.stack);
    }
}

fn introduction(stack: &StackFile, tools: &OtherTools) -> Vec<String> {
    let StackFile {
        s3_endpoint,
        gcs_endpoint,
        bigquery_endpoint,
        worker_url,
        events_token,
        ..
    } = stack;
    let causeway = invocation();
    let before = format!(
        "\
Causeway runs: s3://{SOURCE} is copied to gs://{DESTINATION} as it changes. Ctrl-C ends it.

  S3        {s3_endpoint}
  GCS       {gcs_endpoint}
  BigQuery  {bigquery_endpoint}
  worker    {worker_url}

Here, in another terminal:
  echo hello | {causeway} put --local - s3://{SOURCE}/hello.txt
  {causeway} stat --local gs://{DESTINATION}/hello.txt
  {causeway} send --local s3://{SOURCE}/hello.txt
  {causeway} status --local {SOURCE}

"
    );
    let after = format!(
        "
curl, against the worker:
  curl {worker_url}/healthz
  curl -H 'Authorization: Bearer {events_token}' --data @event.json {worker_url}/events
"
    );
    let own = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let tools = tools.introduction(stack, SOURCE, DESTINATION);
    [own(before), tools, own(after)].concat()
}

/// How this program was called, to be printed in examples.
fn invocation() -> String {
    let called = std::env::args().next().unwrap_or_default();
    if std::env::var_os("CARGO").is_some() || called.is_empty() {
        return "cargo causeway".to_owned();
    }
    called
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn the_examples_are_commands_and_mean_this_stack_whatever_the_environment() {
        let stack = json!({
            "s3_endpoint": "http://s3", "access_key_id": "id", "secret_access_key": "secret",
            "region": "r", "gcs_endpoint": "http://gcs", "bigquery_endpoint": "http://bq", "google_credentials": null,
            "worker_url": "http://w", "events_token": "e", "admin_token": "a",
        });
        let stack = serde_json::from_value(stack).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let tools = OtherTools::write(folder.path(), &stack).unwrap();
        let lines = introduction(&stack, &tools);
        let called = invocation();
        let examples: Vec<_> = lines
            .iter()
            .filter_map(|line| line.split_once(&format!("{called} ")))
            .collect();
        assert_eq!(examples.len(), 4, "{lines:?}");
        for (_, arguments) in examples {
            assert!(arguments.contains(" --local "), "{arguments}");
            let arguments = arguments.split_whitespace();
            Cli::try_parse_from(std::iter::once("causeway").chain(arguments)).unwrap();
        }
    }
}
