//! The whole of Causeway on this machine: embedded S3, GCS and BigQuery and the built worker between
//! them, as `demo`, `dev` and the integration tests use it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use causeway_shared::message::DeadLetter;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast;

use crate::bigquery::{BigQueryOptions, EmbeddedBigQuery, Settings};
use crate::gcs::{EmbeddedGcs, GcsOptions, ServiceAccount};
use crate::runtime::{Connections, LogLine, LogSink, Runtime, RuntimeOptions};
use crate::s3::{EmbeddedS3, EventTarget, S3Options};
use crate::setup::Toolchain;
use crate::stack_file::StackFile;

/// The key pair of the embedded S3: it opens nothing else.
const ACCESS_KEY_ID: &str = "CAUSEWAYLOCAL";
const SECRET_ACCESS_KEY: &str = "a-key-of-the-embedded-store-only";
const REGION: &str = "us-east-1";
const EVENTS_TOKEN: &str = "a-token-of-the-local-worker-only";
const ADMIN_TOKEN: &str = "an-admins-token-of-the-local-worker-only";

/// What to start.
#[derive(Debug, Default)]
pub struct StackOptions {
    /// Routes by name: source and destination bucket, both made.
    pub routes: BTreeMap<String, (String, String)>,
    /// Ports on 127.0.0.1; 0 takes a free one.
    pub ports: Ports,
    /// Variables of the worker over those that the stack sets; `null` takes one away.
    pub bindings: Map<String, Value>,
    /// The destination hashes what it gets and drops it ([`GcsOptions::discard_bodies`]).
    pub discard_bodies: bool,
    /// Other people's tools use the embedded GCS as an emulator: it takes requests without a token
    /// ([`GcsOptions::emulator`]) and uploads of unknown length beside the worker's, of which it demands
    /// both.
    pub emulator: bool,
    /// How the embedded BigQuery behaves.
    pub bigquery: Settings,
    /// S3 tells the worker nothing: whoever starts this sends the events.
    pub silent: bool,
    /// Where the worker's Durable Objects are kept ([`RuntimeOptions::storage`]).
    pub storage: Option<PathBuf>,
    /// The longest wait of a message ([`RuntimeOptions::longest_wait`]).
    pub longest_wait: Option<u32>,
    /// Where the worker's console goes.
    pub log: LogSink,
}

/// One port for each of the servers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ports {
    /// The embedded S3.
    pub s3: u16,
    /// The embedded GCS.
    pub gcs: u16,
    /// The embedded BigQuery.
    pub bigquery: u16,
    /// The worker.
    pub worker: u16,
}

/// The running servers. Dropping it stops them; [`LocalStack::stop`] waits until they have.
pub struct LocalStack {
    /// The source.
    pub s3: EmbeddedS3,
    /// The destination.
    pub gcs: EmbeddedGcs,
    /// The warehouse that loads what lands in `gcs`. It has no dataset at first.
    pub bigquery: EmbeddedBigQuery,
    /// The worker.
    pub runtime: Runtime,
    toolchain: Toolchain,
    worker: RuntimeOptions,
    silent: bool,
    google_credentials: Value,
    dead_letters: broadcast::Sender<DeadLetter>,
}

