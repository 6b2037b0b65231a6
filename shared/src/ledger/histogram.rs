//! Delays, counted in steps that grow with them.

use serde::{Deserialize, Serialize};

/// The upper end of each step, in milliseconds; what is longer is counted apart.
const STEPS: [u64; 20] = [
    10, 20, 30, 50, 75, 100, 200, 300, 500, 750, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000,
    300_000, 900_000, 3_600_000, 86_400_000,
];

/// How many delays there were of which length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Histogram {
    /// One a step, and one for what is longer; none at first.
    counts: Vec<u64>,
    max: u64,
    /// Of all, in milliseconds.
    sum: u64,
}

impl Histogram {
    /// Counts a delay of `ms` milliseconds.
    pub fn add(&mut self, ms: u64) {
        self.counts.resize(STEPS.len() + 1, 0);
        let step = STEPS.partition_point(|end| *end < ms);
        self.counts[step] += 1;
        self.max = self.max.max(ms);
        self.sum = self.sum.saturating_add(ms);
    }

    /// All of them together, in milliseconds.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The longest, in milliseconds.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.max)
    }

    /// A delay, in milliseconds, that the share `of` (0 to 1) of all did not exceed: the end of its
    /// step, or the longest of all where that is shorter.
    #[must_use]
    pub fn quantile(&self, of: f64) -> Option<u64> {
        let count = self.count();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count"
        )]
        let rank = ((count as f64 * of).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let step = self.counts.iter().position(|step| {
            seen += step;
            seen >= rank
        })?;
        Some(STEPS.get(step).map_or(self.max, |end| self.max.min(*end)))
    }

    /// The end of each step, in milliseconds (none for the last), and how many fell into it.
    pub fn steps(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let ends = STEPS.iter().copied().map(Some).chain([None]);
        ends.zip(self.counts.iter().copied().chain(std::iter::repeat(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_end_of_its_step() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile(0.5), histogram.max()), (None, None));
        for ms in 1..=100 {
            histogram.add(ms);
        }
        histogram.add(1_000_000_000);
        assert_eq!(histogram.count(), 101);
        assert_eq!(histogram.quantile(0.1), Some(20));
        assert_eq!(histogram.quantile(0.5), Some(75));
        assert_eq!(histogram.quantile(0.99), Some(100));
        assert_eq!(histogram.quantile(1.0), Some(1_000_000_000));
        assert_eq!(histogram.steps().count(), 21);
        assert_eq!(histogram.steps().map(|(_, count)| count).sum::<u64>(), 101);
        assert_eq!(histogram.steps().next(), Some((Some(10), 10)));
    }
}
