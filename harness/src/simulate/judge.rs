//! What must hold: at each commit, and once everything has come to rest.
//!
//! Looks at what the two stores hold and at the dead letters, and knows nothing of how they came there.

mod cost;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use causeway_shared::brake::ALWAYS;
use causeway_shared::composite::PARTS_FOLDER;
use causeway_shared::error::ErrorKind;
use causeway_shared::host::ledger::{LEDGER, QUARANTINE};
use causeway_shared::ledger::Selector;
use causeway_shared::route::{OnConflict, Route};
use http::Uri;
use serde_json::Value;

use super::circumstances::HOUR;
use super::fault::{Fault, Faults};
use super::gcs::{Commit, Object, decoded, in_any_bucket, parameter};
use super::network::Store;
use super::queue::Dead;
use super::s3::{BUCKET, Checksums, Parts, S3, Version};
use super::scenario::{MOVED, Scenario};
use super::world::World;

/// A message ends in quarantine for something that passes only after this many faults.
const MANY_FAULTS: u64 = 25;

/// How long after its end a run is swept for the last time, in milliseconds.
const SWEEPS_APART: i64 = 16 * 60_000;

/// What a seed cost.
pub(super) type Counts = BTreeMap<&'static str, u64>;

#[derive(Debug)]
pub(super) struct Judge {
    route: Rc<Route>,
    pub(super) violations: Vec<String>,
    /// Of each name, which version of the source stands there, and in which generation.
    standing: BTreeMap<String, (u64, usize)>,
    /// When copies were deleted, in milliseconds.
    deletes: Vec<u64>,
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
}

impl Judge {
    pub(super) fn new(route: &Route) -> Self {
        Self {
            route: Rc::new(route.clone()),
            violations: Vec::new(),
            standing: BTreeMap::new(),
            deletes: Vec::new(),
            unbraked: BTreeMap::new(),
            begun: BTreeMap::new(),
            excused: 0,
            reasons: 0,
            counted: Counts::new(),
            seen: None,
            is_mended: false,
            replays: Vec::new(),
            dropping: 0,
            dropped: BTreeMap::new(),
            left: Vec::new(),
        }
    }

