//! What must hold: at each commit, and once everything has come to rest.
//!
//! Looks at what the two stores hold and at the dead letters, and knows nothing of how they came there.

mod cost;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use causeway_shared::brake::ALWAYS;
use causeway_shared::composite::PARTS_FOLDER;
use causeway_shared::error::ErrorKind;
use causeway_shared::host::ledger::{LEDGER, QUARANTINE};
use causeway_shared::ledger::Selector;
use causeway_shared::route::OnConflict;
use http::Uri;
use serde_json::Value;

use super::circumstances::HOUR;
use super::fault::{Fault, Faults};
use super::gcs::{Wire, decoded, is_foreign, parameter};
use super::network::Store;
use super::queue::Dead;
use super::s3::{BUCKET, Checksums, Parts, Version};
use super::scenario::{MOVED, Scenario};
use super::world::World;
use crate::gcs::Commit;
use crate::gcs::state::Object;

/// A message ends in quarantine for something that passes only after this many faults.
const MANY_FAULTS: u64 = 25;

/// How long after its end a run is swept for the last time, in milliseconds.
const SWEEPS_APART: i64 = 16 * 60_000;

/// What a seed cost.
pub(super) type Counts = BTreeMap<&'static str, u64>;

#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) violations: Vec<String>,
    /// Of each name, which version of the source stands there, and in which generation.
    standing: BTreeMap<String, (u64, usize)>,
    /// When copies were deleted, in milliseconds.
    deletes: Vec<u64>,
    /// How many deletes found nothing, or another generation.
    pub(super) deletes_in_vain: u64,
    /// Names that a delete was asked for without the brake's leave, and how many were made.
    unbraked: BTreeMap<String, u64>,
    /// How often a transfer of each key was begun.
    begun: BTreeMap<String, u32>,
    /// Deliveries that may have been used up by something else: dead consumers, refusals of the platform.
    pub(super) excused: u32,
    /// How often there was reason to read an object: hints that are new, and requests that a store refused.
    pub(super) reasons: u64,
    pub(super) counted: Counts,
    /// Entries of the quarantine that somebody saw who went through it.
    pub(super) seen: Option<BTreeSet<String>>,
    /// Everything was replayed once faults were over.
    pub(super) is_mended: bool,
    /// What was replayed, and whether it was released.
    replays: Vec<(Selector, bool)>,
    /// How many drops are under way.
    dropping: u32,
    /// When the entry of a key was dropped.
    dropped: BTreeMap<String, u64>,
    /// Runs whose parts were given up.
    left: Vec<String>,
    /// The generations that landed under each name.
    landed: BTreeMap<String, BTreeSet<u64>>,
}

impl Judge {
    pub(super) fn object(&mut self, violation: impl Into<String>) {
        self.violations.push(violation.into());
    }

    pub(super) fn count(&mut self, what: &'static str, more: u64) {
        *self.counted.entry(what).or_default() += more;
    }

    /// The log names parts that could not be deleted, for somebody to delete them.
    pub(super) fn parts_left(&mut self, line: &Value) {
        let destination = line["destination"].as_str().unwrap_or_default();
        let name = destination
            .strip_prefix("gs://")
            .and_then(|rest| rest.split_once('/'));
        self.left.push(name.map_or("", |(_, name)| name).to_owned());
    }

