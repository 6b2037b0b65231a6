//! The simulation finds nothing in the code as it is, everything in code that is wrong, and the same
//! in every run.
#![allow(clippy::unwrap_used)]

mod tables;

use std::collections::BTreeSet;

use clap::ValueEnum as _;

use super::fault::Fault;
use super::run::run;
use super::scenario::Cut;
use super::{Mutant, Options, Story, Summary, simulate};

fn simulated(first: u64, seeds: u64, mutant: Option<Mutant>) -> Summary {
    let options = Options {
        first,
        seeds,
        threads: 2,
        mutant,
        stops: true,
    };
    simulate(&options, &|_| {})
}

/// A seed that finds `mutant`, of 20,000. Some are found seldom; the search begins shortly before.
fn found(mutant: Mutant) -> Option<Story> {
    let first = match mutant {
        Mutant::ShortBodySucceeds => 1500,
        Mutant::NothingIsAVersion => 1600,
        Mutant::NobodyTakesOver => 700,
        Mutant::CopiesOfAnyRun => 2100,
        Mutant::WalkedBefore => 1000,
        Mutant::PlaceNotCompared => 1400,
        Mutant::LittleCpu | Mutant::FewRequests => 2000,
        _ => 0,
    };
    let summary = simulated(first, 20_000, Some(mutant));
    summary.failed.into_iter().next()
}

#[test]
fn nothing_is_found_in_the_code_as_it_is_and_every_fault_happens() {
    let mut summary = simulated(2_000_000, 3000, None);
    if let Some(story) = summary.failed.first_mut() {
        story.tell(None);
        panic!("{}\n{:#?}", story.lines.join("\n"), story);
    }
    let injected: BTreeSet<_> = summary.faults_injected.keys().copied().collect();
    let missing: Vec<_> = Fault::ALL
        .iter()
        .filter(|fault| !injected.contains(fault.as_str()))
        .collect();
    assert!(missing.is_empty(), "never injected: {missing:?}");
    assert!(summary.counted["composites_proven"] >= 50);
}

#[test]
fn every_mistake_is_found() {
    let missed: Vec<_> = Mutant::value_variants()
        .iter()
        .filter(|&&mutant| {
            let began = std::time::Instant::now();
            let story = found(mutant);
            let seed = story.as_ref().map(|story| story.seed);
            println!("{mutant:?}: seed {seed:?} after {:?}", began.elapsed());
            story.is_none()
        })
        .collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn a_seed_is_the_same_in_every_run_told_or_not() {
    let mut hashes = BTreeSet::new();
    for seed in 0..40 {
        let first = run(seed, &Cut::default(), None, false);
        let second = run(seed, &Cut::default(), None, true);
        assert_eq!(
            (first.hash, first.steps),
            (second.hash, second.steps),
            "seed {seed}"
        );
        assert_eq!(first.injected, second.injected, "seed {seed}");
        assert!(first.story.is_empty() && !second.story.is_empty());
        hashes.insert(first.hash);
    }
    assert_eq!(hashes.len(), 40);
}

#[test]
fn the_story_of_a_seed_that_fails_is_short_and_says_how_to_see_it_again() {
    let mutant = Mutant::NoPrecondition;
    let mut story = found(mutant).expect("every mistake is found");
    let whole = run(story.seed, &Cut::default(), Some(mutant), true);
    story.tell(Some(mutant));
    assert!(story.lines.len() <= whole.story.len());
    assert!(!story.lines.is_empty() && !story.violations.is_empty());
    let replay = format!(
        "causeway simulate --seeds 1 --seed {} --mutant no-precondition",
        story.seed
    );
    assert_eq!(story.replay, replay);
}

#[test]
fn what_programs_read_has_the_names_that_are_promised() {
    let summary = simulated(0, 3, None);
    let json = serde_json::to_value(&summary).expect("numbers become JSON");
    let names: Vec<_> = json
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let promised = [
        "counted",
        "elapsed_s",
        "faults_injected",
        "seeds",
        "steps",
        "trace",
        "violations",
    ];
    assert_eq!(names, promised);
    assert_eq!(
        (&json["seeds"], &json["violations"]),
        (&3.into(), &0.into())
    );
}
