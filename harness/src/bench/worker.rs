//! The two workers under the runtime: the built one, and the bare one in JavaScript that only pipes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::Bench;
use super::process::{self, Usage};
use super::stage::{Batch, Cost, Stage, between};
use crate::runtime::{LogSink, Runtime, RuntimeOptions};
use crate::setup::Toolchain;

pub(super) const TOKEN: &str = "a-token-of-the-bench-only";
/// A connection that was idle for longer may be closed by the other side just when it is used.
const IDLE: Duration = Duration::from_secs(1);
/// Events on their way to the worker at once: enough that it never waits for one.
const SENDS: usize = 32;

/// The built worker, told of objects by events.
pub(super) struct Worker {
    runtime: Runtime,
    pub(super) events: Events,
}

/// Where the worker takes events.
#[derive(Clone)]
pub(super) struct Events {
    client: reqwest::Client,
    url: String,
}

impl Worker {
    /// The worker with a route that has `options`.
    pub(super) async fn start(
        bench: &Bench,
        stage: &Stage,
        options: &Value,
    ) -> anyhow::Result<Self> {
        Self::start_with(bench, stage, options, &Value::Null).await
    }

    /// The same, with some more `bindings`.
    pub(super) async fn start_with(
        bench: &Bench,
        stage: &Stage,
        options: &Value,
        more: &Value,
    ) -> anyhow::Result<Self> {
        let mut bindings = stage.bindings(options);
        bindings.insert("EVENTS_TOKEN".into(), TOKEN.into());
        bindings.extend(more.as_object().cloned().unwrap_or_default());
        Self::run(bench, &bench.toolchain, bindings).await
    }

    /// The other build that the bench was given, if it was.
    pub(super) async fn start_other(bench: &Bench, stage: &Stage) -> anyhow::Result<Option<Self>> {
        let Some(toolchain) = &bench.other else {
            return Ok(None);
        };
        let mut bindings = stage.bindings(&Value::Null);
        bindings.insert("EVENTS_TOKEN".into(), TOKEN.into());
        Self::run(bench, toolchain, bindings).await.map(Some)
    }

    async fn run(
        bench: &Bench,
        toolchain: &Toolchain,
        bindings: Map<String, Value>,
    ) -> anyhow::Result<Self> {
        let runtime = start(bench, toolchain, bindings).await?;
        let events = Events {
            client: client()?,
            url: format!("{}/events", runtime.url()),
        };
        Ok(Self { runtime, events })
    }

    /// Copies `batch`, all of it told at once.
    pub(super) async fn copy(&self, stage: &Stage, batch: &Batch) -> anyhow::Result<Cost> {
        let mut commits = stage.commits();
        let meter = Meter::start(self.runtime.pid());
        let sends = stream::iter(batch.events.clone())
            .map(|event| self.events.send(event))
            .buffer_unordered(SENDS)
            .try_for_each(async |()| Ok(()));
        let (last, ()) = tokio::try_join!(commits.last(batch.objects()), sends)?;
        Ok(meter.stop(last))
    }

    /// Tells it that it is time for `cron`.
    pub(super) async fn schedule(&mut self, cron: &str) -> anyhow::Result<()> {
        self.runtime.schedule(cron).await
    }

    /// The worker's address.
    pub(super) fn url(&self) -> &str {
        self.runtime.url()
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.runtime.stop().await
    }
}

impl Events {
    /// Sends one event.
    pub(super) async fn send(&self, event: Bytes) -> anyhow::Result<()> {
        let request = self.client.post(&self.url);
        let request = request.header(AUTHORIZATION, format!("Bearer {TOKEN}"));
        let reply = request
            .header(CONTENT_TYPE, "application/json")
            .body(event)
            .send()
            .await?;
        let status = reply.status();
        // Read to its end, so that the connection serves again.
        let said = reply.text().await?;
        ensure!(
            status.as_u16() == 202,
            "the worker answered an event with {status}: {said}"
        );
        Ok(())
    }
}

/// A worker of a few lines of JavaScript, told by two URLs.
pub(super) struct BareWorker {
    runtime: Runtime,
    client: reqwest::Client,
}

impl BareWorker {
    pub(super) async fn start(bench: &Bench) -> anyhow::Result<Self> {
        let toolchain = Self::toolchain(&bench.toolchain);
        let runtime = start(bench, &toolchain, Map::new()).await?;
        Ok(Self {
            runtime,
            client: client()?,
        })
    }

