//! One seed to its end, and many seeds side by side.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde::{Serialize, Serializer};

use super::fault::Fault;
use super::judge::Counts;
use super::mutant::Mutant;
use super::scenario::{Cut, Scenario};
use super::story::Story;
use super::world::World;

/// A seed that has not come to rest after this many events never does.
const MOST_STEPS: u64 = 100_000;

/// What came of one seed.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) violations: Vec<String>,
    pub(super) steps: u64,
    pub(super) hash: u64,
    pub(super) injected: BTreeMap<Fault, u64>,
    counted: Counts,
    /// How many numbers its faults had.
    pub(super) faults: u32,
    /// How many writes it had.
    pub(super) writes: usize,
    pub(super) story: Vec<String>,
}

/// Runs `seed`, with what `cut` leaves of it.
pub(super) fn run(seed: u64, cut: &Cut, mutant: Option<Mutant>, is_told: bool) -> Ended {
    let scenario = Scenario::draw(seed, cut.clone());
    let writes = scenario.writes.len();
    let world = World::new(scenario, mutant, is_told);
    world.begin();
    let is_over = |steps| steps >= MOST_STEPS || !world.judge.borrow().violations.is_empty();
    while !is_over(world.steps.get()) && (world.step() || world.mend() || world.survey()) {}
    if world.steps.get() >= MOST_STEPS {
        world.judge.borrow_mut().object("it does not come to rest");
    } else if world.judge.borrow().violations.is_empty() {
        world.judge_rest();
    }
    world.end();
    let faults = world.faults.borrow();
    Ended {
        violations: world.judge.borrow().violations.clone(),
        steps: world.steps.get(),
        hash: world.hash(),
        injected: faults.injected.clone(),
        counted: world.judge.borrow().counted.clone(),
        faults: faults.drawn(),
        writes,
        story: world
            .story
            .as_ref()
            .map(std::cell::RefCell::take)
            .unwrap_or_default(),
    }
}

/// What is to be simulated.
#[derive(Debug, Clone)]
pub struct Options {
    /// The first seed.
    pub first: u64,
    /// How many seeds, one after the other.
    pub seeds: u64,
    /// How many threads work on them.
    pub threads: usize,
    /// A mistake to be found.
    pub mutant: Option<Mutant>,
    /// Whether the first violation ends everything.
    pub stops: bool,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// How many seeds were run.
    pub seeds: u64,
    /// Events in all of them: requests, replies, deliveries, alarms.
    pub steps: u64,
    /// Faults by their names.
    pub faults_injected: BTreeMap<&'static str, u64>,
    /// What they cost, by name: bytes read and committed, bytes that buckets keep of what was deleted, and more.
    pub counted: BTreeMap<&'static str, u64>,
    /// How many seeds failed.
    pub violations: u64,
    /// What is to be said of each of those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Story>,
    /// A hash of all that happened: the same for the same seeds and the same code, in whatever order.
    pub trace: Trace,
    /// Wall-clock time in seconds.
    pub elapsed_s: f64,
}

/// A sum of hashes, shown in hexadecimal.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Trace(u64);

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

fn add(sums: &mut Counts, more: impl IntoIterator<Item = (&'static str, u64)>) {
    for (name, count) in more {
        *sums.entry(name).or_default() += count;
    }
}

impl Summary {
    fn add(&mut self, ended: Ended, story: impl FnOnce(Vec<String>) -> Story) {
        self.seeds += 1;
        self.steps += ended.steps;
        self.trace.0 = self.trace.0.wrapping_add(ended.hash);
        let injected = ended.injected.into_iter();
        let injected = injected.map(|(fault, count)| (fault.as_str(), count));
        add(&mut self.faults_injected, injected);
        add(&mut self.counted, ended.counted);
        if !ended.violations.is_empty() {
            self.violations += 1;
            self.failed.push(story(ended.violations));
        }
    }
}

/// Runs the seeds that `options` name. `progress` is told how many are done, now and then.
///
/// # Panics
///
/// Where a thread did.
#[must_use]
pub fn simulate(options: &Options, progress: &(impl Fn(u64) + Sync)) -> Summary {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new(Summary::default());
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= options.seeds {
                break;
            }
            let seed = options.first.wrapping_add(number);
            let ended = run(seed, &Cut::default(), options.mutant, false);
            let fails = !ended.violations.is_empty();
            stop.fetch_or(options.stops && fails, Ordering::Relaxed);
            let mut total = total.lock().expect("no thread panics");
            total.add(ended, |violations| {
                Story::of(seed, violations, options.mutant)
            });
            if total.seeds.is_multiple_of(64) {
                progress(total.seeds);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(work);
        }
    });
    let mut summary = total.into_inner().expect("no thread panics");
    summary.failed.sort_by_key(|story| story.seed);
    summary.elapsed_s = began.elapsed().as_secs_f64();
    summary
}
