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

use super::durable::{isolate_of, object_name};
use super::fault::Fault;
use super::mutant::Mutant;
use super::port::SimulatedPort;
use super::world::{Owner, World};

/// The platform, as something in an isolate sees it.
#[derive(Clone)]
pub(super) struct SimulatedPlatform {
    world: Rc<World>,
    pub(super) isolate: usize,
    owner: Owner,
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

    /// What a mutant does with messages in the place of the queue.
    fn spoil(&self, queue: Queue, messages: &[String], delay: Duration) -> bool {
        let has_session = || messages.iter().any(|text| session_of(text).is_some());
        if self.is(Mutant::DeadLetterLost) && queue == Queue::DeadLetters {
            return true;
        }
        if self.is(Mutant::SessionForgotten) && has_session() {
            return true;
        }
        let is_of = |class| matches!(&self.owner, Owner::Object(name) if name.starts_with(class));
        if self.is(Mutant::ReplayLost) && is_of("RouteLedger") {
            return true;
        }
        let releases = self.is(Mutant::ReplayReleases) && is_of("RouteLedger");
        if releases || self.is(Mutant::WalkedBefore) && is_of("RouteWalk") {
            let mut messages = messages.to_vec();
            for text in messages
                .iter_mut()
                .filter(|text| releases && !text.contains("released"))
            {
                *text = text.replacen('{', "{\"released\":true,", 1);
            }
            let world = Rc::clone(&self.world);
            self.world.spawn(self.owner.clone(), 1, async move {
                let _ = world.send(queue, &messages, delay).await;
            });
            return true;
        }
        false
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
        Ok(Rc::clone(self.world.routes(self.isolate, now)))
    }

    fn sqs_queues(&self) -> Result<Rc<Vec<sqs::Queue>>, ConfigError> {
        Ok(Rc::default())
    }

    fn reach(&self, _route: &str) -> Result<RouteAccess<SimulatedPort>, ConfigError> {
        let start = match self.owner {
            // Most transfers begin at once; some wait for a place.
            Owner::Invocation(_) => self.world.rng.borrow_mut().pick(&[0, 0, 0, 4, 200, 20_000]),
            Owner::Object(_) | Owner::Operator => 0,
        };
        Ok(RouteAccess {
            access: self.world.access(self.isolate),
            port: SimulatedPort::new(self.clone(), &self.world, start),
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
        if self.spoil(queue, messages, delay) {
            return Ok(());
        }
        let sent = self.world.send(queue, messages, delay).await;
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
        let messages = report.matches("\"count\"").count();
        let name = object_name(class, name);
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
        self.world.tell(code, || {
            let line = line.to_string();
            match level {
                Level::Info => line,
                Level::Error => format!("error: {line}"),
            }
        });
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
        let answer = self.answer(name, report, lost).await;
        self.crash_point().await;
        answer
    }
}
