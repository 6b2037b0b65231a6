//! Which entries of a route's quarantine a command is about, and doing something with all of them.

use clap::Args;
use serde_json::json;

use super::Report;
use super::failure::{Code, Failure};
use super::output::{Output, entries, shown};
use causeway_shared::api::Entry;

use crate::client::admin::{Action, Filter, Selection};
use crate::client::{AdminClient, ClientError};

/// One entry, those of a kind, or every one.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// A key in the route's source bucket, s3://bucket/key, or an entry's id
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// Every entry of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Every entry of the route
    #[arg(long)]
    all: bool,
}

/// What was selected, looked up.
#[derive(Debug)]
pub(super) struct Chosen {
    selection: Selection,
    /// For people: `s3://b/k`, `all 12 entries`
    pub(super) name: String,
    /// Entries that stand there, or more. An entry that is replayed and fails comes back; going on
    /// beyond these would replay it for ever.
    most: u64,
    /// Whether `most` is the very number
    exact: bool,
}

impl Which {
    /// Looks it up at the worker.
    pub(super) async fn choose(self, worker: &AdminClient, route: &str) -> Result<Chosen, Failure> {
        if let Some(name) = self.key {
            let entry = find(worker, route, &name).await?;
            return Ok(Chosen {
                name: format!("s3://{}/{} ({})", entry.bucket, entry.key, entry.kind),
                selection: Selection::Id(entry.id),
                most: 1,
                exact: true,
            });
        }
        let most = worker.route(route).await?.quarantined;
        Ok(match self.kind {
            Some(kind) => Chosen {
                name: format!("all entries of the kind {kind}"),
                selection: Selection::Kind(kind),
                most,
                exact: false,
            },
            None => Chosen {
                name: format!("all {}", entries(most)),
                selection: Selection::All(true),
                most,
                exact: true,
            },
        })
    }
}

/// The entry that a person's name for it means.
pub(super) async fn find(worker: &AdminClient, route: &str, name: &str) -> Result<Entry, Failure> {
    for id in ids(worker, route, name).await? {
        let key = id.split_once('/').map(|(_, key)| key.to_owned());
        let filter = Filter { kind: None, key };
        let mut after = None;
        loop {
            let page = worker.quarantine(route, &filter, after.as_deref()).await?;
            if let Some(entry) = page.entries.into_iter().find(|entry| entry.id == id) {
                return Ok(entry);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Err(Failure::new(
        Code::NotFound,
        format!("{name} is not in the quarantine of {route}"),
        format!("`causeway quarantine list {route}` shows what is"),
    ))
}

/// The ids that `name` may mean: a key of the source bucket before an id.
pub(super) async fn ids(
    worker: &AdminClient,
    route: &str,
    name: &str,
) -> Result<Vec<String>, Failure> {
    if let Some(id) = name.strip_prefix("s3://") {
        return Ok(vec![id.to_owned()]);
    }
    let Some(source) = worker.route(route).await?.source else {
        return ids_left(worker, route, name).await;
    };
    let id = name.contains('/').then(|| name.to_owned());
    let of_key = format!("{}/{name}", source.bucket);
    Ok(std::iter::once(of_key).chain(id).collect())
}

/// The ids that `name` may mean where the route is gone: what it has left says of which bucket it is.
async fn ids_left(worker: &AdminClient, route: &str, name: &str) -> Result<Vec<String>, Failure> {
    let (mut ids, mut after) = (Vec::new(), None);
    let filter = Filter {
        key: Some(name.to_owned()),
        kind: None,
    };
    loop {
        let page = worker.quarantine(route, &filter, after.as_deref()).await?;
        let of_key = page.entries.into_iter().filter(|entry| entry.key == name);
        ids.extend(of_key.map(|entry| entry.id));
        after = page.next;
        if after.is_none() {
            ids.push(name.to_owned());
            return Ok(ids);
        }
    }
}

/// Calls the worker until nothing of what was chosen is left, and says what was done.
pub(super) async fn act(
    worker: &AdminClient,
    action: Action,
    route: &str,
    chosen: Chosen,
    output: Output,
) -> Result<Report, Failure> {
    let verb = match action {
        Action::Replay => "replayed",
        Action::Drop => "dropped",
    };
    let bar = output.counter(chosen.exact.then_some(chosen.most));
    let (mut done, mut more) = (0, true);
    let outcome: Result<(), ClientError> = loop {
        let batch = match worker.act(action, route, &chosen.selection).await {
            Ok(batch) => batch,
            Err(error) => break Err(error),
        };
        done += batch.count;
        more = batch.more;
        bar.set_position(done);
        if !more || done >= chosen.most {
            break Ok(());
        }
        if batch.count == 0 {
            let what = format!("the worker says that there is more, but {verb} nothing");
            break Err(ClientError::failed(what));
        }
    };
    bar.finish_and_clear();
    let failure = outcome.err().map(Failure::from);
    match (failure, &chosen.selection) {
        (Some(failure), _) if done == 0 => Err(failure),
        (None, Selection::Id(_)) if done == 0 => Err(Failure::new(
            Code::NotFound,
            format!(
                "{} has left the quarantine of {route} meanwhile",
                chosen.name
            ),
            "",
        )),
        (failure, selection) => {
            let what = match selection {
                Selection::Id(_) => chosen.name,
                _ => entries(done),
            };
            output.line(&shown(&format!("{verb} {what}")));
            if more && failure.is_none() {
                output.line("more have come meanwhile, or come back; run it again for those");
            }
            let mut json = json!({ "route": route, verb: done, "more": more });
            if let Some(failure) = &failure {
                json["error"] = failure.json();
            }
            Ok(Report { json, failure })
        }
    }
}
