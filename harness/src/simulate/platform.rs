//! [`Platform`] over the simulated queues and objects: where the glue of `causeway_shared::host` meets
//! their faults, and where mutants live that believe what the glue must not.

use std::rc::Rc;
use std::time::Duration;

use causeway_shared::brake::DeletePermit;
use causeway_shared::error::ConfigError;
use causeway_shared::host::{
    BATCH_BYTES, BATCH_MESSAGES, Class, Isolate, Level, Platform, Queue, RouteAccess, to_json,
};
use causeway_shared::message::Message;
use causeway_shared::route::Routes;
use causeway_shared::sqs;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::circumstances::{HOUR, Kind};
use super::durable::{isolate_of, object_name};
use super::fault::Fault;
use super::mutant::Mutant;
use super::port::SimulatedPort;
use super::world::{Owner, World};

/// The platform, as something in an isolate sees it.
#[derive(Clone)]
pub(super) struct SimulatedPlatform {
    pub(super) world: Rc<World>,
    pub(super) isolate: usize,
    pub(super) owner: Owner,
}

impl SimulatedPlatform {
    /// That of a batch's invocation, or of whoever sits before a terminal.
    pub(super) fn of_isolate(world: &Rc<World>, isolate: usize, owner: Owner) -> Self {
        Self {
            world: Rc::clone(world),
            isolate,
            owner,
        }
    }

    /// That of the object `name`.
    pub(super) fn of_object(world: &Rc<World>, name: &Rc<str>) -> Self {
        Self::of_isolate(world, isolate_of(name), Owner::Object(Rc::clone(name)))
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.world.is(mutant)
    }

    /// Whether this is that of an object whose class is called so.
    fn is_of(&self, class: &str) -> bool {
        matches!(&self.owner, Owner::Object(name) if name.starts_with(class))
    }

    /// Whether a mutant keeps `messages` from their queue.
    fn loses(&self, queue: Queue, messages: &[String]) -> bool {
        match self.world.mutant {
            Some(Mutant::DeadLetterLost) => queue == Queue::DeadLetters,
            Some(Mutant::SessionForgotten) => {
                messages.iter().any(|text| session_of(text).is_some())
            }
            Some(Mutant::ReplayLost) => self.is_of("RouteLedger"),
            _ => false,
        }
    }

    /// What a mutant makes of a message on its way into `queue`.
    fn spoil(&self, queue: Queue, delay: Duration, text: &mut String) {
        let releases = self.is(Mutant::ReplayReleases) && self.is_of("RouteLedger");
        let waits = delay == Duration::ZERO || text.contains("\"held\":true");
        let is_given_back = queue == Queue::Hints && waits && session_of(text).is_none();
        let counts = self.is(Mutant::WaitingCounts) && is_given_back && !self.is_of("RouteWalk");
        if releases || counts {
            let mut message: Value = serde_json::from_str(text).unwrap_or_default();
            if releases {
                message["released"] = true.into();
            } else {
                message["returns"] = (message["returns"].as_u64().unwrap_or_default() + 1).into();
            }
            *text = message.to_string();
        }
    }
}

impl Platform for SimulatedPlatform {
    type Port = SimulatedPort;

    fn now(&self) -> Timestamp {
        self.world.time_at(self.isolate)
    }

    fn random(&self) -> u128 {
        self.world.random()
    }

    fn routes(&self) -> Result<Rc<Routes>, ConfigError> {
        let remembers = self.is(Mutant::RoutesRemembered);
        let now = if remembers { 0 } else { self.world.now() };
        let change = self.world.scenario.circumstances.change.as_ref();
        if change
            .is_some_and(|change| change.kind == Kind::Broken && change.is_seen(self.isolate, now))
        {
            self.world.judge.borrow_mut().excused += 1;
            return Err(ConfigError::new("ROUTE_SIMULATED", "is not a table"));
        }
        Ok(Rc::clone(self.world.routes(self.isolate, now)))
    }

    fn sqs_queues(&self) -> Result<Rc<Vec<sqs::Queue>>, ConfigError> {
        Ok(Rc::default())
    }

    fn reach(&self, _route: &str) -> Result<RouteAccess<SimulatedPort>, ConfigError> {
        self.routes()?;
        let now = self.world.now();
        let backlog = self.world.scenario.circumstances.backlog.as_ref();
        let is_busy = backlog.is_some_and(|span| (span.end..span.end + HOUR).contains(&now));
        let start = match self.owner {
            Owner::Invocation(_) if is_busy => self.world.rng.borrow_mut().pick(&[0, 100_000]),
            // Most transfers begin at once; some wait for a place.
            Owner::Invocation(_) => self.world.rng.borrow_mut().pick(&[0, 0, 0, 4, 200, 20_000]),
            Owner::Object(_) | Owner::Operator => 0,
        };
        Ok(RouteAccess {
            access: self.world.access(self.isolate),
            port: SimulatedPort::new(self.clone(), start),
        })
    }

