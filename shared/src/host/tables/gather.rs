//! What waits, and how it gets into jobs.

use std::sync::Arc;

use jiff::Timestamp;

use super::keys::{self, CHUNK, WAITING};
use super::{TableLoader, landing};
use crate::bigquery::{Format, PartitionTemplate, URIS_LIMIT};
use crate::error::TransferError;
use crate::host::{Platform, Storage, from_json, to_json};
use crate::route::{OnOverwrite, Route, TableRoute};
use crate::tables::{
    GONE, Job, Landed, Limits, Loader, Phase, another_table, no_format, no_partition,
    second_version,
};

impl<P: Platform, S: Storage> TableLoader<P, S> {
    /// Writes down what has landed for `table`. It is stored when this returns.
    pub(super) async fn take_landed(&self, table: &str, all: Vec<Landed>) -> Result<(), String> {
        let routes = self.platform.routes().map_err(|error| error.to_string())?;
        let (mut entries, mut refused, mut limits) = (Vec::new(), Vec::new(), None);
        for landed in all {
            let route = routes.get(&landed.message.route);
            let loads = route.and_then(|route| Some((route, route.table.as_ref()?)));
            let loads = loads.filter(|(_, loads)| loads.id.to_string() == table);
            let place = match loads {
                Some((route, loads)) => {
                    limits = Some((route.name.clone(), limits_of(loads)));
                    waits_at(route, loads, &landed)
                }
                None => Err(another_table(&landed.message.route, table)),
            };
            match place {
                Ok(key) => entries.extend(key.map(|key| (key, to_json(&landed)))),
                Err(error) => refused.push((error, landed)),
            }
        }
        self.refuse(refused).await?;
        let Some((route, limits)) = limits.filter(|_| !entries.is_empty()) else {
            return Ok(());
        };
        self.state
            .with(|loader| loader.is_for(table, &route, limits))?;
        // What is stored without an alarm is forgotten, should this fail and nobody tell of it once more.
        self.wake_now().await?;
        for entries in entries.chunks(CHUNK) {
            self.store_with(Vec::new(), entries.to_vec()).await?;
        }
        // Not before it is there: a plan that finds nothing forgets that something waits.
        self.state.with(Loader::something_waits)?;
        self.wake_now().await
    }

    /// Begins the next batch of what waits.
    pub(super) async fn plan(&self) -> Result<(), String> {
        let told = self.state.with(|loader| loader.told_so_far())?;
        let Some((key, landed)) = self.next_waiting().await? else {
            self.state.with(|loader| loader.nothing_waits(told))?;
            return self.store().await;
        };
        let routes = self.platform.routes().map_err(|error| error.to_string())?;
        let table = self.state.with(|loader| loader.table().to_owned())?;
        let name = &landed.message.route;
        let known = routes
            .get(name)
            .and_then(|route| Some((route, route.table.as_ref()?)))
            .filter(|(_, loads)| loads.id.to_string() == table);
        let (now, mut entries) = (self.platform.now(), Vec::new());
        let place = known.map(|(route, loads)| waits_at(route, loads, &landed));
        match (known, place) {
            (Some((route, loads)), Some(Ok(Some(place)))) if place == key => {
                let run = format!("{:016x}", self.platform.random() >> 64);
                let mut job = first_step(&run, route, loads, &landed, now);
                job.landing = landing(route);
                let replaces = job.partition.is_some();
                job.place = if replaces {
                    key.clone()
                } else {
                    group_of(&key)
                };
                self.state.with(|loader| loader.begin(job, &key, now))?;
                if !replaces {
                    return self.store().await;
                }
                // What lands from now on is told once more; until now it is listed.
            }
            // The route is not what it was when this was told.
            (_, Some(Ok(place))) => entries.extend(place.map(|place| (place, to_json(&landed)))),
            (_, Some(Err(error))) => self.refuse(vec![(error, landed)]).await?,
            (_, None) => {
                let error = another_table(name, &table);
                self.refuse(vec![(error, landed)]).await?;
            }
        }
        self.store_with(vec![key], entries).await
    }

    /// What waits behind the last that got a job. A partition that a job replaces waits until that has ended.
    async fn next_waiting(&self) -> Result<Option<(String, Landed)>, String> {
        let (cursor, busy) = self.state.with(|loader| {
            let jobs = loader.jobs().iter();
            let busy: Vec<String> = jobs.map(|job| job.place.clone()).collect();
            (loader.cursor().to_owned(), busy)
        })?;
        let behind = (!cursor.is_empty()).then(|| keys::behind(&cursor));
        let limit = Some(busy.len() + 1);
        for start in [behind.as_deref(), None] {
            let found = self.storage.list(WAITING, start, limit).await?;
            let free = found.into_iter().find(|(key, _)| !busy.contains(key));
            if let Some((key, text)) = free {
                return Ok(Some((key, from_json(&text)?)));
            }
        }
        Ok(None)
    }

