//! An embedded BigQuery: datasets, tables and load jobs of the REST API over HTTP/1.1, for tests, the
//! demo and the simulator. Stricter than the service where a client could rely on leniency.
//!
//! Not here: queries, copies, extracts, uploads into a job, streaming, views, external tables, ORC,
//! hive partitioning, IAM, row access policies, TLS.
//!
//! Reference: <https://cloud.google.com/bigquery/docs/reference/rest>.

pub mod fault;
mod files;
mod formats;
mod http;
pub mod state;
pub mod types;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

pub use fault::{Fault, FaultSpec, Faults};
pub use files::{BadFile, Files, Found, GcsFiles, ReadRow, Refused};
pub use formats::{Format, Reading};
pub use http::Api;
pub use state::{JobEnd, JobFault, Quotas, Settings, State, TableId};

use crate::gcs::{Accounts, EmbeddedGcs};

/// How long jobs that are due wait for the next look, at most.
const TICK: Duration = Duration::from_millis(5);

/// How to start the server.
#[derive(Debug, Clone, Copy)]
pub struct BigQueryOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How the warehouse behaves.
    pub settings: Settings,
}

impl Default for BigQueryOptions {
    /// A free port on loopback.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            settings: Settings::default(),
        }
    }
}

/// A running server. Dropping it closes the listener and every connection.
pub struct EmbeddedBigQuery {
    address: SocketAddr,
    state: Arc<State>,
    faults: Arc<Faults>,
    accepting: JoinHandle<()>,
    ticking: JoinHandle<()>,
}

impl EmbeddedBigQuery {
    /// Starts a server with an empty warehouse whose jobs read the objects of `gcs`, and whose callers are
    /// those of `gcs`.
    ///
    /// # Errors
    ///
    /// When it cannot listen.
    pub async fn start(options: BigQueryOptions, gcs: &EmbeddedGcs) -> anyhow::Result<Self> {
        let files = Box::new(GcsFiles(Arc::clone(gcs.state())));
        Self::over(options, files, Arc::clone(gcs.accounts())).await
    }

    /// Starts a server whose jobs read `files`, for `accounts`.
    ///
    /// # Errors
    ///
    /// When it cannot listen.
    pub async fn over(
        options: BigQueryOptions,
        files: Box<dyn Files>,
        accounts: Arc<Accounts>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("listening on {}", options.listen))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(options.settings, files));
        let faults = Arc::new(Faults::default());
        let server = http::Server {
            state: Arc::clone(&state),
            faults: Arc::clone(&faults),
            accounts,
        };
        Ok(Self {
            address,
            accepting: tokio::spawn(http::serve(listener, server)),
            ticking: tokio::spawn(tick(Arc::clone(&state))),
            state,
            faults,
        })
    }

    /// `http://` with the address listened on, without a trailing slash.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The warehouse.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The faults to inject.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Tells of every end of a job from now on.
    #[must_use]
    pub fn ends(&self) -> broadcast::Receiver<JobEnd> {
        self.state.ends()
    }
}

impl Drop for EmbeddedBigQuery {
    fn drop(&mut self) {
        self.accepting.abort();
        self.ticking.abort();
    }
}

/// Lets jobs read their files when it is time to, though nobody asks for them.
async fn tick(state: Arc<State>) {
    loop {
        tokio::time::sleep(TICK).await;
        if state.next_due().is_some_and(|due| due <= Timestamp::now()) {
            let state = Arc::clone(&state);
            // Reading a large file takes time. A panic in it is the reader's; the job then never ends.
            let _ = tokio::task::spawn_blocking(move || state.go()).await;
        }
    }
}
