//! [`Port`] over the simulated network. What the worker's port decides about lengths and broken bodies
//! is decided here in the same way; where mutants live that break a request or believe what they
//! should not is `mutant`.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use causeway_shared::host::{Platform as _, ledger};
use causeway_shared::port::{DeletePermit, Digest, Digests, Port, Side, Sink, TransportError};
use causeway_shared::route::Route;
use http::{Method, Request, Response, Uri};
use jiff::Timestamp;

use super::body::Body;
use super::gcs::{Wire, signature};
use super::mutant::{self, Memory, Mutant};
use super::network::{REPLY_TIME, Reply, Store};
use super::platform::SimulatedPlatform;
use super::world::World;

/// The port of one transfer.
pub(super) struct SimulatedPort {
    world: Rc<World>,
    platform: SimulatedPlatform,
    /// How long the first request waits for a place, in milliseconds; nothing after it.
    start: Option<u64>,
    open: Option<Open>,
    memory: Memory,
    /// When it was made.
    since: u64,
    /// The brake lets one copy be deleted.
    has_permit: bool,
}

/// An open source body.
#[derive(Debug, Clone)]
pub(super) struct Open {
    /// What will come of it; less than `left` if it breaks.
    rest: Body,
    /// What is left of it, as its length was announced.
    left: u64,
    /// What checksums have run over.
    seen: Body,
}

impl SimulatedPort {
    /// One whose first request waits `start` milliseconds for a place.
    pub(super) fn new(platform: SimulatedPlatform, start: u64) -> Self {
        Self {
            world: Rc::clone(&platform.world),
            since: platform.world.now(),
            platform,
            start: Some(start),
            open: None,
            memory: Memory::default(),
            has_permit: false,
        }
    }

    /// A request to `uri` is made.
    async fn begin(&mut self, uri: &Uri) {
        if let Some(wait) = self.start.take() {
            self.world.note_begun(&self.platform.owner, uri);
            if wait > 0 {
                self.world.sleep(wait).await;
            }
        }
        self.world.spend(&self.platform.owner, 0).await;
    }

    /// Checksums were computed over `length` bytes.
    async fn spend(&self, length: u64) {
        if length > 0 {
            self.world.spend(&self.platform.owner, length).await;
        }
    }

    fn take_open(&mut self) -> Result<Open, TransportError> {
        self.open.take().ok_or_else(|| broken("no body is open"))
    }

    /// Bytes go where the configuration leads that the isolate had when the transfer began.
    fn judge_place(&self, uri: &Uri, prefix: &[u8]) {
        let routes = self.world.routes(self.platform.isolate, self.since);
        let source = &self.world.route.source.bucket;
        let mut routes = routes.iter().filter(|route| route.source.bucket == *source);
        let name = self.world.name_at(uri);
        let name = name.unwrap_or_else(|| String::from_utf8_lossy(prefix).into_owned());
        let leads = |route: &Arc<Route>| {
            let place = &route.destination;
            let bucket = format!("/b/{}/o", place.bucket);
            uri.path().contains(&bucket) && name.contains(&place.prefix)
        };
        if !routes.any(leads) {
            let mut judge = self.world.judge.borrow_mut();
            judge.object(
                "something is written under a configuration that the isolate no longer has",
            );
        }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.world.is(mutant)
    }

    /// Takes the next `length` bytes; fewer if the body ends or breaks before. What is opened and not read costs
    /// little: the connection is closed.
    fn take(&self, open: &mut Open, length: u64) -> Body {
        let taken = open.rest.take(length);
        open.left -= length.min(open.left);
        let mut judge = self.world.judge.borrow_mut();
        judge.count("read_bytes", taken.length());
        taken
    }

    /// Reads the next `length` bytes; fewer if the body ends or breaks before.
    async fn read(&self, open: &mut Open, length: u64) -> Body {
        let taken = self.take(open, length);
        let time = taken.length() / self.world.scenario.bytes_per_millisecond;
        self.world.sleep(time + 1).await;
        taken
    }
}

impl Port for SimulatedPort {
    fn now(&self) -> Timestamp {
        self.platform.now()
    }