    async fn enqueue(
        &self,
        queue: Queue,
        messages: &[String],
        delay: Duration,
    ) -> Result<(), String> {
        let bytes: usize = messages.iter().map(String::len).sum();
        if messages.len() > BATCH_MESSAGES || messages.len() > 1 && bytes > BATCH_BYTES {
            let mut judge = self.world.judge.borrow_mut();
            judge.object("more was sent to a queue at once than it takes");
        }
        self.world.spend(&self.owner, 0).await;
        if self.loses(queue, messages) {
            return Ok(());
        }
        let mut messages = messages.to_vec();
        for text in &mut messages {
            self.spoil(queue, delay, text);
        }
        if self.is(Mutant::WalkedBefore) && self.is_of("RouteWalk") {
            let world = Rc::clone(&self.world);
            self.world.spawn(self.owner.clone(), 1, async move {
                let _ = world.send(queue, &messages, delay).await;
            });
            return Ok(());
        }
        let sent = self.world.send(queue, &messages, delay).await;
        if sent.is_err() {
            for id in messages.iter().filter_map(|text| session_of(text)) {
                // The next delivery looks at both sides again, and starts another session.
                self.world.orphan(id);
            }
            if self.is(Mutant::NobodyTakesOver) {
                return Ok(());
            }
        }
        sent
    }

    async fn call(&self, class: Class, name: &str, report: String) -> Result<String, String> {
        let is_start = class == Class::PartsCoordinator && report.starts_with("{\"Start\"");
        if self.is(Mutant::BrakeNotAsked) && report.starts_with("{\"MayDelete\"") {
            return Ok(to_json(&(1, DeletePermit::Granted)));
        }
        if self.is(Mutant::RunsUnlimited) && report.starts_with("{\"MayRun\"") {
            return Ok("true".to_owned());
        }
        self.world.spend(&self.owner, 0).await;
        let messages = report.matches("\"count\"").count();
        let name = object_name(class, name);
        if class == Class::TableLoader && self.is(Mutant::ToldAfter) {
            let world = Rc::clone(&self.world);
            self.world.spawn(self.owner.clone(), 100, async move {
                let _ = world.call(&name, report).await;
            });
            return Ok(String::new());
        }
        let answer = self.world.call(&name, report).await;
        if class == Class::BatchShare && answer.is_err() && self.is(Mutant::ShareForgotten) {
            let verdicts = vec!["Acknowledged"; messages];
            let done = json!({ "records": [], "permits": [] });
            return Ok(json!({ "verdicts": verdicts, "done": done }).to_string());
        }
        let is_taken = answer.as_ref().is_ok_and(|answer| answer != "\"Busy\"");
        if is_start && !is_taken && self.is(Mutant::NobodyTakesOver) {
            return Ok("\"Underway\"".to_owned());
        }
        answer
    }

    fn isolate(&self) -> Rc<Isolate> {
        self.world.memory_of(self.isolate)
    }

    fn connections(&self) -> usize {
        self.world.scenario.circumstances.connections
    }

    fn log(&self, level: Level, line: &Value) {
        let code = line["event"].as_str().map_or(0, str::len) as u64;
        match level {
            Level::Info => self.world.tell(code, format_args!("{line}")),
            Level::Error => self.world.tell(code, format_args!("error: {line}")),
        }
        match line["event"].as_str() {
            Some("unreadable") => {
                let mut judge = self.world.judge.borrow_mut();
                judge.object("a message is unreadable");
            }
            Some("parts-left") => self.world.judge.borrow_mut().parts_left(line),
            Some("reconcile") if line["end"]["outcome"] == "failed" => self.world.reconcile_later(),
            _ => {}
        }
    }
}

/// The session that the message `text` carries.
pub(super) fn session_of(text: &str) -> Option<u64> {
    if !text.contains("upload_id=") {
        return None;
    }
    let Ok(Message::Hint(hint)) = Message::read(text.as_bytes()) else {
        return None;
    };
    let uri = String::from(hint.session?.uri);
    uri.rsplit_once("upload_id=")?.1.parse().ok()
}

impl World {
    /// Tells an object something, and waits for its answer.
    ///
    /// # Errors
    /// The platform's words. The object may have heard it all the same.
    async fn call(self: &Rc<Self>, name: &Rc<str>, report: String) -> Result<String, String> {
        self.crash_point().await;
        let lost = self
            .strike(&[Fault::CallLost])
            .map(|_| self.rng.borrow_mut().chance(1, 2));
        self.judge.borrow_mut().excused += u32::from(lost.is_some());
        let answer = self.answer(name, report, lost).await;
        self.crash_point().await;
        answer
    }
}
