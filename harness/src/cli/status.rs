//! `causeway status`: how a worker's routes do.

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::output::{Output, duration, human, shown, table, time};
use super::target::Effect;
use super::worker::Worker;
use super::{Report, histogram};
use causeway_shared::api::{BrakeStatus, RouteStatus};
use causeway_shared::ledger::Record;
use causeway_shared::walk::{Kind, Tally, Walk};

const AFTER_HELP: &str = "\
Examples:
  causeway status              a line for each route
  causeway status photos       all about one, with its last outcomes
  causeway status --json | jq '.routes[] | select(.quarantined > 0) | .route'

Counts are of outcomes since the time shown; one key may have many. The delays in the table are from
the event's own time at S3 to the commit at GCS. `in quarantine` is what stands there now: `causeway
quarantine list ROUTE` shows it. The brake holds deletes back when there are too many of them.

The worker is CAUSEWAY_URL or --url, its token CAUSEWAY_ADMIN_TOKEN or --token; where neither is
set, the local stack's.

With --json: {\"routes\": [STATUS]}, or the STATUS of the route that was named: {\"route\", \"source\":
{\"kind\", \"uri\", \"bucket\", \"prefix\", ...}, \"destination\": the same, \"options\", \"since\", \"counts\":
{outcome: n}, \"bytes\", \"accepted_to_commit\": HISTOGRAM, \"event_to_commit\": HISTOGRAM,
\"event_to_queryable\": HISTOGRAM, \"recent\": [{\"at\", \"bucket\", \"key\", \"outcome\", \"bytes\", \"ms\",
\"kind\"}], \"quarantined\", \"objects\", \"walks\": [WALK], \"brake\": {\"deletes\", \"limit\", \"window_s\"} or
null}, where WALK is what `causeway reconcile` prints, without its differences, and HISTOGRAM is
{\"count\", \"p50_ms\", \"p99_ms\", \"max_ms\", \"buckets\": [{\"le_ms\", \"count\"}]}.";

/// Show what the worker's routes have done and what is in quarantine
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Status {
    /// A route's name, to see all about it
    route: Option<String>,
    #[command(flatten)]
    worker: Worker,
}

impl Status {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let worker = self.worker.connect(Effect::Other)?;
        let Some(route) = &self.route else {
            let routes = worker.routes().await?;
            for line in overview(&routes) {
                output.line(&line);
            }
            return Ok(Report::done(json!({ "routes": routes })));
        };
        let status = worker.route(route).await?;
        for line in all_about(&status) {
            output.line(&line);
        }
        Ok(Report::done(json!(status)))
    }
}

fn overview(routes: &[RouteStatus]) -> Vec<String> {
    if routes.is_empty() {
        return vec!["the worker has no routes".to_owned()];
    }
    let headings = [
        "route",
        ">copied",
        ">bytes",
        ">p50",
        ">p99",
        ">in quarantine",
        "brake",
        "other outcomes",
    ];
    let rows = routes.iter().map(|status| {
        let delay = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), duration);
        let copied = status.counts.get("copied").copied().unwrap_or_default();
        let others = status
            .counts
            .iter()
            .filter(|(outcome, count)| *outcome != "copied" && **count > 0)
            .map(|(outcome, count)| format!("{count} {outcome}"));
        vec![
            status.route.clone(),
            copied.to_string(),
            human(status.bytes),
            delay(status.event_to_commit.p50_ms),
            delay(status.event_to_commit.p99_ms),
            quarantined(status),
            status.brake.as_ref().map_or_else(|| "-".to_owned(), brake),
            others.collect::<Vec<_>>().join(", "),
        ]
    });
    let mut lines = table(&headings, rows);
    for status in routes {
        if let Some(breaker) = &status.breaker {
            let route = &status.route;
            let advice = &breaker.advice;
            let since = time(breaker.since);
            lines.push(shown(&format!(
                "{route}: hints wait since {since} ({}). {advice}",
                breaker.kind
            )));
        }
    }
    lines
}

fn quarantined(status: &RouteStatus) -> String {
    match status.overflowed {
        0 => status.quarantined.to_string(),
        more => format!("{}, and {more} that had no room", status.quarantined),
    }
}

fn brake(brake: &BrakeStatus) -> String {
    let BrakeStatus {
        deletes,
        limit,
        window_s,
    } = brake;
    let window = duration(u64::from(*window_s) * 1000);
    let engaged = if deletes >= limit { ", engaged" } else { "" };
    format!("{deletes} of {limit} deletes in {window}{engaged}")
}

fn all_about(status: &RouteStatus) -> Vec<String> {
    let mut lines = vec![shown(&status.route)];
    let mut fact = |label: &str, value: &str| {
        lines.push(format!("  {:20} {}", shown(label), shown(value)));
    };
    if let Some(source) = &status.source {
        fact("from", &source.uri);
    }
    if let Some(destination) = &status.destination {
        fact("to", &destination.uri);
    }
    let since = status.since.map(time);
    fact("since", since.as_deref().unwrap_or("nothing was done yet"));
    for (outcome, count) in &status.counts {
        fact(outcome, &count.to_string());
    }
    let bytes = status.bytes;
    fact("bytes", &format!("{bytes} ({})", human(bytes)));
    fact("in quarantine", &quarantined(status));
    if let Some(breaker) = &status.breaker {
        let next = time(breaker.next_attempt_at);
        fact(
            "hints wait",
            &format!("since {}; the next is tried at {next}", time(breaker.since)),
        );
        fact("because", &format!("{}: {}", breaker.kind, breaker.message));
        fact("what to do", &breaker.advice);
    }
    if let Some(objects) = status.objects {
        fact(
            "keys at the source",
            &format!("{objects}, when they were last counted"),
        );
    }
    if let Some(limits) = &status.brake {
        fact("brake", &brake(limits));
    }
    if !status.walks.is_empty() {
        lines.push(String::new());
        lines.extend(walks(&status.walks));
    }
    let destination = status.destination.as_ref();
    let is_table = destination.is_some_and(|destination| destination.landing.is_some());
    let queryable = ("event to queryable", &status.event_to_queryable);
    let of_commits = [
        ("event to commit", &status.event_to_commit),
        ("accepted to commit", &status.accepted_to_commit),
    ];
    for (title, delays) in of_commits.into_iter().chain(is_table.then_some(queryable)) {
        lines.push(String::new());
        lines.extend(histogram::lines(title, delays));
    }
    if !status.recent.is_empty() {
        lines.push(String::new());
        lines.extend(recent(&status.recent));
    }
    lines
}

fn walks<'a>(walks: impl IntoIterator<Item = &'a Walk>) -> Vec<String> {
    let headings = [
        "begun",
        "what",
        "prefix",
        "end",
        ">source",
        ">missing",
        ">different",
        ">extra",
        ">sent",
    ];
    let rows = walks.into_iter().map(|walk| {
        let parity = &walk.parity;
        let what = if walk.request.dry_run {
            ", dry run"
        } else {
            ""
        };
        let end = walk.end.as_ref().map(|end| end.outcome.to_string());
        let of_both = |tally: Tally| match walk.kind {
            Kind::Backfill => "-".to_owned(),
            Kind::Reconcile => tally.keys.to_string(),
        };
        vec![
            time(walk.started_at),
            format!("{}{what}", walk.kind.name()),
            walk.request.prefix.clone(),
            end.unwrap_or_default(),
            parity.source.keys.to_string(),
            of_both(parity.missing),
            of_both(parity.different),
            of_both(parity.extra),
            walk.sent.to_string(),
        ]
    });
    table(&headings, rows)
}

fn recent<'a>(outcomes: impl IntoIterator<Item = &'a Record>) -> Vec<String> {
    let headings = ["at", "outcome", ">bytes", ">took", "what"];
    let rows = outcomes.into_iter().map(|recent| {
        let took = recent.ms.map(duration);
        let kind = recent.kind.as_ref().map(|kind| format!(" {kind}"));
        vec![
            time(recent.at),
            format!("{}{}", recent.outcome, kind.unwrap_or_default()),
            recent.bytes.map(human).unwrap_or_default(),
            took.unwrap_or_default(),
            format!("s3://{}/{}", recent.bucket, recent.key),
        ]
    });
    table(&headings, rows)
}