    /// What came to stand at a name of the destination is exactly one version of its key, and none
    /// that is older than what it replaces.
    fn committed(&mut self, commit: &Commit, object: &Object, world: &World) {
        let (name, s3) = (&commit.name, world.s3.borrow());
        let Some(key) = world.key_of(name) else {
            return;
        };
        self.count("committed_bytes", commit.size);
        let mut past = s3.past(&key).rev();
        let Some((place, version)) = past.find(|(_, version)| is_copy(object, version)) else {
            let body = object.content.body.symbolic();
            let is_body = s3
                .past(&key)
                .any(|(_, version)| Some(&version.body) == body.as_ref());
            let what = if is_body {
                "under the metadata of another version"
            } else {
                "which is no version that the source ever had"
            };
            return self.object(format!(
                "{name:?} holds {body:?}, {what} (partial or mixed)"
            ));
        };
        let proof = object.metadata.custom.get("causeway-proof");
        let is_stored = proof.is_some_and(|proof| proof == "stored-crc32c");
        if is_stored && version.put.checksums == Checksums::Composite {
            self.count("composites_proven", 1);
            if s3.parts != Parts::Told {
                self.object("a composite is proven by parts that S3 does not tell of");
            }
        }
        let standing = (commit.generation, place);
        let before = self.standing.insert(at(commit), standing);
        let Some((replaced, _)) = commit.replaced else {
            return;
        };
        match before {
            Some((generation, older)) if generation == replaced && older > place => self.object(
                format!("{name:?} went back from version {older} of its key to {place}"),
            ),
            Some((generation, _)) if generation == replaced => {}
            _ if world.route.on_conflict == OnConflict::Keep => {
                self.object(format!("{name:?} was somebody else's and was overwritten"));
            }
            _ => {}
        }
    }

    /// What was deleted was a copy of ours, on a route that carries deletions over.
    fn deleted(&mut self, commit: &Commit, world: &World) {
        let name = &commit.name;
        let Some(key) = world.key_of(name) else {
            return;
        };
        match self.unbraked.get_mut(name) {
            None => self.deletes.push(world.now()),
            Some(made) => {
                *made += 1;
                let made = *made;
                self.count("deletes_without_brake", 1);
                let twice = world.faults.borrow().injected.values().sum::<u64>();
                let released = self.released(&key, &world.queues.borrow().dead);
                if made > released + twice {
                    self.object(format!(
                        "{key:?} was deleted {made} times, and a person has said so {released} times"
                    ));
                }
            }
        }
        let standing = self.standing.get(&at(commit));
        let is_ours = standing.is_some_and(|&(ours, _)| ours == commit.generation);
        if !is_ours || !world.route.propagates_deletes() {
            self.object(format!("{name:?} was deleted, which was not to be deleted"));
        }
    }

    /// No more was deleted than the brake lets through, and the ledger knows what it holds.
    fn braked(&mut self, world: &World, faults: &Faults) {
        // Each route has a brake of its own.
        let limit = world.scenario.brake_deletes as usize * world.scenario.names();
        let (first, last) = (self.deletes.first(), self.deletes.last());
        let is_short = last
            .zip(first)
            .is_some_and(|(last, first)| last - first < HOUR);
        if is_short && self.deletes.len() > limit && !faults.has(Fault::ClockSkew) {
            let deletes = self.deletes.len();
            self.object(format!(
                "{deletes} copies were deleted where {limit} may be"
            ));
        }
        let (counted, entries) = world.with_object(&world.ledger(), |object| {
            let stored = object.storage.get(LEDGER).map(String::as_str);
            let stored: Value = serde_json::from_str(stored.unwrap_or("null")).unwrap_or_default();
            let entries = object
                .storage
                .keys()
                .filter(|key| key.starts_with(QUARANTINE));
            (
                stored["quarantined"].as_u64().unwrap_or_default(),
                entries.count(),
            )
        });
        if counted != entries as u64 {
            self.object(format!(
                "the ledger counts {counted} entries, and has {entries}"
            ));
        }
    }

    /// An operator drops or replays what `selector` means.
    pub(super) fn acts(&mut self, selector: &Selector, drops: bool, release: bool) {
        self.dropping += u32::from(drops);
        if !drops {
            self.replays.push((selector.clone(), release));
        }
    }

    /// That has been done.
    pub(super) fn has_dropped(&mut self, drops: bool) {
        self.dropping -= u32::from(drops);
    }

