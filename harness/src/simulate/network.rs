//! What lies between a port and the stores: requests arrive after a while, or twice as late, or not;
//! replies come back, or do not.
//!
//! A request that has been sent is on its own: that its sender died does not call it back.

use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use causeway_shared::port::{Side, TransportError};
use http::header::DATE;
use http::{HeaderValue, Method, Response};

use super::body::Body;
use super::fault::{At, Fault, LOOK, SESSION, SOURCE, WRITE};
use super::gcs::Wire;
use super::s3::{self, timestamp};
use super::world::{Owner, Slot, World};
use crate::gcs::{Api, Unanswered};

/// When a port gives up a small request, in milliseconds.
pub(super) const REPLY_TIME: u64 = 60_000;

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    S3,
    Gcs,
    BigQuery,
}

/// A reply, and the bytes of an object behind it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: Response<Bytes>,
    pub(super) body: Body,
}

struct Flight {
    store: Store,
    wire: Wire,
    /// Of a body that broke off before, this much was sent.
    sent: Option<u64>,
    fault: Option<Fault>,
    slot: Rc<Slot<Result<Reply, TransportError>>>,
}

impl World {
    /// Sends `wire` to `store`; no reply is waited for longer than `limit` milliseconds. `sent` is how
    /// much of its body there is, if the source broke.
    pub(super) async fn exchange(
        &self,
        store: Store,
        wire: Wire,
        sent: Option<u64>,
        limit: u64,
    ) -> Result<Reply, TransportError> {
        self.crash_point().await;
        let slot = Slot::new(self);
        let fault = self.strike_at(kind(store, &wire));
        let time = self.latency() + wire.body.length() / self.scenario.bytes_per_millisecond;
        let mut flight = Flight {
            store,
            wire,
            sent,
            fault,
            slot: Rc::clone(&slot),
        };
        if time > limit || fault == Some(Fault::Stalled) {
            self.stall(flight, limit);
            let reply = slot.wait().await;
            self.crash_point().await;
            return reply;
        }
        match flight.wire.session() {
            Some(id) if flight.wire.body.length() > 0 => self.after(1, move |world| {
                flight.wire.ticket = world.gcs.borrow_mut().begin_piece(id);
                world.after(time, move |world| world.arrive(flight));
            }),
            _ => self.after(time, move |world| world.arrive(flight)),
        }
        let reply = slot.wait().await;
        self.crash_point().await;
        reply
    }

    /// The port gives up after `limit` milliseconds. The request may arrive all the same, much later.
    fn stall(&self, flight: Flight, limit: u64) {
        let late = self.rng.borrow_mut().pick(&[0, 0, 10_000, 300_000]);
        let is_cut = self.is_over_nothing(&flight.wire) || is_of_partition(&flight);
        if late > 0 && flight.sent.is_none() && !is_cut {
            let (store, wire) = (flight.store, flight.wire.clone());
            self.after(limit + late, move |world| {
                drop(world.serve(store, &wire, None));
            });
        }
        self.after(limit, move |world| {
            world.lost(flight, Side::Sink, "no end in time", 0);
        });
    }

    /// Whether `wire` may make an object of nothing on a route that carries deletions over. Nothing can
    /// be done against one that arrives after everybody has seen that its source is gone, too.
    fn is_over_nothing(&self, wire: &Wire) -> bool {
        self.route.propagates_deletes() && self.gcs.borrow().is_over_nothing(wire)
    }

    fn latency(&self) -> u64 {
        let mut rng = self.rng.borrow_mut();
        let most = rng.pick(&self.scenario.latencies);
        rng.between(1, most)
    }

    fn arrive(self: &Rc<Self>, mut flight: Flight) {
        let owner = flight.slot.owner(self).filter(|_| flight.fault.is_none());
        if let Some(id) = flight.wire.session() {
            self.note_session(id, owner.as_ref());
        }
        if owner.is_none() && flight.fault.is_none() {
            // Nobody waits any more: some of it had left the isolate before.
            let sent = self.rng.borrow_mut().below(flight.wire.body.length());
            let is_cut = self.rng.borrow_mut().chance(1, 2)
                || self.is_over_nothing(&flight.wire)
                || is_of_partition(&flight);
            flight.sent = Some(sent).filter(|_| is_cut);
        }
        if let Some(sent) = flight.sent {
            self.serve_broken(&flight, sent);
            return self.lost(flight, Side::Source, "the body broke off", 0);
        }
        match flight.fault {
            Some(Fault::ResetBefore) => self.lost(flight, Side::Sink, "connection reset", 0),
            Some(Fault::ResetWithin) => {
                let sent = self.rng.borrow_mut().below(flight.wire.body.length() + 1);
                self.serve_broken(&flight, sent);
                self.lost(flight, Side::Sink, "connection reset", 0);
            }
            Some(Fault::ResetAfter) => {
                drop(self.serve(flight.store, &flight.wire, None));
                self.lost(flight, Side::Sink, "connection reset", 0);
            }
            Some(Fault::Late503) => {
                drop(self.serve(flight.store, &flight.wire, None));
                self.reply(flight, refusal(Store::Gcs, 503, None), Body::default());
            }
            Some(fault) => self.arrive_troubled(flight, fault),
            None => match self.serve(flight.store, &flight.wire, owner.as_ref()) {
                Some((head, body)) => self.reply(flight, head, body),
                None => self.lost(flight, Side::Sink, "connection closed", 0),
            },
        }
    }

