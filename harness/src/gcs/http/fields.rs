//! Partial responses: the `fields` parameter
//! (<https://cloud.google.com/storage/docs/json_api#partial-response>).
//!
//! Names that no resource has are not refused, as the service does; a client that asks for one does
//! not get it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::{Fail, invalid};

/// Selections nest at most this deep.
const DEPTH: usize = 8;

/// Which fields of a resource to give; `None` of one: all of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(BTreeMap<String, Option<Fields>>);

impl Fields {
    /// Parses `a,b/c,d(e,f)`.
    pub(super) fn parse(text: &str) -> Result<Self, Fail> {
        Self::read(text).ok_or_else(|| invalid(format!("Invalid field selection '{text}'.")))
    }

    /// Parses `a,b/c,d(e,f)`; nothing where `text` is not of that form.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut rest = text;
        Self::list(&mut rest, DEPTH).filter(|_| rest.is_empty())
    }

    fn list(rest: &mut &str, depth: usize) -> Option<Self> {
        let mut fields = Self::default();
        loop {
            let (name, below) = Self::one(rest, depth.checked_sub(1)?)?;
            fields.add(name, below);
            match rest.strip_prefix(',') {
                Some(more) => *rest = more,
                None => return Some(fields),
            }
        }
    }

    fn one(rest: &mut &str, depth: usize) -> Option<(String, Option<Self>)> {
        let end = rest.find([',', '/', '(', ')']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let name = Some(name.to_owned()).filter(|name| !name.is_empty())?;
        *rest = after;
        let below = if let Some(path) = after.strip_prefix('/') {
            *rest = path;
            let (next, below) = Self::one(rest, depth.checked_sub(1)?)?;
            Some(Self(BTreeMap::from([(next, below)])))
        } else if let Some(inside) = after.strip_prefix('(') {
            *rest = inside;
            let inside = Self::list(rest, depth)?;
            *rest = rest.strip_prefix(')')?;
            Some(inside)
        } else {
            None
        };
        Some((name, below))
    }

    /// Adds a selection to what is selected already.
    fn add(&mut self, name: String, below: Option<Self>) {
        match (self.0.get_mut(&name), below) {
            (Some(Some(known)), Some(more)) => {
                for (name, below) in more.0 {
                    known.add(name, below);
                }
            }
            (Some(all), _) => *all = None,
            (None, below) => {
                self.0.insert(name, below);
            }
        }
    }

    /// Whether anything of the field `name` is selected.
    pub(super) fn selects(&self, name: &str) -> bool {
        self.0.contains_key(name) || self.0.contains_key("*")
    }

    /// What of the field `name` is selected, where that is not all of it.
    pub(super) fn below(&self, name: &str) -> Option<&Self> {
        self.0.get(name).or_else(|| self.0.get("*"))?.as_ref()
    }

    /// What of `value` is selected.
    pub(crate) fn cut(&self, value: Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(|item| self.cut(item)).collect(),
            Value::Object(all) => {
                let chosen = all.into_iter().filter_map(|(name, value)| {
                    match self.0.get(&name).or_else(|| self.0.get("*"))? {
                        Some(below) => Some((name, below.cut(value))),
                        None => Some((name, value)),
                    }
                });
                chosen.collect()
            }
            other => other,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selections_cut_resources_and_lists() {
        let page = json!({
            "kind": "k",
            "items": [{ "name": "a", "size": "1", "metadata": { "x": "1", "y": "2" } }, { "name": "b" }],
            "nextPageToken": "t",
        });
        let cases = [
            ("kind", json!({ "kind": "k" })),
            (
                "items/name,nextPageToken",
                json!({ "items": [{ "name": "a" }, { "name": "b" }], "nextPageToken": "t" }),
            ),
            (
                "items(name,metadata/x)",
                json!({ "items": [{ "name": "a", "metadata": { "x": "1" } }, { "name": "b" }] }),
            ),
            (
                "items/size,items/*/y",
                json!({ "items": [{ "name": "a", "size": "1", "metadata": { "y": "2" } }, { "name": "b" }] }),
            ),
            ("absent", json!({})),
            ("*", page.clone()),
        ];
        for (text, wanted) in cases {
            assert_eq!(
                Fields::parse(text).unwrap().cut(page.clone()),
                wanted,
                "{text}"
            );
        }
        let all = Fields::parse("items,items/name").unwrap();
        assert_eq!(all, Fields::parse("items/name,items").unwrap());
        assert_eq!(all.cut(page.clone())["items"], page["items"]);
    }

    #[test]
    fn selections_that_are_none_are_refused() {
        let deep = "a(".repeat(50_000);
        for text in [
            "", ",", "a,", "a/", "a(", "a()", "a(b", "a)b", "a(b)c", "/a", &deep,
        ] {
            assert!(Fields::parse(text).is_err(), "{text:.20}");
        }
    }
}
