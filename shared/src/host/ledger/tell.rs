//! How others tell a ledger something.

use std::time::Duration;

use super::Report;
use super::gather::shard;
use crate::brake::DeletePermit;
use crate::host::{Class, Platform, by_name, from_json, log, to_json};
use crate::integrity::Crc64Nvme;
use crate::ledger::Record;
use crate::message::DeadLetter;
use crate::route::{Route, UNROUTED};
use crate::time::later;
use crate::walk::Walk;

/// How long an isolate tells others what was done, once the ledger is told too much.
const BUSY: Duration = Duration::from_mins(1);

/// How long the brake's refusal is taken for its answer to the next delete.
const BRAKED: Duration = Duration::from_secs(5);

/// The most deletes that are granted to an isolate at once.
const LEASE: u32 = 64;

/// Tells the ledger `name` something; gives its answer as it is.
///
/// # Errors
/// The platform's words; so for all that follow.
pub async fn tell(platform: &impl Platform, name: &str, report: &Report) -> Result<String, String> {
    platform
        .call(Class::RouteLedger, name, to_json(report))
        .await
}

/// Writes `records` into the ledger of `route`, or gives them to one that gathers for it. They are for people:
/// without them nothing is lost but a count.
pub(in crate::host) async fn record(platform: &impl Platform, route: &str, records: Vec<Record>) {
    let (isolate, now) = (platform.isolate(), platform.now());
    let until = isolate.of(route).gathered_until;
    let written = if until.is_some_and(|until| now < until) {
        let report = Report::Gather(route.to_owned(), records);
        tell(platform, &shard(platform, route), &report)
            .await
            .map(drop)
    } else {
        let noted = tell(platform, route, &Report::Record(records)).await;
        noted.map(|noted| heed(platform, route, from_json(&noted).unwrap_or_default()))
    };
    if let Err(reason) = written {
        log::ledger_silent(platform, route, &reason);
    }
}

/// The same of several routes: each record with the name of its route.
pub(in crate::host) async fn record_all(
    platform: &impl Platform,
    records: impl IntoIterator<Item = (String, Record)>,
) {
    for (route, records) in by_name(records) {
        record(platform, &route, records).await;
    }
}

fn heed(platform: &impl Platform, route: &str, (is_busy, closes): (bool, bool)) {
    let until = is_busy.then(|| later(platform.now(), BUSY));
    let isolate = platform.isolate();
    isolate.of(route).gathered_until = until;
    if closes {
        isolate.of(route).held_until = None;
        log::breaker_closes(platform, route);
    }
}

/// Asks the brake of `route` for one delete. An isolate that makes many is granted several at once.
///
/// # Errors
/// The platform's words.
pub async fn may_delete(platform: &impl Platform, route: &Route) -> Result<DeletePermit, String> {
    let (isolate, name, now) = (platform.isolate(), &route.name, platform.now());
    if let Some(permit) = isolate.of(name).take(now) {
        return Ok(permit);
    }
    let count = isolate.of(name).lease.max(1);
    let answer = tell(platform, name, &Report::MayDelete(route.brake, count)).await?;
    let (granted, permit): (u32, DeletePermit) = from_json(&answer)?;
    let mut known = isolate.of(name);
    known.permits += granted;
    known.lease = (2 * granted).min(LEASE);
    if granted == 0 {
        known.braked = Some((later(now, BRAKED), permit));
    }
    // What another asked for at the same time may have brought more than it used.
    Ok(known.take(now).unwrap_or(permit))
}

/// Returns what was granted and is not used, when a batch ends: only what is deleted is to count.
pub(in crate::host) async fn return_permits(platform: &impl Platform, route: &str) {
    let isolate = platform.isolate();
    let unused = std::mem::take(&mut isolate.of(route).permits);
    if unused == 0 {
        return;
    }
    let lease = isolate.of(route).lease;
    isolate.of(route).lease = lease.saturating_sub(unused);
    if let Err(reason) = tell(platform, route, &Report::NotDeleted(unused)).await {
        log::ledger_silent(platform, route, &reason);
    }
}

/// Puts `letters` into the quarantine of `name`; they are there when this returns. The name goes first: what is
/// there is then found, whatever becomes of the route.
///
/// # Errors
/// The platform's words.
pub(in crate::host) async fn quarantine(
    platform: &impl Platform,
    name: &str,
    letters: Vec<DeadLetter>,
) -> Result<(), String> {
    if name != UNROUTED {
        let report = Report::Register(name.to_owned());
        tell(platform, UNROUTED, &report).await?;
    }
    let report = Report::Quarantine(letters);
    tell(platform, name, &report).await.map(drop)
}

/// How many objects the source had when all were last counted.
///
/// # Errors
/// The platform's words.
pub(in crate::host) async fn objects(
    platform: &impl Platform,
    route: &str,
) -> Result<Option<u64>, String> {
    from_json(&tell(platform, route, &Report::Objects).await?)
}

/// Whether parts could be deleted at `place` lately, as the ledger of `route` knows it.
pub(in crate::host) async fn is_deletable(
    platform: &impl Platform,
    route: &str,
    place: &str,
) -> bool {
    let report = Report::IsDeletable(place.to_owned());
    let known = tell(platform, route, &report).await;
    known.is_ok_and(|known| known == "true")
}

/// Writes down that they could. Without it they are tried again.
pub(in crate::host) async fn note_deletable(platform: &impl Platform, route: &str, place: String) {
    if let Err(reason) = tell(platform, route, &Report::Deletable(place)).await {
        log::ledger_silent(platform, route, &reason);
    }
}

/// Asks the ledger of `route` whether the run of `coordinator` may begin, or tells that it goes on. Without an answer it
/// may: a ledger that is silent holds up nothing.
pub(in crate::host) async fn may_run(
    platform: &impl Platform,
    route: &str,
    coordinator: &str,
) -> bool {
    let may = tell(platform, route, &Report::MayRun(run_id(coordinator))).await;
    may.map_or(true, |may| may != "false")
}

/// Tells it that the run has ended. A run that does not say so stops counting after a while.
pub(in crate::host) async fn run_ended(platform: &impl Platform, route: &str, coordinator: &str) {
    let report = Report::RunEnded(run_id(coordinator));
    if let Err(reason) = tell(platform, route, &report).await {
        log::ledger_silent(platform, route, &reason);
    }
}

/// A coordinator has one run at a time, and its name may be long.
fn run_id(coordinator: &str) -> String {
    let mut hash = Crc64Nvme::default();
    hash.update(coordinator.as_bytes());
    format!("{:016x}", hash.finish())
}

/// Writes down a walk that has ended, and what it counted.
///
/// # Errors
/// The platform's words.
pub(in crate::host) async fn walked(platform: &impl Platform, walk: Walk) -> Result<(), String> {
    let route = walk.route.clone();
    let report = Report::Walked(Box::new(walk));
    tell(platform, &route, &report).await.map(drop)
}