    /// These were taken out of storage at `now`.
    pub(super) fn taken_out(&mut self, names: &[String], now: u64) {
        let entry = format!("{QUARANTINE}{BUCKET}/");
        let keys = names.iter().filter_map(|name| name.strip_prefix(&entry));
        let dropped = keys.filter(|_| self.dropping > 0);
        self.dropped
            .extend(dropped.map(|key| (key.to_owned(), now)));
    }

    /// How often somebody has said that a delete of `key` is meant: of what the brake held back by naming it, and of
    /// anything by saying so.
    fn released(&self, key: &str, dead: &[Dead]) -> u64 {
        let braked = Some(ErrorKind::DeletesBraked);
        let mut of_key = dead.iter().filter(|dead| dead.key.as_deref() == Some(key));
        let was_braked = of_key.any(|dead| dead.kind == braked);
        let means = |(selector, release): &&(Selector, bool)| match selector {
            Selector::Id(id) => id.ends_with(key) && (*release || was_braked),
            Selector::Kind(kind) => *release || was_braked && Some(*kind) == braked,
            Selector::All(_) => *release,
        };
        self.replays.iter().filter(means).count() as u64
    }

    fn at_rest(&mut self, world: &World) {
        let (s3, gcs, queues) = (world.s3.borrow(), world.gcs.borrow(), world.queues.borrow());
        let faults = world.faults.borrow();
        if !queues.is_empty() {
            self.object("messages are left in the queues, and nobody will deliver them");
        }
        for dead in &queues.dead {
            // Each fault may have cost a delete that was granted and never made; others found nothing.
            let made = self.deletes.len() as u64 + self.deletes_in_vain;
            let granted = made + faults.injected.values().sum::<u64>();
            let is_many = dead.kind == Some(ErrorKind::DeletesBraked) && granted >= ALWAYS;
            let is_of_file = tables::is_of_file(dead);
            if is_of_file {
                self.refused(dead, world);
            } else if !is_many && !explains(dead, &faults, &world.scenario) {
                let (kind, key) = (dead.kind, &dead.key);
                self.object(format!(
                    "{key:?} is in quarantine, and {kind:?} cannot be: {}",
                    dead.reason
                ));
            }
        }
        self.braked(world, &faults);
        self.bounded(world, &faults);
        let change = world.scenario.circumstances.change.as_ref();
        let is_mended = self.is_mended;
        let left = world.entries().into_iter().filter(|_| is_mended);
        for (id, entry) in left {
            let kind = &entry["error"]["kind"];
            let is_barred = match kind.as_str() {
                Some("deletes-braked" | "load-refused" | "overwrite-refused") => true,
                Some("destination-denied") => !world.scenario.lets_delete,
                Some("destination-unavailable") => world.scenario.is_slow(),
                _ => false,
            };
            if !is_barred {
                self.object(format!("a replay does not mend {id:?}: {kind}"));
            }
        }
        for key in s3.keys() {
            let name = world.route.destination_name(key).unwrap_or_default();
            let found = gcs.object(&name);
            let found = found.as_deref();
            let is_equal = match (s3.current(key), found) {
                (Some(version), Some(object)) => {
                    is_copy(object, version) && (!world.route.tags || has_tag(object, version))
                        // No event of it led anywhere, and then no listing tells.
                        || change.is_some()
                            && s3.past(key).any(|(_, old)| is_copy(object, old) && old.looks_as(version))
                }
                (Some(_), None) => false,
                (None, Some(_)) => !world.route.propagates_deletes(),
                (None, None) => true,
            };
            // What somebody else put there is never deleted, and stays where the route says so.
            let is_kept = found.is_some_and(|object| {
                is_foreign(object)
                    && (world.route.on_conflict == OnConflict::Keep || s3.current(key).is_none())
            });
            let changed = s3.changed_at(key);
            let is_dead = |dead: &Dead| {
                let is_copied = tables::is_of_file(dead);
                dead.key.as_ref() == Some(key) && dead.at >= changed && !is_copied
            };
            let is_known = world.is_in_quarantine(key) && queues.dead.iter().any(is_dead);
            let is_dropped = self.dropped.get(key).is_some_and(|&at| at >= changed);
            if !is_equal && !is_kept && !is_known && !is_dropped {
                self.object(format!(
                    "{key:?} was forgotten: the source has {:?}, the destination {:?}, and quarantine nothing",
                    s3.current(key).map(|version| &version.body),
                    found.map(|object| object.content.body.symbolic()),
                ));
            }
        }
        let objects = gcs.objects();
        let names = objects.iter().map(|object| object.name.as_str());
        for name in names.filter(|name| is_part(name)) {
            let is_named = self.left.iter().any(|prefix| name.starts_with(prefix));
            // One empty object, which a later large object deletes: its write was given up and came through after
            // all, or what was to follow failed, and the ledger knew the answer by then.
            let failed = faults.injected.values().any(|&count| count > 0);
            let refused = world.scenario.circumstances.refused.is_some();
            let is_late = name.ends_with("/may-be-deleted") && (failed || refused);
            // ARCHITECTURE.md says so: a coordinator that moved to a clock far ahead sweeps too early.
            let is_early = world.apart() >= SWEEPS_APART;
            if world.scenario.lets_delete && !is_named && !is_late && !is_early {
                self.object(format!("{name:?} was left behind"));
            }
        }
        // Nor does anybody carry one on that leads to a former destination.
        for session in gcs.left_open().filter(|_| change.is_none()) {
            // Whoever can write with a session's URI: it goes into no quarantine.
            let is_given_up = |dead: &Dead| {
                let name = dead
                    .key
                    .as_ref()
                    .and_then(|key| world.route.destination_name(key));
                name.as_deref() == Some(&*session)
            };
            if !queues.dead.iter().any(is_given_up) {
                self.object(format!("an upload session for {session:?} was left open"));
            }
        }
    }
}

