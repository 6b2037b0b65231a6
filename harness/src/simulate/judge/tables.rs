//! What a table holds once everything has come to rest, and how it came there.

use std::collections::{BTreeMap, BTreeSet};

use causeway_shared::error::ErrorKind;
use causeway_shared::host::Class;
use causeway_shared::host::ledger::QUARANTINE;
use causeway_shared::ledger::Selector;
use serde_json::Value;

use super::{Judge, is_part};
use crate::bigquery::state::JobFilter;
use crate::gcs::Commit;
use crate::gcs::state::Object;
use crate::simulate::durable::object_name;
use crate::simulate::gcs::{Wire, is_foreign};
use crate::simulate::queue::Dead;
use crate::simulate::s3::BUCKET;
use crate::simulate::tables::{Bad, Tables, day_of, rows_of};
use crate::simulate::world::World;

const DAY: i64 = 24 * 3_600_000;
/// Jobs that may begin at once, beside those that a route says for a day.
const BURST: usize = 64;

/// Whether it says that a copy that stands is not loaded.
pub(super) fn is_of_file(dead: &Dead) -> bool {
    matches!(
        dead.kind,
        Some(ErrorKind::LoadRefused | ErrorKind::OverwriteRefused)
    )
}

/// What of a landing place the table should show.
struct Landing {
    key: String,
    object: std::sync::Arc<Object>,
    /// Whether its rows may be missing.
    is_excused: bool,
    bad: Bad,
}

impl Judge {
    /// Notes what has landed, and what it is a copy of.
    pub(super) fn has_landed(&mut self, commit: &Commit, wire: &Wire, world: &World) {
        if let Some(warehouse) = world.warehouse.borrow().as_ref() {
            warehouse.note_copy(wire, commit.generation);
            let landed = self.landed.entry(commit.name.clone()).or_default();
            landed.insert(commit.generation);
        }
    }

    /// A file is in quarantine, and not loaded.
    pub(super) fn refused(&mut self, dead: &Dead, world: &World) {
        let key = dead.key.clone().unwrap_or_default();
        let Some(tables) = &world.scenario.tables else {
            return self.object(format!("{key:?} is no file of a table"));
        };
        let s3 = world.s3.borrow();
        let bad = |version: &crate::simulate::s3::Version| tables.bad(version.body.content());
        let is_bad = s3.past(&key).any(|(_, version)| bad(version) != Bad::No);
        let mut all = s3.keys().flat_map(|key| s3.past(key));
        let is_near_bad = all.any(|(_, version)| bad(version) == Bad::Unnamed);
        let formats: BTreeSet<_> = s3.keys().map(|key| tables.format(key)).collect();
        let is_other = tables.may_delete() && formats.len() > 1;
        let has_place =
            tables.format(&key).is_some() && (!tables.is_partitioned || day_of(&key).is_some());
        let versions = world
            .route
            .destination_name(&key)
            .and_then(|name| self.landed.get(&name));
        let is_second =
            tables.on_overwrite == "refuse" && versions.is_some_and(|all| all.len() > 1);
        if !is_bad && !is_near_bad && !is_other && has_place && !is_second {
            self.object(format!(
                "{key:?} is a good file, and was refused: {}",
                dead.reason
            ));
        }
    }

    fn table_at_rest(&mut self, world: &World, tables: &Tables) {
        self.loader_at_rest(world);
        self.jobs_within(world, tables);
        let rows = world
            .warehouse
            .borrow()
            .as_ref()
            .map(super::super::warehouse::Warehouse::rows);
        let rows = rows.unwrap_or_default();
        let mut replays = self.replays.iter();
        let is_released =
            replays.any(|(meant, release)| *release || !matches!(meant, Selector::All(_)));
        let mut loaded = BTreeMap::<u64, (BTreeSet<u64>, Option<String>)>::new();
        for (generation, number, day) in rows {
            let (numbers, _) = loaded.entry(generation).or_insert((BTreeSet::new(), day));
            // A person who releases a second version knows what the load of the first one says.
            let may_be = tables.on_overwrite == "refuse" && is_released;
            if !numbers.insert(number) && !may_be {
                self.object(format!(
                    "row {number} of generation {generation} is loaded twice"
                ));
            }
        }
        let landing = self.landing(world, tables);
        let day_of = |name: &str| day_of(name).filter(|_| tables.is_partitioned);
        let mut stale: BTreeSet<_> = landing
            .iter()
            .filter(|file| file.is_excused || file.bad == Bad::Unnamed)
            .map(|file| day_of(&file.object.name))
            .collect();
        let is_of_gone = |key: &String| {
            let name = world.route.destination_name(key).unwrap_or_default();
            self.is_excused(world, key).then(|| day_of(&name))
        };
        stale.extend(world.s3.borrow().keys().filter_map(is_of_gone));
        for Landing {
            key,
            object,
            is_excused,
            ..
        } in &landing
        {
            let wanted = rows_of(object.generation, object.size());
            let found = loaded
                .get(&object.generation)
                .map_or(0, |(numbers, _)| numbers.len() as u64);
            let name = &object.name;
            let day = day_of(name);
            let all = self.landed.get(name).into_iter().flatten();
            let others = all.filter(|other| loaded.contains_key(other)).count();
            let is_there = match tables.on_overwrite {
                "refuse" => others > 0 || wanted == 0,
                _ => found == wanted,
            };
            let is_kept = tables.on_overwrite == "replace" && stale.contains(&day);
            if !is_there && !is_excused && !is_kept {
                self.object(format!(
                    "{key:?}, generation {}, has {found} rows of {wanted}, and quarantine nothing",
                    object.generation
                ));
            }
            if tables.on_overwrite == "refuse" && others > 1 && !is_released {
                self.object(format!("{key:?} has rows of {others} versions"));
            }
        }
        if tables.on_overwrite != "replace" {
            return;
        }
        for (generation, (_, day)) in loaded {
            let day = day.filter(|_| tables.is_partitioned);
            let stands = landing
                .iter()
                .any(|file| file.object.generation == generation);
            if !stands && !stale.contains(&day) {
                self.object(format!(
                    "rows of generation {generation} are left in {day:?}"
                ));
            }
        }
    }

