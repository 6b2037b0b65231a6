//! The built worker under workerd, the runtime that Cloudflare runs, as wrangler.toml says.
//! Knows nothing of what the worker does; `run.mjs` beside it is the half that Node runs.

mod log;

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::setup::Toolchain;
pub use log::{LogLine, LogSink};

/// A start takes under a second; a machine that compiles beside it may need many times that.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long an orderly end may take before it is forced.
const STOP_LIMIT: Duration = Duration::from_secs(10);

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// How many requests of one invocation may wait for response headers at once; further ones are queued
/// ([Workers' limits](https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Connections {
    /// As Cloudflare has it: six
    #[default]
    #[value(name = "6")]
    Six,
    /// As workerd has it by itself: as many as the worker sends
    Unlimited,
}

impl Connections {
    fn limit(self) -> Option<u32> {
        (self == Self::Six).then_some(6)
    }
}

/// How to run the worker.
#[derive(Debug, Clone, Default)]
pub struct RuntimeOptions {
    /// Variables and secrets, over those of wrangler.toml: strings stay strings, anything else is
    /// given to the worker as JSON.
    pub bindings: Map<String, Value>,
    /// Leaves out the routes (`ROUTE_*`) that wrangler.toml declares, so that only those in
    /// `bindings` hold.
    pub replace_routes: bool,
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The folder in which its Durable Objects' storage and alarms outlive it; none: they are gone
    /// with it. What is in its queues is gone with it either way.
    pub storage: Option<PathBuf>,
    /// The longest wait, in seconds, of a message in a queue and of a large object's alarm. None: as long as
    /// the worker asks for.
    pub longest_wait: Option<u32>,
    /// How many requests of one invocation may wait for response headers.
    pub connections: Connections,
    /// Where the worker's console output goes.
    pub log: LogSink,
}

/// A running worker. Ends with [`stop`](Self::stop), when dropped, and with this process, even
/// when that is killed.
#[derive(Debug)]
pub struct Runtime {
    url: String,
    workerd: Option<u32>,
    child: Child,
    /// The worker runs for as long as this is open.
    stdin: ChildStdin,
    output: JoinHandle<()>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScriptOptions<'a> {
    root: &'a Path,
    bundle: &'a Path,
    port: u16,
    bindings: &'a Map<String, Value>,
    replace_routes: bool,
    storage: Option<&'a Path>,
    longest_wait: Option<u32>,
    connections: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum ScriptLine {
    Ready { url: String, workerd: Option<u32> },
    Log(LogLine),
}

impl Runtime {
    /// Starts the worker; it answers requests when this returns. Each instance has queues and
    /// Durable Objects of its own, which are gone when it stops, [`RuntimeOptions::storage`] apart.
    ///
    /// # Errors
    /// When Node or the runtime cannot be started, for instance because the port is taken or
    /// wrangler.toml is wrong; the error carries what they said.
    pub async fn start(toolchain: &Toolchain, options: RuntimeOptions) -> anyhow::Result<Self> {
        let root = toolchain.root();
        let mut child = Command::new(toolchain.node())
            .arg(root.join("harness/src/runtime/run.mjs"))
            .current_dir(root)
            // Wrangler reports usage and looks for a newer self otherwise.
            .env("WRANGLER_SEND_METRICS", "false")
            // A terminal sends its signals to all of its foreground group. Those are ours to act on: the
            // runtime ends when it is told to, in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {}", toolchain.node().display()))?;
        let mut stdin = child
            .stdin
            .take()
            .context("the runner has no standard input")?;
        let stdout = child
            .stdout
            .take()
            .context("the runner has no standard output")?;
        let stderr = child
            .stderr
            .take()
            .context("the runner has no standard error")?;

        let mut first = serde_json::to_vec(&ScriptOptions {
            root,
            bundle: toolchain.bundle(),
            port: options.port,
            bindings: &options.bindings,
            replace_routes: options.replace_routes,
            storage: options.storage.as_deref(),
            longest_wait: options.longest_wait,
            connections: options.connections.limit(),
        })?;
        first.push(b'\n');
        // A runner that has died already says why on its standard error.
        let _ = stdin.write_all(&first).await;

        let mut lines = BufReader::new(stdout).lines();
        let ready =
            tokio::time::timeout(START_LIMIT, wait_until_ready(&mut lines, &options.log)).await;
        match ready {
            Ok(Ok(Some((url, workerd)))) => {
                let output = tokio::spawn(forward(lines, stderr, options.log));
                Ok(Self {
                    url,
                    workerd,
                    child,
                    stdin,
                    output,
                })
            }
            Ok(Ok(None)) => Err(why_it_ended(child, stderr).await),
            Ok(Err(error)) => Err(error),
            Err(_) => bail!(
                "the runtime was not ready after {} s",
                START_LIMIT.as_secs()
            ),
        }
    }

