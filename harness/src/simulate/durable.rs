//! The Durable Object of a large object: storage that outlives its isolate, an alarm that goes off at
//! least once, and the coordinator of `shared` between them.
//!
//! Mirrors `worker/src/coordinator.rs`. Each write to the storage is durable by itself, and the
//! isolate may end after any of them; what is in memory is gone then.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use causeway_shared::brake::Leave;
use causeway_shared::error::TransferError;
use causeway_shared::message::HintMessage;
use causeway_shared::order::Order;
use causeway_shared::parts::{
    Coordinator, PartCopy, Started, Task, Verdict, assemble, may_delete, sweep,
};
use causeway_shared::route::Route;
use jiff::Timestamp;

use super::consumer::{dead_letter, to_json};
use super::fault::Fault;
use super::mutant::Mutant;
use super::port::SimulatedPort;
use super::queue::Name;
use super::walk;
use super::world::{ISOLATES, Owner, Slot, World};
use crate::rng::mix;

const STATE: &str = "coordinator";
/// Milliseconds, as in the worker.
const NET: u64 = 16 * 60 * 1000;
const PAUSE: u64 = 15_000;

/// What the consumer tells it.
pub(super) enum Report {
    Start(Box<Order>),
    Wants {
        run: String,
        part: u32,
    },
    Copied {
        run: String,
        part: u32,
        copy: PartCopy,
    },
    Failed {
        run: String,
        error: TransferError,
    },
}

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    New,
    Underway,
    Busy,
    Yes,
    No,
}

type Call = Rc<Slot<Result<Answer, String>>>;

/// One object at the platform.
#[derive(Default)]
pub(super) struct Durable {
    pub(super) storage: BTreeMap<String, String>,
    alarm: Option<u64>,
    is_alarm_running: bool,
    /// None until it is read.
    memory: Option<Rc<RefCell<Coordinator>>>,
    calls: Vec<Call>,
}

impl World {
    /// Tells the object called `name` something.
    ///
    /// # Errors
    /// The platform's words. The object may have heard it all the same.
    pub(super) async fn call(
        self: &Rc<Self>,
        name: &str,
        report: Report,
    ) -> Result<Answer, String> {
        self.crash_point().await;
        let lost = self
            .strike(&[Fault::CallLost])
            .map(|_| self.rng.borrow_mut().chance(1, 2));
        let slot: Call = Slot::new(self);
        let (name, caller) = (Rc::<str>::from(name), Rc::clone(&slot));
        let latency = self.rng.borrow_mut().between(1, 20);
        self.after(latency, move |world| match lost {
            Some(true) => caller.resolve(world, 1, Err("no answer".to_owned())),
            lost => world.answer(name, report, caller, lost.is_some()),
        });
        let answer = slot.wait().await;
        self.crash_point().await;
        answer
    }

    fn answer(self: &Rc<Self>, name: Rc<str>, report: Report, caller: Call, is_lost: bool) {
        let (world, owner) = (Rc::clone(self), Owner::Object(Rc::clone(&name)));
        self.with_object(&name, |object| object.calls.push(Rc::clone(&caller)));
        self.spawn(owner, 0, async move {
            world.load(&name);
            let answer = world.take(&name, report).await;
            world.with_object(&name, |object| {
                object.calls.retain(|call| !Rc::ptr_eq(call, &caller));
            });
            let answer = if is_lost {
                Err("no answer".to_owned())
            } else {
                Ok(answer)
            };
            caller.resolve(&world, 1, answer);
        });
    }

    /// Asks the route's ledger for leave to delete an object. It is a Durable Object as well, of which
    /// only the brake is here.
    pub(super) async fn ask_ledger(&self, route: &Route, now: Timestamp) -> Result<Leave, String> {
        self.sleep(5).await;
        self.crash_point().await;
        let lost = self.strike(&[Fault::CallLost]).is_some();
        let leave = self.brake.borrow_mut().ask(&route.brake, None, now);
        self.sleep(5).await;
        self.crash_point().await;
        if lost {
            return Err("no answer".to_owned());
        }
        Ok(leave)
    }

    /// The object's isolate ended: memory and calls are gone, storage and alarm are not.
    pub(super) fn object_died(self: &Rc<Self>, name: &Rc<str>) {
        self.tell(1, || "an object's isolate died".to_owned());
        let (calls, was_running) = self.with_object(name, |object| {
            object.memory = None;
            (
                std::mem::take(&mut object.calls),
                std::mem::take(&mut object.is_alarm_running),
            )
        });
        for call in calls {
            call.resolve(self, 1, Err("the object was reset".to_owned()));
        }
        if was_running {
            // An alarm that did not end well goes off again.
            let again = self.now() + 2000;
            let alarm = self.with_object(name, |object| object.alarm);
            self.set_alarm(name, Some(alarm.map_or(again, |alarm| alarm.min(again))));
        }
    }

