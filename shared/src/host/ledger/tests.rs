//! Ledgers, those that tell them things, and how often.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::brake::Brake;
use crate::composite::CompositeCopy;
use crate::error::{ConfigError, ErrorKind, TransferError};
use crate::event::ObjectHint;
use crate::host::coordinator::PartsCoordinator;
use crate::host::{Class, Isolate, Level, Queue, RouteAccess, gate};
use crate::ledger::{RUNS, Selector};
use crate::message::{DeadLetter, HintMessage};
use crate::port::{Digest, Digests, Port, Sink, TransportError};
use crate::route::{Route, Routes};
use crate::sqs;
use crate::transfer::Outcome;

const ROUTE: &str = "r";

type Object = Rc<(RouteLedger<Fake, Store>, Store)>;

/// All objects, and what came of calling them.
#[derive(Default)]
struct World {
    second: i64,
    random: u128,
    objects: BTreeMap<String, Object>,
    /// By object and second.
    calls: BTreeMap<(String, i64), u32>,
    sent: Vec<String>,
    is_misconfigured: bool,
    log: Vec<String>,
}

/// The platform, as one isolate sees it.
#[derive(Clone, Default)]
pub(in crate::host) struct Fake(Rc<RefCell<World>>, Rc<Isolate>);

/// Entries and alarm.
type Stored = (BTreeMap<String, String>, Option<Duration>);

#[derive(Clone, Default)]
struct Store(Rc<RefCell<Stored>>);

impl Fake {
    /// One whose configuration cannot be read.
    pub(in crate::host) fn misconfigured() -> Self {
        let fake = Self::default();
        fake.0.borrow_mut().is_misconfigured = true;
        fake
    }

    /// What was put into queues.
    pub(in crate::host) fn sent(&self) -> Vec<String> {
        self.0.borrow().sent.clone()
    }

    /// Another isolate of the same world.
    fn isolate_beside(&self) -> Self {
        Self(Rc::clone(&self.0), Rc::default())
    }

    fn object(&self, name: &str) -> Object {
        let found = self.0.borrow().objects.get(name).cloned();
        found.unwrap_or_else(|| {
            let store = Store::default();
            let object = (
                RouteLedger::new(self.isolate_beside(), store.clone()),
                store,
            );
            let object = Rc::new(object);
            let mut world = self.0.borrow_mut();
            world.objects.insert(name.to_owned(), Rc::clone(&object));
            object
        })
    }

    /// The alarms that are set go off.
    fn alarms(&self) {
        let objects: Vec<_> = self.0.borrow().objects.values().cloned().collect();
        for object in objects {
            if object.1.0.borrow_mut().1.take().is_some() {
                block_on(object.0.alarm()).unwrap();
            }
        }
    }

    fn tell<T: serde::de::DeserializeOwned>(&self, report: &Report) -> T {
        from_json(&block_on(tell(self, ROUTE, report)).unwrap()).unwrap()
    }

    fn status(&self) -> RouteStatus {
        self.tell(&Report::Status(ROUTE.into()))
    }

    /// The most calls that any object had in one of these seconds.
    fn most_calls(&self, seconds: std::ops::Range<i64>) -> u32 {
        let world = self.0.borrow();
        let calls = world.calls.iter();
        let of = calls.filter(|((_, second), _)| seconds.contains(second));
        of.map(|(_, count)| *count).max().unwrap_or_default()
    }
}

