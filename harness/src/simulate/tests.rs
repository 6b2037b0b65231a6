//! The simulation finds nothing in the code as it is, everything in code that is wrong, and the same
//! in every run.

use super::run::run;
use super::scenario::Cut;
use super::*;

#[test]
fn smoke() {
    let from: u64 = std::env::var("SEED").map_or(0, |s| s.parse().unwrap());
    let count: u64 = std::env::var("COUNT").map_or(300, |s| s.parse().unwrap());
    let tell = std::env::var("TELL").is_ok();
    let began = std::time::Instant::now();
    let mut steps = 0;
    for seed in from..from + count {
        let t = std::time::Instant::now(); if count < 100 { eprintln!("{seed}"); }
        let ended = run(seed, &Cut::default(), None, false);
        steps += ended.steps;
        if ended.steps > 20_000 { eprintln!("seed {seed}: {} steps {:?}", ended.steps, t.elapsed()); }
        if !ended.violations.is_empty() {
            eprintln!("seed {seed}: {} steps {} faults: {:?}", ended.steps, ended.faults, ended.violations[0]);
            if tell {
                let mut story = Story::of(seed, ended.violations, None);
                story.tell(None);
                for line in &story.lines { eprintln!("{line}"); }
                eprintln!("{:?}", story.violations);
                return;
            }
        }
    }
    eprintln!("{count} seeds, {steps} steps, {:?}", began.elapsed());
}