    /// Faults that end in a reply.
    fn arrive_troubled(self: &Rc<Self>, mut flight: Flight, fault: Fault) {
        if let Some(status) = fault.status() {
            let waits = [None, Some(1), Some(4), Some(30)];
            let wait = self.rng.borrow_mut().pick(&waits);
            let head = refusal(flight.store, status, wait.filter(|_| status == 429));
            return self.reply(flight, head, Body::default());
        }
        match fault {
            Fault::TokenExpired => {
                let shown = flight.wire.head.headers().get("authorization");
                let shown = shown.and_then(|value| value.to_str().ok());
                self.gcs.borrow_mut().revoke(shown.unwrap_or_default());
            }
            Fault::SessionExpired => {
                let id = flight.wire.session().unwrap_or_default();
                self.gcs.borrow().expire(id);
            }
            Fault::Corrupted if flight.wire.body.length() > 0 => {
                flight.wire.body = self.damaged(&flight.wire.body);
            }
            _ => {}
        }
        let served = self.serve(flight.store, &flight.wire, None);
        if fault == Fault::SourceChanged && !self.overwrite(flight.wire.head.uri().path()) {
            self.faults.borrow_mut().withdraw(fault);
        }
        let Some((head, body)) = served else {
            return self.lost(flight, Side::Sink, "connection closed", 0);
        };
        let body = self.troubled(&flight, fault, body);
        self.reply(flight, head, body);
    }

    /// The body of a reply, as `fault` makes it arrive.
    fn troubled(&self, flight: &Flight, fault: Fault, body: Body) -> Body {
        let is_read = flight.store == Store::S3 && body.length() > 0;
        match fault {
            Fault::Truncated | Fault::SourceReset if is_read => {
                let end = self.rng.borrow_mut().below(body.length());
                body.slice(0, end)
            }
            // What S3 has no checksum of is copied as S3's side sends it.
            Fault::Corrupted if is_read && self.s3.borrow().is_proven(&body) => self.damaged(&body),
            Fault::Truncated | Fault::SourceReset | Fault::Corrupted => {
                if flight.wire.body.length() == 0 {
                    self.faults.borrow_mut().withdraw(fault);
                }
                body
            }
            _ => body,
        }
    }

    fn damaged(&self, body: &Body) -> Body {
        let at = self.rng.borrow_mut().below(body.length());
        body.damaged(at, self.seed() | 1 << 63)
    }

    /// `owner` is whoever will hear of it.
    fn serve(
        self: &Rc<Self>,
        store: Store,
        wire: &Wire,
        owner: Option<&Owner>,
    ) -> Option<(Response<Bytes>, Body)> {
        let now = self.now();
        let sessions = self.gcs.borrow().sessions();
        let refused = self.scenario.circumstances.refused.as_ref();
        let refused = refused.filter(|(span, by, ..)| {
            let is_one = *by == store || *by == Store::Gcs && store == Store::BigQuery;
            is_one && span.contains(&now) && wire.session().is_none()
        });
        let mut served = match store {
            _ if let Some(&(_, _, status, word)) = refused => {
                let head = match store {
                    Store::S3 => s3::error(status, word),
                    _ => Api::refusal(status, word, "The credential is refused."),
                };
                Some((head, Body::default()))
            }
            Store::S3 => {
                let (head, body) = self.s3.borrow().serve(&wire.head, now);
                Some((head, body.unwrap_or_default()))
            }
            Store::BigQuery => self.serve_table(wire).map(|head| (head, Body::default())),
            Store::Gcs => {
                let (head, commit) = self.gcs.borrow_mut().serve(wire, now);
                if let Some(commit) = commit {
                    self.judge_commit(&commit, wire);
                }
                if let Err(Unanswered::NoRoute) = head {
                    let mut judge = self.judge.borrow_mut();
                    judge.object(format!("GCS does not know the request {wire}"));
                }
                if self.gcs.borrow().sessions() > sessions {
                    self.note_session(sessions + 1, owner);
                }
                head.ok().map(|head| (head, Body::default()))
            }
        };
        if let Some((head, _)) = &mut served {
            // An isolate whose clock is another is told so.
            let date = timestamp(now).strftime("%a, %d %b %Y %H:%M:%S GMT");
            let date = HeaderValue::try_from(date.to_string()).expect("a date is a header value");
            head.headers_mut().insert(DATE, date);
        }
        let status = served
            .as_ref()
            .map_or(0, |(head, _)| head.status().as_u16());
        if status >= 400 && status != 404 {
            self.judge.borrow_mut().reasons += 1;
        }
        let is_delete = store == Store::Gcs && wire.head.method() == Method::DELETE;
        if is_delete && matches!(status, 404 | 412) {
            self.judge.borrow_mut().deletes_in_vain += 1;
        }
        self.tell(status.into(), format_args!("{status} to {wire}"));
        served
    }

