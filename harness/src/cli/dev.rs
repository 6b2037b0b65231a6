//! `causeway dev`: the local stack, left running for people and their tools.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::failure::{Code, Failure};
use super::interrupt::Interrupts;
use super::output::{Output, complain, shown};
use super::{OtherTools, Report, STACK_FILE, Stack};
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
        let failed = |error: anyhow::Error| Failure::from_setup(&error);
        let mut signals = Interrupts::listen()?;
        let starting = async { self.start().await.map_err(failed) };
        let stack = signals.cut(starting).await?;
        let files = Files::write(&stack.file()).map_err(failed)?;
        output.json(&json!(stack.file()));
        for line in files.introduction(&stack.file()) {
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

    async fn start(&self) -> anyhow::Result<LocalStack> {
        let toolchain =
            tokio::task::spawn_blocking(|| setup::ensure(&mut Reporter::stderr())).await??;
        let log = match &self.log {
            Some(file) => LogSink::file(file)?,
            None => LogSink::new(|line| {
                complain(&format!("worker {}: {}", line.level, shown(&line.message)));
            }),
        };
        let options = StackOptions {
            routes: BTreeMap::from([(SOURCE.into(), (SOURCE.into(), DESTINATION.into()))]),
            ports: Ports {
                s3: self.s3_port,
                gcs: self.gcs_port,
                worker: self.worker_port,
            },
            emulator: true,
            log,
            ..StackOptions::default()
        };
        LocalStack::start(&toolchain, options).await
    }
}

/// Shows what happens, for ever.
async fn watch(stack: &LocalStack, output: Output) {
    let (mut deliveries, mut commits) = (stack.s3.deliveries(), stack.gcs.commits());
    let mut dead_letters = stack.dead_letters();
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
    fn write(stack: &Stack) -> anyhow::Result<Self> {
        let file = std::env::current_dir()?.join(STACK_FILE);
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        std::fs::write(&file, serde_json::to_vec_pretty(stack)?)?;
        Ok(Self {
            tools: OtherTools::write(folder, stack)?,
            stack: file,
        })
    }

    fn introduction(&self, stack: &Stack) -> Vec<String> {
        let Stack {
            s3_endpoint,
            gcs_endpoint,
            worker_url,
            events_token,
            ..
        } = stack;
        let before = format!(
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
        let tools = self.tools.introduction(stack, SOURCE, DESTINATION);
        [own(before), vec![String::new()], tools, own(after)].concat()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // It may have been removed by hand; then there is nothing to do.
        let _ = std::fs::remove_file(&self.stack);
    }
}

impl Failure {
    /// From what is not a store's error: set-up, ports, files.
    pub(super) fn from_setup(error: &anyhow::Error) -> Self {
        Self::new(Code::Failed, format!("{error:#}"), "")
    }
}
