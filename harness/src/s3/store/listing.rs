//! Walking a bucket's keys in order: prefixes, delimiters, pages. Pure; the lock is held outside.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::bucket::Key;

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<T> {
    /// A key, or one of its versions.
    Item(T),
    /// Everything up to and including a delimiter, standing for all keys that begin so.
    CommonPrefix(String),
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Only keys that begin so.
    pub prefix: String,
    /// Where keys are folded into common prefixes; empty for not at all.
    pub delimiter: String,
    /// Only what comes after this key or common prefix.
    pub after: Option<String>,
    /// At most this many entries.
    pub limit: usize,
}

/// A page of a listing.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Keys and common prefixes, in order.
    pub entries: Vec<Entry<T>>,
    /// Where the next page begins, if there is one: the last key or common prefix of this.
    pub next: Option<String>,
}

/// Lists `keys`; `item` turns a key's value into a line, or leaves the key out.
pub(crate) fn list<V, T>(
    keys: &BTreeMap<Key, V>,
    query: &ListQuery,
    item: impl Fn(&str, &V) -> Option<T>,
) -> Page<T> {
    let mut page = Page {
        entries: Vec::new(),
        next: None,
    };
    if query.limit == 0 {
        return page;
    }
    let mut last: Option<String> = None;
    let mut start = start_of(query);
    'walk: loop {
        let rest = keys.range::<[u8], _>((as_slice(&start), Bound::Unbounded));
        for (Key(key), value) in rest {
            let Some(tail) = key.strip_prefix(query.prefix.as_str()) else {
                break 'walk;
            };
            let folded = fold(key, tail, query);
            if folded.is_some() && folded == query.after.as_deref() {
                start = successor(key_bytes(folded));
                continue 'walk;
            }
            let Some(line) = item(key, value) else {
                continue;
            };
            if page.entries.len() == query.limit {
                page.next = last;
                break 'walk;
            }
            if let Some(common) = folded {
                page.entries.push(Entry::CommonPrefix(common.to_owned()));
                last = Some(common.to_owned());
                start = successor(common.as_bytes());
                continue 'walk;
            }
            page.entries.push(Entry::Item(line));
            last = Some(key.clone());
        }
        break;
    }
    page
}

fn key_bytes(folded: Option<&str>) -> &[u8] {
    folded.unwrap_or_default().as_bytes()
}

/// The common prefix that `key`, which is the query's prefix and `tail`, falls under.
fn fold<'a>(key: &'a str, tail: &str, query: &ListQuery) -> Option<&'a str> {
    if query.delimiter.is_empty() {
        return None;
    }
    let at = tail.find(&query.delimiter)?;
    Some(&key[..query.prefix.len() + at + query.delimiter.len()])
}

fn start_of(query: &ListQuery) -> Bound<Vec<u8>> {
    match &query.after {
        Some(after) if after.as_bytes() >= query.prefix.as_bytes() => {
            Bound::Excluded(after.clone().into_bytes())
        }
        _ => Bound::Included(query.prefix.clone().into_bytes()),
    }
}

/// The first bytes after everything that begins with `prefix`. UTF-8 has no byte 0xff.
fn successor(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut next = prefix.to_vec();
    if let Some(last) = next.last_mut() {
        *last += 1;
    }
    Bound::Included(next)
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(bytes) => Bound::Included(bytes),
        Bound::Excluded(bytes) => Bound::Excluded(bytes),
        Bound::Unbounded => Bound::Unbounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> BTreeMap<Key, u8> {
        names
            .iter()
            .map(|name| (Key((*name).to_owned()), 0))
            .collect()
    }

    /// All pages of a listing, common prefixes marked by a `>`.
    fn pages(names: &[&str], prefix: &str, delimiter: &str, limit: usize) -> Vec<Vec<String>> {
        let keys = keys(names);
        let mut query = ListQuery {
            prefix: prefix.to_owned(),
            delimiter: delimiter.to_owned(),
            after: None,
            limit,
        };
        let mut pages = Vec::new();
        loop {
            let page = list(&keys, &query, |key, _| Some(key.to_owned()));
            pages.push(
                page.entries
                    .into_iter()
                    .map(|entry| match entry {
                        Entry::Item(key) => key,
                        Entry::CommonPrefix(common) => format!(">{common}"),
                    })
                    .collect(),
            );
            match page.next {
                None => return pages,
                next => query.after = next,
            }
        }
    }

    const NAMES: [&str; 8] = ["a", "b/", "b/1", "b/2", "b0", "c/x/1", "c/y", "ü/1"];

    #[test]
    fn keys_fold_at_the_first_delimiter_after_the_prefix() {
        assert_eq!(
            pages(&NAMES, "", "/", 100),
            [["a", ">b/", "b0", ">c/", ">ü/"]]
        );
        assert_eq!(pages(&NAMES, "c/", "/", 100), [[">c/x/", "c/y"]]);
        assert_eq!(pages(&NAMES, "b/", "/", 100), [["b/", "b/1", "b/2"]]);
    }

    #[test]
    fn pages_neither_repeat_nor_lose_an_entry() {
        for (prefix, delimiter) in [("", ""), ("", "/"), ("b/", "/"), ("c", "/"), ("", "0")] {
            let whole = pages(&NAMES, prefix, delimiter, 100).concat();
            for limit in 1..=whole.len() {
                let split = pages(&NAMES, prefix, delimiter, limit);
                assert!(split.iter().all(|page| page.len() <= limit));
                assert_eq!(split.concat(), whole, "{prefix:?} {delimiter:?} {limit}");
            }
        }
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        assert_eq!(pages(&["a", "b"], "", "", 2).len(), 1);
    }

    #[test]
    fn nothing_asked_nothing_listed() {
        let page = list(&keys(&NAMES), &ListQuery::default(), |_, _| Some(()));
        assert!(page.entries.is_empty() && page.next.is_none());
    }
}
