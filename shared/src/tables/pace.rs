//! When a table's next job may begin.
//!
//! Two limits. The day's: jobs are counted against an allowance that fills up again evenly, so that no day has more
//! than `loads_per_day` and [`BURST`]. And the gathering: a lone file is loaded at once; while more come, each job waits
//! twice as long for company as the one before, up to `load_every`.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::time::later;

/// Jobs that may begin at once when no job was begun for long.
const BURST: u32 = 64;

/// Of 24 hours.
const MILLISECONDS: u64 = 24 * 3_600_000;

/// What a route says of its table's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest time that files gather, in seconds.
    pub load_every: u32,
    /// Jobs a day, of the 1,500 that a table takes
    /// ([load jobs](https://docs.cloud.google.com/bigquery/quotas#load_jobs)).
    pub loads_per_day: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            load_every: 60,
            loads_per_day: 1300,
        }
    }
}

/// The jobs that were begun, as far as it matters for the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pace {
    pub(super) limits: Limits,
    /// When the whole allowance is there again.
    #[serde(default, deserialize_with = "crate::time::read_option")]
    full_at: Option<Timestamp>,
    /// When the last batch began.
    #[serde(default, deserialize_with = "crate::time::read_option")]
    last: Option<Timestamp>,
    /// How long the next one gathers after that, in seconds.
    gap: u32,
}

impl Pace {
    fn interval(&self) -> Duration {
        Duration::from_millis(MILLISECONDS / u64::from(self.limits.loads_per_day.max(1)))
    }

    /// When the allowance has a job left.
    fn allowed_at(&self, now: Timestamp) -> Timestamp {
        let ahead = self.interval() * (BURST - 1);
        self.full_at.map_or(now, |full| {
            let before = full.checked_sub(ahead).unwrap_or(now);
            before.max(now)
        })
    }

    /// When the next batch may begin.
    pub(super) fn due(&self, now: Timestamp) -> Timestamp {
        let gap = Duration::from_secs(self.gap.min(self.limits.load_every).into());
        let gathered = self.last.map_or(now, |last| later(last, gap));
        gathered.max(self.allowed_at(now))
    }

    /// A batch begins.
    pub(super) fn begin(&mut self, now: Timestamp) {
        let waited = self.last.map(|last| now.as_second() - last.as_second());
        let follows = waited.is_some_and(|waited| waited <= 2 * i64::from(self.gap.max(1)));
        self.gap = if follows {
            (2 * self.gap).clamp(1, self.limits.load_every.max(1))
        } else {
            0
        };
        self.last = Some(now);
    }

    /// Takes a job from the allowance; when it may be begun.
    pub(super) fn take(&mut self, now: Timestamp) -> Timestamp {
        let at = self.allowed_at(now);
        let full = self.full_at.map_or(now, |full| full.max(now));
        self.full_at = Some(later(full, self.interval()));
        at
    }

    /// How many jobs may begin at once.
    pub(super) fn left(&self, now: Timestamp) -> u32 {
        let used = self
            .full_at
            .map_or(0, |full| full.as_second() - now.as_second());
        let used = u64::try_from(used).unwrap_or_default() / self.interval().as_secs().max(1);
        BURST.saturating_sub(u32::try_from(used).unwrap_or(BURST))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DAY: Duration = Duration::from_millis(MILLISECONDS);

    fn at(milliseconds: u64) -> Timestamp {
        let start: Timestamp = "2026-11-27T00:00:00Z".parse().unwrap();
        later(start, Duration::from_millis(milliseconds))
    }

    /// Begins batches as files come every `every` milliseconds for `period`; when each began.
    fn begun(every: usize, period: u64) -> Vec<u64> {
        let mut pace = Pace::default();
        let mut begun = Vec::new();
        let mut free = 0;
        for file in (0..period).step_by(every) {
            if file < free {
                continue;
            }
            let now = file.max(free);
            let due = pace.due(at(now));
            let due = due.as_millisecond() - at(0).as_millisecond();
            let due = u64::try_from(due).unwrap().max(now);
            pace.begin(at(due));
            assert_eq!(pace.take(at(due)), at(due));
            begun.push(due);
            free = due + 1;
        }
        begun
    }

    #[test]
    fn a_lone_file_waits_for_nothing() {
        assert_eq!(begun(600_000, 1_800_000), [0, 600_000, 1_200_000]);
    }

    #[test]
    fn ten_thousand_files_in_fifty_seconds_are_a_few_jobs() {
        assert!(begun(5, 50_000).len() <= 8, "{:?}", begun(5, 50_000));
    }

    #[test]
    fn a_day_of_one_file_a_second_is_less_than_the_tables_quota() {
        let begun = begun(1_000, 86_400_000);
        assert!((1_300..1_400).contains(&begun.len()), "{}", begun.len());
    }

    #[test]
    fn no_day_has_more_jobs_than_the_allowance_and_the_burst() {
        let mut pace = Pace {
            limits: Limits {
                load_every: 1,
                loads_per_day: 100,
            },
            ..Pace::default()
        };
        let taken: Vec<_> = (0..400).map(|_| pace.take(at(0))).collect();
        assert_eq!(taken.iter().filter(|&&time| time == at(0)).count(), 64);
        let day = taken.iter().filter(|&&time| time < later(at(0), DAY));
        assert_eq!(day.count(), 163);
        assert_eq!(pace.left(at(0)), 0);
        assert_eq!(pace.left(later(at(0), DAY * 5)), 64);
    }
}
