//! `causeway quarantine`: what could not be done, to look at and to forget. Trying it again is
//! `causeway replay`.

use std::io::{self, BufRead, IsTerminal as _, Write};

use clap::{Args, Subcommand};
use serde_json::json;

use super::Report;
use super::failure::{Code, Failure};
use super::output::{Output, entries, shown, table, time};
use super::selection::{self, Which, kinds};
use super::target::Effect;
use super::worker::Worker;
use causeway_shared::api::Entry;

use crate::client::admin::{Action, Filter};

const AFTER_HELP: &str = "\
Examples:
  causeway quarantine list photos
  causeway quarantine list photos --kind source-denied --key 2026/
  causeway quarantine show photos 2026/a.jpg
  causeway replay photos 2026/a.jpg
  causeway quarantine drop photos --kind source-archived";

const LIST_HELP: &str = "\
Examples:
  causeway quarantine list photos
  causeway quarantine list photos --kind source-denied
  causeway quarantine list photos --key 2026/ --json | jq -r '.entries[].key'

With --kind and --key both must fit. Times are UTC.

With --json: {\"route\", \"count\", \"entries\": [ENTRY]}, all of them; ENTRY is what `causeway quarantine
show` prints.";

const SHOW_HELP: &str = "\
Examples:
  causeway quarantine show photos 2026/a.jpg
  causeway quarantine show photos s3://my-photos/2026/a.jpg

With --json: {\"id\", \"bucket\", \"key\", \"kind\", \"fault\", \"message\", \"advice\", \"status\",
\"request_id\", \"deliveries\", \"failures\", \"first_failed_at\", \"last_failed_at\"}; \"status\" and
\"request_id\" only where a store had answered.";

const DROP_HELP: &str = "\
Examples:
  causeway quarantine drop photos 2026/a.jpg
  causeway quarantine drop photos --kind source-archived --yes

Nothing is done to the object or its copy: the worker only forgets that they may differ. The key's
next event finds out again. On a terminal it asks before it does it.

With --json: {\"route\", \"dropped\"}; with \"error\" when it broke off after some.";

/// See what could not be done and why, or forget it
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Quarantine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Drop(Drop),
}

/// List a route's entries
#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
struct List {
    /// The route's name
    route: String,
    /// Only entries of this kind
    #[arg(long, value_parser = kinds())]
    kind: Option<String>,
    /// Only entries whose key begins so
    #[arg(long, value_name = "PREFIX")]
    key: Option<String>,
    #[command(flatten)]
    worker: Worker,
}

/// Show all that is known of one entry
#[derive(Debug, Args)]
#[command(after_help = SHOW_HELP)]
struct Show {
    /// The route's name
    route: String,
    /// A key in the route's source bucket, s3://bucket/key, or an entry's id
    key: String,
    #[command(flatten)]
    worker: Worker,
}

/// Forget entries
#[derive(Debug, Args)]
#[command(
    after_help = DROP_HELP,
    override_usage = "causeway quarantine drop [OPTIONS] <ROUTE> <KEY|--kind <KIND>|--all>"
)]
struct Drop {
    /// The route's name
    route: String,
    #[command(flatten)]
    which: Which,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    worker: Worker,
}

impl Quarantine {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        match self.command {
            Command::List(list) => list.run(output).await,
            Command::Show(show) => show.run(output).await,
            Command::Drop(drop) => drop.run(output).await,
        }
    }
}

impl List {
    async fn run(self, output: Output) -> Result<Report, Failure> {
        if let Some(prefix) = &self.key {
            selection::refuse_a_name("--key", prefix)?;
        }
        let worker = self.worker.connect(Effect::Other)?;
        let filter = Filter {
            kind: self.kind,
            key: self.key,
        };
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = worker.quarantine(&self.route, &filter, after.as_deref());
            let page = page.await?;
            all.extend(page.entries);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if !all.is_empty() {
            let headings = ["key", "kind", ">failures", "last failed", "message"];
            for line in table(&headings, all.iter().map(row)) {
                output.line(&line);
            }
        }
        output.line(&entries(all.len() as u64));
        Ok(Report::done(json!({
            "route": self.route,
            "count": all.len(),
            "entries": all,
        })))
    }
}

fn row(entry: &Entry) -> Vec<String> {
    vec![
        entry.key.clone(),
        entry.kind.to_string(),
        entry.failures.to_string(),
        time(entry.last_failed_at),
        entry.message.clone(),
    ]
}

impl Show {
    async fn run(self, output: Output) -> Result<Report, Failure> {
        let worker = self.worker.connect(Effect::Other)?;
        let entry = selection::find(&worker, &self.route, &self.key).await?;
        output.line(&shown(&format!("s3://{}/{}", entry.bucket, entry.key)));
        for (label, value) in facts(&entry) {
            output.line(&format!("  {label:20} {}", shown(&value)));
        }
        Ok(Report::done(json!(entry)))
    }
}

fn facts(entry: &Entry) -> Vec<(&'static str, String)> {
    let answer = [
        ("status", entry.status.map(|status| status.to_string())),
        ("request id", entry.request_id.clone()),
    ];
    let mut facts = vec![
        ("kind", entry.kind.to_string()),
        ("fault", entry.fault.to_string()),
        ("message", entry.message.clone()),
        ("advice", entry.advice.clone()),
    ];
    facts.extend(
        answer
            .into_iter()
            .filter_map(|(label, value)| Some((label, value?))),
    );
    facts.extend([
        ("deliveries", entry.deliveries.to_string()),
        ("failures", entry.failures.to_string()),
        ("first failed", time(entry.first_failed_at)),
        ("last failed", time(entry.last_failed_at)),
        ("id", entry.id.clone()),
    ]);
    facts
}

impl Drop {
    async fn run(self, output: Output) -> Result<Report, Failure> {
        let worker = self.worker.connect(Effect::Deletes)?;
        let chosen = self.which.choose(&worker, &self.route).await?;
        let asked = io::stdin().is_terminal() && io::stderr().is_terminal();
        if asked && !self.yes {
            let question = format!(
                "drop {} from the quarantine of {}?",
                chosen.name, self.route
            );
            if !confirmed(&question, &mut io::stdin().lock(), &mut io::stderr()) {
                return Err(Failure::new(Code::Failed, "nothing was dropped", ""));
            }
        }
        selection::act(&worker, Action::Drop, &self.route, chosen, output).await
    }
}

/// Whether a person answers yes.
fn confirmed(question: &str, answers: &mut impl BufRead, questions: &mut impl Write) -> bool {
    let mut answer = String::new();
    write!(questions, "{} [y/N] ", shown(question))
        .and_then(|()| questions.flush())
        .and_then(|()| answers.read_line(&mut answer))
        .is_ok_and(|_| matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for (answer, meant) in [
            ("y\n", true),
            (" YES \n", true),
            ("\n", false),
            ("", false),
            ("no\n", false),
            ("yesterday\n", false),
        ] {
            let mut asked = Vec::new();
            assert_eq!(
                confirmed("drop a\u{1b}?", &mut answer.as_bytes(), &mut asked),
                meant,
                "{answer:?}"
            );
            assert_eq!(asked, b"drop a\\u{1b}? [y/N] ");
        }
    }
}