impl World {
    /// The key that an object called `name` is a copy of, if it can be one.
    pub(super) fn key_of(&self, name: &str) -> Option<String> {
        let mut prefixes = [&*self.route.destination.prefix, MOVED].into_iter();
        let rest = prefixes.find_map(|prefix| name.strip_prefix(prefix));
        let rest = rest.filter(|_| !is_part(name))?;
        Some(format!("{}{rest}", self.route.source.prefix))
    }

    /// Looks at what GCS has committed after `wire`.
    pub(super) fn judge_commit(&self, commit: &Commit, wire: &Wire) {
        let mut judge = self.judge.borrow_mut();
        if !self.is_of_table(commit) {
            judge.kept(commit);
        }
        if !commit.deleted {
            judge.has_landed(commit, wire, self);
            let object = self.gcs.borrow().written(commit);
            let object = object.expect("it was just written");
            let body = object.content.body.symbolic();
            let words = format_args!(
                "GCS has {:?} now, generation {}: {body:?}",
                commit.name, commit.generation
            );
            self.tell(commit.generation, words);
            return judge.committed(commit, &object, self);
        }
        judge.deleted(commit, self);
        // What is deleted without its generation is kept as a version.
        let names_generation = parameter(wire.query(), "generation").is_some();
        if self.scenario.keeps_versions && !names_generation {
            judge.count("noncurrent_objects", 1);
            if is_part(&commit.name) {
                judge.object(format!(
                    "{:?} is kept as a version that nobody sees",
                    commit.name
                ));
            }
        }
    }

    /// Somebody asks GCS to delete what is at `path`, and has no leave of the brake's.
    pub(super) fn note_unbraked(&self, uri: &Uri) {
        let mut judge = self.judge.borrow_mut();
        let name = self.name_at(uri).unwrap_or_default();
        let Some(key) = self.key_of(&name) else {
            return;
        };
        if judge.released(&key, &self.queues.borrow().dead) == 0 {
            judge.object(format!(
                "{key:?} is deleted, and neither the brake nor a person has said so"
            ));
        }
        judge.unbraked.entry(name).or_default();
    }

