//! `causeway dev`: the local stack, left running for people and their tools.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Code, Failure};
use super::output::{Output, shown};
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
  cargo causeway put README.md s3://inbox/ && cargo causeway stat gs://inbox-copy/README.md

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
        let stack = self
            .start()
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

    async fn start(&self) -> anyhow::Result<LocalStack> {
        let toolchain =
            tokio::task::spawn_blocking(|| setup::ensure(&mut Reporter::stderr())).await??;
        let log = match &self.log {
            Some(file) => LogSink::file(file)?,
            None => {
                LogSink::new(|line| eprintln!("worker {}: {}", line.level, shown(&line.message)))
            }
        };
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
    let text = format!(
        "\
Causeway runs: s3://{SOURCE} is copied to gs://{DESTINATION} as it changes. Ctrl-C ends it.

  S3      {s3_endpoint}
  GCS     {gcs_endpoint}
  worker  {worker_url}

Here, in another terminal:
  cargo causeway put README.md s3://{SOURCE}/
  cargo causeway stat gs://{DESTINATION}/README.md
  cargo causeway send s3://{SOURCE}/README.md
  cargo causeway status {SOURCE}

aws, rclone, boto3 and the like, against the embedded S3:
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

impl Failure {
    /// From what is not a store's error: set-up, ports, files.
    pub(super) fn from_setup(error: &anyhow::Error) -> Self {
        Self::new(Code::Failed, format!("{error:#}"), "")
    }
}
