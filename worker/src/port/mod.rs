//! [`Port`] on workerd: the platform's `fetch`, streams and WebCrypto.
//!
//! The bytes of objects stay in the platform. (For some checksums they are copied into wasm.) An
//! upload always has a known length (a FixedLengthStream), because workerd ends a chunked body
//! cleanly when its source dies, and the sink would commit what it got.

mod digest;
mod exchange;
mod pipe;
mod pump;
mod sign;
mod source;
mod whole;

pub(crate) use sign::SigningKey;
pub(crate) use source::chunk_of;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use causeway_shared::host::ledger;
use causeway_shared::port::{DeletePermit, Digest, Digests, Port, Side, Sink, TransportError};
use causeway_shared::route::Route;
use futures::future::{Either, select};
use http::{Request, Response};
use jiff::Timestamp;
use worker::{Delay, Env};

use crate::host::Workerd;
use crate::platform;
use source::Source;

/// How long a small request may take, in all. Generous: requests wait in line for one of the six
/// connections that may wait for an answer.
const REPLY_TIME: Duration = Duration::from_mins(1);

/// The port of one transfer.
pub(crate) struct WorkerdPort {
    env: Env,
    signing_key: Option<Rc<SigningKey>>,
    source: Option<Source>,
}

impl WorkerdPort {
    /// A port that asks the ledgers of `env` and signs with `signing_key`.
    pub(crate) fn new(env: &Env, signing_key: Option<Rc<SigningKey>>) -> Self {
        Self {
            env: env.clone(),
            signing_key,
            source: None,
        }
    }

    fn open_body(&mut self) -> Result<Source, TransportError> {
        let open = self.source.take();
        open.ok_or_else(|| source("no body is open".to_owned()))
    }
}

impl Port for WorkerdPort {
    fn now(&self) -> Timestamp {
        platform::now()
    }

    async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let reply = async {
            let request = exchange::request(request, exchange::Body::Decoded)?;
            let response = exchange::fetch(&request).await?;
            exchange::read(&response).await
        };
        in_time(REPLY_TIME, reply).await.map_err(sink)
    }

    async fn open(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.source = None;
        let opened = async {
            let request = exchange::request(request, exchange::Body::AsStored)?;
            let response = exchange::fetch(&request).await?;
            if response.ok() {
                let head = exchange::head(&response)?;
                let source = Source::new(response, head.headers());
                return Ok((head, Some(source)));
            }
            Ok((exchange::read(&response).await?, None))
        };
        let (reply, opened) = in_time(REPLY_TIME, opened).await.map_err(source)?;
        self.source = opened;
        Ok(reply)
    }

    async fn pipe(
        &mut self,
        sink: Sink,
        length: u64,
        digest: Option<Digest>,
    ) -> Result<Response<Bytes>, TransportError> {
        let mut open = self.open_body()?;
        if digest.is_none() && length <= whole::LIMIT {
            return whole::send(open, &sink, length).await;
        }
        let (reply, is_whole) = pipe::pipe(&mut open, sink, length, digest).await?;
        if digest.is_some() && is_whole {
            self.source = Some(open);
        }
        Ok(reply)
    }

    async fn hold(&mut self, length: u64, digest: Digest) -> Result<Digests, TransportError> {
        let mut open = self.open_body()?;
        let held = in_time(REPLY_TIME, pump::hold(&mut open, length, digest));
        let digests = held.await.map_err(source)?;
        self.source = Some(open);
        Ok(digests)
    }

    async fn digest(&mut self, length: u64, digest: Digest) -> Result<Digests, TransportError> {
        let mut open = self.open_body()?;
        let read = async {
            let pumped = pump::pump(&mut open, None, length, digest).await;
            pumped.map_err(|lost| lost.detail)?;
            pump::hold(&mut open, 0, digest).await
        };
        in_time(pipe::time_for(length), read).await.map_err(source)
    }

    async fn may_delete(&mut self, route: &Route) -> Result<DeletePermit, String> {
        ledger::may_delete(&Workerd::new(&self.env), route).await
    }

    async fn sign_rs256(&mut self, message: Vec<u8>) -> Result<Vec<u8>, String> {
        match &self.signing_key {
            Some(key) => key.sign(&message).await,
            None => Err("there is no key".to_owned()),
        }
    }

    async fn wait_until(&mut self, time: Timestamp) {
        let wait = time.duration_since(platform::now());
        Delay::from(Duration::try_from(wait).unwrap_or_default()).await;
    }
}

fn source(detail: String) -> TransportError {
    TransportError {
        side: Side::Source,
        detail,
    }
}

fn sink(detail: String) -> TransportError {
    TransportError {
        side: Side::Sink,
        detail,
    }
}

/// What `future` gives, or nothing if it has not ended after `limit`.
async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let future = std::pin::pin!(future);
    match select(future, Delay::from(limit)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

async fn in_time<T>(
    limit: Duration,
    future: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    within(limit, future)
        .await
        .unwrap_or_else(|| Err(format!("no end within {} s", limit.as_secs())))
}
