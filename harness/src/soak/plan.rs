//! What a soak does, drawn from a seed before it begins: which key changes how and when, and when each
//! event is delivered. Pure; the same options make the same plan.

use std::collections::{BTreeSet, VecDeque};

use super::SoakOptions;
use crate::rng::Rng;

/// An event is delivered up to this many changes after its own.
const JITTER: usize = 400;
/// Keys that changed this recently are drawn again and again, so that handlers and writers meet.
const RECENT: usize = 32;

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// It is written with so many bytes.
    Put(usize),
    /// It is deleted.
    Delete,
}

/// One change at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) key: usize,
    pub(super) operation: Operation,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The source changes; changes count from 0 in this order.
    Change(Change),
    /// The event of that change is delivered, perhaps not for the first time.
    Deliver(usize),
}

/// All of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Deliveries.
    pub(super) events: usize,
    /// Those among them of an event that had been delivered before.
    pub(super) duplicates: usize,
    /// Those among them that came first after a newer event of their key.
    pub(super) stale: usize,
    /// Keys that change.
    pub(super) keys: usize,
}

impl Plan {
    pub(super) fn draw(options: &SoakOptions) -> Self {
        let mut rng = Rng::new(options.seed, 4);
        let tenth = options.events / 10;
        let changes = changes(&mut rng, options.events - tenth, options.keys);
        let deliveries = deliveries(&mut rng, &changes, tenth);
        let stale = stale(&changes, &deliveries);
        Self {
            events: deliveries.len(),
            duplicates: deliveries.len() - changes.len(),
            stale,
            keys: changes
                .iter()
                .map(|change| change.key)
                .collect::<BTreeSet<_>>()
                .len(),
            steps: steps(&changes, &deliveries),
        }
    }
}

fn changes(rng: &mut Rng, count: usize, keys: usize) -> Vec<Change> {
    let mut fresh: Vec<usize> = (0..keys).collect();
    rng.shuffle(&mut fresh);
    let (mut known, mut recent) = (Vec::new(), VecDeque::new());
    let (mut exists, mut was_empty) = (vec![false; keys], vec![false; keys]);
    let mut changes = Vec::with_capacity(count);
    for _ in 0..count {
        let key = match fresh.last() {
            Some(&key) if known.is_empty() || rng.chance(40, 100) => {
                fresh.pop();
                known.push(key);
                key
            }
            _ if rng.chance(50, 100) => recent[rng.place(recent.len())],
            _ => known[rng.place(known.len())],
        };
        recent.push_back(key);
        if recent.len() > RECENT {
            recent.pop_front();
        }
        let operation = if exists[key] && rng.chance(15, 100) {
            Operation::Delete
        } else {
            Operation::Put(size(rng, &mut was_empty[key]))
        };
        exists[key] = operation != Operation::Delete;
        changes.push(Change { key, operation });
    }
    changes
}

/// Empty at most once a key: in a bucket without versions S3 cannot tell an object from another of the
/// same bytes within one second, and what was between the two may stay (ARCHITECTURE.md). All others
/// begin with the number of their change.
fn size(rng: &mut Rng, was_empty: &mut bool) -> usize {
    let draw = rng.below(1000);
    if draw < 80 && !*was_empty {
        *was_empty = true;
        return 0;
    }
    let (low, high) = match draw {
        ..700 => (8, 2 << 10),
        700..980 => (2 << 10, 8 << 10),
        980..997 => (8 << 10, 64 << 10),
        // Above 256 KiB a body is piped and not held.
        _ => (64 << 10, 768 << 10),
    };
    low + rng.place(high - low)
}

/// The changes whose events are delivered, in the order of their deliveries: each once, `tenth` of them
/// twice, and `tenth` (or as many as have one) behind a newer event of their key.
fn deliveries(rng: &mut Rng, changes: &[Change], tenth: usize) -> Vec<usize> {
    let newer = newer(changes);
    let mut late: Vec<usize> = (0..changes.len())
        .filter(|&at| newer[at].is_some())
        .collect();
    rng.shuffle(&mut late);
    late.truncate(tenth);
    let late: BTreeSet<usize> = late.into_iter().collect();
    let mut due = vec![0; changes.len()];
    for at in (0..changes.len()).rev() {
        let after = match newer[at] {
            Some(newer) if late.contains(&at) => due[newer] + 1,
            _ => at,
        };
        due[at] = after + rng.place(JITTER);
    }
    let mut deliveries: Vec<(usize, usize)> = due.iter().copied().zip(0..).collect();
    let mut twice: Vec<usize> = (0..changes.len()).collect();
    rng.shuffle(&mut twice);
    for at in twice.into_iter().take(tenth) {
        deliveries.push((due[at] + 1 + rng.place(4 * JITTER), at));
    }
    deliveries.sort_unstable();
    // Nothing is delivered before it has happened: an event is due at its own change or later.
    deliveries.into_iter().map(|(_, at)| at).collect()
}

