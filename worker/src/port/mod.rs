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

pub(crate) use exchange::Exchanges;
pub(crate) use sign::SigningKey;
pub(crate) use source::chunk_of;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use causeway_shared::host::ledger;
use causeway_shared::port::{
    DeletePermit, Digest, Digests, Port, REPLY_LIMIT, Side, Sink, TransportError,
};
use causeway_shared::route::Route;
use futures::future::{Either, select};
use http::{Request, Response};
use jiff::Timestamp;
use worker::Delay;

use crate::host::Workerd;
use crate::platform;
use source::Source;

/// How long a small request may take, in all. Generous: requests wait in line for one of the six
/// connections that may wait for an answer.
const REPLY_TIME: Duration = Duration::from_mins(1);

/// The port of one transfer.
pub(crate) struct WorkerdPort {
    platform: Workerd,
    signing_key: Option<Rc<SigningKey>>,
    source: Option<Source>,
}

impl WorkerdPort {
    /// A port that asks the ledgers of `platform` and signs with `signing_key`.
    pub(crate) fn new(platform: &Workerd, signing_key: Option<Rc<SigningKey>>) -> Self {
        Self {
            platform: platform.clone(),
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
        let exchanges = self.platform.exchanges();
        let replied = exchange::send(
            exchanges,
            request,
            exchange::Body::Decoded,
            REPLY_LIMIT,
            REPLY_TIME,
        );
        read(replied.await.map_err(sink)?).await.map_err(sink)
    }

    async fn open(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.source = None;
        let (exchanges, room) = (self.platform.exchanges(), whole::Room::take());
        let replied = exchange::send(
            exchanges,
            request,
            exchange::Body::AsStored,
            room.limit(),
            REPLY_TIME,
        );
        let reply = replied.await.map_err(source)?;
        if !reply.head.status().is_success() {
            return read(reply).await.map_err(source);
        }
        let head = reply.head.clone();
        self.source = Some(Source::new(reply, room));
        Ok(head)
    }

    async fn pipe(
        &mut self,
        sink: Sink,
        length: u64,
        digest: Option<Digest>,
    ) -> Result<Response<Bytes>, TransportError> {
        let mut open = self.open_body()?;
        if digest.is_none() && (open.is_held() || length <= whole::LIMIT as u64) {
            return whole::send(self.platform.exchanges(), open, &sink, length).await;
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
        ledger::may_delete(&self.platform, route).await
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

/// Reads a reply's body, which may be one that does not end.
async fn read(reply: exchange::Reply) -> Result<Response<Bytes>, String> {
    if reply.body.is_some() {
        return reply.read().await;
    }
    in_time(REPLY_TIME, reply.read()).await
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
