//! The puller beside an SQS and a queue of hints that fail when they are told to.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::Poll;

use futures::executor::block_on;
use http::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;
use crate::access::{Access, Endpoints, GcsAccess, S3Access};
use crate::error::ConfigError;
use crate::host::{Isolate, Level, RouteAccess};
use crate::message::HintMessage;
use crate::port::{DeletePermit, Digest, Digests, Port, Side, Sink, TransportError};
use crate::route::Route;
use crate::sigv4::Credentials;

const URL: &str = "http://127.0.0.1:9/1/q";
/// A message that holds no event.
const NO_EVENT: &str = "no-event";

/// Everything outside of the puller. A message is named by the key of its object, and so is its receipt.
#[derive(Default)]
struct World {
    milliseconds: i64,
    waiting: VecDeque<String>,
    /// There is always more.
    is_endless: bool,
    received: usize,
    under_way: usize,
    has_put: BTreeSet<String>,
    deleted: BTreeSet<String>,
    hidden: BTreeMap<String, u64>,
    /// Of each receive, in their order.
    waits: Vec<u64>,
    requests: usize,
    sends: usize,
    /// The requests and sends that fail, by their number.
    refused: BTreeSet<usize>,
    refused_sends: BTreeSet<usize>,
    routes: usize,
    woken: Vec<String>,
    stored: Option<String>,
    alarm: Option<Duration>,
    log: Vec<String>,
}

#[derive(Clone)]
struct Fake(Rc<RefCell<World>>);

impl Fake {
    fn new(messages: usize) -> Self {
        let waiting = (0..messages).map(|number| format!("k{number}")).collect();
        let world = World {
            waiting,
            routes: 1,
            ..World::default()
        };
        Self(Rc::new(RefCell::new(world)))
    }

    fn with(self, change: impl FnOnce(&mut World)) -> Self {
        change(&mut self.0.borrow_mut());
        self
    }

    /// One alarm of the puller called `name`.
    fn alarm(&self, name: &str) -> &Self {
        let puller = QueuePuller::new(self.clone(), self.clone());
        block_on(puller.answer(&to_json(&name))).unwrap();
        assert_eq!(self.0.borrow().alarm, Some(Duration::ZERO));
        block_on(puller.alarm()).unwrap();
        self
    }

    /// A request begins.
    fn begin(&self) {
        let mut world = self.0.borrow_mut();
        world.under_way += 1;
        assert!(world.under_way <= 6, "the platform holds it back");
    }

    fn world(&self) -> std::cell::Ref<'_, World> {
        self.0.borrow()
    }
}

