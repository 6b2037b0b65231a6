//! One seed's world: stores, queues, isolates, a clock that jumps from event to event, and the tasks
//! that run between them.
//!
//! An executor of one thread: events by their time, each a closure; a task is polled when what it
//! waits for has come. What a crash does is dropping tasks, which can happen wherever one waits.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use causeway_shared::access::{Access, Endpoints, GcsAccess, S3Access};
use causeway_shared::credentials::GoogleCredential;
use causeway_shared::gcs::ServiceAccount;
use causeway_shared::host::Isolate as Memory;
use causeway_shared::route::{Route, Routes};
use causeway_shared::sigv4::Credentials;
use http::Response;
use jiff::Timestamp;

use super::durable::Durable;
use super::fault::{At, Fault, Faults};
use super::gcs::Gcs;
use super::judge::Judge;
use super::mutant::Mutant;
use super::queue::{Invocation, Queues};
use super::s3::{S3, timestamp};
use super::scenario::{ROUTE, Scenario};
use super::warehouse::Warehouse;
use crate::rng::{Rng, mix};

/// How many isolates of the worker there are.
pub(super) const ISOLATES: usize = 3;

/// How many requests one invocation or alarm may make.
const REQUESTS: u64 = 10_000;
/// Over how many bytes it may compute checksums: 300 s of CPU, as wrangler.toml has it, at 2 s a GiB.
const DIGESTED: u64 = 150 << 30;

/// Whose end is a task's end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A batch's invocation of the consumer.
    Invocation(u64),
    /// A Durable Object, by name.
    Object(Rc<str>),
    /// A person, who does not crash.
    Operator,
}

struct Task {
    owner: Owner,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

type Act = Box<dyn FnOnce(&Rc<World>)>;

/// An isolate of the worker.
pub(super) struct Isolate {
    pub(super) access: Arc<Access>,
    /// What the glue remembers.
    pub(super) memory: Rc<Memory>,
    /// How wrong its clock is, in milliseconds.
    pub(super) skew: i64,
}

pub(super) struct World {
    pub(super) scenario: Scenario,
    pub(super) mutant: Option<Mutant>,
    pub(super) route: Arc<Route>,
    /// As they are, and as they are while something of them is changed.
    routes: [Rc<Routes>; 2],
    pub(super) rng: RefCell<Rng>,
    pub(super) faults: RefCell<Faults>,
    pub(super) s3: RefCell<S3>,
    pub(super) gcs: RefCell<Gcs>,
    pub(super) warehouse: RefCell<Option<Warehouse>>,
    pub(super) queues: RefCell<Queues>,
    pub(super) invocations: RefCell<BTreeMap<u64, Invocation>>,
    pub(super) objects: RefCell<BTreeMap<Rc<str>, Durable>>,
    pub(super) isolates: RefCell<Vec<Isolate>>,
    /// How wrong their clocks have been, in milliseconds: the slowest, the fastest.
    skews: Cell<(i64, i64)>,
    pub(super) judge: RefCell<Judge>,
    /// What each has used of what the platform lets it have: requests, and bytes that checksums ran over.
    pub(super) spent: RefCell<BTreeMap<Owner, (u64, u64)>>,
    /// Who spoke to a session last.
    pub(super) session_users: RefCell<BTreeMap<u64, Owner>>,
    now: Cell<u64>,
    sequence: Cell<u64>,
    pub(super) steps: Cell<u64>,
    hash: Cell<u64>,
    /// What is to happen: by its time, and what was asked for first is first.
    events: RefCell<BTreeMap<(u64, u64), Act>>,
    tasks: RefCell<BTreeMap<u64, Task>>,
    current: Cell<u64>,
    /// Whose task is being polled.
    running: RefCell<Option<Owner>>,
    doomed: RefCell<Vec<Owner>>,
    /// What a mutant remembers of the destination.
    pub(super) looks: RefCell<BTreeMap<String, Response<Bytes>>>,
    /// The story, if somebody wants to read it.
    pub(super) story: Option<RefCell<Vec<String>>>,
}

/// Something that a task waits for.
pub(super) struct Slot<T> {
    value: RefCell<Option<T>>,
    task: u64,
    /// Which of the task's own parts waits: only what is woken is polled.
    waker: RefCell<Waker>,
}

impl<T: 'static> Slot<T> {
    /// One for the task that is being polled.
    pub(super) fn new(world: &World) -> Rc<Self> {
        Rc::new(Self {
            value: RefCell::new(None),
            task: world.current.get(),
            waker: RefCell::new(Waker::noop().clone()),
        })
    }

