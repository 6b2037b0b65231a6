//! `causeway dev`: the local stack, left running for people and their tools.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Code, Failure};
use super::output::{Output, log_file, shown, shown_lines};
use super::{Report, STACK_FILE, Stack};
use crate::runtime::LogSink;
use crate::setup::{self, Reporter};
use crate::stack::{LocalStack, Ports, StackOptions};

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
\"region\", \"gcs_endpoint\", \"google_credentials\", \"worker_url\", \"events_token\",
\"admin_token\"}.";

/// Run the embedded S3, the embedded GCS and the worker until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Dev {
    /// Port of the embedded S3
    #[arg(long, value_name = "PORT", default_value_t = 9000)]
    s3_port: u16,
    /// Port of the embedded GCS
    #[arg(long, value_name = "PORT", default_value_t = 4443)]
    gcs_port: u16,
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
                eprintln!("worker {}: {}", line.level, shown_lines(&line.message));
            }),
        };
        let stack = self
            .start(log)
            .await
            .map_err(|error| Failure::from_setup(&error))?;
        let file =
            StackFileOnDisk::write(&stack.file()).map_err(|error| Failure::from_setup(&error))?;
        output.json(&json!(stack.file()));
        for line in introduction(&stack.file(), &file.credentials) {
            output.line(&line);
        }
        let watched = watch(&stack, output).await;
        drop(file);
        let stopped = stack.stop().await;
        watched
            .and(stopped)
            .map_err(|error| Failure::from_setup(&error))?;
        Ok(Report::silent())
    }

    /// Finds out which port cannot be had before minutes are spent on a build.
    fn check_ports(&self) -> Result<(), Failure> {
        let ports = [
            ("--s3-port", "the embedded S3", self.s3_port),
            ("--gcs-port", "the embedded GCS", self.gcs_port),
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
                worker: self.worker_port,
            },
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

/// Shows what happens until Ctrl-C or SIGTERM.
async fn watch(stack: &LocalStack, output: Output) -> anyhow::Result<()> {
    let (mut deliveries, mut commits) = (stack.s3.deliveries(), stack.gcs.commits());
    let mut dead_letters = stack.dead_letters();
    let mut terminated = signal(SignalKind::terminate())?;
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let line = tokio::select! {
            signal = &mut interrupted => return Ok(signal?),
            _ = terminated.recv() => return Ok(()),
            Ok(sent) = deliveries.recv() => match sent.status {
                Ok(status) => format!("event   {status} {}  s3://{}/{}", sent.event_name, sent.bucket, sent.key),
                Err(reason) => format!("event   lost: {reason}  s3://{}/{}", sent.bucket, sent.key),
            },
            Ok(commit) = commits.recv() => {
                let what = if commit.deleted { "delete" } else { "commit" };
                format!("{what}  {} bytes, generation {}  gs://{}/{}", commit.size, commit.generation, commit.bucket, commit.name)
            }
            Ok(letter) = dead_letters.recv() => format!("given up after {} deliveries: {}", letter.deliveries, letter.error),
            else => continue,
        };
        output.line(&shown(&line));
    }
}

/// The file by which the other commands find the stack, and the key file for other tools; both go
/// when this does.
struct StackFileOnDisk {
    stack: PathBuf,
    credentials: PathBuf,
}

impl StackFileOnDisk {
    fn write(stack: &Stack) -> anyhow::Result<Self> {
        let file = std::env::current_dir()?.join(STACK_FILE);
        let files = Self {
            credentials: file.with_file_name("google-credentials.json"),
            stack: file,
        };
        if let Some(folder) = files.stack.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&files.credentials, stack.google_credentials.to_string())?;
        std::fs::write(&files.stack, serde_json::to_vec_pretty(stack)?)?;
        Ok(files)
    }
}

impl Drop for StackFileOnDisk {
    fn drop(&mut self) {
        for file in [&self.stack, &self.credentials] {
            // It may have been removed by hand; then there is nothing to do.
            let _ = std::fs::remove_file(file);
        }
    }
}

fn introduction(stack: &Stack, credentials: &std::path::Path) -> Vec<String> {
    let Stack {
        s3_endpoint,
        access_key_id,
        secret_access_key,
        region,
        gcs_endpoint,
        worker_url,
        events_token,
        ..
    } = stack;
    let credentials = credentials.display();
    let causeway = invocation();
    let text = format!(
        "\
Causeway runs: s3://{SOURCE} is copied to gs://{DESTINATION} as it changes. Ctrl-C ends it.

  S3      {s3_endpoint}
  GCS     {gcs_endpoint}
  worker  {worker_url}

Here, in another terminal:
  echo hello | {causeway} put --local - s3://{SOURCE}/hello.txt
  {causeway} stat --local gs://{DESTINATION}/hello.txt
  {causeway} send --local s3://{SOURCE}/hello.txt
  {causeway} status --local {SOURCE}

aws, rclone, boto3 and the like, against the embedded S3:
  unset AWS_PROFILE AWS_SESSION_TOKEN
  export AWS_ENDPOINT_URL_S3={s3_endpoint} AWS_ACCESS_KEY_ID={access_key_id} AWS_SECRET_ACCESS_KEY={secret_access_key} AWS_REGION={region}
  aws s3 cp README.md s3://{SOURCE}/

Google's clients, against the embedded GCS:
  export STORAGE_EMULATOR_HOST={gcs_endpoint} GOOGLE_APPLICATION_CREDENTIALS={credentials}

curl, against the worker:
  curl {worker_url}/healthz
  curl -H 'Authorization: Bearer {events_token}' --data @event.json {worker_url}/events
"
    );
    text.lines().map(str::to_owned).collect()
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
            "region": "r", "gcs_endpoint": "http://gcs", "google_credentials": null,
            "worker_url": "http://w", "events_token": "e", "admin_token": "a",
        });
        let stack = serde_json::from_value(stack).unwrap();
        let lines = introduction(&stack, std::path::Path::new("key.json"));
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