impl World {
    fn receive(&mut self, asked: &Value) -> Value {
        let wait = asked["WaitTimeSeconds"].as_u64().unwrap();
        assert!(
            wait == 0 || self.under_way == 1,
            "a request waits beside others"
        );
        self.waits.push(wait);
        if self.is_endless {
            let keys = (0..BATCH).map(|number| format!("k{}", self.received + number));
            self.waiting.extend(keys);
        }
        let keys: Vec<_> = self
            .waiting
            .drain(..BATCH.min(self.waiting.len()))
            .collect();
        if keys.is_empty() {
            self.milliseconds += i64::try_from(wait).unwrap() * 1000;
        }
        self.received += keys.len();
        let messages = keys.iter().map(|key| {
            let record = json!({"eventVersion": "2.1", "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "src"}, "object": {"key": key}}});
            let body = match &**key {
                NO_EVENT => "hello".to_owned(),
                _ => json!({"Records": [record]}).to_string(),
            };
            json!({"MessageId": key, "ReceiptHandle": key, "Body": body})
        });
        json!({"Messages": messages.collect::<Vec<_>>()})
    }

    fn answer(&mut self, action: &str, asked: &Value) -> Value {
        if action == "AmazonSQS.ReceiveMessage" {
            return self.receive(asked);
        }
        let entries = asked["Entries"].as_array().unwrap();
        assert!((1..=BATCH).contains(&entries.len()));
        for entry in entries {
            let key = entry["ReceiptHandle"].as_str().unwrap().to_owned();
            if action == "AmazonSQS.DeleteMessageBatch" {
                assert!(self.has_put.contains(&key), "{key} was deleted and not put");
                self.deleted.insert(key);
            } else {
                let seconds = entry["VisibilityTimeout"].as_u64().unwrap();
                self.hidden.insert(key, seconds);
            }
        }
        json!({})
    }
}

/// Lets everything else go first.
async fn once_later() {
    let mut was_asked = false;
    std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut was_asked, true) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

impl Port for Fake {
    fn now(&self) -> Timestamp {
        Platform::now(self)
    }

    async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.begin();
        once_later().await;
        let mut world = self.0.borrow_mut();
        world.milliseconds += 1;
        let number = world.requests;
        world.requests += 1;
        let action = request.headers()["x-amz-target"].to_str().unwrap();
        let asked = serde_json::from_slice(request.body()).unwrap();
        let answer = if world.refused.contains(&number) {
            let detail = "the connection was lost".into();
            Err(TransportError {
                side: Side::Sink,
                detail,
            })
        } else {
            let answer = world.answer(action, &asked).to_string();
            Ok(Response::new(answer.into()))
        };
        world.under_way -= 1;
        answer
    }

    async fn wait_until(&mut self, time: Timestamp) {
        once_later().await;
        let mut world = self.0.borrow_mut();
        world.milliseconds = world.milliseconds.max(time.as_millisecond());
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
}

fn keys() -> Credentials {
    Credentials::new("AKID", "secret", None).unwrap()
}

fn route(number: usize) -> Route {
    let table = json!({"source": "s3://src", "destination": format!("gs://dst{number}")});
    Route::parse(&format!("ROUTE_R{number}"), table).unwrap()
}

impl Platform for Fake {
    type Port = Self;

    fn now(&self) -> Timestamp {
        let since = SignedDuration::from_millis(self.0.borrow().milliseconds);
        Timestamp::UNIX_EPOCH + since
    }

    fn random(&self) -> u128 {
        0
    }

    fn routes(&self) -> Result<Rc<Routes>, ConfigError> {
        Routes::new((0..self.0.borrow().routes).map(route)).map(Rc::new)
    }

    fn sqs_queues(&self) -> Result<Rc<Vec<Queue>>, ConfigError> {
        Ok(Rc::new(vec![Queue::new(&keys(), "us-east-1", URL)?]))
    }

    fn reach(&self, _: &str) -> Result<RouteAccess<Self>, ConfigError> {
        let access = Access {
            s3: S3Access::new(&keys(), "us-east-1", Endpoints::default(), &route(0))?,
            gcs: GcsAccess::new(None, Some("gcs"))?.into(),
        };
        Ok(RouteAccess {
            access: access.into(),
            port: self.clone(),
        })
    }

    async fn enqueue(&self, _: Ours, messages: &[String], _: Duration) -> Result<(), String> {
        self.begin();
        once_later().await;
        let mut world = self.0.borrow_mut();
        world.under_way -= 1;
        world.sends += 1;
        let number = world.sends - 1;
        if world.refused_sends.contains(&number) {
            return Err("the queue takes none".into());
        }
        for text in messages {
            let message: HintMessage = serde_json::from_str(text).unwrap();
            world.has_put.insert(message.hint.key);
        }
        Ok(())
    }

    async fn call(&self, _: Class, name: &str, report: String) -> Result<String, String> {
        assert_eq!(report, to_json(&name));
        self.0.borrow_mut().woken.push(name.to_owned());
        Ok(String::new())
    }

    fn isolate(&self) -> Rc<Isolate> {
        Rc::default()
    }

    fn connections(&self) -> usize {
        6
    }

    fn log(&self, _: Level, line: &Value) {
        self.0.borrow_mut().log.push(line.to_string());
    }
}

impl Storage for Fake {
    async fn get(&self, _: &str) -> Result<Option<String>, String> {
        Ok(self.0.borrow().stored.clone())
    }

    async fn put(&self, entries: Vec<(String, String)>) -> Result<(), String> {
        self.0.borrow_mut().stored = entries.into_iter().next().map(|(_, value)| value);
        Ok(())
    }

    async fn has_alarm(&self) -> Result<bool, String> {
        Ok(self.0.borrow().alarm.is_some())
    }

    async fn set_alarm(&self, after: Option<Duration>) -> Result<(), String> {
        self.0.borrow_mut().alarm = after;
        Ok(())
    }

    async fn list(
        &self,
        _: &str,
        _: Option<&str>,
        _: Option<usize>,
    ) -> Result<Vec<(String, String)>, String> {
        unreachable!()
    }

    async fn replace(&self, _: Vec<String>, _: Vec<(String, String)>) -> Result<(), String> {
        unreachable!()
    }

    async fn clear(&self) -> Result<(), String> {
        unreachable!()
    }
}

#[test]
fn an_idle_queue_is_asked_by_one_request_at_a_time_that_waits() {
    let fake = Fake::new(0);
    let world = fake.alarm(URL).world();
    assert_eq!(world.waits, [20; 30]);
    assert_eq!((world.requests, world.sends), (30, 0));
    assert_eq!(world.alarm, Some(Duration::ZERO));
    assert!(world.woken.is_empty());
}

#[test]
fn a_burst_is_taken_with_hints_gathered_and_then_one_request_waits_again() {
    let fake = Fake::new(5_000);
    let world = fake.alarm(URL).world();
    assert_eq!(world.deleted.len(), 5_000);
    assert!(world.sends < 70, "{} sends", world.sends);
    // The first, and those of ten minutes with nothing left; of the others few found nothing.
    let waited = world.waits.iter().filter(|wait| **wait > 0).count();
    let did_not = world.waits.len() - waited;
    assert!((499..570).contains(&did_not), "{did_not}");
    assert!((30..34).contains(&waited), "{waited}");
    assert!(world.log.is_empty(), "{:?}", world.log);
}

#[test]
fn a_trickle_is_no_reason_to_ask_more_often() {
    let fake = Fake::new(3);
    let world = fake.alarm(URL).world();
    assert_eq!(world.deleted.len(), 3);
    assert_eq!(world.waits, [20; 31]);
}

#[test]
fn an_alarm_makes_fewer_requests_than_it_may_and_wakes_a_helper_for_the_rest() {
    for (name, next) in [
        (URL, Some("2")),
        (&format!("{URL} 3"), Some("4")),
        (&format!("{URL} 4"), None),
    ] {
        let fake = Fake::new(0).with(|world| world.is_endless = true);
        let world = fake.alarm(name).world();
        let spent = world.requests + SEND * world.sends;
        assert!((8_000..=BUDGET).contains(&spent), "{spent}");
        assert_eq!(world.deleted.len(), world.received);
        assert!(world.received > 25_000, "{}", world.received);
        assert_eq!(world.alarm, Some(Duration::ZERO));
        let next = next.map(|number| format!("{URL} {number}"));
        assert_eq!(world.woken, Vec::from_iter(next));
    }
}

#[test]
fn sends_are_counted_where_many_routes_take_each_event() {
    let fake = Fake::new(0).with(|world| (world.is_endless, world.routes) = (true, 40));
    let world = fake.alarm(URL).world();
    assert!(
        (700..=BUDGET / SEND).contains(&world.sends),
        "{}",
        world.sends
    );
    assert_eq!(world.deleted.len(), world.received);
}

#[test]
fn a_helper_ends_when_there_is_little() {
    let fake = Fake::new(2_000);
    let world = fake.alarm(&format!("{URL} 2")).world();
    assert_eq!(world.deleted.len(), 2_000);
    assert_eq!(world.alarm, None);
    assert!(world.waits.iter().all(|wait| *wait == 0));
}

#[test]
fn what_fails_stops_no_other_round() {
    // A receive, a send's second try, a delete; all under way at once with others.
    for refused in [45, 60, 100, 130] {
        let fake = Fake::new(3_000).with(|world| {
            world.refused.insert(refused);
            world.refused_sends.insert(5);
        });
        let world = fake.alarm(URL).world();
        assert_eq!(world.has_put.len(), 3_000);
        assert!(world.deleted.len() >= 2_990, "{}", world.deleted.len());
        assert_eq!(world.alarm, Some(Duration::ZERO));
        assert!(world.log.len() == 1 && world.log[0].contains("sqs-failed"));
    }
}

#[test]
fn where_nothing_is_answered_there_is_a_pause() {
    let fake = Fake::new(3).with(|world| world.refused.extend(0..1_000));
    let world = fake.alarm(URL).world();
    assert_eq!((world.requests, world.log.len()), (1, 1));
    assert_eq!(world.alarm, Some(PAUSE));
}

#[test]
fn what_the_queue_of_hints_does_not_take_is_hidden_and_not_deleted() {
    let fake = Fake::new(1_000).with(|world| world.refused_sends.extend(0..1_000));
    let world = fake.alarm(URL).world();
    assert!(world.deleted.is_empty() && world.received > 0);
    assert_eq!(world.hidden.len(), world.received);
    assert!(
        world
            .hidden
            .values()
            .all(|seconds| *seconds == u64::from(HIDDEN))
    );
    assert_eq!(world.sends, TRIES as usize);
    assert_eq!(world.alarm, Some(PAUSE));
}

#[test]
fn what_gives_no_event_is_hidden_for_long_and_holds_up_nothing() {
    let fake = Fake::new(30).with(|world| world.waiting[4] = NO_EVENT.into());
    let world = fake.alarm(URL).world();
    assert_eq!(world.deleted.len(), 29);
    let hidden = BTreeMap::from([(NO_EVENT.to_owned(), u64::from(USELESS))]);
    assert_eq!(world.hidden, hidden);
    assert!(world.log.len() == 1 && world.log[0].contains("sqs-unreadable"));
}

#[test]
fn a_queue_that_is_not_configured_is_not_pulled() {
    let fake = Fake::new(30);
    let world = fake.alarm("http://127.0.0.1:9/1/gone").world();
    assert_eq!((world.alarm, world.requests), (None, 0));
}