    /// Gives `value` to the task that waits, `delay` milliseconds from now.
    pub(super) fn resolve(self: Rc<Self>, world: &World, delay: u64, value: T) {
        world.after(delay, move |world| {
            self.value.replace(Some(value));
            self.waker.borrow().wake_by_ref();
            world.poll(self.task);
        });
    }

    pub(super) async fn wait(self: Rc<Self>) -> T {
        std::future::poll_fn(|context| {
            if let Some(value) = self.value.take() {
                return Poll::Ready(value);
            }
            self.waker.replace(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Whose task waits, if one does.
    pub(super) fn owner(&self, world: &World) -> Option<Owner> {
        let tasks = world.tasks.borrow();
        tasks.get(&self.task).map(|task| task.owner.clone())
    }
}

impl World {
    pub(super) fn new(scenario: Scenario, mutant: Option<Mutant>, is_told: bool) -> Rc<Self> {
        let seed = scenario.seed;
        let route =
            |(name, table)| Route::parse(name, table).expect("the tables that are drawn are good");
        let routes = |tables: Vec<_>| {
            Routes::new(tables.into_iter().map(route)).expect("no route contradicts another")
        };
        let others = routes(scenario.other_tables());
        let routes = routes(vec![(ROUTE, scenario.table())]);
        let route = Arc::clone(routes.iter().next().expect("it was just put there"));
        let gcs = Gcs::new(scenario.lets_delete, scenario.is_strict_at_start);
        let tables = scenario.tables.as_ref();
        let warehouse = tables.map(|tables| Warehouse::new(tables, Arc::clone(&gcs.state)));
        let world = Self {
            rng: RefCell::new(Rng::new(seed, 2)),
            faults: RefCell::new(Faults::draw(seed, &scenario.cut.faults)),
            s3: RefCell::new(S3::new(
                scenario.is_versioned,
                scenario.readable,
                scenario.circumstances.parts,
            )),
            gcs: RefCell::new(gcs),
            warehouse: RefCell::new(warehouse),
            queues: RefCell::default(),
            invocations: RefCell::default(),
            objects: RefCell::default(),
            isolates: RefCell::default(),
            skews: Cell::default(),
            judge: RefCell::default(),
            spent: RefCell::default(),
            session_users: RefCell::default(),
            now: Cell::new(0),
            sequence: Cell::new(0),
            steps: Cell::new(0),
            hash: Cell::new(mix(seed)),
            events: RefCell::default(),
            tasks: RefCell::default(),
            current: Cell::new(0),
            running: RefCell::default(),
            doomed: RefCell::default(),
            looks: RefCell::default(),
            story: is_told.then(RefCell::default),
            scenario,
            mutant,
            route,
            routes: [routes, others].map(Rc::new),
        };
        let isolates = (0..ISOLATES).map(|_| world.new_isolate()).collect();
        world.isolates.replace(isolates);
        world.leave_dead_runs();
        Rc::new(world)
    }

    fn new_isolate(&self) -> Isolate {
        let credentials = Credentials::new("AKID", "secret", None).expect("a plain credential");
        let endpoints = Endpoints {
            s3: Some("http://s3"),
            ..Endpoints::default()
        };
        let s3 = S3Access::new(&credentials, "us-east-1", endpoints, &self.route);
        let account = ServiceAccount {
            email: "causeway@simulated.iam.gserviceaccount.com".into(),
            key_id: "1".into(),
        };
        let account = GoogleCredential::Account(account);
        let gcs = GcsAccess::new(Some(account), Some("http://gcs:4443"));
        let gcs = gcs.and_then(|gcs| gcs.with_bigquery(Some("http://bigquery:9050")));
        let access = Access {
            s3: s3.expect("an address"),
            gcs: gcs.expect("an address").into(),
        };
        let skew = self.strike(&[Fault::ClockSkew]).map_or(0, |_| {
            let minutes = self.rng.borrow_mut().pick(&[-30, -10, -4, 2, 9, 20]);
            minutes * 60_000
        });
        let (slowest, fastest) = self.skews.get();
        self.skews.set((slowest.min(skew), fastest.max(skew)));
        Isolate {
            access: Arc::new(access),
            memory: Rc::default(),
            skew,
        }
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    /// What the clock of `isolate` says.
    pub(super) fn time_at(&self, isolate: usize) -> Timestamp {
        let skew = self.isolates.borrow()[isolate].skew;
        timestamp(self.now()) + jiff::SignedDuration::from_millis(skew)
    }

    /// The configuration that `isolate` has at `now`.
    pub(super) fn routes(&self, isolate: usize, now: u64) -> &Rc<Routes> {
        let change = self.scenario.circumstances.change.as_ref();
        let is_changed = change.is_some_and(|change| change.is_seen(isolate, now));
        &self.routes[usize::from(is_changed)]
    }

    /// How far apart two clocks of isolates have been at most, in milliseconds.
    pub(super) fn apart(&self) -> i64 {
        let (slowest, fastest) = self.skews.get();
        fastest - slowest
    }

    pub(super) fn memory_of(&self, isolate: usize) -> Rc<Memory> {
        Rc::clone(&self.isolates.borrow()[isolate].memory)
    }

    pub(super) fn access(&self, isolate: usize) -> Arc<Access> {
        Arc::clone(&self.isolates.borrow()[isolate].access)
    }

    /// Whether one of `among` happens now.
    pub(super) fn strike(&self, among: &[Fault]) -> Option<Fault> {
        self.struck(self.faults.borrow_mut().strike(among, 0, self.now()))
    }

    /// Whether one of the faults that a request `at` a store can meet happens now.
    pub(super) fn strike_at(&self, at: At) -> Option<Fault> {
        self.struck(self.faults.borrow_mut().strike(&[], at, self.now()))
    }

    fn struck(&self, struck: Option<(Fault, u32)>) -> Option<Fault> {
        let (fault, number) = struck?;
        self.tell(
            number.into(),
            format_args!("fault {number}: {}", fault.as_str()),
        );
        Some(fault)
    }

    /// Notes what happens: `code` goes into the trace's hash, the words into the story.
    pub(super) fn tell(&self, code: u64, words: fmt::Arguments<'_>) {
        self.hash
            .set(mix(self.hash.get() ^ code ^ self.now().rotate_left(32)));
        if let Some(story) = &self.story {
            let seconds = std::time::Duration::from_millis(self.now()).as_secs_f64();
            story
                .borrow_mut()
                .push(format!("{seconds:10.3} s  {words}"));
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash.get()
    }

    /// Something happens `delay` milliseconds from now.
    pub(super) fn after(&self, delay: u64, act: impl FnOnce(&Rc<Self>) + 'static) {
        let sequence = self.sequence.get();
        self.sequence.set(sequence + 1);
        let at = (self.now() + delay, sequence);
        self.events.borrow_mut().insert(at, Box::new(act));
    }

    pub(super) fn random(&self) -> u128 {
        self.rng.borrow_mut().wide()
    }

    pub(super) fn seed(&self) -> u64 {
        self.rng.borrow_mut().word()
    }

    /// Begins a task of `owner` after `delay` milliseconds.
    pub(super) fn spawn(
        &self,
        owner: Owner,
        delay: u64,
        future: impl Future<Output = ()> + 'static,
    ) {
        let id = self.sequence.get() + 1;
        let future = Box::pin(future);
        self.tasks.borrow_mut().insert(id, Task { owner, future });
        self.after(delay, move |world| world.poll(id));
        debug_assert_eq!(self.sequence.get(), id);
    }

    fn poll(self: &Rc<Self>, id: u64) {
        // It may have died while what it waited for was on its way.
        let Some(mut task) = self.tasks.borrow_mut().remove(&id) else {
            return;
        };
        self.current.set(id);
        self.running.replace(Some(task.owner.clone()));
        let polled = task
            .future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if polled.is_pending() {
            self.tasks.borrow_mut().insert(id, task);
        }
        self.current.set(0);
        loop {
            let Some(owner) = self.doomed.borrow_mut().pop() else {
                break;
            };
            self.crash(&owner);
        }
    }

    /// Waits `delay` milliseconds.
    pub(super) async fn sleep(&self, delay: u64) {
        let slot = Slot::new(self);
        Rc::clone(&slot).resolve(self, delay, ());
        slot.wait().await;
    }

    /// A place where the isolate of the task that is being polled may end.
    pub(super) async fn crash_point(&self) {
        let owner = self.running.borrow().clone();
        if let Some(owner) = owner
            && self.crashes(&owner)
        {
            self.doomed.borrow_mut().push(owner);
            std::future::pending::<()>().await;
        }
    }

    /// `owner` makes a request, or has computed checksums over `digested` bytes: it ends where the platform lets it do
    /// no more.
    pub(super) async fn spend(&self, owner: &Owner, digested: u64) {
        let is_over = {
            let mut spent = self.spent.borrow_mut();
            let (requests, bytes) = spent.entry(owner.clone()).or_default();
            *requests += u64::from(digested == 0);
            *bytes += digested;
            match self.mutant {
                Some(Mutant::FewRequests) => *requests > 50,
                Some(Mutant::LittleCpu) => *bytes > DIGESTED / 10,
                _ => *requests > REQUESTS || *bytes > DIGESTED,
            }
        };
        if is_over && *owner != Owner::Operator {
            let owner = owner.clone();
            self.after(0, move |world| {
                world.tell(
                    7,
                    format_args!("{owner:?} has used what the platform lets it have"),
                );
                world.kill(&owner);
            });
            std::future::pending::<()>().await;
        }
    }

    /// Whether the isolate of `owner` ends now.
    pub(super) fn crashes(&self, owner: &Owner) -> bool {
        let fault = match owner {
            Owner::Invocation(_) => Fault::IsolateCrashed,
            Owner::Object(_) => Fault::ObjectCrashed,
            Owner::Operator => return false,
        };
        // There are many places where it could, and few isolates.
        self.rng.borrow_mut().chance(1, 8) && self.strike(&[fault]).is_some()
    }

    /// The isolate of `owner` ends, and all that runs in it.
    pub(super) fn crash(self: &Rc<Self>, owner: &Owner) {
        let Owner::Invocation(id) = owner else {
            return self.kill(owner);
        };
        let Some(isolate) = self.invocations.borrow().get(id).map(|found| found.isolate) else {
            return;
        };
        let of_isolate: Vec<_> = self
            .invocations
            .borrow()
            .iter()
            .filter(|(_, invocation)| invocation.isolate == isolate)
            .map(|(&id, _)| Owner::Invocation(id))
            .collect();
        for owner in of_isolate {
            self.kill(&owner);
        }
        let new = self.new_isolate();
        self.isolates.borrow_mut()[isolate] = new;
    }

    /// `owner` ends; its tasks with it.
    pub(super) fn kill(self: &Rc<Self>, owner: &Owner) {
        let dead: Vec<_> = {
            let mut tasks = self.tasks.borrow_mut();
            let ids: Vec<_> = tasks
                .iter()
                .filter(|(_, task)| task.owner == *owner)
                .map(|(&id, _)| id)
                .collect();
            ids.into_iter().filter_map(|id| tasks.remove(&id)).collect()
        };
        drop(dead);
        self.spent.borrow_mut().remove(owner);
        for (id, user) in self.session_users.borrow().iter() {
            if user == owner {
                self.orphan(*id);
            }
        }
        match owner {
            Owner::Invocation(id) => self.invocation_died(*id),
            Owner::Object(name) => self.object_died(name),
            Owner::Operator => {}
        }
    }

    /// It is no fault of ours if the session `id` is left open.
    pub(super) fn orphan(&self, id: u64) {
        self.gcs.borrow_mut().orphan(id);
    }

    /// Goes on to the next event; `false` when there is none.
    pub(super) fn step(self: &Rc<Self>) -> bool {
        let Some(((time, _), act)) = self.events.borrow_mut().pop_first() else {
            return false;
        };
        self.now.set(time);
        self.steps.set(self.steps.get() + 1);
        act(self);
        true
    }

    /// Takes apart what would keep itself alive.
    pub(super) fn end(&self) {
        // Each is empty before what was in it ends: that may look.
        drop(self.tasks.take());
        drop(self.events.take());
        drop(self.objects.take());
    }
}
