//! What a route's ledger is asked: its state, its transfers, its quarantine, and what is to become of
//! that. Its answers are passed on as they are.

use causeway_shared::host::ledger::Report;
use causeway_shared::json::{without, without_bom};
use causeway_shared::ledger::Selector;

use serde_json::Value;

use super::query::{LONGEST, Query};
use super::{Call, parsed};
use crate::reply::Reply;

impl Call<'_> {
    /// Answers what stands at `path` below the route `name`.
    pub(super) async fn of_ledger(
        self,
        name: &str,
        path: &[&str],
        query: Query,
        body: &[u8],
    ) -> Result<Reply, Reply> {
        let report = match path {
            [] => Report::Status(name.to_owned()),
            ["transfers"] => transfers(&query)?,
            // Nothing has a longer one.
            ["transfers", id] if is_long(id) => return Err(forgotten(id)),
            ["transfers", id] => Report::Transfer((*id).to_owned()),
            ["quarantine"] => Report::List(query),
            ["quarantine", "replay"] => replay(body)?,
            _ => {
                let (selector, after) = selector(body)?;
                Report::Drop(selector, after)
            }
        };
        let answer = self.told(name, &report).await?;
        match report {
            Report::Transfer(id) if answer == "null" => Err(forgotten(&id)),
            _ => Ok(Reply::text(200, answer)),
        }
    }
}

fn is_long(id: &str) -> bool {
    id.chars().count() > LONGEST
}

fn transfers(query: &Query) -> Result<Report, Reply> {
    let after = query.after.as_ref().map(|after| after.parse()).transpose();
    Ok(Report::Transfers {
        limit: query.limit,
        after: after.map_err(|_| Reply::problem(400, "after is a page's next, a number."))?,
    })
}

/// A selector, with `release` and `after` beside it.
fn replay(body: &[u8]) -> Result<Report, Reply> {
    let expected = r#"{"id": "bucket/key"}, {"kind": "source-denied"} or {"all": true}, with "release": true if deletes among them are meant"#;
    let fields: Value = parsed(body, expected)?;
    let release = match &fields["release"] {
        Value::Null if fields.get("release").is_none() => false,
        Value::Bool(release) => *release,
        _ => return Err(Reply::problem(400, format!("Send {expected}."))),
    };
    let rest = without(without_bom(body), &["release"]).unwrap_or_default();
    let (selector, after) = selector(rest.as_bytes())?;
    Ok(Report::Replay(selector, release, after))
}

/// A selector, with `after` beside it.
fn selector(body: &[u8]) -> Result<(Selector, Option<String>), Reply> {
    let expected = r#"{"id": "bucket/key"}, {"kind": "source-denied"} or {"all": true}"#;
    let fields: Value = parsed(body, expected)?;
    let after = match &fields["after"] {
        Value::Null if fields.get("after").is_none() => None,
        Value::String(after) if !is_long(after) => Some(after.clone()),
        _ => return Err(Reply::problem(400, "after is a page's next.")),
    };
    let rest = without(without_bom(body), &["after"]).unwrap_or_default();
    match parsed(rest.as_bytes(), expected)? {
        Selector::Id(id) if is_long(&id) => Err(Reply::problem(400, "No id is as long.")),
        Selector::Id(_) if after.is_some() => Err(Reply::problem(400, "One entry has no pages.")),
        selector => Ok((selector, after)),
    }
}

fn forgotten(id: &str) -> Reply {
    Reply::problem(
        404,
        format!(
            "Nothing is remembered of {id:?}: it is under way, longer ago than the ledger keeps, or was never asked for."
        ),
    )
}