    /// The name at the destination that a request to `uri` says.
    pub(super) fn name_at(&self, uri: &Uri) -> Option<String> {
        if let Some(id) = parameter(uri.query().unwrap_or_default(), "upload_id") {
            return self.gcs.borrow().target(id.parse().ok()?);
        }
        let (_, name) = uri.path().trim_end_matches("/compose").rsplit_once("/o/")?;
        Some(decoded(name))
    }

    /// Whether the route's ledger has an entry for `key`.
    fn is_in_quarantine(&self, key: &str) -> bool {
        let entry = format!("{QUARANTINE}{BUCKET}/{key}");
        self.with_object(&self.ledger(), |object| object.storage.contains_key(&entry))
    }

    /// Looks at everything once nothing moves any more.
    pub(super) fn judge_rest(&self) {
        self.judge.borrow_mut().at_rest(self);
        self.judge_table();
    }
}

/// Bucket and name of what `commit` wrote or deleted.
fn at(commit: &Commit) -> String {
    format!("{}/{}", commit.bucket, commit.name)
}

/// Whether what is called `name` is a part of a large object, or some of them put together.
fn is_part(name: &str) -> bool {
    name.contains(PARTS_FOLDER)
}

/// Whether `object` is a copy of exactly `version`: its bytes, under its metadata.
fn is_copy(object: &Object, version: &Version) -> bool {
    let label = version.put.label.to_string();
    let metadata = |name: &str| object.metadata.custom.get(name).map(String::as_str);
    object.content.body.symbolic().as_ref() == Some(&version.body)
        && metadata("label") == Some(&label)
        && metadata("causeway-source-etag") == Some(&version.etag)
        && object.metadata.content_type.as_deref() == Some(&format!("text/x-{label}"))
}

fn has_tag(object: &Object, version: &Version) -> bool {
    let tag = version.tag.map(|tag| tag.to_string());
    object.metadata.custom.get("causeway-source-tag-kind") == tag.as_ref()
}

/// Whether the faults of this seed can be the reason why `dead` is in quarantine.
fn explains(dead: &Dead, faults: &Faults, scenario: &Scenario) -> bool {
    let refused = scenario.circumstances.refused.as_ref();
    let refuses = |by| refused.is_some_and(|&(_, store, ..)| store == by);
    let many = faults.injected.values().sum::<u64>() >= MANY_FAULTS;
    match dead.kind {
        // What is refused was granted, each time that it was tried.
        Some(ErrorKind::DeletesBraked) => scenario.brake_deletes < 1000 || !scenario.lets_delete,
        Some(ErrorKind::DestinationDenied) => !scenario.lets_delete || refuses(Store::Gcs),
        // What refuses a HEAD has no body, and does not say that it is the clock.
        Some(ErrorKind::SourceDenied) => {
            faults.has(Fault::Denied) || faults.has(Fault::ClockSkew) || refuses(Store::S3)
        }
        Some(ErrorKind::RouteMissing) => scenario.circumstances.change.is_some(),
        Some(ErrorKind::SourceCredentialRefused) => {
            faults.has(Fault::ClockSkew) || refuses(Store::S3)
        }
        Some(ErrorKind::DestinationCredentialRefused) => {
            faults.has(Fault::ClockSkew) || faults.has(Fault::TokenExpired) || refuses(Store::Gcs)
        }
        Some(ErrorKind::ChecksumRefused | ErrorKind::SourceChecksumMismatch) => {
            faults.has(Fault::Corrupted)
        }
        // Some bodies cannot be cut, and some lines are slow.
        Some(ErrorKind::DestinationUnavailable) => many || scenario.is_slow(),
        Some(kind) => kind.is_transient() && many,
        None => many,
    }
}
