//! What a seed draws before anything happens: the route, the stores' moods, and who writes what when.

use std::collections::BTreeSet;
use std::sync::Arc;

use causeway_shared::ledger::RUNS;
use serde_json::{Value, json};

use super::circumstances::{Change, Circumstances, Kind};
use super::s3::{BUCKET, Checksums, Put, Readable};
use super::tables::Tables;
use crate::rng::Rng;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What is left out of a seed, to tell its story shorter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// Places in [`Scenario::writes`].
    pub(super) writes: BTreeSet<usize>,
    /// Faults by their numbers.
    pub(super) faults: BTreeSet<u32>,
}

/// What a writer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Write {
    Put(Put),
    Delete,
    /// A copy under another key, then a deletion.
    RenameTo(String),
    Tag(u32),
    /// Somebody else writes the destination, and the source is put again after that.
    Foreign(Put),
}

/// When, to which key, what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timed {
    pub(super) at: u64,
    pub(super) key: String,
    pub(super) write: Write,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) cut: Cut,
    pub(super) is_versioned: bool,
    pub(super) readable: Readable,
    /// How many more large objects the route may copy in parts at once, because coordinators died.
    pub(super) free_runs: usize,
    pub(super) lets_delete: bool,
    pub(super) is_strict_at_start: bool,
    pub(super) latencies: [u64; 3],
    pub(super) bytes_per_millisecond: u64,
    pub(super) writes: Vec<Timed>,
    /// Keys that somebody else's object stands under at the destination.
    pub(super) foreign: BTreeSet<String>,
    parts_above: Option<u64>,
    carry_after: u64,
    tags: bool,
    deletes: &'static str,
    on_conflict: &'static str,
    pub(super) brake_deletes: u32,
    /// When the cron begins a reconcile, if it does.
    pub(super) reconciled_at: Option<u64>,
    /// Whether the destination keeps versions.
    pub(super) keeps_versions: bool,
    pub(super) circumstances: Circumstances,
    /// The table that the route ends in, if it does.
    pub(super) tables: Option<Arc<Tables>>,
}

/// The variables that routes are read from.
pub(super) const ROUTE: &str = "ROUTE_SIMULATED";
const OTHER: &str = "ROUTE_OTHER";
/// What names begin with where the route leads to another folder.
pub(super) const MOVED: &str = "moved/";
/// Names with all that has to be encoded somewhere.
const KEYS: [&str; 5] = ["in/a", "in/b c", "in/d+é/%41", "in/e?&=#", "in/f"];

impl Scenario {
    pub(super) fn draw(seed: u64, cut: Cut) -> Self {
        let mut rng = Rng::new(seed, 1);
        let parts_above = rng.pick(&[None, Some(1), Some(4), Some(64), Some(256)]);
        let count = rng.pick(&[1, 1, 2, 3, 5]);
        let tables = Tables::draw(seed).map(Arc::new);
        let keys = tables.as_ref().map_or(&KEYS, |tables| tables.keys());
        let keys = &keys[..count];
        let horizon = rng.pick(&[20, 1_000, 20_000, 120_000, 900_000]);
        let number = rng.pick(&[1, 2, 3, 4, 6, 10]);
        let tags = rng.chance(1, 4);
        let is_large = rng.chance(1, 3);
        // More than an invocation has the time to compute checksums over.
        let is_huge = parts_above.is_none() && rng.chance(1, 20);
        let sizes = Sizes {
            is_large,
            is_huge,
            parts_above,
        };
        let mut contents = Contents::default();
        let mut more = Rng::new(seed, 5);
        let mut writes: Vec<_> = (0..number)
            .flat_map(|_| {
                let key = rng.pick(keys);
                let at = rng.below(horizon);
                let burst = rng.pick(&[1, 1, 1, 1, 3]);
                let draw = |n| Timed {
                    at: at + n * rng.below(40),
                    key: key.to_owned(),
                    write: contents.write(&mut rng, keys, tags, sizes),
                };
                (0..burst).map(draw).collect::<Vec<_>>()
            })
            .collect();
        writes.sort_by_key(|timed| timed.at);
        let is_foreign = |_: &&&str| rng.chance(1, 10);
        let foreign = keys
            .iter()
            .filter(is_foreign)
            .map(|&key| key.to_owned())
            .collect();
        Self {
            seed,
            cut,
            is_versioned: rng.chance(1, 2),
            readable: more.pick(&[
                Readable::All,
                Readable::All,
                Readable::Nothing,
                Readable::Current,
            ]),
            free_runs: more.pick(&[RUNS, RUNS, RUNS, RUNS, 2, 1, 1, 0]),
            lets_delete: !rng.chance(1, 30),
            is_strict_at_start: rng.chance(1, 2),
            latencies: rng.pick(&[[2, 10, 50], [20, 100, 500], [10, 500, 8_000]]),
            bytes_per_millisecond: if is_huge {
                200
            } else {
                rng.pick(&[5, 20, 200])
            } * MIB
                / 1000,
            writes,
            foreign,
            parts_above,
            carry_after: rng.pick(&[1, 20, 120, 300]),
            tags,
            deletes: match rng.pick(&["propagate", "propagate", "ignore"]) {
                _ if tables.as_ref().is_some_and(|tables| !tables.may_delete()) => "ignore",
                deletes => deletes,
            },
            on_conflict: rng.pick(&["keep", "overwrite"]),
            brake_deletes: rng.pick(&[0, 1, 3, 1000, 1000, 1000, 1000]),
            reconciled_at: rng.chance(1, 4).then(|| rng.below(2 * horizon)),
            keeps_versions: rng.chance(1, 3),
            circumstances: Circumstances::draw(seed, tables.is_some()),
            tables,
        }
    }

