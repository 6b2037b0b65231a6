//! Durable Objects: storage that outlives its isolate, an alarm that goes off at least once, and in
//! memory what `causeway_shared::host` makes of both.
//!
//! Each write to the storage is durable by itself, and the isolate may end after any of them; what is in
//! memory is gone then.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;
use std::time::Duration;

use causeway_shared::host::coordinator::{self, PartsCoordinator};
use causeway_shared::host::ledger::{self, RouteLedger};
use causeway_shared::host::share::BatchShare;
use causeway_shared::host::tables::TableLoader;
use causeway_shared::host::walk::{self, RouteWalk};
use causeway_shared::host::{Class, Storage};
use causeway_shared::ledger::RUNS;
use serde_json::{Value, json};

use super::fault::Fault;
use super::mutant::Mutant;
use super::platform::SimulatedPlatform;
use super::queue::{INVOCATION_TIME, OF_TOMORROW};
use super::s3::timestamp;
use super::world::{ISOLATES, Owner, Slot, World};
use crate::rng::mix;

/// The platform tries an alarm that failed again after this long, in milliseconds, and so often.
const ALARM_AGAIN: u64 = 2000;
const ALARM_TRIES: u32 = 6;
/// The most keys of a write or a delete.
const KEYS_AT_ONCE: usize = 128;
/// The most bytes of a value.
const VALUE_LIMIT: usize = 2 << 20;
/// How long a run counts whose coordinator died, in seconds.
const DEAD_COUNT_FOR: i64 = 5400;

type Call = Rc<Slot<Result<String, String>>>;

/// What an object has in memory, by its class.
#[expect(clippy::large_enum_variant, reason = "one an object, behind a pointer")]
enum Memory {
    Coordinator(PartsCoordinator<SimulatedPlatform, SimulatedStorage>),
    Ledger(RouteLedger<SimulatedPlatform, SimulatedStorage>),
    Walk(RouteWalk<SimulatedPlatform, SimulatedStorage>),
    Share(BatchShare<SimulatedPlatform>),
    Loader(TableLoader<SimulatedPlatform, SimulatedStorage>),
}