impl LocalStack {
    /// Starts the stores, then the worker, then the notifications from the one to the other.
    ///
    /// # Errors
    /// When a port is taken or the worker cannot be started; the error says which.
    pub async fn start(toolchain: &Toolchain, options: StackOptions) -> anyhow::Result<Self> {
        let s3 = EmbeddedS3::start(S3Options {
            listen: loopback(options.ports.s3),
            access_key_id: ACCESS_KEY_ID.into(),
            secret_access_key: SECRET_ACCESS_KEY.into(),
            region: REGION.into(),
            throttle: None,
        })
        .await
        .context("starting the embedded S3")?;
        let (credentials, account) =
            ServiceAccount::generate("causeway@local.iam.gserviceaccount.com")?;
        let gcs = EmbeddedGcs::start(GcsOptions {
            listen: loopback(options.ports.gcs),
            accounts: vec![account],
            emulator: options.emulator,
            require_content_length: !options.emulator,
            discard_bodies: options.discard_bodies,
            ..GcsOptions::default()
        })
        .await
        .context("starting the embedded GCS")?;
        let warehouse = BigQueryOptions {
            listen: loopback(options.ports.bigquery),
            settings: options.bigquery,
        };
        let bigquery = EmbeddedBigQuery::start(warehouse, &gcs)
            .await
            .context("starting the embedded BigQuery")?;
        let mut google_credentials: Value = serde_json::from_str(&credentials)?;
        google_credentials["token_uri"] = gcs.token_uri().into();
        for (source, destination) in options.routes.values() {
            s3.store().create_bucket(source)?;
            gcs.state().create_bucket(destination)?;
        }

        let (dead_letters, _) = broadcast::channel(4096);
        let letters = dead_letters.clone();
        let log = options.log.also(move |line| {
            if let Some(letter) = quarantined(line) {
                // Nobody may be listening; the letter is then of no interest.
                let _ = letters.send(letter);
            }
        });
        let mut bindings = json!({
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": s3.endpoint(),
            "GOOGLE_CREDENTIALS": google_credentials.to_string(),
            "STORAGE_EMULATOR_HOST": gcs.endpoint(),
            "BIGQUERY_EMULATOR_HOST": bigquery.endpoint(),
            "EVENTS_TOKEN": EVENTS_TOKEN,
            "ADMIN_TOKEN": ADMIN_TOKEN,
        });
        for (name, (source, destination)) in &options.routes {
            bindings[format!("ROUTE_{}", name.to_ascii_uppercase())] = json!({
                "source": format!("s3://{source}"),
                "destination": format!("gs://{destination}"),
            });
        }
        let Value::Object(mut bindings) = bindings else {
            unreachable!("a literal object")
        };
        bindings.extend(options.bindings);
        bindings.retain(|_, value| !value.is_null());
        let worker = RuntimeOptions {
            bindings,
            replace_routes: true,
            longest_wait: options.longest_wait,
            port: options.ports.worker,
            storage: options.storage,
            connections: Connections::Six,
            log,
        };
        let stack = Self {
            s3,
            gcs,
            bigquery,
            runtime: start(toolchain, &worker).await?,
            toolchain: toolchain.clone(),
            worker,
            silent: options.silent,
            google_credentials,
            dead_letters,
        };
        stack.notify();
        Ok(stack)
    }

    /// Starts the worker again, after [`Runtime::kill`], between the same stores. What was in its
    /// queues is gone; so is what its Durable Objects stored, unless there is a
    /// [`StackOptions::storage`].
    ///
    /// # Errors
    /// When it cannot be started, or what was left of the other had to be killed.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let again = start(&self.toolchain, &self.worker).await?;
        let killed = std::mem::replace(&mut self.runtime, again);
        self.notify();
        killed.stop().await
    }

    fn notify(&self) {
        if !self.silent {
            let url = format!("{}/events", self.runtime.url());
            self.s3.notify(EventTarget::new(url, EVENTS_TOKEN));
        }
    }

    /// Addresses and keys, as the other commands read them.
    #[must_use]
    pub fn file(&self) -> StackFile {
        StackFile {
            s3_endpoint: self.s3.endpoint(),
            access_key_id: ACCESS_KEY_ID.into(),
            secret_access_key: SECRET_ACCESS_KEY.into(),
            region: REGION.into(),
            gcs_endpoint: self.gcs.endpoint(),
            bigquery_endpoint: self.bigquery.endpoint(),
            google_credentials: self.google_credentials.clone(),
            worker_url: self.runtime.url().to_owned(),
            events_token: EVENTS_TOKEN.into(),
            admin_token: ADMIN_TOKEN.into(),
        }
    }

    /// What comes into quarantine from now on.
    #[must_use]
    pub fn dead_letters(&self) -> broadcast::Receiver<DeadLetter> {
        self.dead_letters.subscribe()
    }

    /// Stops the worker and then the stores.
    ///
    /// # Errors
    /// When the worker had to be killed.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.runtime.stop().await
    }
}

async fn start(toolchain: &Toolchain, options: &RuntimeOptions) -> anyhow::Result<Runtime> {
    let started = Runtime::start(toolchain, options.clone()).await;
    started.context("starting the worker")
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// What a line of the worker's log says of a letter that is now in quarantine.
fn quarantined(line: &LogLine) -> Option<DeadLetter> {
    let line: Value = serde_json::from_str(&line.message).ok()?;
    (line["event"] == "quarantined").then(|| serde_json::from_value(line).ok())?
}