impl Platform for Fake {
    type Port = NoPort;

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.borrow().second).unwrap()
    }

    fn random(&self) -> u128 {
        let mut world = self.0.borrow_mut();
        world.random += 1;
        world.random
    }

    fn routes(&self) -> Result<Rc<Routes>, ConfigError> {
        let is_misconfigured = self.0.borrow().is_misconfigured;
        Routes::new((!is_misconfigured).then(route)).map(Rc::new)
    }

    fn sqs_queues(&self) -> Result<Rc<Vec<sqs::Queue>>, ConfigError> {
        unreachable!()
    }

    fn reach(&self, _: &str) -> Result<RouteAccess<NoPort>, ConfigError> {
        unreachable!()
    }

    async fn enqueue(&self, _: Queue, messages: &[String], _: Duration) -> Result<(), String> {
        self.0.borrow_mut().sent.extend_from_slice(messages);
        Ok(())
    }

    async fn call(&self, _: Class, name: &str, report: String) -> Result<String, String> {
        let at = (name.to_owned(), self.0.borrow().second);
        *self.0.borrow_mut().calls.entry(at).or_default() += 1;
        self.object(name).0.answer(&report).await
    }

    fn isolate(&self) -> Rc<Isolate> {
        Rc::clone(&self.1)
    }

    fn connections(&self) -> usize {
        6
    }

    fn log(&self, _: Level, line: &Value) {
        let event = line["event"].as_str().unwrap_or_default().to_owned();
        self.0.borrow_mut().log.push(event);
    }
}

impl Storage for Store {
    async fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(self.0.borrow().0.get(key).cloned())
    }

    async fn list(
        &self,
        prefix: &str,
        start: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<(String, String)>, String> {
        let stored = self.0.borrow();
        let found = stored.0.iter().filter(|(key, _)| key.starts_with(prefix));
        let found = found.filter(|(key, _)| start.is_none_or(|start| key.as_str() >= start));
        let pairs = found.map(|(key, value)| (key.clone(), value.clone()));
        Ok(pairs.take(limit.unwrap_or(usize::MAX)).collect())
    }

    async fn put(&self, entries: Vec<(String, String)>) -> Result<(), String> {
        self.0.borrow_mut().0.extend(entries);
        Ok(())
    }

    async fn replace(
        &self,
        keys: Vec<String>,
        entries: Vec<(String, String)>,
    ) -> Result<(), String> {
        let mut stored = self.0.borrow_mut();
        stored.0.retain(|key, _| !keys.contains(key));
        stored.0.extend(entries);
        Ok(())
    }

    async fn clear(&self) -> Result<(), String> {
        unreachable!()
    }

    async fn has_alarm(&self) -> Result<bool, String> {
        Ok(self.0.borrow().1.is_some())
    }

    async fn set_alarm(&self, after: Option<Duration>) -> Result<(), String> {
        self.0.borrow_mut().1 = after;
        Ok(())
    }
}

/// No ledger moves bytes.
pub(in crate::host) struct NoPort;

impl Port for NoPort {
    fn now(&self) -> Timestamp {
        unreachable!()
    }

    async fn send(&mut self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        unreachable!()
    }

    async fn open(&mut self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        unreachable!()
    }

    async fn pipe(
        &mut self,
        _: Sink,
        _: u64,
        _: Option<Digest>,
    ) -> Result<Response<Bytes>, TransportError> {
        unreachable!()
    }

    async fn hold(&mut self, _: u64, _: Digest) -> Result<Digests, TransportError> {
        unreachable!()
    }

    async fn digest(&mut self, _: u64, _: Digest) -> Result<Digests, TransportError> {
        unreachable!()
    }

    async fn may_delete(&mut self, _: &Route) -> Result<DeletePermit, String> {
        unreachable!()
    }

    async fn sign_rs256(&mut self, _: Vec<u8>) -> Result<Vec<u8>, String> {
        unreachable!()
    }

    async fn wait_until(&mut self, _: Timestamp) {
        unreachable!()
    }
}

fn route() -> Route {
    let table = json!({"source": "s3://src", "destination": "gs://dst", "deletes": "propagate"});
    let mut route = Route::parse("ROUTE_R", table).unwrap();
    route.brake = Brake {
        deletes: 1000,
        percent: 100,
        window: 3600,
    };
    route
}

fn message(key: &str) -> HintMessage {
    let hint = ObjectHint {
        bucket: "src".into(),
        key: key.into(),
        event: "ObjectCreated:Put".into(),
        time: None,
        version_id: None,
        size: None,
        sequencer: None,
    };
    HintMessage::new(ROUTE, hint, Timestamp::UNIX_EPOCH)
}

fn letter(key: &str, kind: ErrorKind) -> DeadLetter {
    let error = TransferError::new(kind, "no", "ask");
    DeadLetter::new(&to_json(&message(key)), error, 11, Timestamp::UNIX_EPOCH)
}

