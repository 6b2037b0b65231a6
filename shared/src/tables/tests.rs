#![allow(clippy::unwrap_used)]

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::bigquery::{Format, Remedy, TableId};
use crate::error::{ErrorKind, TransferError};
use crate::time::later;

const TABLE: &str = "project.logs.events";

fn at(seconds: u64) -> Timestamp {
    let start: Timestamp = "2026-11-27T00:00:00Z".parse().unwrap();
    later(start, Duration::from_secs(seconds))
}

fn id(attempt: u32) -> String {
    format!("causeway_0a_{attempt}")
}

fn error(kind: ErrorKind) -> TransferError {
    TransferError::new(kind, "BigQuery said so.", "Do something.")
}

/// A loader that was told of something, with a job called `run` that is to be inserted.
fn inserting(run: &str) -> Loader {
    let mut loader = Loader::default();
    tell(&mut loader);
    begin(&mut loader, run, 0);
    loader.inserts(run, id(0), at(0));
    loader
}

fn tell(loader: &mut Loader) {
    loader.is_for(TABLE, "events", Limits::default());
    loader.something_waits();
}

fn begin(loader: &mut Loader, run: &str, second: u64) {
    assert_eq!(loader.wake(at(second)), Task::Plan);
    let job = Job::new(run, "events", Phase::Gathering, Format::Ndjson, at(second));
    loader.begin(job, run, at(second));
    loader.nothing_waits(loader.told_so_far());
}

/// How far the job is, and what it is called.
fn phase(loader: &Loader, run: &str) -> (Phase, String) {
    let job = loader.jobs().iter().find(|job| job.run == run).unwrap();
    (job.phase, job.id.clone())
}

fn load(run: &str) -> Load {
    Load {
        id: run.into(),
        job: id(0),
        route: "events".into(),
        partition: None,
        began_at: at(0),
        ended_at: at(9),
        files: 3,
        rows: 30,
        bad_rows: 1,
        error: None,
    }
}

#[test]
fn what_waits_is_planned_and_what_was_told_meanwhile_is_not_forgotten() {
    let mut loader = Loader::default();
    assert_eq!(loader.wake(at(0)), Task::Rest);
    tell(&mut loader);
    let told = loader.told_so_far();
    tell(&mut loader);
    loader.nothing_waits(told);
    assert_eq!(loader.wake(at(0)), Task::Plan);
    loader.nothing_waits(loader.told_so_far());
    assert_eq!(loader.wake(at(0)), Task::Rest);
}

#[test]
fn a_job_keeps_its_name_until_bigquery_says_that_it_failed() {
    let mut loader = inserting("a");
    let again = loader.failed(
        "a",
        Remedy::SameAgain,
        &error(ErrorKind::DestinationUnavailable),
        at(0),
        7,
    );
    assert_eq!(again, Failed::Again);
    assert_eq!(phase(&loader, "a"), (Phase::Inserting, id(0)));
    loader.runs("a", at(1));
    assert_eq!(phase(&loader, "a"), (Phase::Running, id(0)));
    // That nobody may ask about it, or not now, says nothing of the job.
    for remedy in [Remedy::Blocked, Remedy::Quota, Remedy::NewJob] {
        let refused = error(ErrorKind::DestinationDenied);
        loader.failed("a", remedy, &refused, at(2), 7);
        assert_eq!(phase(&loader, "a"), (Phase::Running, id(0)));
    }
    loader.job_failed("a");
    assert_eq!(phase(&loader, "a").0, Phase::Naming);
    assert_eq!(loader.jobs()[0].attempt, 1);
}

#[test]
fn a_used_up_quota_is_waited_for_longer_and_longer() {
    let mut loader = inserting("a");
    tell(&mut loader);
    let quota = error(ErrorKind::DestinationUnavailable);
    loader.failed("a", Remedy::Quota, &quota, at(0), 7);
    assert_eq!(loader.wake(at(1)), Task::Wait(at(600)));
    assert_eq!(loader.quota_until(), Some(at(600)));
    loader.failed("a", Remedy::Quota, &quota, at(600), 7);
    assert_eq!(loader.wake(at(601)), Task::Wait(at(1800)));
    loader.done("a", 1, 0, at(1800));
    assert_eq!(loader.quota_until(), None);
}

