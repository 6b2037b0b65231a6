//! `causeway loads`: what was loaded into a route's table, and what holds it up.

use causeway_shared::api::{Load, Loads as State};
use clap::Args;
use serde_json::json;

use super::Report;
use super::failure::Failure;
use super::output::{Output, duration, shown, table, time};
use super::target::Effect;
use super::worker::Worker;

const AFTER_HELP: &str = "\
Examples:
  causeway loads events                      what is under way, and the last fifty loads
  causeway loads events --all                all that are remembered, a thousand at most
  causeway loads events 4f2a90c1d77e0b35     all about one, with BigQuery's reason if it failed
  causeway loads events --json | jq '.ended[] | select(.error) | .id'

A load takes the files that have landed for a route into a BigQuery table, and gives them to one load
job. `end` says how far it is or how it ended:
  gathering, copying, listing   the worker chooses the files
  naming, inserting             it hands the job to BigQuery
  running                       BigQuery reads the files; `--json` has the job's id, for `bq show -j`
  checking, settling            the rows are in the table, and the worker writes it down
  loaded                        done
  another word                  why it failed. The files are in quarantine: `causeway quarantine list`
`partition` is what the names of the files of a replaced partition begin with; a route that adds rows
has none. Routes into one table share its loads.

Below the table stands what holds loads up: a reason that only a person ends, with what to do, or the
quota, with the time of the next try. Times are UTC. Exits with 3 where the route ends in no table, or
where no load of that ID is remembered.

The worker is CAUSEWAY_URL or --url, its token CAUSEWAY_ADMIN_TOKEN or --token; where neither is
set, the local stack's.

With --json: {\"route\", \"under_way\": [LOAD], \"ended\": [LOAD], \"before\", \"counts\": {\"loads\", \"jobs\",
\"files\", \"rows\", \"bad_rows\", \"refused\", \"receipts\"}, \"waits\", \"blocked\": {\"since\", \"error\",
\"probes\"} or null, \"quota_until\", \"jobs_left\"}, or the LOAD that was named: {\"id\", \"job\", \"route\",
\"partition\", \"began_at\", \"ended_at\", \"files\", \"rows\", \"bad_rows\", \"error\": {\"kind\", \"message\",
\"advice\"}}, without \"ended_at\" and with {\"format\", \"phase\", \"next_at\", \"failures\"} while it is under
way.";

/// Show what was loaded into a route's table, and what holds it up
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Loads {
    /// The route's name
    route: String,
    /// A load's id, to see all about it
    id: Option<String>,
    /// Show all loads that are remembered, not only the last fifty
    #[arg(long, conflicts_with = "id")]
    all: bool,
    #[command(flatten)]
    worker: Worker,
}

impl Loads {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let worker = self.worker.connect(Effect::Other)?;
        let route = &self.route;
        if let Some(id) = &self.id {
            let load = worker.load(route, id).await?;
            for line in all_about(&load) {
                output.line(&line);
            }
            return Ok(Report::done(json!(load)));
        }
        let mut loads = worker.loads(route, None).await?;
        while let Some(before) = loads.before.filter(|_| self.all) {
            let page = worker.loads(route, Some(before)).await?;
            loads.ended.extend(page.ended);
            loads.before = page.before;
        }
        for line in overview(&loads) {
            output.line(&line);
        }
        let mut json = json!(loads);
        json["route"] = json!(route);
        Ok(Report::done(json))
    }
}

fn overview(loads: &State) -> Vec<String> {
    let all = || loads.under_way.iter().chain(&loads.ended);
    let mut lines = Vec::new();
    if all().next().is_some() {
        let headings = [
            "id",
            "began",
            ">took",
            ">files",
            ">rows",
            ">bad rows",
            "partition",
            "end",
        ];
        lines = table(&headings, all().map(row));
    }
    if loads.before.is_some() {
        lines.push("and older ones: --all".to_owned());
    }
    lines.extend(held_up(loads));
    let counts = &loads.counts;
    lines.push(format!(
        "{} loads, {} files, {} rows, {} bad rows; {} jobs, and {} more may begin at once",
        counts.loads, counts.files, counts.rows, counts.bad_rows, counts.jobs, loads.jobs_left
    ));
    lines
}

fn row(load: &Load) -> Vec<String> {
    let is_known = load.ended_at.is_some();
    let count = |rows: u64| {
        if is_known {
            rows.to_string()
        } else {
            "-".to_owned()
        }
    };
    vec![
        load.id.clone(),
        time(load.began_at),
        took(load).unwrap_or_default(),
        load.files.to_string(),
        count(load.rows),
        count(load.bad_rows),
        partition(load),
        end(load),
    ]
}

fn took(load: &Load) -> Option<String> {
    let ms = load.ended_at?.as_millisecond() - load.began_at.as_millisecond();
    Some(duration(u64::try_from(ms).unwrap_or_default()))
}

fn partition(load: &Load) -> String {
    match load.partition.as_deref() {
        None => "-".to_owned(),
        Some("") => "whole table".to_owned(),
        Some(partition) => partition.to_owned(),
    }
}

/// How it ended, or how far it is.
fn end(load: &Load) -> String {
    match (&load.error, &load.phase) {
        (Some(error), _) => error.kind.to_string(),
        (None, Some(phase)) => phase.clone(),
        (None, None) => "loaded".to_owned(),
    }
}