    /// Only `sent` bytes of the body came: a session keeps of them what it can.
    fn serve_broken(self: &Rc<Self>, flight: &Flight, sent: u64) {
        let mut wire = flight.wire.clone();
        wire.body = wire.body.slice(0, sent);
        if wire.length.is_none() || wire.session().is_some() && wire.body.length() > 0 {
            drop(self.serve(flight.store, &wire, None));
        }
    }

    fn reply(self: &Rc<Self>, flight: Flight, head: Response<Bytes>, body: Body) {
        if self.crash_waiting(&flight) {
            return;
        }
        let latency = self.latency();
        flight.slot.resolve(self, latency, Ok(Reply { head, body }));
    }

    fn lost(self: &Rc<Self>, flight: Flight, side: Side, detail: &str, delay: u64) {
        if let Some(id) = flight.wire.session() {
            self.orphan(id);
        }
        if self.crash_waiting(&flight) {
            return;
        }
        let detail = detail.to_owned();
        flight
            .slot
            .resolve(self, delay + 1, Err(TransportError { side, detail }));
    }

    /// Whoever waits for the reply may be dead when it comes.
    fn crash_waiting(self: &Rc<Self>, flight: &Flight) -> bool {
        let owner = flight.slot.owner(self);
        match owner {
            Some(owner) if self.crashes(&owner) => {
                self.crash(&owner);
                true
            }
            _ => false,
        }
    }

    /// `owner` spoke to the session `id`, and will hear what it answers.
    fn note_session(&self, id: u64, owner: Option<&Owner>) {
        match owner {
            Some(owner) => {
                self.session_users.borrow_mut().insert(id, owner.clone());
            }
            None => self.orphan(id),
        }
    }
}

/// Of which kind a request is.
fn kind(store: Store, wire: &Wire) -> At {
    match (store, wire.session().is_some(), wire.head.method()) {
        (Store::S3, ..) => SOURCE,
        (_, true, _) => SESSION,
        (_, false, &Method::GET) => LOOK,
        (_, false, _) => WRITE,
    }
}

/// Whether it deletes a partition, under no condition: nothing can be done against one that arrives after the next load.
fn is_of_partition(flight: &Flight) -> bool {
    flight.store == Store::BigQuery && flight.wire.head.method() == Method::DELETE
}

fn refusal(store: Store, status: u16, wait: Option<u64>) -> Response<Bytes> {
    let mut reply = match (store, status) {
        (Store::S3, 403) => s3::error(status, "AccessDenied"),
        (Store::S3, 408) => s3::error(400, "RequestTimeout"),
        (Store::S3, 503) => s3::error(status, "SlowDown"),
        (Store::S3, _) => s3::error(status, "InternalError"),
        (_, 429) => Api::refusal(status, "rateLimitExceeded", "Slow down."),
        (_, _) => Api::refusal(status, "backendError", "Backend Error"),
    };
    if let Some(seconds) = wait {
        reply.headers_mut().insert("retry-after", seconds.into());
    }
    reply
}

/// A request in a few words, without what is a secret even here.
impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uri, headers) = (self.head.uri(), self.head.headers());
        let mut pairs = uri.query().unwrap_or_default().split('&');
        let condition = pairs.find(|pair| pair.starts_with("ifG"));
        let range = headers
            .get("content-range")
            .or_else(|| headers.get("range"));
        let range = range.and_then(|range| range.to_str().ok());
        write!(f, "{} {}", self.head.method(), uri.path())?;
        let rest = [condition, range].into_iter().flatten();
        rest.into_iter().try_for_each(|word| write!(f, " {word}"))
    }
}