    async fn send(
        &mut self,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, TransportError> {
        self.begin(request.uri()).await;
        mutant::spoil_request(&self.world, &mut request);
        let replayed = Memory::replayed(&self.world, &request)
            .or_else(|| Memory::emptied(&self.world, &request));
        if let Some(reply) = replayed.or_else(|| self.memory.unchanged(&self.world, &request)) {
            return Ok(reply);
        }
        let uri = request.uri().clone();
        if uri.path().ends_with("/compose") {
            self.judge_place(&uri, b"");
        }
        let is_session = uri
            .query()
            .is_some_and(|query| query.contains("upload_id="));
        let is_delete = request.method() == Method::DELETE && !is_session;
        if is_delete && !self.has_permit {
            self.world.note_unbraked(&uri);
        }
        let store = match uri.host() {
            Some("s3") => Store::S3,
            Some("bigquery") => Store::BigQuery,
            _ => Store::Gcs,
        };
        let wire = Wire::of(request);
        let mut reply = self.world.exchange(store, wire, None, REPLY_TIME).await?;
        mutant::spoil_reply(&self.world, &mut reply.head);
        self.has_permit &= !(is_delete && reply.head.status().is_success());
        Memory::note(&self.world, &uri, &reply.head);
        Ok(reply.head)
    }

    async fn open(
        &mut self,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, TransportError> {
        self.begin(request.uri()).await;
        self.open = None;
        let asked = request.headers().get("if-match").cloned();
        if self.is(Mutant::AnyVersionWillDo) {
            request.headers_mut().remove("if-match");
            *request.uri_mut() = mutant::without_version(request.uri());
        }
        if self.is(Mutant::SourceBeforeDestination)
            && let Some((reply, open)) = self.memory.source_read_before(&request)
        {
            self.open = Some(open);
            return Ok(reply);
        }
        let uri = request.uri().clone();
        let wire = Wire::of(request);
        let exchanged = self.world.exchange(Store::S3, wire, None, REPLY_TIME).await;
        let Reply { mut head, body } = exchanged.map_err(|lost| TransportError {
            side: Side::Source,
            ..lost
        })?;
        self.memory.saw(&head);
        if !head.status().is_success() {
            return Ok(head);
        }
        if let Some(asked) = asked.filter(|_| self.is(Mutant::AnyVersionWillDo)) {
            head.headers_mut().insert("etag", asked);
        }
        let announced = head.headers().get("content-length");
        let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
        let open = Open {
            left: announced.unwrap_or_default(),
            rest: body,
            seen: Body::default(),
        };
        if self.is(Mutant::SourceBeforeDestination) {
            self.memory.keep_source(&uri, &head, &open);
        }
        self.open = Some(open);
        Ok(head)
    }

    async fn pipe(
        &mut self,
        mut sink: Sink,
        length: u64,
        digest: Option<Digest>,
    ) -> Result<Response<Bytes>, TransportError> {
        let mut open = self.take_open()?;
        let fits = open.left == length || digest.is_some() && open.left > length;
        let is_lenient = self.is(Mutant::ShortBodySucceeds);
        if !fits && !is_lenient {
            return Err(broken("the body has another length than is to be sent"));
        }
        self.begin(sink.request.uri()).await;
        self.judge_place(sink.request.uri(), &sink.prefix);
        mutant::spoil_sink(&self.world, &mut sink);
        let body = self.take(&mut open, length);
        let total = length + (sink.prefix.len() + sink.suffix.len()) as u64;
        let is_short = body.length() < length && !is_lenient;
        if digest.is_some() {
            open.seen.append(&body);
        }
        let wire = Wire {
            head: sink.request,
            prefix: sink.prefix,
            length: (!is_lenient).then_some(total),
            suffix: sink.suffix,
            ticket: 0,
            body,
        };
        let sent = is_short.then(|| wire.body.length());
        let limit = time_for(length);
        let mut reply = self.world.exchange(Store::Gcs, wire, sent, limit).await?;
        mutant::spoil_reply(&self.world, &mut reply.head);
        self.spend(digest.map_or(0, |_| length)).await;
        if digest.is_some() && reply.head.status().as_u16() < 400 {
            self.open = Some(open);
        }
        Ok(reply.head)
    }

    async fn hold(&mut self, length: u64, digest: Digest) -> Result<Digests, TransportError> {
        let mut open = self.take_open()?;
        let is_lenient = self.is(Mutant::ShortBodySucceeds);
        if open.left != length && !is_lenient {
            return Err(broken("the body has another length than is left"));
        }
        let rest = self.read(&mut open, length).await;
        if rest.length() != length && !is_lenient {
            return Err(broken("the body ended early"));
        }
        self.spend(rest.length()).await;
        open.seen.append(&rest);
        let digests = open.seen.digests(digest);
        self.open = Some(Open {
            left: rest.length(),
            rest,
            seen: Body::default(),
        });
        Ok(digests)
    }

    async fn digest(&mut self, length: u64, digest: Digest) -> Result<Digests, TransportError> {
        let mut open = self.take_open()?;
        let read = self.read(&mut open, length).await;
        if read.length() != length || open.left > 0 {
            return Err(broken("the body has another length than was expected"));
        }
        self.spend(length).await;
        Ok(read.digests(digest))
    }

    async fn may_delete(&mut self, route: &Route) -> Result<DeletePermit, String> {
        let permit = ledger::may_delete(&self.platform, route).await;
        self.has_permit |= permit == Ok(DeletePermit::Granted);
        permit
    }

    async fn sign_rs256(&mut self, message: Vec<u8>) -> Result<Vec<u8>, String> {
        self.world.sleep(1).await;
        Ok(signature(&message))
    }

    async fn wait_until(&mut self, time: Timestamp) {
        let wait = time.duration_since(self.now()).as_millis();
        self.world
            .sleep(u64::try_from(wait).unwrap_or_default())
            .await;
    }
}

fn broken(detail: &str) -> TransportError {
    TransportError {
        side: Side::Source,
        detail: detail.to_owned(),
    }
}

/// How long an upload may take, in milliseconds.
fn time_for(length: u64) -> u64 {
    (60_000 + (length >> 20) * 1000).min(360_000)
}
