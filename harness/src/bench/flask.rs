//! The plain design in Python (`plain_design.py`) between the same stores, told by the same events.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::CONTENT_TYPE;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::stage::{ACCESS_KEY_ID, Batch, Cost, DESTINATION, REGION, SECRET_ACCESS_KEY, Stage};
use super::worker::{Meter, client};

/// Events on their way at once: as many as the server has threads, so that none is ever idle.
const SENDS: usize = 16;
const START_LIMIT: Duration = Duration::from_secs(30);

pub(super) struct Flask {
    server: Child,
    client: reqwest::Client,
    url: String,
}

impl Flask {
    /// Starts the server, two processes of eight threads; with `per_event` it makes its clients for
    /// each event.
    pub(super) async fn start(
        gunicorn: &Path,
        root: &Path,
        stage: &Stage,
        per_event: bool,
    ) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        let server = Command::new(gunicorn)
            .args(["--workers=2", "--threads=8", "--log-level=error", "--bind"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("plain_design:app")
            .current_dir(root.join("harness/src/bench"))
            .envs([
                ("AWS_ENDPOINT_URL_S3", stage.s3.endpoint().as_str()),
                ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
                ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
                ("AWS_REGION", REGION),
                ("AWS_DEFAULT_REGION", REGION),
                ("STORAGE_EMULATOR_HOST", stage.gcs.endpoint().as_str()),
                ("DESTINATION", DESTINATION),
                ("CLIENTS", if per_event { "event" } else { "process" }),
                ("PYTHONDONTWRITEBYTECODE", "1"),
            ])
            .kill_on_drop(true)
            .spawn()
            .context("could not start gunicorn")?;
        let mut flask = Self {
            server,
            client: client()?,
            url: format!("http://127.0.0.1:{port}"),
        };
        tokio::time::timeout(START_LIMIT, flask.ready())
            .await
            .context("the plain design did not start")??;
        Ok(flask)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let health = format!("{}/healthz", self.url);
        while self.client.get(&health).send().await.is_err() {
            if let Some(status) = self.server.try_wait()? {
                bail!("the plain design ended with {status}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Copies `batch`.
    pub(super) async fn copy(&self, stage: &Stage, batch: &Batch) -> anyhow::Result<Cost> {
        let mut commits = stage.commits();
        let meter = Meter::start(self.server.id());
        let sends = stream::iter(batch.events.clone())
            .map(|event| self.send(event))
            .buffer_unordered(SENDS)
            .try_for_each(async |()| Ok(()));
        let (last, ()) = tokio::try_join!(commits.last(batch.objects()), sends)?;
        Ok(meter.stop(last))
    }

    async fn send(&self, event: Bytes) -> anyhow::Result<()> {
        let request = self.client.post(format!("{}/events", self.url));
        let reply = request
            .header(CONTENT_TYPE, "application/json")
            .body(event)
            .send()
            .await?;
        let status = reply.status();
        reply.bytes().await?;
        ensure!(status.is_success(), "the plain design answered {status}");
        Ok(())
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        // The server's own processes end with it when it is asked; when it is killed they notice.
        self.server.kill().await.context("ending gunicorn")
    }
}

/// Where gunicorn is.
pub(super) type Gunicorn = PathBuf;
