//! What a route's ledger is asked: its state, its transfers, its quarantine, and what is to become of
//! that. Its answers are passed on as they are.

use causeway_shared::host::ledger::Report;
use causeway_shared::ledger::Selector;

use serde_json::Value;

use super::query::{LONGEST, Query};
use super::{Call, parsed};
use crate::reply::Reply;

/// What to send.
const SELECTOR: &str = r#"{"id": "bucket/key"}, {"kind": "source-denied"} or {"all": true}"#;

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
                let (selector, after) = selector(parsed(body, SELECTOR)?)?;
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

/// A selector, with `release` beside it.
fn replay(body: &[u8]) -> Result<Report, Reply> {
    let mut fields: Value = parsed(body, SELECTOR)?;
    let release = match removed(&mut fields, "release") {
        None => false,
        Some(Value::Bool(release)) => release,
        Some(_) => return Err(Reply::problem(400, "release is true or false.")),
    };
    let (selector, after) = selector(fields)?;
    Ok(Report::Replay(selector, release, after))
}

/// A selector, with `after` beside it unless it means one entry.
fn selector(mut fields: Value) -> Result<(Selector, Option<String>), Reply> {
    let after = removed(&mut fields, "after");
    let selector = parsed(fields.to_string().as_bytes(), SELECTOR)?;
    let after = match (after, &selector) {
        (_, Selector::Id(id)) if is_long(id) => {
            return Err(Reply::problem(400, "No id is as long."));
        }
        (None, _) => None,
        (Some(Value::String(after)), Selector::Kind(_) | Selector::All(_)) if !is_long(&after) => {
            Some(after)
        }
        _ => {
            return Err(Reply::problem(
                400,
                "after is a page's next, and one entry has no pages.",
            ));
        }
    };
    Ok((selector, after))
}

fn removed(fields: &mut Value, name: &str) -> Option<Value> {
    fields.as_object_mut()?.remove(name)
}

fn forgotten(id: &str) -> Reply {
    Reply::problem(
        404,
        format!(
            "Nothing is remembered of {id:?}: it is under way, longer ago than the ledger keeps, or was never asked for."
        ),
    )
}
