//! `causeway backfill` and `causeway reconcile`: what no event told of, down the road of an event.

use std::time::Duration;

use causeway_shared::walk::{Difference, Differs, Kind, Outcome, Request, StoreSide, Tally, Walk};
use clap::Args;
use serde_json::json;

use super::failure::{Code, Failure};
use super::output::{Output, human, shown, table, time};
use super::target::Effect;
use super::worker::Worker;
use super::{Report, selection};

const BACKFILL_HELP: &str = "\
Examples:
  causeway backfill photos                         every key of the route's source
  causeway backfill photos --prefix 2026/ --rate 200
  causeway backfill photos --dry-run               only count
  causeway backfill photos --status                how far the last one is
  causeway backfill photos --cancel

The worker lists the source page by page and puts a hint for each key into its queue. What is there
already moves no byte. It goes on by itself, whatever becomes of this command: Ctrl-C leaves it
alone. What became of the keys: `causeway status ROUTE`. --cancel exits with 3 where none is under
way.

The worker is CAUSEWAY_URL or --url, its token CAUSEWAY_ADMIN_TOKEN or --token; where neither is
set, the local stack's.

With --json, at its end: {\"kind\", \"route\", \"request\", \"started_at\", \"expected\", \"parity\",
\"sent\", \"differences\", \"last_key\", \"failures\", \"end\"}; \"parity\".\"source\" is {\"keys\", \"bytes\"},
\"end\" {\"outcome\", \"at\", \"error\"} or null.";

const RECONCILE_HELP: &str = "\
Examples:
  causeway reconcile photos --dry-run              what differs, and nothing is done
  causeway reconcile photos                        what differs is copied, or deleted
  causeway reconcile photos --prefix 2026/ --rate 200
  causeway reconcile photos --status               how far the last one is
  causeway reconcile photos --cancel
  causeway reconcile photos --dry-run --json | jq .parity.missing.keys
  causeway reconcile photos --dry-run --exit-code  for a script: exits with 6 if the sides differ
  causeway reconcile photos --deep --rate 50       headers and metadata of equal keys as well

The worker lists both sides and puts a hint into its queue for each key that differs:
  missing    at the source and not at the destination
  different  at both, and no copy of what the source has now
  extra      a copy whose source is gone; it is deleted where the route propagates deletes, under
             the route's brake
Objects that are no copies of ours are foreign, and stay. Keys that cannot be copied are skipped.
Of a route into a table a reconcile also finds the copies that are not loaded, and loads them.
A listing shows bytes and not headers: --deep sends equal keys, too, and each is then compared
whole; it takes a look at either side for each key, so give it a --rate. What was on its way while
it was listed is among the differences, too; sending it once more changes nothing. It goes on by
itself, whatever becomes of this command: Ctrl-C leaves it alone. What became of the keys:
`causeway status ROUTE`.
The worker does it each night: [triggers] in wrangler.toml.

Differences are no failure: exits with 0 unless --exit-code is given. --cancel exits with 3 where
none is under way.

The worker is CAUSEWAY_URL or --url, its token CAUSEWAY_ADMIN_TOKEN or --token; where neither is
set, the local stack's.

With --json, at its end: {\"kind\", \"route\", \"request\", \"started_at\", \"expected\", \"parity\",
\"sent\", \"differences\": [{\"key\", \"is\"}], \"last_key\", \"failures\", \"end\"}; \"parity\" has \"source\",
\"destination\", \"equal\", \"missing\", \"different\", \"extra\", \"foreign\" and \"skipped\" (and \"not_loaded\", if any), each
{\"keys\", \"bytes\"}; \"differences\" are the first hundred; \"end\" is {\"outcome\", \"at\", \"error\"} or null.";

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Copy what was there before the notifications were
#[derive(Debug, Args)]
#[command(after_help = BACKFILL_HELP)]
pub(super) struct Backfill {
    #[command(flatten)]
    arguments: Arguments,
}

/// Compare both sides, and bring in step what differs
#[derive(Debug, Args)]
#[command(after_help = RECONCILE_HELP)]
pub(super) struct Reconcile {
    /// Exit with 6 if anything is missing, different or extra
    #[arg(long, conflicts_with_all = ["cancel", "detach"])]
    exit_code: bool,
    #[command(flatten)]
    arguments: Arguments,
    /// Send equal keys as well: headers and metadata are compared, and mended
    #[arg(long, conflicts_with_all = ["dry_run", "status", "cancel"])]
    deep: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
struct Arguments {
    /// The route's name
    route: String,
    /// Only keys that begin with this, behind the route's own prefix
    #[arg(long, default_value = "")]
    prefix: String,
    /// Send at most so many keys a second; 0: as fast as they can be listed
    #[arg(long, default_value_t = 0, value_name = "KEYS")]
    rate: u32,
    /// Only list and count
    #[arg(long)]
    dry_run: bool,
    #[arg(skip)]
    deep: bool,
    /// Say how far the last one is
    #[arg(long, conflicts_with_all = ["prefix", "rate", "dry_run", "cancel"])]
    status: bool,
    /// End the one that is under way
    #[arg(long, conflicts_with_all = ["prefix", "rate", "dry_run"])]
    cancel: bool,
    /// Do not wait for its end
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    worker: Worker,
}

impl Backfill {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        self.arguments.run(Kind::Backfill, false, output).await
    }
}

impl Reconcile {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let arguments = Arguments {
            deep: self.deep,
            ..self.arguments
        };
        arguments.run(Kind::Reconcile, self.exit_code, output).await
    }
}

impl Arguments {
    async fn run(self, kind: Kind, exit_code: bool, output: Output) -> Result<Report, Failure> {
        selection::refuse_a_name("--prefix", &self.prefix)?;
        let only_looks = self.dry_run || self.status || self.cancel;
        // What is extra is deleted where the route says so.
        let effect = match kind {
            Kind::Reconcile if !only_looks => Effect::Deletes,
            _ => Effect::Other,
        };
        let worker = self.worker.connect(effect)?;
        let request = Request {
            prefix: self.prefix,
            rate: self.rate,
            dry_run: self.dry_run,
            deep: self.deep,
        };
        let mut walk = match (self.status, self.cancel) {
            (true, _) => worker.walk(kind, &self.route).await?,
            (_, true) => {
                let last = worker.walk(kind, &self.route).await?;
                if let Some(failure) = not_under_way(&last) {
                    return Err(failure);
                }
                worker.end_walk(kind, &self.route).await?
            }
            _ => worker.begin_walk(kind, &self.route, &request).await?,
        };
        let bar = output.counter(walk.expected);
        while walk.end.is_none() && !(self.status || self.detach) {
            bar.set_position(walk.parity.source.keys);
            bar.set_message(note(&walk));
            tokio::time::sleep(LOOK).await;
            walk = worker.walk(kind, &self.route).await?;
        }
        bar.finish_and_clear();
        for line in lines(&walk) {
            output.line(&shown(&line));
        }
        let mut failure = failure(&walk);
        if failure.is_none() && !(self.cancel || self.status || self.detach) {
            failure = cut_short(&walk);
        }
        if failure.is_none() && exit_code {
            failure = differs(&walk);
        }
        Ok(Report {
            json: json!(walk),
            failure,
        })
    }
}

/// What stands beside the bar.
fn note(walk: &Walk) -> String {
    let size = human(walk.parity.source.bytes);
    let sent = if walk.request.dry_run {
        String::new()
    } else {
        format!(", {} sent", walk.sent)
    };
    let again = match walk.failures {
        0 => "",
        _ => ", a store does not answer: it is tried again",
    };
    format!("keys, {size}{sent}{again}")
}

fn lines(walk: &Walk) -> Vec<String> {
    let mut lines = match walk.kind {
        Kind::Backfill => first_differences(walk, |found| found.is == Differs::Skipped),
        Kind::Reconcile => parity(walk),
    };
    if let (Kind::Reconcile, Some(side)) = (walk.kind, walk.unordered) {
        let side = match side {
            StoreSide::Source => "source",
            StoreSide::Destination => "destination",
        };
        lines.push(format!(
            "the {side} lists in another order than that of its names: each key is asked for by itself"
        ));
    }
    let Tally { keys, bytes } = walk.parity.source;
    let size = human(bytes);
    let what = match (walk.kind, walk.request.dry_run) {
        (Kind::Backfill, true) => format!("counted {keys} keys, {size}"),
        (Kind::Backfill, false) => format!("sent {keys} keys, {size}"),
        (Kind::Reconcile, true) => format!("compared {keys} keys, and sent nothing"),
        (Kind::Reconcile, false) => format!("compared {keys} keys, and sent {}", walk.sent),
    };
    let how = match walk.end.as_ref().map(|end| end.outcome) {
        None => "so far",
        Some(Outcome::Done) => "all of them",
        Some(Outcome::Cancelled) => "before it was cancelled",
        Some(Outcome::Failed) => "before it failed",
    };
    lines.push(format!("{what}: {how}"));
    if walk.kind == Kind::Reconcile && is_done(walk) {
        let differences = differences(walk);
        lines.push(differences.unwrap_or_else(|| "both sides are the same".to_owned()));
    }
    lines
}

/// The first differences, as far as they are `wanted`.
fn first_differences(walk: &Walk, wanted: impl Fn(&&Difference) -> bool) -> Vec<String> {
    let found = walk.differences.iter().filter(wanted);
    let rows: Vec<_> = found
        .map(|found| vec![found.is.to_string(), found.key.clone()])
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    table(&["is", "key"], rows)
}

fn is_done(walk: &Walk) -> bool {
    let end = walk.end.as_ref();
    end.is_some_and(|end| end.outcome == Outcome::Done)
}

/// How many keys differ, and how; `None` where none does. What is foreign is no difference.
fn differences(walk: &Walk) -> Option<String> {
    let parity = &walk.parity;
    let found = [
        ("missing", parity.missing),
        ("different", parity.different),
        ("extra", parity.extra),
    ];
    let found = found.into_iter().filter(|(_, tally)| tally.keys > 0);
    let found: Vec<_> = found
        .map(|(name, tally)| format!("{} {name}", tally.keys))
        .collect();
    let verb = if walk.request.dry_run {
        "differ"
    } else {
        "differed"
    };
    (!found.is_empty()).then(|| format!("the sides {verb}: {}", found.join(", ")))
}

/// The differences, and how many objects there are of each sort.
fn parity(walk: &Walk) -> Vec<String> {
    let mut lines = first_differences(walk, |_| true);
    let parity = &walk.parity;
    let differ = parity.missing.keys + parity.different.keys + parity.extra.keys;
    let skipped = walk
        .differences
        .iter()
        .filter(|found| found.is == Differs::Skipped);
    let shown = walk.differences.len() - skipped.count();
    let more = differ.saturating_sub(shown as u64);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    let tallies = [
        ("source", parity.source),
        ("destination", parity.destination),
        ("equal", parity.equal),
        ("missing", parity.missing),
        ("different", parity.different),
        ("extra", parity.extra),
        ("foreign", parity.foreign),
        ("skipped", parity.skipped),
        ("not loaded", parity.not_loaded),
    ];
    let sorts = tallies.into_iter();
    let sorts =
        sorts.filter(|(name, tally)| !matches!(*name, "skipped" | "not loaded") || tally.keys > 0);
    let rows = sorts
        .map(|(name, Tally { keys, bytes })| vec![name.to_owned(), keys.to_string(), human(bytes)]);
    lines.extend(table(&["parity", ">keys", ">bytes"], rows));
    lines
}

fn failure(walk: &Walk) -> Option<Failure> {
    let error = walk.end.as_ref()?.error.as_ref()?;
    Some(Failure::new(
        Code::Failed,
        error.message.clone(),
        error.advice.clone(),
    ))
}

/// Why the last walk can't be cancelled, if it has ended.
fn not_under_way(last: &Walk) -> Option<Failure> {
    let end = last.end.as_ref()?;
    let (kind, route) = (last.kind.name(), &last.route);
    let how = match end.outcome {
        Outcome::Done => "was done",
        Outcome::Cancelled => "was cancelled",
        Outcome::Failed => "failed",
    };
    Some(Failure::new(
        Code::NotFound,
        format!(
            "no {kind} of {route} is under way: the last one {how} at {}",
            time(end.at)
        ),
        format!("`causeway {kind} {route} --status` shows it"),
    ))
}

/// A walk that somebody else cancelled while it was waited for.
fn cut_short(walk: &Walk) -> Option<Failure> {
    let end = walk.end.as_ref()?;
    let kind = walk.kind.name();
    (end.outcome == Outcome::Cancelled).then(|| {
        let what = format!("the {kind} of {} was cancelled before its end", walk.route);
        Failure::new(Code::Failed, what, "begin it again: nothing is done twice")
    })
}

/// For `--exit-code`: the differences, or why nothing is known of them yet.
fn differs(walk: &Walk) -> Option<Failure> {
    let route = &walk.route;
    if is_done(walk) {
        let advice = format!("`causeway reconcile {route}` copies and deletes what differs");
        let advice = if walk.request.dry_run {
            advice
        } else {
            String::new()
        };
        return Some(Failure::new(Code::Differs, differences(walk)?, advice));
    }
    Some(Failure::new(
        Code::Failed,
        format!("the last reconcile of {route} has not compared everything"),
        format!("`causeway reconcile {route} --dry-run --exit-code` compares again"),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn walk(kind: &str, end: &serde_json::Value) -> Walk {
        let tally = |keys: u64| json!({"keys": keys, "bytes": keys * 1024});
        serde_json::from_value(json!({
            "kind": kind, "route": "r", "request": {"prefix": "", "rate": 0, "dry_run": false},
            "started_at": "2026-01-01T00:00:00Z", "expected": null,
            "parity": {"source": tally(3), "destination": tally(2), "equal": tally(1),
                "missing": tally(2), "extra": tally(1)},
            "sent": 3, "differences": [{"key": "a\u{1b}", "is": "missing"}, {"key": "b", "is": "extra"}],
            "last_key": "k", "failures": 0, "end": end,
        }))
        .unwrap()
    }

    #[test]
    fn it_says_how_far_it_came_and_why_no_further() {
        let at = "2026-01-01T00:00:00Z";
        let error = json!({"kind": "source-denied", "message": "S3 said no.", "advice": "Ask."});
        let failed = json!({"outcome": "failed", "at": at, "error": error});
        for (end, says) in [
            (json!(null), "so far"),
            (json!({"outcome": "done", "at": at}), "all of them"),
            (json!({"outcome": "cancelled", "at": at}), "cancelled"),
            (failed.clone(), "failed"),
        ] {
            let lines = lines(&walk("backfill", &end));
            let [line] = &lines[..] else {
                panic!("{lines:?}")
            };
            assert!(
                line.starts_with("sent 3 keys, 3.00 KiB: ") && line.ends_with(says),
                "{line}"
            );
        }
        let failure = failure(&walk("backfill", &failed)).unwrap();
        assert_eq!(
            (failure.code, &*failure.what),
            (Code::Failed, "S3 said no.")
        );
    }

    #[test]
    fn a_reconcile_states_parity_and_shows_what_differs() {
        let lines = lines(&walk("reconcile", &json!(null)));
        assert_eq!(
            lines,
            [
                "is       key",
                "missing  a\\u{1b}",
                "extra    b",
                "and 1 more",
                "",
                "parity       keys     bytes",
                "source          3  3.00 KiB",
                "destination     2  2.00 KiB",
                "equal           1  1.00 KiB",
                "missing         2  2.00 KiB",
                "different       0       0 B",
                "extra           1  1.00 KiB",
                "foreign         0       0 B",
                "compared 3 keys, and sent 3: so far",
            ]
        );
    }
}