    /// Takes the next files of `job` from what waits.
    pub(super) async fn gather(&self, job: &Job, route: &Arc<Route>) -> Result<(), String> {
        let room = URIS_LIMIT.saturating_sub(usize::try_from(job.files).unwrap_or_default());
        let mut found = match room.min(CHUNK) {
            0 => Vec::new(),
            most => self.storage.list(&job.place, None, Some(most + 1)).await?,
        };
        let is_last = found.len() <= room.min(CHUNK);
        if !is_last {
            split_at_a_name(&mut found);
        }
        let keys: Vec<String> = found.iter().map(|(key, _)| key.clone()).collect();
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for (_, text) in &found {
            self.sort_version(route, from_json(text)?, &mut taken, &mut refused)
                .await?;
        }
        self.refuse(refused).await?;
        let bucket = &route.destination.bucket;
        let receipts = taken.iter().map(|landed: &Landed| {
            let generation = landed.generation;
            (
                keys::receipt(bucket, &landed.name, generation),
                job.run.clone(),
            )
        });
        let mut entries: Vec<(String, String)> = receipts.collect();
        let receipts = entries.len();
        if receipts > 0 {
            entries.push((keys::chunk(&job.run, job.chunks), to_json(&taken)));
        }
        let now = self.platform.now();
        let phase = match route.table.as_ref().map(|loads| loads.on_overwrite) {
            _ if !is_last => Phase::Gathering,
            Some(OnOverwrite::Append) if job.chunks > 0 || receipts > 0 => Phase::Copying,
            _ => Phase::Naming,
        };
        self.state
            .with(|loader| loader.gathered(&job.run, receipts, phase, now))?;
        self.store_with(keys, entries).await
    }

    /// Sorts a version that waits: it is taken, refused as a second one, or was taken before.
    async fn sort_version(
        &self,
        route: &Route,
        landed: Landed,
        taken: &mut Vec<Landed>,
        refused: &mut Vec<(TransferError, Landed)>,
    ) -> Result<(), String> {
        let generation = landed.generation;
        let prefix = keys::receipts(&route.destination.bucket, &landed.name);
        let receipts = self.storage.list(&prefix, None, None).await?;
        let is_it = |key: &str| key.strip_prefix(&prefix) == Some(&*generation.0.to_string());
        if receipts.iter().any(|(key, _)| is_it(key)) {
            return Ok(());
        }
        let refuses = route
            .table
            .as_ref()
            .is_some_and(|loads| loads.on_overwrite == OnOverwrite::Refuse);
        if !refuses || landed.message.released {
            taken.push(landed);
            return Ok(());
        }
        if let Some((key, run)) = receipts.first() {
            let first = key.strip_prefix(&prefix).unwrap_or_default();
            let error = second_version(&landed, first, Some(run));
            refused.push((error, landed));
            return Ok(());
        }
        match taken.iter().position(|other| other.name == landed.name) {
            Some(place) => {
                // Both waited: only the one that was told of last can be there still.
                let first = taken.remove(place);
                let (first, last) = if first.message.accepted_at <= landed.message.accepted_at {
                    (first, landed)
                } else {
                    (landed, first)
                };
                let generation = first.generation.0.to_string();
                refused.push((second_version(&last, &generation, None), last));
            }
            None => taken.push(landed),
        }
        Ok(())
    }
}

fn replaces(loads: &TableRoute) -> bool {
    loads.on_overwrite == OnOverwrite::Replace
}

fn limits_of(loads: &TableRoute) -> Limits {
    Limits {
        load_every: loads.load_every,
        loads_per_day: loads.loads_per_day,
    }
}

/// Leaves the versions of the last name for the next chunk: those of one name are looked at together.
fn split_at_a_name(found: &mut Vec<(String, String)>) {
    let name = |key: &str| key.rsplit_once('\n').map(|(name, _)| name.to_owned());
    let last = found.pop().and_then(|(key, _)| name(&key));
    if found.first().is_some_and(|(key, _)| name(key) != last) {
        found.retain(|(key, _)| name(key) != last);
    }
}

/// The places of versions that one job may take, of which `key` is one.
fn group_of(key: &str) -> String {
    let slashes = key.match_indices('/').map(|(at, _)| at + 1);
    let end = slashes.take(4).last().unwrap_or(key.len());
    key[..end].to_owned()
}

/// The job called `run` that begins with `landed`.
fn first_step(
    run: &str,
    route: &Route,
    loads: &TableRoute,
    landed: &Landed,
    now: Timestamp,
) -> Job {
    let format = loads.format_of(&landed.name).unwrap_or(Format::Ndjson);
    if !replaces(loads) {
        return Job::new(run, &route.name, Phase::Gathering, format, now);
    }
    let (partition, decorator) = partition_of(route, loads, &landed.name).unwrap_or_default();
    Job {
        partition: Some(partition),
        decorator,
        ..Job::new(run, &route.name, Phase::Listing, format, now)
    }
}

/// What the names of the files of the partition begin with to which `name` belongs, behind the landing prefix, and its
/// decorator; both empty for the whole table.
fn partition_of(route: &Route, loads: &TableRoute, name: &str) -> Option<(String, String)> {
    let Some(template) = &loads.partition else {
        return Some(Default::default());
    };
    let rest = name.strip_prefix(&route.destination.prefix)?;
    let partition = template.of(rest)?;
    Some((partition.prefix, partition.decorator))
}

/// Where `landed` is to wait; nowhere if it is a folder, or changes nothing that the table has.
///
/// # Errors
/// Why it is not loaded at all.
pub(super) fn waits_at(
    route: &Route,
    loads: &TableRoute,
    landed: &Landed,
) -> Result<Option<String>, TransferError> {
    let name = &landed.name;
    if name.ends_with('/') {
        return Ok(None);
    }
    let format = match loads.format_of(name) {
        Some(format) => format,
        None if landed.generation == GONE => return Ok(None),
        None => return Err(no_format(name)),
    };
    if replaces(loads) {
        let template = loads.partition.as_ref().map(PartitionTemplate::as_str);
        let partition = partition_of(route, loads, name);
        let (prefix, _) =
            partition.ok_or_else(|| no_partition(template.unwrap_or_default(), name))?;
        return Ok(Some(keys::partition(&route.name, &prefix)));
    }
    if landed.generation == GONE {
        return Ok(None);
    }
    let group = keys::group(&route.name, format, Format::is_compressed(name));
    Ok(Some(keys::version(&group, name, landed.generation)))
}