fn records(count: u64, now: Timestamp) -> Vec<Record> {
    let identical = Outcome::Identical {
        generation: crate::gcs::Generation(1),
    };
    let keys = (0..count).map(|number| message(&number.to_string()));
    keys.map(|message| Record::succeeded(&message, &identical, now))
        .collect()
}

/// 250 batches of 20 a second from a hundred isolates, and a third of all events are deletes.
#[test]
fn five_thousand_events_a_second_are_less_than_200_calls_a_second_to_any_object() {
    let world = Fake::default();
    let isolates: Vec<_> = (0..100).map(|_| world.isolate_beside()).collect();
    let (seconds, mut deletes) = (30, 0);
    for second in 0..seconds {
        world.0.borrow_mut().second = second;
        for batch in 0..250 {
            let isolate = &isolates[(batch * 37 + usize::try_from(second).unwrap()) % 100];
            for _ in 0..7 {
                let permit = block_on(may_delete(isolate, &route())).unwrap();
                deletes += u64::from(permit == DeletePermit::Granted);
            }
            block_on(record(isolate, ROUTE, records(20, isolate.now())));
            block_on(return_permits(isolate, ROUTE));
        }
        if second % 5 == 4 {
            world.alarms();
        }
    }
    world.alarms();
    assert_eq!(world.status().counts["identical"], 250 * 20 * 30);
    assert_eq!(deletes, 1000);
    let most = world.most_calls(2..seconds);
    assert!(most < 200, "{most}");
}

#[test]
fn what_one_isolate_asks_of_the_brake_is_asked_in_few_calls_and_never_more_than_it_allows() {
    let world = Fake::default();
    let granted = (0..2000)
        .filter(|_| block_on(may_delete(&world, &route())).unwrap() == DeletePermit::Granted)
        .count();
    assert_eq!(granted, 1000);
    assert!(world.most_calls(0..1) < 100, "{}", world.most_calls(0..1));
    // What is left of a grant is returned.
    let other = Fake::default();
    for _ in 0..5 {
        block_on(may_delete(&other, &route())).unwrap();
    }
    block_on(return_permits(&other, ROUTE));
    let status = other.status();
    assert_eq!(status.brake.unwrap().deletes, 5);
}

#[test]
fn hints_wait_while_all_are_refused_and_go_on_when_one_is_not() {
    let here = Fake::default();
    let there = here.isolate_beside();
    let at = |second| here.0.borrow_mut().second = second;
    let denied = TransferError::new(ErrorKind::DestinationDenied, "no", "Give it the role.");
    let mut held = message("held");
    held.held = true;
    for key in 0..10 {
        assert_eq!(block_on(gate::wait(&here, &message("k"))), None);
        block_on(gate::refused(&here, &message(&key.to_string()), &denied));
    }
    let wait = block_on(gate::wait(&here, &message("k"))).unwrap();
    assert!((30..=60).contains(&wait.as_secs()), "{wait:?}");
    assert!(block_on(gate::wait(&there, &held)).is_some());
    let shown = here.status().breaker.unwrap();
    assert_eq!(
        (shown.kind, &*shown.advice),
        (denied.kind, "Give it the role.")
    );
    // One tries, and nobody beside it.
    at(31);
    assert_eq!(block_on(gate::wait(&there, &held)), None);
    assert!(block_on(gate::wait(&here, &held)).is_some());
    block_on(gate::refused(&there, &held, &denied));
    assert!(block_on(gate::wait(&there, &message("k"))).is_some());
    at(200);
    assert_eq!(block_on(gate::wait(&there, &held)), None);
    // That something stood there already proves nothing.
    block_on(record(&there, ROUTE, records(1, there.now())));
    assert!(here.status().breaker.is_some());
    let copied = Outcome::Copied {
        generation: crate::gcs::Generation(1),
        size: 1,
        proof: crate::integrity::Proof::StoredCrc32c,
        omitted: None,
    };
    let copied = Record::succeeded(&message("k"), &copied, there.now());
    block_on(record(&there, ROUTE, vec![copied]));
    assert_eq!(here.status().breaker, None);
    assert_eq!(block_on(gate::wait(&there, &held)), None);
    at(400);
    assert_eq!(block_on(gate::wait(&here, &message("k"))), None);
    assert_eq!(here.0.borrow().log, ["breaker-opens", "breaker-closes"]);
}