    /// The route, as wrangler.toml has it.
    pub(super) fn table(&self) -> Value {
        let mut table = json!({
            "source": format!("s3://{BUCKET}/in/"),
            "destination": format!("gs://{}/out/", super::gcs::BUCKET),
            "carry_after_s": self.carry_after,
            "tags": self.tags,
            "deletes": self.deletes,
            "on_conflict": self.on_conflict,
        });
        if self.deletes == "propagate" {
            table["brake_deletes"] = json!(self.brake_deletes);
        }
        match self.parts_above {
            Some(mebibytes) => table["parts_above_mib"] = json!(mebibytes),
            None => table["parts"] = json!(false),
        }
        if let Some(tables) = &self.tables {
            tables.add_to(&mut table);
        }
        table
    }

    /// Names and tables of the routes while something of them is changed.
    pub(super) fn other_tables(&self) -> Vec<(&'static str, Value)> {
        let mut table = self.table();
        let change = self.circumstances.change.as_ref();
        match change.map_or(Kind::Parts, |change| change.kind) {
            Kind::Source => table["source"] = json!("s3://elsewhere/in/"),
            Kind::Destination => table["destination"] = json!("gs://elsewhere/out/"),
            Kind::Prefix => {
                table["destination"] = json!(format!("gs://{}/{MOVED}", super::gcs::BUCKET));
            }
            Kind::Parts if self.parts_above.is_none() => {
                table["parts"] = json!(true);
                table["parts_above_mib"] = json!(64);
            }
            Kind::Parts => {
                table["parts"] = json!(false);
                table
                    .as_object_mut()
                    .map(|fields| fields.remove("parts_above_mib"));
            }
            Kind::Removed | Kind::Broken => {
                table["source"] = json!("s3://elsewhere/in/");
                return vec![(OTHER, table)];
            }
            Kind::Renamed => return vec![(OTHER, table)],
            Kind::Overlapped => {
                let mut other = table.clone();
                other["source"] = json!(format!("s3://{BUCKET}/in/a"));
                other["destination"] = json!(format!("gs://{}/out/a", super::gcs::BUCKET));
                return vec![(ROUTE, table), (OTHER, other)];
            }
        }
        vec![(ROUTE, table)]
    }

    /// How many names the routes have that carry something over.
    pub(super) fn names(&self) -> usize {
        let change = self.circumstances.change.as_ref();
        let is_two = |change: &Change| matches!(change.kind, Kind::Renamed | Kind::Overlapped);
        1 + usize::from(change.is_some_and(is_two))
    }

    /// Whether an object that has to go in one request may be too large for the time that one has.
    pub(super) fn is_slow(&self) -> bool {
        self.bytes_per_millisecond < 6 * MIB / 1000
    }

    /// The writes that are not left out, each with its place.
    pub(super) fn kept(&self) -> impl Iterator<Item = (usize, &Timed)> {
        let all = self.writes.iter().enumerate();
        all.filter(|(place, _)| !self.cut.writes.contains(place))
    }
}

/// What has been written so far.
#[derive(Default)]
struct Contents {
    drawn: u64,
    puts: Vec<Put>,
}

impl Contents {
    fn write(&mut self, rng: &mut Rng, keys: &[&str], tags: bool, sizes: Sizes) -> Write {
        match rng.below(20) {
            0..4 => Write::Delete,
            4 => Write::RenameTo(rng.pick(keys).to_owned()),
            5..7 if tags => Write::Tag(u32::try_from(rng.below(1000)).unwrap_or_default()),
            7 => Write::Foreign(self.put(rng, sizes)),
            _ => Write::Put(self.put(rng, sizes)),
        }
    }

    fn put(&mut self, rng: &mut Rng, sizes: Sizes) -> Put {
        self.drawn += 1;
        let label = u32::try_from(self.drawn).unwrap_or_default();
        // Bytes that were there before may come back, under other metadata.
        let put = if !self.puts.is_empty() && rng.chance(1, 8) {
            let old = self.puts[rng.place(self.puts.len())].clone();
            Put { label, ..old }
        } else {
            let size = sizes.draw(rng);
            Put {
                content: self.drawn,
                size,
                checksums: rng.pick(Checksums::of(size)),
                label,
            }
        };
        self.puts.push(put.clone());
        put
    }
}

#[derive(Clone, Copy)]
struct Sizes {
    is_large: bool,
    is_huge: bool,
    parts_above: Option<u64>,
}

impl Sizes {
    /// A size, likely near one at which something changes.
    fn draw(self, rng: &mut Rng) -> u64 {
        let parts_above = self.parts_above;
        let near = |rng: &mut Rng, size: u64| size - 2 + rng.below(4);
        match rng.below(20) {
            0 => 0,
            1..8 => rng.between(1, 64 * KIB),
            8..10 => near(rng, 256 * KIB),
            10..12 => near(rng, MIB),
            12..14 => near(rng, 8 * MIB),
            _ if self.is_huge => rng.between(5 << 10, 60 << 10) * MIB,
            _ if !self.is_large => rng.between(1, 9 * MIB),
            14..17 => rng.between(8 * MIB, 40 * MIB),
            17 => {
                rng.between(1, 6) * parts_above.unwrap_or(64).max(16) * MIB
                    + rng.below(3) * 256 * KIB
            }
            // Not in hundreds of parts: one such seed takes the time of hundreds of others.
            18 if parts_above.is_none_or(|above| above >= 64) => rng.between(900 * MIB, 2500 * MIB),
            _ => {
                let above = parts_above.unwrap_or(16) * MIB;
                above * rng.pick(&[1, 2, 3, 5, 9, 12]) + rng.below(above)
            }
        }
    }
}