    pub(super) fn object(&mut self, violation: &str) {
        self.violations.push(violation.to_owned());
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

    fn key_of(&self, name: &str) -> Option<String> {
        let name = in_any_bucket(name);
        let prefixes = [&self.route.destination.prefix, MOVED];
        let mut rests = prefixes
            .into_iter()
            .filter_map(|prefix| name.strip_prefix(prefix));
        let rest = rests.next().filter(|_| !is_part(name))?;
        Some(format!("{}{rest}", self.route.source.prefix))
    }

    /// What came to stand at a name of the destination is exactly one version of its key, and none
    /// that is older than what it replaces.
    fn committed(&mut self, commit: &Commit, s3: &S3) {
        let object = &commit.object;
        let Some(key) = self.key_of(&object.name) else {
            return;
        };
        let name = &object.name;
        self.count("committed_bytes", object.body.length());
        let mut past = s3.past(&key).rev();
        let Some((place, version)) = past.find(|(_, version)| is_copy(object, version)) else {
            let body = &object.body;
            let is_body = s3.past(&key).any(|(_, version)| version.body == *body);
            let what = if is_body {
                "under the metadata of another version"
            } else {
                "which is no version that the source ever had"
            };
            self.violations.push(format!(
                "{name:?} holds {body:?}, {what} (partial or mixed)"
            ));
            return;
        };
        let proof = object.metadata.get("causeway-proof");
        let is_stored = proof.is_some_and(|proof| proof == "stored-crc32c");
        if is_stored && version.put.checksums == Checksums::Composite {
            self.count("composites_proven", 1);
            if s3.parts != Parts::Told {
                self.object("a composite is proven by parts that S3 does not tell of");
            }
        }
        let before = self
            .standing
            .insert(name.clone(), (object.generation, place));
        let Some(replaced) = &commit.before else {
            return;
        };
        match before {
            Some((generation, older)) if generation == replaced.generation => {
                let goes_back = older > place;
                self.violations.extend(goes_back.then(|| {
                    format!("{name:?} went back from version {older} of its key to version {place}")
                }));
            }
            _ if self.route.on_conflict == OnConflict::Keep => self
                .violations
                .push(format!("{name:?} was somebody else's and was overwritten")),
            _ => {}
        }
    }

    /// What was deleted was a copy of ours, on a route that carries deletions over.
    fn deleted(&mut self, object: &Object, world: &World) {
        let name = &object.name;
        let Some(key) = self.key_of(name) else {
            return;
        };
        match self.unbraked.get_mut(in_any_bucket(name)) {
            None => self.deletes.push(world.now()),
            Some(made) => {
                *made += 1;
                let made = *made;
                self.count("deletes_without_brake", 1);
                let twice = world.faults.borrow().injected.values().sum::<u64>();
                let released = self.released(&key, &world.queues.borrow().dead);
                if made > released + twice {
                    self.object(&format!(
                        "{key:?} was deleted {made} times, and a person has said so {released} times"
                    ));
                }
            }
        }
        let is_ours = self
            .standing
            .get(name)
            .is_some_and(|&(ours, _)| ours == object.generation);
        if !is_ours || !self.route.propagates_deletes() {
            self.violations
                .push(format!("{name:?} was deleted, which was not to be deleted"));
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
            self.object(&format!(
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
            self.object(&format!(
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
            // Each fault may have cost a delete that was granted and never made.
            let granted = self.deletes.len() as u64 + faults.injected.values().sum::<u64>();
            let is_many = dead.kind == Some(ErrorKind::DeletesBraked) && granted >= ALWAYS;
            if !is_many && !explains(dead, &faults, &world.scenario) {
                let (kind, key) = (dead.kind, &dead.key);
                self.object(&format!(
                    "{key:?} is in quarantine, and {kind:?} cannot be: {}",
                    dead.reason
                ));
            }
        }
        self.braked(world, &faults);
        self.bounded(world, &gcs, &faults);
        let change = world.scenario.circumstances.change.as_ref();
        let left = world.entries().into_iter().filter(|_| self.is_mended);
        for (id, entry) in left {
            let kind = &entry["error"]["kind"];
            let is_barred = match kind.as_str() {
                Some("deletes-braked") => true,
                Some("destination-denied") => !world.scenario.lets_delete,
                Some("destination-unavailable") => world.scenario.is_slow(),
                _ => false,
            };
            if !is_barred {
                self.violations
                    .push(format!("a replay does not mend {id:?}: {kind}"));
            }
        }
        for key in s3.keys() {
            let name = self.route.destination_name(key).unwrap_or_default();
            let found = gcs.objects.get(&name);
            let is_equal = match (s3.current(key), found) {
                (Some(version), Some(object)) => {
                    is_copy(object, version) && (!world.route.tags || has_tag(object, version))
                        // No event of it led anywhere, and then no listing tells.
                        || change.is_some()
                            && s3.past(key).any(|(_, old)| is_copy(object, old) && old.looks_as(version))
                }
                (Some(_), None) => false,
                (None, Some(_)) => !self.route.propagates_deletes(),
                (None, None) => true,
            };
            // What somebody else put there is never deleted, and stays where the route says so.
            let is_kept = found.is_some_and(|object| {
                object.metadata.is_empty()
                    && (self.route.on_conflict == OnConflict::Keep || s3.current(key).is_none())
            });
            let changed = s3.changed_at(key);
            let is_dead = |dead: &Dead| dead.key.as_ref() == Some(key) && dead.at >= changed;
            let is_known = world.is_in_quarantine(key) && queues.dead.iter().any(is_dead);
            let is_dropped = self.dropped.get(key).is_some_and(|&at| at >= changed);
            if !is_equal && !is_kept && !is_known && !is_dropped {
                self.object(&format!(
                    "{key:?} was forgotten: the source has {:?}, the destination {:?}, and quarantine nothing",
                    s3.current(key).map(|version| &version.body),
                    found.map(|object| &object.body),
                ));
            }
        }
        let names = gcs.objects.keys().map(|name| in_any_bucket(name));
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
                self.violations.push(format!("{name:?} was left behind"));
            }
        }
        if let Some(name) = gcs.noncurrent.iter().find(|name| is_part(name)) {
            let kept = format!("{name:?} is kept as a version that nobody sees");
            self.violations.push(kept);
        }
        for session in gcs.sessions.values().filter(|session| session.is_open()) {
            // Whoever can write with a session's URI: it goes into no quarantine.
            let is_given_up = |dead: &Dead| {
                let name = dead
                    .key
                    .as_ref()
                    .and_then(|key| self.route.destination_name(key));
                name.as_deref() == Some(session.name())
            };
            // Nor does anybody carry one on that leads to a former destination.
            let is_left = session.is_orphan || change.is_some();
            if !is_left && !queues.dead.iter().any(is_given_up) {
                self.violations.push(format!(
                    "an upload session for {:?} was left open",
                    session.name()
                ));
            }
        }
    }
}

impl World {
    /// Looks at what GCS has committed since the last time.
    pub(super) fn judge_commits(&self) {
        let (commits, deleted, unknown) = {
            let mut gcs = self.gcs.borrow_mut();
            (
                std::mem::take(&mut gcs.commits),
                std::mem::take(&mut gcs.deleted),
                std::mem::take(&mut gcs.unknown),
            )
        };
        let mut judge = self.judge.borrow_mut();
        for commit in commits {
            let object = &commit.object;
            self.tell(object.generation, || {
                format!(
                    "GCS has {:?} now, generation {}: {:?}",
                    object.name, object.generation, object.body
                )
            });
            judge.committed(&commit, &self.s3.borrow());
        }
        for object in deleted {
            judge.deleted(&object, self);
        }
        for request in unknown {
            judge.object(&format!(
                "the model of GCS does not know the request {request}"
            ));
        }
    }

    /// Somebody asks GCS to delete what is at `path`, and has no leave of the brake's.
    pub(super) fn note_unbraked(&self, uri: &Uri) {
        let mut judge = self.judge.borrow_mut();
        let name = self.name_at(uri).unwrap_or_default();
        let Some(key) = judge.key_of(&name) else {
            return;
        };
        if judge.released(&key, &self.queues.borrow().dead) == 0 {
            judge.object(&format!(
                "{key:?} is deleted, and neither the brake nor a person has said so"
            ));
        }
        judge.unbraked.entry(name).or_default();
    }

    /// The name at the destination that a request to `uri` says.
    pub(super) fn name_at(&self, uri: &Uri) -> Option<String> {
        if let Some(id) = parameter(uri.query().unwrap_or_default(), "upload_id") {
            let gcs = self.gcs.borrow();
            return Some(in_any_bucket(gcs.sessions.get(&id.parse().ok()?)?.name()).to_owned());
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
    }
}

/// Whether what is called `name` is a part of a large object, or some of them put together.
fn is_part(name: &str) -> bool {
    name.contains(PARTS_FOLDER)
}

/// Whether `object` is a copy of exactly `version`: its bytes, under its metadata.
fn is_copy(object: &Object, version: &Version) -> bool {
    let label = version.put.label.to_string();
    let metadata = |name: &str| object.metadata.get(name).map(String::as_str);
    object.body == version.body
        && metadata("label") == Some(&label)
        && metadata("causeway-source-etag") == Some(&version.etag)
        && object.content_type.as_deref() == Some(&format!("text/x-{label}"))
}

fn has_tag(object: &Object, version: &Version) -> bool {
    let tag = version.tag.map(|tag| tag.to_string());
    object.metadata.get("causeway-source-tag-kind") == tag.as_ref()
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