    /// Where the worker answers, such as `http://127.0.0.1:8787`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process id of workerd, whose memory and CPU time are the worker's; none where the
    /// system does not tell.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.workerd
    }

    /// Has the worker's `scheduled` handler called, as the platform does when it is time for `cron`.
    ///
    /// # Errors
    /// When the runtime has ended.
    pub async fn schedule(&mut self, cron: &str) -> anyhow::Result<()> {
        self.tell(&json!({ "cron": cron })).await
    }

    /// Puts `message` into the queue bound as `queue`, as the platform does with what it gives up.
    ///
    /// # Errors
    /// When the runtime has ended.
    pub async fn enqueue(&mut self, queue: &str, message: &Value) -> anyhow::Result<()> {
        let line = json!({ "queue": queue, "message": message });
        self.tell(&line).await
    }

    async fn tell(&mut self, line: &Value) -> anyhow::Result<()> {
        let sent = self.stdin.write_all(format!("{line}\n").as_bytes()).await;
        sent.context("telling the runtime")
    }

    /// Kills workerd, as the loss of its machine would: nothing ends in order, and what was under way
    /// is cut off. [`stop`](Self::stop) then cleans up.
    ///
    /// # Errors
    /// When the system does not tell which process it is, or does not kill it.
    pub async fn kill(&self) -> anyhow::Result<()> {
        let pid = self
            .workerd
            .context("this system does not tell workerd's process id")?;
        let mut kill = Command::new("kill");
        let status = kill.args(["-KILL", &pid.to_string()]).status().await;
        check(status.context("could not start kill")?).context("killing workerd")
    }

    /// Stops the worker, and returns when workerd is gone and its last output has been logged.
    ///
    /// # Errors
    /// When it did not end in order and had to be killed.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self {
            mut child,
            stdin,
            output,
            ..
        } = self;
        drop(stdin);
        let Ok(status) = tokio::time::timeout(STOP_LIMIT, child.wait()).await else {
            child.kill().await.context("killing the runtime")?;
            bail!(
                "the runtime did not stop within {} s and was killed",
                STOP_LIMIT.as_secs()
            );
        };
        let status = status.context("waiting for the runtime")?;
        if !was_asked_to_end(status) {
            check(status).context("stopping the runtime")?;
        }
        output.await.context("reading the runtime's output")
    }
}

/// Whether a signal that asks for an end came before we did, as whoever ends a whole session sends it to
/// every process: Node has died of it, or says so with 128 and the signal's number.
fn was_asked_to_end(status: ExitStatus) -> bool {
    let signal = status.signal().or(status.code().map(|code| code - 128));
    signal.is_some_and(|signal| [SIGHUP, SIGINT, SIGTERM].contains(&signal))
}

fn check(status: ExitStatus) -> anyhow::Result<()> {
    if status.success() {
        return Ok(());
    }
    bail!("it ended with {status}")
}

/// Reads up to the line that says it is ready; none if the output ends before.
async fn wait_until_ready(
    lines: &mut Lines<BufReader<ChildStdout>>,
    log: &LogSink,
) -> anyhow::Result<Option<(String, Option<u32>)>> {
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line) {
            Ok(ScriptLine::Ready { url, workerd }) => return Ok(Some((url, workerd))),
            Ok(ScriptLine::Log(line)) => log.write(&line),
            Err(_) => log.write(&LogLine::from_runner(line)),
        }
    }
    Ok(None)
}

async fn why_it_ended(mut child: Child, mut stderr: ChildStderr) -> anyhow::Error {
    let mut said = String::new();
    // What cannot be read is missing from the message, no more.
    let _ = stderr.read_to_string(&mut said).await;
    match child.wait().await {
        Ok(status) => anyhow!("the runtime did not start ({status}):\n{}", said.trim()),
        Err(error) => anyhow!(error).context("waiting for the runtime"),
    }
}

async fn forward(mut stdout: Lines<BufReader<ChildStdout>>, stderr: ChildStderr, log: LogSink) {
    let mut stderr = BufReader::new(stderr).lines();
    let from_runner = async {
        while let Ok(Some(line)) = stderr.next_line().await {
            log.write(&LogLine::from_runner(line));
        }
    };
    let from_worker = async {
        while let Ok(Some(line)) = stdout.next_line().await {
            match serde_json::from_str(&line) {
                Ok(ScriptLine::Log(line)) => log.write(&line),
                _ => log.write(&LogLine::from_runner(line)),
            }
        }
    };
    tokio::join!(from_runner, from_worker);
}