/// Why nothing is loaded now, and what to do.
fn held_up(loads: &State) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(blocked) = &loads.blocked {
        let error = &blocked.error;
        let since = time(blocked.since);
        lines.push(format!(
            "blocked since {since}: {}: {}",
            error.kind, error.message
        ));
        lines.push(format!("  try: {}", error.advice));
    }
    if let Some(until) = loads.quota_until {
        let until = time(until);
        lines.push(format!(
            "BigQuery's quota is used up: nothing is loaded before {until}"
        ));
    }
    if loads.waits && lines.is_empty() {
        lines.push("more files wait for the next load".to_owned());
    }
    lines.iter().map(|line| shown(line)).collect()
}

fn all_about(load: &Load) -> Vec<String> {
    let mut lines = vec![shown(&load.id)];
    let error = load.error.as_ref();
    let has_job = Some(load.job.clone()).filter(|job| !job.is_empty());
    let facts = [
        ("end", Some(end(load))),
        ("route", Some(load.route.clone())),
        (
            "partition",
            load.partition.is_some().then(|| partition(load)),
        ),
        ("job", has_job),
        ("format", load.format.clone()),
        ("files", Some(load.files.to_string())),
        ("rows", Some(load.rows.to_string())),
        ("bad rows", Some(load.bad_rows.to_string())),
        ("began", Some(time(load.began_at))),
        ("ended", load.ended_at.map(time)),
        ("took", took(load)),
        ("goes on", load.next_at.map(time)),
        (
            "failed in a row",
            load.failures.map(|count| count.to_string()),
        ),
        ("message", error.map(|error| error.message.clone())),
        ("advice", error.map(|error| error.advice.clone())),
    ];
    for (label, value) in facts {
        if let Some(value) = value {
            lines.push(format!("  {label:20} {}", shown(&value)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn loads() -> State {
        let error =
            json!({"kind": "load-refused", "message": "Row 7\u{1b}.", "advice": "Mend it."});
        serde_json::from_value(json!({
            "under_way": [{"id": "000000000000000c", "job": "", "route": "r", "format": "ndjson",
                "phase": "running", "began_at": "2026-11-28T10:02:00Z", "next_at": "2026-11-28T10:02:03Z",
                "files": 2, "rows": 0, "bad_rows": 0, "failures": 0}],
            "ended": [
                {"id": "000000000000000b", "job": "j", "route": "r", "partition": "",
                    "began_at": "2026-11-28T10:01:00Z", "ended_at": "2026-11-28T10:01:02.5Z",
                    "files": 1, "rows": 0, "bad_rows": 0, "error": error},
                {"id": "000000000000000a", "job": "i", "route": "r", "partition": "dt=2026-11-28/",
                    "began_at": "2026-11-28T10:00:00Z", "ended_at": "2026-11-28T10:00:01Z",
                    "files": 3, "rows": 400, "bad_rows": 1}],
            "before": 7, "waits": true, "jobs_left": 60, "blocked": null, "quota_until": null,
            "counts": {"loads": 2, "jobs": 3, "files": 3, "rows": 400, "bad_rows": 1, "refused": 1,
                "receipts": 3},
        }))
        .unwrap()
    }

    #[test]
    fn each_load_is_a_line_and_what_is_under_way_says_how_far_it_is() {
        assert_eq!(
            overview(&loads()),
            [
                "id                began                  took  files  rows  bad rows  partition       end",
                "000000000000000c  2026-11-28T10:02:00Z             2     -         -  -               running",
                "000000000000000b  2026-11-28T10:01:00Z  2.5 s      1     0         0  whole table     load-refused",
                "000000000000000a  2026-11-28T10:00:00Z    1 s      3   400         1  dt=2026-11-28/  loaded",
                "and older ones: --all",
                "more files wait for the next load",
                "2 loads, 3 files, 400 rows, 1 bad rows; 3 jobs, and 60 more may begin at once",
            ]
        );
    }

    #[test]
    fn what_holds_a_table_up_is_said_with_what_to_do() {
        let mut held = loads();
        let until = "2026-11-28T10:20:00Z".parse().unwrap();
        held.quota_until = Some(until);
        held.blocked = serde_json::from_value(json!({
            "since": "2026-11-28T10:00:00Z", "probes": 2,
            "error": {"kind": "table-missing", "message": "No table.", "advice": "Create it."},
        }))
        .unwrap();
        assert_eq!(
            held_up(&held),
            [
                "blocked since 2026-11-28T10:00:00Z: table-missing: No table.",
                "  try: Create it.",
                "BigQuery's quota is used up: nothing is loaded before 2026-11-28T10:20:00Z",
            ]
        );
    }

    #[test]
    fn all_about_a_load_has_bigquerys_reason() {
        let lines = all_about(&loads().ended[0]).join("\n");
        for part in [
            "load-refused",
            "whole table",
            "Row 7\\u{1b}.",
            "Mend it.",
            "2.5 s",
        ] {
            assert!(lines.contains(part), "{part} in\n{lines}");
        }
        assert!(!lines.contains("goes on"), "{lines}");
    }
}
