//! A seed that failed: its shortest story, and the command that runs it again.

use clap::ValueEnum as _;
use serde::Serialize;

use super::mutant::Mutant;
use super::run::{Ended, run};
use super::scenario::Cut;

/// A seed that failed.
#[derive(Debug, Clone, Serialize)]
pub struct Story {
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub violations: Vec<String>,
    /// The command that runs it again.
    pub replay: String,
    /// What happened, line by line, without what does not matter; empty until it is told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

impl Story {
    pub(super) fn of(seed: u64, violations: Vec<String>, mutant: Option<Mutant>) -> Self {
        let mistake = mutant.and_then(|mutant| mutant.to_possible_value());
        let mistake = mistake.map_or_else(String::new, |value| {
            format!(" --mutant {}", value.get_name())
        });
        Self {
            seed,
            violations,
            replay: format!("causeway simulate --seeds 1 --seed {seed}{mistake}"),
            lines: Vec::new(),
        }
    }

    /// Tells the shortest story in which the seed fails that leaving out writes and faults, one after
    /// the other, leads to. With fewer of them other things may happen; that it fails is what counts.
    pub fn tell(&mut self, mutant: Option<Mutant>) {
        let fails = |cut: &Cut| {
            let ended = run(self.seed, cut, mutant, false);
            (!ended.violations.is_empty()).then_some(ended)
        };
        let Some(whole) = fails(&Cut::default()) else {
            return;
        };
        let cut = shortened(whole, &fails);
        let ended = run(self.seed, &cut, mutant, true);
        self.violations = ended.violations;
        self.lines = ended.story;
    }
}

fn shortened(mut failing: Ended, fails: &impl Fn(&Cut) -> Option<Ended>) -> Cut {
    let mut cut = Cut::default();
    // First in halves, then one by one.
    let mut size = failing.faults.max(1);
    while size > 0 {
        let mut first = 0;
        while first < failing.faults {
            let mut shorter = cut.clone();
            shorter
                .faults
                .extend(first..failing.faults.min(first + size));
            if shorter != cut
                && let Some(ended) = fails(&shorter)
            {
                (cut, failing) = (shorter, ended);
            }
            first += size;
        }
        size /= 2;
    }
    for place in 0..failing.writes {
        let mut shorter = cut.clone();
        shorter.writes.insert(place);
        if fails(&shorter).is_some() {
            cut = shorter;
        }
    }
    cut
}