    /// Nothing waits, and nothing is under way.
    fn loader_at_rest(&mut self, world: &World) {
        let name = object_name(Class::TableLoader, "simulated.logs.events");
        let left = world.with_object(&name, |object| {
            let state = object.storage.get("loader").map_or("null", String::as_str);
            let state: Value = serde_json::from_str(state).unwrap_or_default();
            let is_busy = state["jobs"]
                .as_array()
                .is_some_and(|jobs| !jobs.is_empty());
            let keys = object.storage.keys();
            let mut keys = keys.filter(|key| key.starts_with("p/") || key.starts_with("j/"));
            is_busy
                .then(|| "a job".to_owned())
                .or_else(|| keys.next().cloned())
        });
        if let Some(left) = left {
            self.object(format!("the loader rests and has {left:?}"));
        }
    }

    /// No day has more jobs than the route says.
    fn jobs_within(&mut self, world: &World, tables: &Tables) {
        let filter = JobFilter {
            limit: Some(1000),
            ..JobFilter::default()
        };
        let warehouse = world.warehouse.borrow();
        let list = warehouse
            .as_ref()
            .map(|warehouse| warehouse.api.state().list_jobs("simulated", &filter));
        let jobs = list.unwrap_or_default()["jobs"].take();
        let time = |job: &Value| {
            job["statistics"]["creationTime"]
                .as_str()?
                .parse::<i64>()
                .ok()
        };
        // The newest first.
        let times: Vec<i64> = jobs
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(time)
            .collect();
        self.count("jobs", times.len() as u64);
        let most = tables.loads_per_day as usize + BURST;
        let is_over = times
            .windows(most + 1)
            .any(|window| window[0] - window[most] < DAY);
        if is_over && world.apart() == 0 {
            self.object(format!("a day has more than {most} jobs"));
        }
    }

    /// The copies that stand under the landing prefix, by name.
    fn landing(&self, world: &World, tables: &Tables) -> Vec<Landing> {
        let objects = world.gcs.borrow().objects();
        let prefix = &*world.route.destination.prefix;
        let ours = objects.into_iter().filter(|object| {
            object.name.starts_with(prefix) && !is_part(&object.name) && !is_foreign(object)
        });
        let landing = ours.filter_map(|object| {
            let key = world.key_of(&object.name)?;
            let bad = tables.bad(object.content.body.symbolic().unwrap_or_default().content());
            Some(Landing {
                is_excused: self.is_excused(world, &key),
                key,
                bad,
                object,
            })
        });
        landing.collect()
    }

    /// Whether `key` is in quarantine, or was until somebody dropped it, or has somebody else's object as its copy.
    fn is_excused(&self, world: &World, key: &str) -> bool {
        // What lands while its route leads elsewhere, or has another name, is told to nobody.
        if world.scenario.circumstances.change.is_some() {
            return true;
        }
        let entry = format!("{QUARANTINE}{BUCKET}/{key}");
        let objects = world.objects.borrow();
        let is_in = objects
            .values()
            .any(|object| object.storage.contains_key(&entry));
        let name = world.route.destination_name(key).unwrap_or_default();
        let copy = world.gcs.borrow().object(&name);
        // What is gone at the source is not told of once more, by a replay or where its loader gave no answer.
        let is_gone = world.s3.borrow().current(key).is_none();
        let is_of_key = |dead: &Dead| dead.key.as_deref() == Some(key);
        let was_in = world.queues.borrow().dead.iter().any(is_of_key);
        let is_lost =
            is_gone && (was_in || world.faults.borrow().injected.values().any(|&n| n > 0));
        is_in
            || is_lost
            || self.dropped.contains_key(key)
            || copy.is_some_and(|copy| is_foreign(&copy))
    }
}

impl World {
    /// Whether `commit` deletes what a table's loader has copied: once a version, and again where it is replayed.
    pub(super) fn is_of_table(&self, commit: &Commit) -> bool {
        let warehouse = self.warehouse.borrow();
        commit.deleted
            && warehouse
                .as_ref()
                .is_some_and(|warehouse| warehouse.is_copy(commit.generation))
    }

    pub(super) fn judge_table(&self) {
        if let Some(tables) = &self.scenario.tables {
            self.judge.borrow_mut().table_at_rest(self, tables);
        }
    }
}