    pub(super) fn with_object<T>(&self, name: &Rc<str>, act: impl FnOnce(&mut Durable) -> T) -> T {
        act(self
            .objects
            .borrow_mut()
            .entry(Rc::clone(name))
            .or_default())
    }

    fn with<T>(&self, name: &Rc<str>, act: impl FnOnce(&mut Coordinator) -> T) -> T {
        let memory = self.load(name);
        act(&mut memory.borrow_mut())
    }

    fn load(&self, name: &Rc<str>) -> Rc<RefCell<Coordinator>> {
        self.with_object(name, |object| {
            if let Some(memory) = &object.memory {
                return Rc::clone(memory);
            }
            let read = |text: &String| serde_json::from_str(text).expect("what was stored");
            let coordinator: Coordinator = object
                .storage
                .get(STATE)
                .map_or_else(Coordinator::default, read);
            let mut copies = BTreeMap::new();
            if let Some(run) = coordinator.run() {
                let prefix = format!("{run}/");
                for (key, copy) in &object.storage {
                    let number = if self.is(Mutant::CopiesOfAnyRun) {
                        key.split_once('/').map(|(_, number)| number)
                    } else {
                        key.strip_prefix(&prefix)
                    };
                    if let Some(number) = number.and_then(|number| number.parse().ok()) {
                        copies.insert(number, serde_json::from_str(copy).expect("what was stored"));
                    }
                }
            }
            let memory = Rc::new(RefCell::new(coordinator.with_copies(copies)));
            object.memory = Some(Rc::clone(&memory));
            memory
        })
    }

    pub(super) async fn keep(&self, name: &Rc<str>, key: &str, value: String) {
        self.with_object(name, |object| object.storage.insert(key.to_owned(), value));
        self.crash_point().await;
    }

    async fn store(&self, name: &Rc<str>) {
        if !self.is(Mutant::StorageLost) {
            let text = self.with(name, |coordinator| to_json(coordinator));
            self.keep(name, STATE, text).await;
        }
    }

    pub(super) fn set_alarm(&self, name: &Rc<str>, time: Option<u64>) {
        self.with_object(name, |object| object.alarm = time);
        let Some(time) = time else { return };
        let name = Rc::clone(name);
        let delay = time.saturating_sub(self.now()) + 1;
        self.after(delay, move |world| world.go_off(&name, time));
    }

    async fn wake_now(&self, name: &Rc<str>) {
        if !self.is(Mutant::AlarmForgotten) {
            self.set_alarm(name, Some(self.now()));
        }
        self.crash_point().await;
    }

    fn go_off(self: &Rc<Self>, name: &Rc<str>, time: u64) {
        let is_due = self.with_object(name, |object| {
            if object.alarm != Some(time) {
                return false;
            }
            object.alarm = None;
            true
        });
        if !is_due {
            return;
        }
        if self.with_object(name, |object| {
            std::mem::replace(&mut object.is_alarm_running, true)
        }) {
            // One at a time.
            return self.set_alarm(name, Some(self.now() + 500));
        }
        let (world, name) = (Rc::clone(self), Rc::clone(name));
        self.spawn(Owner::Object(Rc::clone(&name)), 0, async move {
            let worked = if *name == *walk::NAME {
                world.walk(&name).await
            } else {
                world.work(&name).await
            };
            if worked.is_err() {
                world.with_object(&name, |object| object.memory = None);
                world.set_alarm(&name, Some(world.now() + PAUSE));
            }
            world.with_object(&name, |object| object.is_alarm_running = false);
        });
    }

    fn time_of(&self, name: &str) -> Timestamp {
        self.time_at(isolate_of(name))
    }

    async fn take(&self, name: &Rc<str>, report: Report) -> Answer {
        let now = self.time_of(name);
        match report {
            Report::Start(order) => {
                let run = format!("{:016x}", self.random() >> 64);
                match self.with(name, |coordinator| coordinator.start(*order, &run, now)) {
                    Started::Underway => return Answer::Underway,
                    Started::Busy => return Answer::Busy,
                    Started::New | Started::Hurried => {}
                }
                self.wake_now(name).await;
                self.store(name).await;
                Answer::New
            }
            Report::Wants { run, part } => {
                if self.with(name, |coordinator| coordinator.wants(&run, part)) {
                    Answer::Yes
                } else {
                    Answer::No
                }
            }
            Report::Copied { run, part, copy } => {
                let text = to_json(&copy);
                if !self.with(name, |coordinator| {
                    coordinator.copied(&run, part, copy, now)
                }) {
                    return Answer::No;
                }
                let is_complete = self.with(name, |coordinator| coordinator.is_complete());
                if is_complete {
                    self.wake_now(name).await;
                }
                self.keep(name, &format!("{run}/{part}"), text).await;
                if is_complete {
                    self.store(name).await;
                }
                Answer::Yes
            }
            Report::Failed { run, error } => {
                let seed = self.seed();
                self.with(name, |coordinator| coordinator.failed(&run, error, seed));
                self.wake_now(name).await;
                self.store(name).await;
                Answer::Yes
            }
        }
    }

