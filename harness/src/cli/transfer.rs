//! `causeway transfer`: what became of a key, or of the last ones.

use causeway_shared::api::Transfer as State;
use clap::Args;
use serde_json::json;

use super::failure::{Code, Failure};
use super::output::{Output, duration, human, shown, table, time};
use super::target::Effect;
use super::worker::Worker;
use super::{Report, selection};
use crate::client::ErrorKind;

const AFTER_HELP: &str = "\
Examples:
  causeway transfer photos 2026/a.jpg    what became of a key the last time
  causeway transfer photos               the last outcomes of the route, the newest first

A transfer is what is to be done about a key, however many events tell of it. The worker remembers
the last fifty outcomes of a route, and all that is in quarantine. Of what is under way or was longer
ago nothing is known here (exit code 3): `causeway stat` of the copy shows what stands there.

The worker is CAUSEWAY_URL or --url, its token CAUSEWAY_ADMIN_TOKEN or --token; where neither is
set, the local stack's.

With --json: {\"id\", \"at\", \"bucket\", \"key\", \"outcome\", \"bytes\", \"ms\", \"event_ms\", \"kind\",
\"quarantine\"}, of which the last five only where there is something to say, and \"quarantine\" is what
`causeway quarantine show` prints; without a key {\"route\", \"transfers\": [...]}.";

/// Show what became of a key
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Transfer {
    /// The route's name
    route: String,
    /// A key in the route's source bucket, s3://bucket/key, or a transfer's id; none: the last ones
    key: Option<String>,
    #[command(flatten)]
    worker: Worker,
}

impl Transfer {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let worker = self.worker.connect(Effect::Other)?;
        let route = &self.route;
        let Some(name) = &self.key else {
            let transfers = worker.transfers(route).await?;
            let headings = ["at", "outcome", ">bytes", ">took", "what"];
            for line in table(&headings, transfers.iter().map(row)) {
                output.line(&line);
            }
            let json = json!({ "route": route, "transfers": transfers });
            return Ok(Report::done(json));
        };
        for id in selection::ids(&worker, route, name).await? {
            match worker.transfer(route, &id).await {
                Ok(transfer) => {
                    for line in lines(&transfer) {
                        output.line(&line);
                    }
                    return Ok(Report::done(json!(transfer)));
                }
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::new(
            Code::NotFound,
            format!(
                "nothing is remembered of {name} on {route}: it is under way, or was longer ago"
            ),
            format!("`causeway transfer {route}` shows the last ones"),
        ))
    }
}

fn row(transfer: &State) -> Vec<String> {
    let record = &transfer.record;
    let kind = record.kind.map(|kind| format!(" {kind}"));
    vec![
        time(record.at),
        format!("{}{}", record.outcome, kind.unwrap_or_default()),
        record.bytes.map(human).unwrap_or_default(),
        record.ms.map(duration).unwrap_or_default(),
        format!("s3://{}", transfer.id),
    ]
}

fn lines(transfer: &State) -> Vec<String> {
    let mut lines = vec![shown(&format!("s3://{}", transfer.id))];
    let (record, entry) = (&transfer.record, transfer.quarantine.as_ref());
    let facts = [
        ("outcome", Some(record.outcome.clone())),
        ("at", Some(time(record.at))),
        (
            "bytes",
            record
                .bytes
                .map(|bytes| format!("{bytes} ({})", human(bytes))),
        ),
        ("took", record.ms.map(duration)),
        ("since the event", record.event_ms.map(duration)),
        ("kind", record.kind.map(|kind| kind.to_string())),
        (
            "in quarantine",
            entry.map(|entry| format!("since {}", time(entry.first_failed_at))),
        ),
        ("message", entry.map(|entry| entry.message.clone())),
        ("advice", entry.map(|entry| entry.advice.clone())),
    ];
    for (label, value) in facts {
        if let Some(value) = value {
            lines.push(format!("  {label:20} {}", shown(&value)));
        }
    }
    lines
}
