//! An S3 in this process, for the demo, the tests and the benchmarks.
//!
//! Requests are parsed and their signatures, clocks and payload hashes checked by `s3s`, which is
//! somebody else's reading of the protocol; operations (`service`) act on a [`Store`] that keeps
//! its state apart from HTTP; changes become event notifications ([`EventTarget`]) as S3 sends them
//! and are POSTed with retries. Path-style addresses only; no TLS.
//!
//! Not here: faults. A proxy in front of it can have those.

mod event;
mod notify;
mod service;
pub mod store;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, S3Result, s3_error};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

pub use event::event_json;
use notify::Notifier;
pub use notify::{Delivery, EventTarget};
pub use store::Store;

/// Where an [`EmbeddedS3`] listens, and who may use it.
#[derive(Clone)]
pub struct S3Options {
    /// The address; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The only access key id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The region of buckets that are not told another.
    pub region: String,
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
        let mut builder = S3ServiceBuilder::new(service::Service::new(Arc::clone(&store)));
        builder.set_auth(OneKey::new(options));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, builder.build()));
        Ok(Self {
            address,
            store,
            notifier,
            _server: server,
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

/// Whoever has the one secret may do everything.
struct OneKey {
    access_key_id: String,
    secret: SecretKey,
}

impl OneKey {
    fn new(options: S3Options) -> Self {
        Self {
            access_key_id: options.access_key_id,
            secret: options.secret_access_key.into(),
        }
    }
}

#[async_trait::async_trait]
impl S3Auth for OneKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key_id {
            Ok(self.secret.clone())
        } else {
            Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            ))
        }
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, service.clone()));
                }
                // Out of file handles, mostly: connections that end give some back.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A connection's end, however it comes, is its client's affair.
async fn serve_connection(stream: TcpStream, service: S3Service) {
    // Without it, small answers wait 40 ms for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(&service, request));
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Answers one request, and says that the connection ends where the client waits for a 100 that does
/// not come: hyper sends none for an empty body or one that nobody reads, and botocore takes the final
/// status in its place for that of the next request, too, if the connection lives on.
async fn answer(
    service: &S3Service,
    request: Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    let expects = request.headers().contains_key(EXPECT);
    let empty = request.body().is_end_stream();
    let mut response = service.call(request.map(Body::from)).await?;
    if expects && (empty || !response.status().is_success()) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response)
}
