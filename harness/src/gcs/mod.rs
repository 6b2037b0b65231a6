//! An embedded Google Cloud Storage: the JSON API's buckets, objects and uploads over HTTP/1.1, for
//! tests, the demo and benchmarks. Stricter than the service where a client could rely on leniency.
//!
//! Not here: gRPC, XML beyond reading an object, ACLs and IAM, versioning, soft delete, folders of a
//! hierarchical namespace, locked policies and objects' own retention, customer-supplied encryption
//! keys, decompression on the way out, TLS.
//!
//! Reference: <https://cloud.google.com/storage/docs/json_api/v1>.

mod account;
pub mod fault;
mod http;
pub mod state;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

pub(crate) use account::Caller;
pub use account::{Accounts, ServiceAccount, ServiceAccountKey};
pub use fault::{Fault, FaultSpec, Faults};
pub(crate) use http::{Api, Fields, Unanswered};
pub use state::{Commit, Permission, Settings, State};

use crate::throttle::{Delay, Throttle};

/// How to start the server.
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Debug, Clone)]
pub struct GcsOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may call, with a token that they sign or that `POST /token` gives them. Empty: everybody,
    /// without credentials.
    pub accounts: Vec<ServiceAccountKey>,
    /// Serve clients that were told of an emulator (`STORAGE_EMULATOR_HOST`): they send no credential,
    /// though a token that is shown must still be good; and Google's for Node leave `/storage/v1` out of
    /// most paths.
    pub emulator: bool,
    /// Refuse uploads without a Content-Length with 411. The service takes them; a client that must
    /// never send a body of unknown length is caught with this.
    pub require_content_length: bool,
    /// Hash bodies with CRC32C and drop them: for benchmarks. A declared MD5 is believed and shown
    /// as `md5Hash` then, there is none otherwise, and media cannot be read.
    pub discard_bodies: bool,
    /// Make a bucket when something is first written to it.
    pub create_buckets: bool,
    /// Read no upload faster than this many bytes a second for each connection. What the operating
    /// system's buffers take beyond that, a few MiB, is read later.
    pub throttle: Option<u64>,
}

impl Default for GcsOptions {
    /// A free port on loopback, no accounts, every option off.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            accounts: Vec::new(),
            emulator: false,
            require_content_length: false,
            discard_bodies: false,
            create_buckets: false,
            throttle: None,
        }
    }
}

/// A running server. Dropping it closes the listener and every connection.
pub struct EmbeddedGcs {
    address: SocketAddr,
    state: Arc<State>,
    faults: Arc<Faults>,
    accounts: Arc<Accounts>,
    throttle: Throttle,
    delay: Delay,
    received: watch::Receiver<u64>,
    accepting: JoinHandle<()>,
}

impl EmbeddedGcs {
    /// Starts a server with an empty store.
    ///
    /// # Errors
    ///
    /// When it cannot listen, or an account's public key is not one.
    pub async fn start(options: GcsOptions) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("listening on {}", options.listen))?;
        let address = listener.local_addr()?;
        let settings = Settings {
            create_buckets: options.create_buckets,
            discard_bodies: options.discard_bodies,
            ..Settings::default()
        };
        let state = Arc::new(State::new(settings));
        let faults = Arc::new(Faults::default());
        let throttle = Throttle::new(options.throttle);
        let delay = Delay::default();
        let (sender, received) = watch::channel(0);
        let accounts = Arc::new(Accounts::new(&options.accounts, options.emulator)?);
        let server = http::Server {
            faults: Arc::clone(&faults),
            accounts: Arc::clone(&accounts),
            require_content_length: options.require_content_length,
            emulator: options.emulator,
            throttle: throttle.clone(),
            delay: delay.clone(),
            received: sender,
            port: address.port(),
            ..http::Server::new(Arc::clone(&state))
        };
        Ok(Self {
            address,
            state,
            faults,
            accounts,
            throttle,
            delay,
            received,
            accepting: tokio::spawn(http::serve(listener, Arc::new(server))),
        })
    }

    /// `http://` with the address listened on, without a trailing slash.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the accounts' signed assertions are exchanged for tokens: a key file's `token_uri`.
    #[must_use]
    pub fn token_uri(&self) -> String {
        format!("{}{}", self.endpoint(), http::TOKEN_PATH)
    }

    /// The store.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The faults to inject.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Who may call.
    #[must_use]
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// How fast uploads are read; may be changed at any time.
    #[must_use]
    pub fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// How long each request waits; may be changed at any time.
    #[must_use]
    pub fn delay(&self) -> &Delay {
        &self.delay
    }

    /// How many bytes of requests' bodies have arrived, whatever became of them.
    #[must_use]
    pub fn received(&self) -> watch::Receiver<u64> {
        self.received.clone()
    }

    /// Tells of every write and delete from now on.
    #[must_use]
    pub fn commits(&self) -> broadcast::Receiver<Commit> {
        self.state.commits()
    }
}

impl Drop for EmbeddedGcs {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
