//! Durable Objects: storage that outlives its isolate, an alarm that goes off at least once, and in
//! memory what `causeway_shared::host` makes of both.
//!
//! Each write to the storage is durable by itself, and the isolate may end after any of them; what is in
//! memory is gone then.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use causeway_shared::host::coordinator::{self, PartsCoordinator};
use causeway_shared::host::ledger::{self, RouteLedger};
use causeway_shared::host::share::BatchShare;
use causeway_shared::host::walk::{self, RouteWalk};
use causeway_shared::host::{Class, Storage};

use super::fault::Fault;
use super::mutant::Mutant;
use super::platform::SimulatedPlatform;
use super::world::{ISOLATES, Owner, Slot, World};
use crate::rng::mix;

/// The platform tries an alarm that failed again after this long, in milliseconds, and so often.
const ALARM_AGAIN: u64 = 2000;
const ALARM_TRIES: u32 = 6;
/// The most bytes of a value.
const VALUE_LIMIT: usize = 2 << 20;

type Call = Rc<Slot<Result<String, String>>>;

/// What an object has in memory, by its class.
#[expect(clippy::large_enum_variant, reason = "one an object, behind a pointer")]
enum Memory {
    Coordinator(PartsCoordinator<SimulatedPlatform, SimulatedStorage>),
    Ledger(RouteLedger<SimulatedPlatform, SimulatedStorage>),
    Walk(RouteWalk<SimulatedPlatform, SimulatedStorage>),
    Share(BatchShare<SimulatedPlatform>),
}

/// One object at the platform.
#[derive(Default)]
pub(super) struct Durable {
    pub(super) storage: BTreeMap<String, String>,
    alarm: Option<u64>,
    is_alarm_running: bool,
    /// How often the alarm failed in a row.
    alarm_failures: u32,
    /// None until its isolate begins.
    memory: Option<Rc<Memory>>,
    calls: Vec<Call>,
}

/// What the object `name` of `class` is called among all.
pub(super) fn object_name(class: Class, name: &str) -> Rc<str> {
    format!("{class:?}/{name}").into()
}

/// The object's clock and credentials are those of some isolate.
pub(super) fn isolate_of(name: &str) -> usize {
    let hash = name
        .bytes()
        .fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
    usize::try_from(hash % ISOLATES as u64).unwrap_or_default()
}

impl Memory {
    fn new(world: &Rc<World>, name: &Rc<str>) -> Self {
        let platform = SimulatedPlatform::of_object(world, name);
        let storage = SimulatedStorage {
            world: Rc::clone(world),
            name: Rc::clone(name),
        };
        match name.split('/').next() {
            Some("PartsCoordinator") => Self::Coordinator(PartsCoordinator::new(platform, storage)),
            Some("RouteWalk") => Self::Walk(RouteWalk::new(platform, storage)),
            Some("BatchShare") => Self::Share(BatchShare::new(platform)),
            _ => Self::Ledger(RouteLedger::new(platform, storage)),
        }
    }

    async fn answer(&self, report: &str) -> Result<String, String> {
        match self {
            Self::Coordinator(object) => object.answer(report).await,
            Self::Ledger(object) => object.answer(report).await,
            Self::Walk(object) => object.answer(report).await,
            Self::Share(object) => object.answer(report).await,
        }
    }

    async fn alarm(&self) -> Result<(), String> {
        match self {
            Self::Coordinator(object) => object.alarm().await,
            Self::Ledger(object) => object.alarm().await,
            Self::Walk(object) => object.alarm().await,
            Self::Share(_) => Ok(()),
        }
    }
}

impl World {
    /// What the object `name` answers to `report`, some time later. Where the call is `lost`, its caller hears
    /// nothing, and the object only if that is `false`.
    pub(super) async fn answer(
        self: &Rc<Self>,
        name: &Rc<str>,
        report: String,
        lost: Option<bool>,
    ) -> Result<String, String> {
        let slot: Call = Slot::new(self);
        let (name, caller) = (Rc::clone(name), Rc::clone(&slot));
        let latency = self.rng.borrow_mut().between(1, 20);
        self.after(latency, move |world| match lost {
            Some(true) => caller.resolve(world, 1, Err("no answer".to_owned())),
            lost => world.ask(&name, report, caller, lost.is_some()),
        });
        slot.wait().await
    }

    fn ask(self: &Rc<Self>, name: &Rc<str>, report: String, caller: Call, is_lost: bool) {
        let (world, owner) = (Rc::clone(self), Owner::Object(Rc::clone(name)));
        let name = Rc::clone(name);
        self.with_object(&name, |object| object.calls.push(Rc::clone(&caller)));
        self.spawn(owner, 0, async move {
            let answer = world.memory(&name).answer(&report).await;
            world.with_object(&name, |object| {
                object.calls.retain(|call| !Rc::ptr_eq(call, &caller));
            });
            let answer = if is_lost {
                Err("no answer".to_owned())
            } else {
                answer
            };
            caller.resolve(&world, 1, answer);
        });
    }

