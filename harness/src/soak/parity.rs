//! What stands on both sides at the end, compared from the stores' own states and not from what the
//! worker says of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use causeway_shared::gcs::Provenance;
use serde::Serialize;

use crate::gcs::state::{ListQuery as GcsQuery, Object as Copied, State};
use crate::s3::Store;
use crate::s3::store::{Entry, ListQuery, Object};

/// How many keys of each sort are named.
const NAMED: usize = 10;

/// What a bucket holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Keys
    pub keys: usize,
    /// Bytes
    pub bytes: u64,
}

/// The two sides, key by key.
#[derive(Debug, Default, Serialize)]
pub struct Parity {
    /// At S3
    pub source: Side,
    /// At GCS
    pub destination: Side,
    /// Keys with the same bytes, and a copy that says so
    pub equal: usize,
    /// Keys that are at S3 only
    pub missing: usize,
    /// Keys that are on both sides and not equal
    pub different: usize,
    /// Keys that are at GCS only
    pub extra: usize,
    /// The first of each sort of trouble, with what is wrong
    #[serde(skip)]
    pub named: Vec<String>,
}

impl Parity {
    /// Whether both sides hold the same.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.missing + self.different + self.extra == 0
    }

    /// Compares `from` with `to`, all of both.
    pub(super) fn of(store: &Store, from: &str, state: &State, to: &str) -> anyhow::Result<Self> {
        let query = ListQuery {
            limit: usize::MAX,
            ..ListQuery::default()
        };
        let page = store.list(from, &query)?;
        let source = page.entries.into_iter().filter_map(|entry| match entry {
            Entry::Item(object) => Some((object.key.clone(), object)),
            Entry::CommonPrefix(_) => None,
        });
        let query = GcsQuery {
            limit: usize::MAX,
            ..GcsQuery::default()
        };
        let copies = state.list(to, &query)?.items.into_iter();
        let copies = copies.map(|copy| (copy.name.clone(), copy)).collect();
        Ok(Self::compare(from, source, copies))
    }

    fn compare(
        bucket: &str,
        source: impl Iterator<Item = (String, Arc<Object>)>,
        mut copies: BTreeMap<String, Arc<Copied>>,
    ) -> Self {
        let mut parity = Self::default();
        parity.destination.keys = copies.len();
        parity.destination.bytes = copies.values().map(|copy| copy.size()).sum();
        for (key, object) in source {
            parity.source.keys += 1;
            parity.source.bytes += object.size();
            let Some(copy) = copies.remove(&key) else {
                parity.missing += 1;
                parity.name(parity.missing, format!("{key}: missing at GCS"));
                continue;
            };
            match difference(bucket, &object, &copy) {
                None => parity.equal += 1,
                Some(difference) => {
                    parity.different += 1;
                    parity.name(parity.different, format!("{key}: {difference}"));
                }
            }
        }
        for (name, copy) in copies {
            parity.extra += 1;
            let generation = copy.generation;
            parity.name(
                parity.extra,
                format!("{name}: at GCS only, generation {generation}"),
            );
        }
        parity
    }

    fn name(&mut self, nth: usize, line: String) {
        if nth <= NAMED {
            self.named.push(line);
        }
    }
}

/// What is not equal. The source's MD5 is its ETag, as everything here is written in one PUT; the
/// destination's was computed over the bytes that it received.
fn difference(bucket: &str, object: &Object, copy: &Copied) -> Option<String> {
    let unequal = |what: &str, found: &str, expected: &str| {
        (found != expected).then(|| format!("{what} is {found} and not {expected}"))
    };
    let md5 = copy.content.md5.map(|md5| crate::s3::store::hex(&md5));
    let etag = format!("\"{}\"", object.etag);
    let provenance = Provenance::read(&copy.metadata.custom);
    let said = provenance.as_ref().map_or_else(
        || "none".to_owned(),
        |said| format!("{}/{} {} {}", said.bucket, said.key, said.etag, said.size),
    );
    let due = format!("{bucket}/{} {etag} {}", object.key, object.size());
    let metadata = object.attributes.metadata.iter();
    let lost = metadata
        .filter(|(name, value)| copy.metadata.custom.get(*name) != Some(value))
        .map(|(name, _)| format!("the metadata {name} is another"));
    unequal("size", &copy.size().to_string(), &object.size().to_string())
        .or_else(|| unequal("MD5", md5.as_deref().unwrap_or("unknown"), &object.etag))
        .or_else(|| unequal("provenance", &said, &due))
        .or_else(|| lost.into_iter().next())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::gcs::state::{NewObject, ObjectMetadata, Settings};
    use crate::s3::store::Attributes;

    /// Copies `object` as the worker would, but with `bytes` and `metadata` over its own.
    fn copy(state: &State, object: &Object, bytes: &[u8], metadata: &[(&str, &str)]) {
        let mut custom = object.attributes.metadata.clone();
        let provenance = Provenance {
            bucket: "source".to_owned(),
            key: object.key.clone(),
            etag: format!("\"{}\"", object.etag),
            version_id: None,
            last_modified: None,
            size: object.size(),
        };
        provenance.write(&mut custom);
        let over = metadata.iter();
        custom.extend(over.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut body = state.body_writer();
        body.write(bytes).unwrap();
        let new = NewObject {
            bucket: "destination".to_owned(),
            name: object.key.clone(),
            metadata: ObjectMetadata {
                custom,
                ..ObjectMetadata::default()
            },
            ..NewObject::default()
        };
        state.insert(new, body.finish()).unwrap();
    }

    #[test]
    fn every_sort_of_difference_is_found_and_named() {
        let (store, state) = (Store::new("eu-west-1"), State::new(Settings::default()));
        store.create_bucket("source").unwrap();
        state.create_bucket("destination").unwrap();
        let put = |key: &str| {
            let mut attributes = Attributes::default();
            let metadata = &mut attributes.metadata;
            metadata.insert("change".to_owned(), "7".to_owned());
            store.put("source", key, "bytes", attributes).unwrap()
        };
        copy(&state, &put("equal"), b"bytes", &[]);
        put("missing");
        copy(&state, &put("shorter"), b"byte", &[]);
        copy(&state, &put("spoilt"), b"bites", &[]);
        let other = [("causeway-source-key", "other")];
        copy(&state, &put("of another"), b"bytes", &other);
        copy(&state, &put("older"), b"bytes", &[("change", "6")]);
        let gone = put("gone");
        copy(&state, &gone, b"bytes", &[]);
        let condition = crate::s3::store::WriteCondition::default();
        store.delete("source", "gone", None, &condition).unwrap();

        let parity = Parity::of(&store, "source", &state, "destination").unwrap();
        assert_eq!((parity.equal, parity.missing), (1, 1), "{parity:?}");
        assert_eq!((parity.different, parity.extra), (4, 1), "{parity:?}");
        assert!(!parity.holds());
        assert_eq!(parity.source, Side { keys: 6, bytes: 30 });
        assert_eq!(parity.destination, Side { keys: 6, bytes: 29 });
        for line in [
            "missing: missing at GCS",
            "shorter: size is 4 and not 5",
            "older: the metadata change is another",
        ] {
            assert!(parity.named.iter().any(|named| named == line), "{parity:?}");
        }
        for begin in [
            "spoilt: MD5 is ",
            "of another: provenance is source/other ",
            "gone: at GCS only",
        ] {
            let found = parity.named.iter().any(|named| named.starts_with(begin));
            assert!(found, "{begin} {parity:?}");
        }
    }
}
