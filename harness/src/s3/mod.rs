//! An S3 in this process, for the demo, the tests and the benchmarks.
//!
//! Requests are parsed and their signatures, clocks and payload hashes checked by `s3s`, which is
//! somebody else's reading of the protocol; operations (`service`) act on a [`Store`] that keeps
//! its state apart from HTTP; changes become event notifications ([`EventTarget`]) as S3 sends them
//! and are POSTed with retries. Path-style addresses only; no TLS.
//!
//! Answers can be made to fail ([`Fault`]) and to come slowly; a request's way in cannot.

mod event;
pub mod fault;
mod keys;
mod notify;
mod region;
mod serve;
mod service;
pub mod store;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinSet;

pub use event::event_json;
pub use fault::{Fault, FaultSpec, Faults};
pub use keys::{Keys, Session};
use notify::Notifier;
pub use notify::{Delivery, EventTarget};
pub use store::Store;

use crate::throttle::{Delay, Throttle};

/// Where an [`EmbeddedS3`] listens, and who may use it.
#[derive(Clone)]
pub struct S3Options {
    /// The address; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The only access key id, beside those of sessions.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The region of buckets that are not told another.
    pub region: String,
    /// Send no answer to a GET faster than this many bytes a second for each connection.
    pub throttle: Option<u64>,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Options")
            .field("listen", &self.listen)
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A running S3. Dropping it closes its connections and ends its deliveries.
pub struct EmbeddedS3 {
    address: SocketAddr,
    store: Arc<Store>,
    faults: Arc<Faults>,
    keys: Keys,
    throttle: Throttle,
    delay: Delay,
    notifier: Notifier,
    /// One task, which ends with this and takes its connections with it.
    _server: JoinSet<()>,
}

impl EmbeddedS3 {
    /// Starts to listen, with an empty store.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: S3Options) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("the embedded S3 cannot listen on {}", options.listen))?;
        let address = listener.local_addr()?;
        let store = Arc::new(Store::new(options.region.clone()));
        let notifier = Notifier::start(store.subscribe());
        let faults = Arc::new(Faults::default());
        let throttle = Throttle::new(options.throttle);
        let delay = Delay::default();
        let mut builder = S3ServiceBuilder::new(service::Service::new(Arc::clone(&store)));
        let keys = Keys::new(options);
        builder.set_auth(keys.clone());
        builder.set_access(keys.clone());
        let server = serve::Server {
            service: builder.build(),
            store: Arc::clone(&store),
            faults: Arc::clone(&faults),
            throttle: throttle.clone(),
            delay: delay.clone(),
        };
        let mut accepting = JoinSet::new();
        accepting.spawn(serve::serve(listener, Arc::new(server)));
        Ok(Self {
            address,
            store,
            faults,
            keys,
            throttle,
            delay,
            notifier,
            _server: accepting,
        })
    }

    /// The address to give to clients, such as `http://127.0.0.1:9000`, without a slash at its end.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The state, past HTTP and signatures.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The faults to inject.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Who may use it.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// How fast answers to GETs are sent; may be changed at any time. An answer begun without a
    /// limit stays without.
    #[must_use]
    pub fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// How long each request waits; may be changed at any time.
    #[must_use]
    pub fn delay(&self) -> &Delay {
        &self.delay
    }

    /// Sends the events of all buckets to `target` from now on, and to no earlier one.
    pub fn notify(&self, target: EventTarget) {
        self.notifier.set_target(self.store.sequence(), target);
    }

    /// What becomes of each event from now on. A receiver that lags by more than 16,384 deliveries
    /// loses the oldest.
    #[must_use]
    pub fn deliveries(&self) -> broadcast::Receiver<Delivery> {
        self.notifier.deliveries()
    }
}
