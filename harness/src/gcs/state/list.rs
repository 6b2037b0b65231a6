//! Listing a bucket: prefixes, pages and bounds
//! (<https://cloud.google.com/storage/docs/json_api/v1/objects/list>).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::Object;

/// What to list. Names compare by their UTF-8 bytes.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only names that start with this.
    pub prefix: String,
    /// Fold names that have this after the prefix into prefixes; empty: do not.
    pub delimiter: String,
    /// Only names (or prefixes) after this one: the page before ended there.
    pub after: Option<String>,
    /// Only names from this one on.
    pub start: Option<String>,
    /// Only names before this one.
    pub end: Option<String>,
    /// At most this many items and prefixes together.
    pub limit: usize,
    /// Objects whose name ends with its only delimiter appear as items too.
    pub include_trailing_delimiter: bool,
}

/// One page of a listing.
#[derive(Default)]
pub struct Listing {
    /// The objects, by name.
    pub items: Vec<Arc<Object>>,
    /// The folded prefixes, by name.
    pub prefixes: Vec<String>,
    /// Where the next page goes on ([`ListQuery::after`]); absent on the last.
    pub next: Option<String>,
}

/// Lists `objects`.
pub(super) fn list(objects: &BTreeMap<String, Arc<Object>>, query: &ListQuery) -> Listing {
    let mut page = Listing::default();
    let mut last = None;
    let from = query
        .start
        .as_deref()
        .unwrap_or_default()
        .max(&query.prefix);
    for (name, object) in objects.range::<str, _>((Bound::Included(from), Bound::Unbounded)) {
        let Some(rest) = name.strip_prefix(&query.prefix) else {
            break;
        };
        if query.end.as_ref().is_some_and(|end| name >= end) {
            break;
        }
        let folded = fold(query, name, rest);
        let entry = folded.unwrap_or(name);
        let own_item = folded.is_none() || (query.include_trailing_delimiter && entry == name);
        // A prefix that the page before showed hides everything under it, its own object included.
        let seen = query.after.as_deref().is_some_and(|after| entry <= after);
        let new_prefix = folded.is_some() && page.prefixes.last().map(String::as_str) != folded;
        if seen || !(own_item || new_prefix) {
            continue;
        }
        if page.items.len() + page.prefixes.len() >= query.limit {
            page.next = last;
            break;
        }
        if let Some(prefix) = folded.filter(|_| new_prefix) {
            page.prefixes.push(prefix.to_owned());
        }
        if own_item {
            page.items.push(Arc::clone(object));
        }
        last = Some(entry.to_owned());
    }
    page
}

/// The prefix that `name` folds into.
fn fold<'name>(query: &ListQuery, name: &'name str, rest: &str) -> Option<&'name str> {
    if query.delimiter.is_empty() {
        return None;
    }
    let at = rest.find(&query.delimiter)?;
    Some(&name[..query.prefix.len() + at + query.delimiter.len()])
}