    /// The object's memory. Starts its isolate if none is running.
    fn memory(self: &Rc<Self>, name: &Rc<str>) -> Rc<Memory> {
        let begin = || Rc::new(Memory::new(self, name));
        self.with_object(name, |object| {
            Rc::clone(object.memory.get_or_insert_with(begin))
        })
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
            self.alarm_again(name);
        }
    }

    /// An alarm that did not end well goes off again, for a while.
    fn alarm_again(&self, name: &Rc<str>) {
        let failures = self.with_object(name, |object| {
            object.alarm_failures += 1;
            object.alarm_failures
        });
        if failures > ALARM_TRIES {
            return self.tell(failures.into(), || "an alarm is given up".to_owned());
        }
        let again = self.now() + ALARM_AGAIN;
        let alarm = self.with_object(name, |object| object.alarm);
        self.set_alarm(name, Some(alarm.map_or(again, |alarm| alarm.min(again))));
    }

    pub(super) fn with_object<T>(&self, name: &Rc<str>, act: impl FnOnce(&mut Durable) -> T) -> T {
        act(self
            .objects
            .borrow_mut()
            .entry(Rc::clone(name))
            .or_default())
    }

    fn set_alarm(&self, name: &Rc<str>, time: Option<u64>) {
        self.with_object(name, |object| object.alarm = time);
        let Some(time) = time else { return };
        let name = Rc::clone(name);
        let delay = time.saturating_sub(self.now()) + 1;
        self.after(delay, move |world| world.go_off(&name, time));
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
            let worked = world.memory(&name).alarm().await;
            match worked {
                Ok(()) => world.with_object(&name, |object| object.alarm_failures = 0),
                Err(_) => world.alarm_again(&name),
            }
            world.with_object(&name, |object| object.is_alarm_running = false);
        });
    }
}

/// What storage says that does not answer.
const REFUSED: &str = "the storage gave no answer";

/// What the object `name` stores.
struct SimulatedStorage {
    world: Rc<World>,
    name: Rc<str>,
}

impl SimulatedStorage {
    /// What is stored, for as long as nothing else happens.
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        self.world
            .with_object(&self.name, |object| act(&mut object.storage))
    }

    /// Whether storage does not answer now.
    fn refuses(&self) -> bool {
        self.world.strike(&[Fault::StorageRefused]).is_some()
    }

    /// Carries `act` out, but for where storage refuses: then perhaps.
    async fn change<T: Default>(&self, act: impl FnOnce(&Self) -> T) -> Result<T, String> {
        let refuses = self.refuses();
        let acts = !refuses || self.world.rng.borrow_mut().chance(1, 2);
        let done = if acts { act(self) } else { T::default() };
        self.world.crash_point().await;
        if refuses {
            return Err(REFUSED.to_owned());
        }
        Ok(done)
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.world.is(mutant) && self.name.starts_with("PartsCoordinator")
    }

    /// Whether a mutant loses what is stored as `key`.
    fn loses(&self, key: &str) -> bool {
        let lost = match self.world.mutant {
            Some(Mutant::StorageLost) => coordinator::STATE,
            Some(Mutant::LedgerLost) => ledger::LEDGER,
            Some(Mutant::EntryLost) => ledger::QUARANTINE,
            Some(Mutant::WalkLost) => walk::WALK,
            _ => return false,
        };
        key == lost || lost.ends_with('/') && key.starts_with(lost)
    }
}

impl Storage for SimulatedStorage {
    async fn get(&self, key: &str) -> Result<Option<String>, String> {
        if self.refuses() {
            return Err(REFUSED.to_owned());
        }
        Ok(self.with(|stored| stored.get(key).cloned()))
    }

    async fn list(
        &self,
        prefix: &str,
        start: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<(String, String)>, String> {
        if self.refuses() {
            return Err(REFUSED.to_owned());
        }
        let of_any_run = self.is(Mutant::CopiesOfAnyRun);
        let found = |(key, value): (&String, &String)| {
            if of_any_run && let Some((_, number)) = key.split_once('/') {
                return Some((format!("{prefix}{number}"), value.clone()));
            }
            let is_meant = key.starts_with(prefix) && start.is_none_or(|start| &**key >= start);
            is_meant.then(|| (key.clone(), value.clone()))
        };
        let limit = limit.unwrap_or(usize::MAX);
        Ok(self.with(|stored| stored.iter().filter_map(found).take(limit).collect()))
    }

    async fn put(&self, entries: Vec<(String, String)>) -> Result<(), String> {
        self.replace(Vec::new(), entries).await
    }

    async fn replace(
        &self,
        keys: Vec<String>,
        entries: Vec<(String, String)>,
    ) -> Result<(), String> {
        if entries.iter().any(|(_, value)| value.len() > VALUE_LIMIT) {
            let mut judge = self.world.judge.borrow_mut();
            judge.object("a value is larger than storage takes");
        }
        let all = |storage: &Self| {
            let (world, now) = (&storage.world, storage.world.now());
            world.judge.borrow_mut().taken_out(&keys, now);
            storage.with(|stored| stored.retain(|key, _| !keys.contains(key)));
            let kept = entries.into_iter().filter(|(key, _)| !storage.loses(key));
            storage.with(|stored| stored.extend(kept));
        };
        self.change(all).await
    }

    async fn clear(&self) -> Result<(), String> {
        self.with(BTreeMap::clear);
        Ok(())
    }

    async fn has_alarm(&self) -> Result<bool, String> {
        let is_set = |object: &mut Durable| object.alarm.is_some();
        Ok(self.world.with_object(&self.name, is_set))
    }

    async fn set_alarm(&self, after: Option<Duration>) -> Result<(), String> {
        let is_forgotten = after == Some(Duration::ZERO) && self.is(Mutant::AlarmForgotten);
        let wait = |after: Duration| u64::try_from(after.as_millis()).unwrap_or(u64::MAX / 4);
        let set = |storage: &Self| {
            let time = after.map(|after| storage.world.now().saturating_add(wait(after)));
            if !is_forgotten {
                storage.world.set_alarm(&storage.name, time);
            }
        };
        self.change(set).await
    }
}