#[test]
fn a_blocked_table_is_tried_by_one_job_and_a_person_hears_of_it_once() {
    let mut loader = inserting("a");
    tell(&mut loader);
    let later_job = Job::new("b", "events", Phase::Gathering, Format::Ndjson, at(0));
    loader.add(later_job);
    loader.inserts("b", id(7), at(0));
    let missing = error(ErrorKind::TableMissing);
    assert_eq!(
        loader.failed("b", Remedy::Blocked, &missing, at(0), 7),
        Failed::Blocked
    );
    // The other job and what waits are left alone until then.
    assert_eq!(loader.wake(at(1)), Task::Wait(at(60)));
    let Task::Work(probe) = loader.wake(at(60)) else {
        panic!("no probe");
    };
    assert_eq!(probe.run, "b");
    assert_eq!(
        loader.failed("b", Remedy::Blocked, &missing, at(60), 7),
        Failed::Again
    );
    assert_eq!(loader.wake(at(61)), Task::Wait(at(180)));
    assert_eq!(loader.blocked().unwrap().since, at(0));
    loader.done("b", 1, 0, at(61));
    assert_eq!(loader.blocked(), None);
    assert!(matches!(loader.wake(at(61)), Task::Work(_)));
}

#[test]
fn a_few_jobs_are_under_way_at_once() {
    let mut loader = Loader::default();
    for (second, run) in (0..).step_by(100).zip(["a", "b", "c", "d"]) {
        tell(&mut loader);
        begin(&mut loader, run, second);
        loader.goes_on(run, Phase::Running, at(10_000));
    }
    tell(&mut loader);
    assert_eq!(loader.wake(at(9_000)), Task::Wait(at(10_000)));
    loader.ended("b", None, &load("b"), at(9_000));
    assert_eq!(loader.wake(at(9_000)), Task::Plan);
}

#[test]
fn copies_are_swept_when_the_last_job_that_has_any_of_them_has_ended() {
    let mut loader = inserting("a");
    let mut half = Job::new("b", "events", Phase::Naming, Format::Ndjson, at(0));
    half.origin = "a".into();
    loader.add(half);
    let left = || Some(("landing".to_owned(), "x/.causeway-parts/a/".to_owned()));
    loader.ended("a", left(), &load("a"), at(1));
    let Task::Work(job) = loader.wake(at(1)) else {
        panic!("no job");
    };
    assert_eq!(job.run, "b");
    loader.ended("b", left(), &load("b"), at(2));
    let (bucket, prefix) = ("landing".to_owned(), "x/.causeway-parts/a/".to_owned());
    assert_eq!(loader.wake(at(2)), Task::Sweep { bucket, prefix });
    assert_eq!((loader.counts.loads, loader.counts.rows), (2, 60));
}

#[test]
fn the_search_for_a_bad_file_ends() {
    let mut loader = inserting("a");
    let searches = (0..100).take_while(|_| loader.may_search(2)).count();
    // Halving 10,000 files to one takes 14.
    assert!((14..=32).contains(&searches), "{searches}");
}

#[test]
fn a_job_is_asked_about_soon_and_then_less_often() {
    let mut loader = inserting("a");
    loader.runs("a", at(0));
    let wait = |loader: &Loader, now: u64| match loader.wake(at(now)) {
        Task::Wait(time) => time.as_millisecond() - at(now).as_millisecond(),
        _ => 0,
    };
    assert_eq!(wait(&loader, 0), 250);
    loader.runs("a", at(40));
    assert_eq!(wait(&loader, 40), 5_000);
    loader.runs("a", at(4_000));
    assert_eq!(wait(&loader, 4_000), 30_000);
}

#[test]
fn a_jobs_name_follows_from_what_it_loads() {
    let table = TableId::parse("bigquery://my-project/logs/events").unwrap();
    let name = |files: &[(&str, u64)], options: &str, attempt| {
        let files = files
            .iter()
            .map(|&(name, generation)| (name, Generation(generation)));
        job_name(&table, options, files, attempt)
    };
    let first = name(&[("a", 1), ("b", 2)], "", 0);
    assert_eq!(first, name(&[("a", 1), ("b", 2)], "", 0));
    assert!(
        first.starts_with("causeway_") && first.ends_with("_0"),
        "{first}"
    );
    for other in [
        name(&[("a", 1), ("b", 3)], "", 0),
        name(&[("a", 1)], "", 0),
        name(&[("a", 1), ("b", 2)], "x", 0),
        name(&[("a", 1), ("b", 2)], "", 1),
    ] {
        assert_ne!(first, other);
    }
}

#[test]
fn what_is_stored_is_read() {
    let mut loader = inserting("a");
    loader.done("a", 3, 1, at(3));
    let text = serde_json::to_string(&loader).unwrap();
    assert_eq!(serde_json::from_str::<Loader>(&text).unwrap(), loader);
}
