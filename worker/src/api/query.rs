//! The parameters of a request, and pages.

pub(super) use causeway_shared::host::ledger::{LONGEST, Query};

use crate::reply::Reply;
use causeway_shared::host::ledger::PAGE;
use causeway_shared::host::{from_json, to_json};

/// Reads the parameters in `text`, which may be `names`, each once. Another one is refused: whoever
/// misspells a filter would get everything.
///
/// # Errors
/// The answer that says what is wrong.
pub(super) fn read(text: &str, names: &[&str]) -> Result<Query, Reply> {
    let mut query = Query {
        limit: PAGE,
        ..Query::default()
    };
    let mut seen = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (form_decoded(name)?, form_decoded(value)?);
        let wrong = || Reply::problem(400, format!("{name} cannot be {value:?}."));
        if !names.contains(&&*name) || seen.contains(&name) {
            let reason = format!("Each of {names:?} may be given once, and not {name:?}.");
            return Err(Reply::problem(400, reason));
        }
        if value.chars().count() > LONGEST {
            return Err(wrong());
        }
        match &*name {
            "key" => query.key = Some(value),
            "after" | "before" => query.after = Some(value),
            "kind" => query.kind = Some(from_json(&to_json(&value)).map_err(|_| wrong())?),
            _ => {
                let limit = value.parse().ok();
                query.limit = limit
                    .filter(|limit| (1..=PAGE).contains(limit))
                    .ok_or_else(wrong)?;
            }
        }
        seen.push(name);
    }
    Ok(query)
}

/// A page of `items`, each of which has a name by which the next page is asked for, and its JSON.
pub(super) fn page(query: &Query, list: &str, items: &[(String, String)]) -> Reply {
    let after = query.after.as_ref();
    let is_last = |last: &String| items.iter().position(|(name, _)| name == last);
    // What is gone meanwhile has nothing after it.
    let start = after.map_or(0, |last| is_last(last).map_or(items.len(), |at| at + 1));
    let rest = &items[start..];
    let page = &rest[..rest.len().min(query.limit)];
    let next = page.last().filter(|_| page.len() < rest.len());
    let next = to_json(&next.map(|(name, _)| name));
    let items: Vec<&str> = page.iter().map(|(_, item)| item.as_str()).collect();
    let items = items.join(",");
    Reply::text(200, format!("{{\"{list}\":[{items}],\"next\":{next}}}"))
}

/// Percent-encoding taken out; what is none stays.
pub(super) fn decoded(text: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(text);
    decoded.decode_utf8_lossy().into_owned()
}

/// A name or value as a form encodes it
/// ([URL, section 5.1](https://url.spec.whatwg.org/#urlencoded-parsing)).
fn form_decoded(text: &str) -> Result<String, Reply> {
    let text = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&text).decode_utf8();
    let decoded = decoded.map_err(|_| Reply::problem(400, "A parameter is not UTF-8."));
    decoded.map(std::borrow::Cow::into_owned)
}