    /// What runs it in place of the built one.
    pub(super) fn toolchain(toolchain: &Toolchain) -> Toolchain {
        let folder = toolchain.root().join("harness/src/bench/bare");
        toolchain.clone().with_bundle(folder)
    }

    /// Copies the one object of `batch`, with the runtime's own checksum `digest` over its bytes.
    pub(super) async fn copy(
        &self,
        stage: &Stage,
        batch: &Batch,
        digest: Option<&str>,
    ) -> anyhow::Result<Cost> {
        let body = json!({
            "source": stage.source_url(batch, 0)?,
            "sink": stage.sink_url(batch, 0),
            "digest": digest,
        });
        let mut commits = stage.commits();
        let meter = Meter::start(self.runtime.pid());
        self.ask(&body).await?;
        let last = commits.last(1).await?;
        Ok(meter.stop(last))
    }

    /// Copies `batch` through the queue, each of its objects told by itself.
    pub(super) async fn copy_queued(&self, stage: &Stage, batch: &Batch) -> anyhow::Result<Cost> {
        let queued = |number| {
            anyhow::Ok(json!({
                "source": stage.source_url(batch, number)?,
                "sink": stage.sink_url(batch, number),
                "queued": true,
            }))
        };
        let bodies: Vec<Value> = (0..batch.objects()).map(queued).collect::<Result<_, _>>()?;
        let mut commits = stage.commits();
        let meter = Meter::start(self.runtime.pid());
        let sends = stream::iter(&bodies)
            .map(|body| self.ask(body))
            .buffer_unordered(SENDS)
            .try_for_each(async |()| Ok(()));
        let (last, ()) = tokio::try_join!(commits.last(batch.objects()), sends)?;
        Ok(meter.stop(last))
    }

    async fn ask(&self, body: &Value) -> anyhow::Result<()> {
        let request = self.client.post(self.runtime.url());
        let reply = request.json(body).send().await?;
        let status = reply.status();
        let said = reply.text().await?;
        ensure!(
            status.is_success(),
            "the bare worker answered {status}: {said}"
        );
        Ok(())
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.runtime.stop().await
    }
}

/// The worker that `toolchain` has built, on the platform that `bench` is about.
pub(super) async fn start(
    bench: &Bench,
    toolchain: &Toolchain,
    bindings: Map<String, Value>,
) -> anyhow::Result<Runtime> {
    let options = RuntimeOptions {
        bindings,
        replace_routes: true,
        port: 0,
        // What it says is read, as it would be elsewhere, and dropped.
        log: LogSink::default(),
        storage: None,
        longest_wait: None,
        connections: bench.connections,
    };
    Runtime::start(toolchain, options)
        .await
        .context("starting the runtime")
}

pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().pool_idle_timeout(IDLE).build()?)
}

/// The time from spawning the runtime to the first answer of the worker in it.
pub(super) async fn cold_start(
    bench: &Bench,
    toolchain: &Toolchain,
    bindings: Map<String, Value>,
    path: &str,
) -> anyhow::Result<(Duration, Duration)> {
    let began = Instant::now();
    let runtime = start(bench, toolchain, bindings).await?;
    let running = began.elapsed();
    let reply = reqwest::get(format!("{}{path}", runtime.url())).await?;
    reply.error_for_status()?.bytes().await?;
    let answered = began.elapsed();
    runtime.stop().await?;
    Ok((answered, answered.checked_sub(running).unwrap_or_default()))
}

/// Watches the clock and a process while something is copied.
pub(super) struct Meter {
    pid: Option<u32>,
    before: Option<Usage>,
    began: Timestamp,
}

impl Meter {
    pub(super) fn start(pid: Option<u32>) -> Self {
        pid.into_iter().for_each(process::reset_peak);
        Self {
            pid,
            before: pid.and_then(process::usage),
            began: Timestamp::now(),
        }
    }

    /// What it took up to `last`, the last commit.
    pub(super) fn stop(self, last: Timestamp) -> Cost {
        let after = self.pid.and_then(process::usage);
        Cost {
            elapsed: between(self.began, last),
            usage: after.zip(self.before).map(|(after, before)| after - before),
        }
    }
}
