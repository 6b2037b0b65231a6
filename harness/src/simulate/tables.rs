//! What a seed draws of a route into a table: its options, which files are bad, and what ails BigQuery.

use serde_json::{Value, json};

use super::circumstances::Span;
use crate::rng::Rng;

/// The table, as a route names it.
pub(super) const TABLE: &str = "bigquery://simulated/logs/events";

/// Keys of files, behind the source's prefix as those of other worlds are; the last has no format and no day.
const KEYS: [[&str; 5]; 2] = [
    [
        "in/dt=2026-01-01/a.json",
        "in/dt=2026-01-02/b c.json",
        "in/dt=2026-01-01/d+é%41.json",
        "in/dt=2026-01-02/e?&=#.json",
        "in/f",
    ],
    [
        "in/dt=2026-01-01/a.json",
        "in/dt=2026-01-02/b c.csv",
        "in/dt=2026-01-01/d+é%41.csv",
        "in/dt=2026-01-02/e?&=#.json.gz",
        "in/f",
    ],
];

/// What is wrong with a file's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    No,
    /// BigQuery says in which file.
    Named,
    /// It does not.
    Unnamed,
}

/// What ails BigQuery for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ailment {
    /// It refuses jobs.
    Denied,
    /// A quota is used up.
    Quota,
    /// The table is not there before the end of it.
    Missing,
}

#[derive(Debug)]
pub(super) struct Tables {
    pub(super) on_overwrite: &'static str,
    pub(super) is_partitioned: bool,
    pub(super) has_format: bool,
    is_mixed: bool,
    pub(super) loads_per_day: u32,
    load_every: u32,
    /// Every how many contents one is bad; 0 if all are good.
    bad: u64,
    /// How long jobs wait, and run, in milliseconds.
    pub(super) waits: u64,
    pub(super) runs: u64,
    pub(super) ailment: Option<(Span, Ailment)>,
}

impl Tables {
    /// Some seeds have a table.
    pub(super) fn draw(seed: u64) -> Option<Self> {
        let mut rng = Rng::new(seed, 6);
        if !rng.chance(1, 4) {
            return None;
        }
        let on_overwrite = rng.pick(&["refuse", "append", "replace", "replace"]);
        let ailment = rng.pick(&[Ailment::Denied, Ailment::Quota, Ailment::Missing]);
        let until = rng.between(60_000, 3_600_000);
        Some(Self {
            on_overwrite,
            is_partitioned: on_overwrite == "replace" && rng.chance(1, 2),
            has_format: rng.chance(1, 3),
            is_mixed: rng.chance(1, 3),
            loads_per_day: rng.pick(&[10, 100, 1300]),
            load_every: rng.pick(&[1, 5, 60]),
            bad: rng.pick(&[0, 0, 3, 8]),
            waits: rng.pick(&[50, 2_000, 30_000]),
            runs: rng.pick(&[100, 3_000, 240_000]),
            ailment: rng.chance(1, 6).then(|| {
                let start = if ailment == Ailment::Missing {
                    0
                } else {
                    rng.below(until)
                };
                (start..until, ailment)
            }),
        })
    }

    /// One whose jobs take three seconds, of good files, or of bad ones alone.
    #[cfg(test)]
    pub(super) fn steady(on_overwrite: &'static str, is_bad: bool) -> Self {
        Self {
            on_overwrite,
            is_partitioned: false,
            has_format: false,
            is_mixed: false,
            loads_per_day: 1300,
            load_every: 60,
            bad: u64::from(is_bad),
            waits: 1_000,
            runs: 2_000,
            ailment: None,
        }
    }

    pub(super) fn keys(&self) -> &'static [&'static str; 5] {
        &KEYS[usize::from(self.is_mixed)]
    }

    /// Makes of the table of a route's options one that ends in the table.
    pub(super) fn add_to(&self, route: &mut Value) {
        route["landing"] = route["destination"].take();
        route["destination"] = json!(TABLE);
        route["location"] = json!("EU");
        route["on_overwrite"] = json!(self.on_overwrite);
        route["load_every"] = json!(self.load_every);
        route["loads_per_day"] = json!(self.loads_per_day);
        if self.is_partitioned {
            route["partition"] = json!("dt={yyyy}-{mm}-{dd}/");
        }
        if self.has_format {
            route["format"] = json!("ndjson");
        }
    }

    pub(super) fn may_delete(&self) -> bool {
        self.on_overwrite == "replace"
    }

    pub(super) fn ails(&self, now: u64, with: Ailment) -> bool {
        let ailment = self.ailment.as_ref();
        ailment.is_some_and(|(span, ailment)| *ailment == with && span.contains(&now))
    }

    pub(super) fn bad(&self, content: Option<u64>) -> Bad {
        match content {
            Some(content) if self.bad > 0 && content.is_multiple_of(self.bad) => {
                if (content / self.bad).is_multiple_of(2) {
                    Bad::Unnamed
                } else {
                    Bad::Named
                }
            }
            _ => Bad::No,
        }
    }

    /// Files of two formats don't go into one job; `None` where nothing says what `name` has.
    pub(super) fn format(&self, name: &str) -> Option<&'static str> {
        let mut endings = [".json.gz", ".json", ".csv"].into_iter();
        match endings.find(|ending| name.ends_with(ending)) {
            Some(".csv") | None if self.has_format => Some(".json"),
            ending => ending,
        }
    }
}

/// The day that a file's name says, as its partition is called.
pub(super) fn day_of(name: &str) -> Option<String> {
    let (_, rest) = name.split_once("dt=")?;
    Some(rest.get(..10)?.replace('-', ""))
}

/// How many rows a file has.
pub(super) fn rows_of(generation: u64, size: u64) -> u64 {
    if size == 0 { 0 } else { generation % 3 + 1 }
}