#[test]
fn a_quarantine_is_gone_through_once_whatever_comes_back() {
    let world = Fake::default();
    let kinds = [ErrorKind::SourceDenied, ErrorKind::DestinationDenied];
    let letters = (0..500)
        .map(|n| letter(&format!("{n:03}"), kinds[n % 2]))
        .collect();
    block_on(quarantine(&world, ROUTE, letters)).unwrap();
    let (mut after, mut count, mut pages) = (None, 0, 0);
    loop {
        let selector = Selector::Kind(ErrorKind::SourceDenied);
        let report = Report::Replay(selector, false, after);
        let taken: Taken = world.tell(&report);
        count += taken.count;
        pages += 1;
        // The first comes back at once.
        block_on(quarantine(&world, ROUTE, vec![letter("000", kinds[0])])).unwrap();
        after = taken.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((count, pages), (250, 5));
    assert_eq!(world.0.borrow().sent.len(), 250);
    assert_eq!(world.status().quarantined, 251);
    let all = Selector::All(true);
    let report = Report::Drop(all, Some("src/490".into()));
    let taken: Taken = world.tell(&report);
    assert_eq!((taken.count, taken.next), (5, None));
}

#[test]
fn a_full_quarantine_counts_what_it_has_no_room_for() {
    let world = Fake::default();
    let full = json!({"quarantined": 1_000_000}).to_string();
    let store = world.object(ROUTE).1.clone();
    block_on(store.put(vec![(LEDGER.into(), full)])).unwrap();
    let letters = vec![
        letter("a", ErrorKind::TooLarge),
        letter("b", ErrorKind::TooLarge),
    ];
    block_on(quarantine(&world, ROUTE, letters)).unwrap();
    let status = world.status();
    assert_eq!((status.quarantined, status.overflowed), (1_000_000, 2));
    assert_eq!(block_on(store.list(QUARANTINE, None, None)), Ok(Vec::new()));
}

fn large(key: &str) -> String {
    let order = CompositeCopy {
        message: message(key),
        bucket: "dst".into(),
        folder: ".causeway-parts/".into(),
        object: crate::gcs::Object::default(),
        precondition: crate::gcs::Precondition::DoesNotExist,
        etag: "\"e\"".into(),
        stored: crate::s3::StoredChecksums::default(),
        parts: crate::plan::Parts {
            total: 5,
            length: 2,
            digest: None,
        },
        quiet_after: 300,
    };
    json!({"Start": order}).to_string()
}

#[test]
fn a_large_object_waits_for_its_turn_while_its_route_copies_as_many_as_it_may() {
    let fake = Fake::default();
    for run in 0..RUNS {
        assert!(fake.tell::<bool>(&Report::MayRun(run.to_string())));
    }
    let coordinator = |key| {
        let coordinator = PartsCoordinator::new(fake.isolate_beside(), Store::default());
        move || block_on(coordinator.answer(&large(key))).unwrap()
    };
    let (first, second) = (coordinator("1"), coordinator("2"));
    assert_eq!(first(), "\"Full\"");
    fake.tell::<()>(&Report::RunEnded("7".into()));
    // It has taken the place, and needs no other for what it has begun.
    assert_eq!(
        (first(), first()),
        ("\"New\"".into(), "\"Underway\"".into())
    );
    assert_eq!(second(), "\"Full\"");
    gate::note_full(&fake, ROUTE);
    assert!(gate::is_full(&fake, ROUTE) && !gate::is_full(&fake.isolate_beside(), ROUTE));
    let turn = || gate::turn(&fake, &message("2")).as_secs();
    assert!((30..=60).contains(&turn()));
    fake.0.borrow_mut().second = 1800;
    assert!(!gate::is_full(&fake, ROUTE));
    assert!((300..=600).contains(&turn()));
}