    async fn work(self: &Rc<Self>, name: &Rc<str>) -> Result<(), String> {
        self.set_alarm(name, Some(self.now() + NET));
        self.crash_point().await;
        loop {
            let now = self.time_of(name);
            match self.with(name, |coordinator| coordinator.wake(now)) {
                Task::Wait(time) => {
                    let wait = time.duration_since(now).as_millis();
                    let wait = u64::try_from(wait).unwrap_or_default();
                    self.set_alarm(name, Some(self.now() + wait));
                    self.crash_point().await;
                    return Ok(());
                }
                Task::Rest => {
                    self.set_alarm(name, None);
                    self.crash_point().await;
                    self.with_object(name, |object| object.storage.clear());
                    return Ok(());
                }
                task => self.carry_out_task(name, task).await?,
            }
            self.store(name).await;
        }
    }

    async fn carry_out_task(self: &Rc<Self>, name: &Rc<str>, task: Task) -> Result<(), String> {
        let isolate = isolate_of(name);
        let (access, random) = (self.access(isolate), self.random());
        let mut port = SimulatedPort::new(self, isolate);
        let now = || self.time_of(name);
        match task {
            Task::Probe {
                run,
                bucket,
                folder,
            } => {
                let may = may_delete(&mut port, &access, &bucket, &folder, random).await;
                let seed = self.seed();
                self.with(name, |coordinator| {
                    coordinator.probed(&run, may, now(), seed);
                });
            }
            Task::Send { run, parts } => {
                for part in &parts {
                    self.send(Name::Parts, &to_json(part), Duration::ZERO)
                        .await?;
                }
                self.with(name, |coordinator| coordinator.sent(&run, now()));
            }
            Task::Assemble {
                run,
                order,
                mut parts,
                prefix,
            } => {
                if self.is(Mutant::PartsReversed) {
                    parts.reverse();
                }
                let made = assemble(
                    &mut port,
                    &access,
                    &self.route,
                    &order,
                    &parts,
                    &prefix,
                    random,
                )
                .await;
                self.tell(2, || format!("assembled: {made:?}"));
                let seed = self.seed();
                self.with(name, |coordinator| {
                    coordinator.assembled(&run, made, now(), seed);
                });
            }
            Task::Settle {
                run,
                message,
                verdict,
                ..
            } => {
                self.settle_run(&message, &verdict).await?;
                self.with(name, |coordinator| coordinator.settled(&run, now()));
            }
            Task::Sweep { bucket, prefix } => {
                let swept = if self.is(Mutant::NothingSwept) {
                    Ok(0)
                } else {
                    sweep(&mut port, &access, &bucket, &prefix, random).await
                };
                let seed = self.seed();
                let left = self.with(name, |coordinator| {
                    coordinator.swept(&prefix, swept.map(drop), now(), seed)
                });
                if let Some(error) = left {
                    self.judge.borrow_mut().parts_left(prefix, error.kind);
                }
            }
            Task::Wait(_) | Task::Rest => {}
        }
        Ok(())
    }

    async fn settle_run(
        self: &Rc<Self>,
        message: &HintMessage,
        verdict: &Verdict,
    ) -> Result<(), String> {
        self.tell(3, || match verdict {
            Verdict::Done(outcome) => format!("{:?} settled: {outcome:?}", message.hint.key),
            Verdict::Again { error, .. } => format!("{:?} goes back: {error}", message.hint.key),
            Verdict::Quarantine(error) => format!("{:?} is given up: {error}", message.hint.key),
        });
        match verdict {
            Verdict::Done(_) => Ok(()),
            Verdict::Again { message, delay, .. } => {
                self.send(Name::Hints, &to_json(message), *delay).await
            }
            Verdict::Quarantine(error) => {
                let text = to_json(message);
                self.bury(&dead_letter(&text, error, message.returns + 1))
                    .await
            }
        }
    }
}

/// The object's clock and credentials are those of some isolate.
pub(super) fn isolate_of(name: &str) -> usize {
    let hash = name
        .bytes()
        .fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
    usize::try_from(hash % ISOLATES as u64).unwrap_or_default()
}