/// One object at the platform.
#[derive(Default)]
pub(super) struct Durable {
    pub(super) storage: BTreeMap<String, String>,
    alarm: Option<u64>,
    /// Which one is running.
    running: Option<u64>,
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
            Some("TableLoader") => Self::Loader(TableLoader::new(platform, storage)),
            Some("BatchShare") => Self::Share(BatchShare::new(platform)),
            _ => Self::Ledger(RouteLedger::new(platform, storage)),
        }
    }

    async fn answer(&self, report: &str) -> Result<String, String> {
        match self {
            Self::Coordinator(object) => object.answer(report).await,
            Self::Ledger(object) => object.answer(report).await,
            Self::Walk(object) => object.answer(report).await,
            Self::Loader(object) => object.answer(report).await,
            Self::Share(object) => object.answer(report).await,
        }
    }

    async fn alarm(&self) -> Result<(), String> {
        match self {
            Self::Coordinator(object) => object.alarm().await,
            Self::Ledger(object) => object.alarm().await,
            Self::Walk(object) => object.alarm().await,
            Self::Loader(object) => object.alarm().await,
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
        let is_idle = self.with_object(&name, |object| {
            object.calls.push(Rc::clone(&caller));
            object.calls.len() == 1 && object.running.is_none()
        });
        if is_idle {
            self.spent.borrow_mut().remove(&owner);
        }
        self.spawn(owner, 0, async move {
            let answer = world.memory(&name).answer(&report).await;
            world.with_object(&name, |object| {
                object.calls.retain(|call| !Rc::ptr_eq(call, &caller));
            });
            let heard = Some(answer).filter(|_| !is_lost);
            let answer = heard.unwrap_or_else(|| Err("no answer".to_owned()));
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
        self.judge.borrow_mut().excused += 1;
        self.tell(1, format_args!("an object's isolate died"));
        let (calls, was_running) = self.with_object(name, |object| {
            object.memory = None;
            (std::mem::take(&mut object.calls), object.running.take())
        });
        for call in calls {
            call.resolve(self, 1, Err("the object was reset".to_owned()));
        }
        if was_running.is_some() {
            self.alarm_again(name);
        }
    }

    /// The ledger counts runs whose coordinators died just before.
    pub(super) fn leave_dead_runs(&self) {
        let begin = timestamp(0).as_second();
        let dead: Vec<_> = (self.scenario.free_runs..RUNS)
            .map(|run| (format!("dead-{run}"), begin + DEAD_COUNT_FOR))
            .collect();
        if dead.is_empty() {
            return;
        }
        let text = json!({"runs": dead}).to_string();
        self.with_object(&self.ledger(), |ledger| {
            ledger.storage.insert(ledger::LEDGER.to_owned(), text);
        });
    }

    /// No more large objects are copied at once than may be, as long as the ledger answers and the dead count.
    fn judge_runs(&self) {
        if self.scenario.free_runs == RUNS {
            return;
        }
        // Another route's count in another ledger.
        let is_on = |(name, object): &(&Rc<str>, &Durable)| {
            let state = object.storage.get(coordinator::STATE);
            let state = state.filter(|_| name.contains(&self.route.name));
            let state: Option<Value> = state.and_then(|text| serde_json::from_str(text).ok());
            let run = &state.unwrap_or_default()["run"];
            run.is_object() && !run["phase"].to_string().contains("Settling")
        };
        let count = self.objects.borrow().iter().filter(is_on).count();
        let unsure = [
            Fault::CallLost,
            Fault::StorageRefused,
            Fault::ObjectCrashed,
            Fault::IsolateCrashed,
            Fault::ClockSkew,
        ];
        let faults = self.faults.borrow();
        let is_sure = !unsure.iter().any(|&fault| faults.has(fault));
        let dead_count = self.now() / 1000 < DEAD_COUNT_FOR.unsigned_abs();
        if is_sure && dead_count && count > self.scenario.free_runs {
            let mut judge = self.judge.borrow_mut();
            judge.object("more large objects are copied in parts at once than may be");
        }
    }

    /// An alarm that did not end well goes off again, for a while.
    fn alarm_again(&self, name: &Rc<str>) {
        let failures = self.with_object(name, |object| {
            object.alarm_failures += 1;
            object.alarm_failures
        });
        if failures > ALARM_TRIES {
            return self.tell(failures.into(), format_args!("an alarm is given up"));
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
        let (this, now) = (self.steps.get(), self.now());
        let running = self.with_object(name, |object| *object.running.get_or_insert(this));
        if running != this {
            // One at a time.
            return self.set_alarm(name, Some(now + 500));
        }
        let (world, name) = (Rc::clone(self), Rc::clone(name));
        let owner = Owner::Object(Rc::clone(&name));
        self.spent.borrow_mut().remove(&owner);
        let late = owner.clone();
        self.after(INVOCATION_TIME, move |world| {
            let Owner::Object(name) = &late else { return };
            if world.with_object(name, |object| object.running == Some(this)) {
                world.tell(8, format_args!("an alarm's time is up"));
                world.kill(&late);
            }
        });
        self.spawn(owner, 0, async move {
            let worked = world.memory(&name).alarm().await;
            match worked {
                Ok(()) => world.with_object(&name, |object| object.alarm_failures = 0),
                Err(_) => world.alarm_again(&name),
            }
            world.with_object(&name, |object| object.running = None);
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
        let value = self.with(|stored| stored.get(key).cloned());
        let is_strict = self.world.is(Mutant::NothingNewer);
        if is_strict
            && value
                .as_ref()
                .is_some_and(|value| value.contains(OF_TOMORROW))
        {
            return Err(format!("unknown field {OF_TOMORROW}"));
        }
        Ok(value)
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
            key.starts_with(prefix)
                .then(|| (key.clone(), value.clone()))
        };
        let limit = limit.unwrap_or(usize::MAX);
        let first = if of_any_run {
            ""
        } else {
            start.unwrap_or(prefix).max(prefix)
        };
        let skips = start.is_some() && self.world.is(Mutant::EntryHidden);
        Ok(self.with(|stored| {
            stored
                .range::<str, _>((Bound::Included(first), Bound::Unbounded))
                .take_while(|(key, _)| of_any_run || key.starts_with(prefix))
                .filter_map(found)
                .skip(if skips { 2 } else { 0 })
                .take(limit)
                .collect()
        }))
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
        if keys.len().max(entries.len()) > KEYS_AT_ONCE {
            let mut judge = self.world.judge.borrow_mut();
            judge.object("storage was asked for more keys at once than it takes");
        }
        let is_state = entries.iter().any(|(key, _)| key == coordinator::STATE);
        let all = |storage: &Self| {
            let (world, now) = (&storage.world, storage.world.now());
            world.judge.borrow_mut().taken_out(&keys, now);
            storage.with(|stored| keys.iter().for_each(|key| drop(stored.remove(key))));
            let kept = entries.into_iter().filter(|(key, _)| !storage.loses(key));
            storage.with(|stored| stored.extend(kept));
            if is_state {
                world.judge_runs();
            }
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