/// For each change the next of its key.
fn newer(changes: &[Change]) -> Vec<Option<usize>> {
    let keys = changes.iter().map(|change| change.key + 1).max();
    let mut next = vec![None; keys.unwrap_or_default()];
    let mut newer = vec![None; changes.len()];
    for (at, change) in changes.iter().enumerate().rev() {
        newer[at] = next[change.key].replace(at);
    }
    newer
}

fn stale(changes: &[Change], deliveries: &[usize]) -> usize {
    let keys = changes.iter().map(|change| change.key + 1).max();
    let mut newest = vec![None; keys.unwrap_or_default()];
    let mut seen = vec![false; changes.len()];
    let mut stale = 0;
    for &at in deliveries {
        let newest = &mut newest[changes[at].key];
        if !std::mem::replace(&mut seen[at], true) && *newest > Some(at) {
            stale += 1;
        }
        *newest = (*newest).max(Some(at));
    }
    stale
}

/// Changes and deliveries as they alternate: as many of the ones as of the others, but no delivery
/// before its change.
fn steps(changes: &[Change], deliveries: &[usize]) -> Vec<Step> {
    let mut steps = Vec::with_capacity(changes.len() + deliveries.len());
    let mut changed = 0;
    for (sent, &at) in deliveries.iter().enumerate() {
        let until = (at + 1).max(sent * changes.len() / deliveries.len().max(1) + 1);
        while changed < until.min(changes.len()) {
            steps.push(Step::Change(changes[changed]));
            changed += 1;
        }
        steps.push(Step::Deliver(at));
    }
    steps.extend(changes[changed..].iter().copied().map(Step::Change));
    steps
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plan(seed: u64) -> Plan {
        Plan::draw(&SoakOptions {
            events: 5000,
            keys: 800,
            seed,
            ..SoakOptions::default()
        })
    }

    #[test]
    fn a_seed_makes_one_plan_and_another_makes_another() {
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn every_change_has_its_event_and_a_tenth_comes_twice_and_a_tenth_late() {
        let plan = plan(1);
        let (mut changed, mut told) = (0, vec![0; 4500]);
        for step in &plan.steps {
            match step {
                Step::Change(_) => changed += 1,
                Step::Deliver(at) => {
                    assert!(*at < changed, "told of a change before it was made");
                    told[*at] += 1;
                }
            }
        }
        assert_eq!(changed, 4500);
        assert_eq!(told.iter().filter(|told| **told == 2).count(), 500);
        assert_eq!(told.iter().filter(|told| **told == 1).count(), 4000);
        assert_eq!((plan.events, plan.duplicates, plan.keys), (5000, 500, 800));
        assert!(plan.stale >= 500, "{}", plan.stale);
    }

    #[test]
    fn keys_are_overwritten_deleted_and_written_again() {
        let plan = plan(2);
        let changes = plan.steps.iter().filter_map(|step| match step {
            Step::Change(change) => Some(*change),
            Step::Deliver(_) => None,
        });
        let mut last = std::collections::BTreeMap::new();
        let (mut overwrites, mut deletes, mut returns) = (0, 0, 0);
        for Change { key, operation } in changes {
            match (last.insert(key, operation), operation) {
                (Some(Operation::Put(_)), Operation::Put(_)) => overwrites += 1,
                (Some(Operation::Put(_)), Operation::Delete) => deletes += 1,
                (Some(Operation::Delete), Operation::Put(_)) => returns += 1,
                (None, Operation::Put(_)) => {}
                (before, after) => panic!("{before:?}, then {after:?}"),
            }
        }
        assert!(overwrites > 1000 && deletes > 200 && returns > 100);
    }

    #[test]
    fn a_handful_of_events_makes_a_plan() {
        for events in 0..20 {
            let plan = Plan::draw(&SoakOptions {
                events,
                keys: 1,
                ..SoakOptions::default()
            });
            assert_eq!(plan.events, events);
        }
    }
}
