//! How long things take, of many.

use jiff::SignedDuration;
use serde::Serialize;

/// Of a list of durations, in milliseconds.
#[derive(Debug, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// The one that 99 of 100 do not exceed.
    pub p99: f64,
}

impl Percentiles {
    /// By nearest rank; zeros for an empty list.
    #[must_use]
    pub fn of(mut durations: Vec<SignedDuration>) -> Self {
        durations.sort_unstable();
        let rank = |percent: usize| {
            let rank = (durations.len() * percent).div_ceil(100).max(1);
            durations
                .get(rank - 1)
                .map_or(0.0, |duration| round(duration.as_secs_f64() * 1e3))
        };
        Self {
            p50: rank(50),
            p99: rank(99),
        }
    }
}

/// To two decimals: more would be noise.
#[must_use]
pub(crate) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let of = |count: i64| {
            Percentiles::of((1..=count).map(SignedDuration::from_millis).rev().collect())
        };
        assert!((of(100).p50 - 50.0).abs() < 1e-9 && (of(100).p99 - 99.0).abs() < 1e-9);
        assert!((of(1).p50 - 1.0).abs() < 1e-9 && (of(1).p99 - 1.0).abs() < 1e-9);
        assert!(of(0).p99.abs() < 1e-9);
    }
}
