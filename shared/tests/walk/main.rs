//! Walks over two stores that are listed page by page: what is found is what a look at all of it at
//! once finds, however the pages fall.
#![allow(clippy::unwrap_used)]

mod stores;

use std::collections::{BTreeMap, BTreeSet};

use causeway_shared::walk::{Differs, Kind, Outcome, Parity, Request, Tally, Walk, next_page};
use futures::executor::block_on;
use proptest::prelude::*;
use serde_json::{Value, json};

use stores::{Content, Copied, DESTINATION_PREFIX, NOW, SOURCE_PREFIX, Stores, access, route};

/// Walks to the end; gives the keys that were hinted at.
fn walked(
    kind: Kind,
    request: Request,
    options: &Value,
    stores: &mut Stores,
) -> (Walk, Vec<String>) {
    let route = route(options);
    let access = access(&route);
    let mut walk = Walk::new(kind, "r", request, Some(7), NOW);
    let mut hinted = Vec::new();
    while walk.end.is_none() {
        let page = block_on(next_page(stores, &access, &route, &mut walk, 1)).unwrap();
        let hints = walk.hints(&page, &route, NOW);
        hinted.extend(hints.iter().map(|message| message.hint.key.clone()));
        walk.took(page, hints.len() as u64, NOW);
        // As it would be after a crash: what is stored is all there is.
        let stored = serde_json::to_string(&walk).unwrap();
        walk = serde_json::from_str(&stored).unwrap();
    }
    assert_eq!(walk.end.as_ref().unwrap().outcome, Outcome::Done);
    assert_eq!(walk.sent, hinted.len() as u64);
    (walk, hinted)
}

fn tally(of: impl Iterator<Item = u64>) -> Tally {
    of.fold(Tally::default(), |sum, bytes| Tally {
        keys: sum.keys + 1,
        bytes: sum.bytes + bytes,
    })
}

/// What a look at everything at once finds: the parity, and the keys that differ.
fn expected(stores: &Stores, prefix: &str, overwrite: bool) -> (Parity, BTreeMap<String, Differs>) {
    let rest_of = |name: &str, prefix: &str| name.strip_prefix(prefix).unwrap().to_owned();
    let source = stores.source.iter();
    let source: BTreeMap<_, _> = source
        .map(|(key, content)| (rest_of(key, SOURCE_PREFIX), *content))
        .filter(|(rest, _)| rest.starts_with(prefix))
        .collect();
    let destination = stores.destination.iter();
    let destination: BTreeMap<_, _> = destination
        .map(|(name, copied)| (rest_of(name, DESTINATION_PREFIX), *copied))
        .filter(|(rest, _)| rest.starts_with(prefix) && !rest.starts_with(".causeway-parts/"))
        .collect();
    let mut parity = Parity {
        source: tally(source.values().map(|content| content.size)),
        destination: tally(destination.values().map(|copied| copied.size)),
        ..Parity::default()
    };
    let mut differ = BTreeMap::new();
    let all: BTreeSet<_> = source.keys().chain(destination.keys()).collect();
    for rest in all {
        let (has, copied) = (source.get(rest), destination.get(rest));
        let (place, bytes, differs) = match (has, copied) {
            (Some(has), None) => (&mut parity.missing, has.size, Some(Differs::Missing)),
            (Some(has), Some(copied)) if copied.of == Some(*has) => {
                (&mut parity.equal, has.size, None)
            }
            (Some(_), Some(Copied { of: None, size })) if !overwrite => {
                (&mut parity.foreign, *size, None)
            }
            (Some(has), Some(_)) => (&mut parity.different, has.size, Some(Differs::Different)),
            (None, Some(Copied { of: Some(_), size })) => {
                (&mut parity.extra, *size, Some(Differs::Extra))
            }
            (None, Some(Copied { of: None, size })) => (&mut parity.foreign, *size, None),
            (None, None) => unreachable!(),
        };
        place.keys += 1;
        place.bytes += bytes;
        if let Some(differs) = differs {
            differ.insert(format!("{SOURCE_PREFIX}{rest}"), differs);
        }
    }
    (parity, differ)
}

fn content() -> impl Strategy<Value = Content> {
    (0..3_u32, 0..3_u64).prop_map(|(etag, size)| Content { etag, size })
}

fn copied() -> impl Strategy<Value = Copied> {
    (prop::option::of(content()), 0..3_u64).prop_map(|(of, size)| Copied {
        size: of.map_or(size, |content| content.size),
        of,
    })
}

/// Names that sort in unlikely ways, some of them parts of a large object.
const NAME: &str = r"(\.causeway-parts/[ab]|[ab+/\x00 é😀\u{ffff}]{1,4})";

proptest! {
    #[test]
    fn what_is_found_does_not_depend_on_where_pages_end(
        source in prop::collection::btree_map(NAME, content(), 0..40),
        destination in prop::collection::btree_map(NAME, copied(), 0..40),
        crowd in prop::sample::select(vec![0_usize, 90, 200]),
        (prefix, overwrite, propagate, dry_run) in
            (prop::sample::select(vec!["", "a"]), any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        let below = |prefix: &str, rest: &str| format!("{prefix}{rest}");
        let mut stores = Stores::default();
        let source = source.into_iter().filter(|(rest, _)| !rest.starts_with('.'));
        stores.source.extend(source.map(|(rest, it)| (below(SOURCE_PREFIX, &rest), it)));
        let copies = destination.into_iter();
        stores.destination.extend(copies.map(|(rest, it)| (below(DESTINATION_PREFIX, &rest), it)));
        // Pages are of a hundred here: one side may be crowded where the other is empty.
        let parts = (0..crowd).map(|n| format!("{DESTINATION_PREFIX}.causeway-parts/{n:03}"));
        stores.destination.extend(parts.map(|name| (name, Copied { of: None, size: 1 })));
        let many = (0..crowd).map(|n| format!("{SOURCE_PREFIX}b{n:03}"));
        stores.source.extend(many.map(|key| (key, Content { etag: 1, size: 1 })));

        let request = Request { prefix: prefix.into(), rate: 1, dry_run };
        let options = json!({
            "on_conflict": if overwrite { "overwrite" } else { "keep" },
            "deletes": if propagate { "propagate" } else { "ignore" },
        });
        let (parity, differ) = expected(&stores, prefix, overwrite);
        let (walk, hinted) = walked(Kind::Reconcile, request, &options, &mut stores);
        prop_assert_eq!(walk.parity, parity);
        let shown: Vec<_> = walk.differences.iter().map(|found| (&found.key, found.is)).collect();
        let all: Vec<_> = differ.iter().map(|(key, is)| (key, *is)).take(100).collect();
        prop_assert_eq!(shown, all);
        let sent: Vec<_> = differ
            .into_iter()
            .filter(|(_, is)| !dry_run && (propagate || *is != Differs::Extra))
            .map(|(key, _)| key)
            .collect();
        prop_assert_eq!(hinted, sent);
        prop_assert_eq!(walk.expected, prefix.is_empty().then_some(7));
        prop_assert_eq!(walk.count(), prefix.is_empty().then_some(parity.source.keys));
    }
}

#[test]
fn a_backfill_sends_every_key_and_asks_the_destination_nothing() {
    let mut stores = Stores::default();
    let keys: Vec<_> = (0..2500)
        .map(|n| format!("{SOURCE_PREFIX}{n:04}"))
        .collect();
    let content = Content { etag: 1, size: 3 };
    stores
        .source
        .extend(keys.iter().map(|key| (key.clone(), content)));
    let (walk, hinted) = walked(Kind::Backfill, Request::default(), &json!({}), &mut stores);
    assert_eq!(hinted, keys);
    assert_eq!(walk.parity.source, tally((0..2500).map(|_| 3)));
    assert_eq!((walk.parity.missing.keys, walk.differences.len()), (0, 0));
    assert_eq!(stores.requests, 3);
}

#[test]
fn pages_that_are_too_long_to_be_read_become_smaller() {
    let mut stores = Stores {
        metadata: 8000,
        ..Stores::default()
    };
    let content = Content { etag: 1, size: 3 };
    for n in 0..400 {
        let copied = Copied {
            of: Some(content),
            size: 3,
        };
        stores
            .source
            .insert(format!("{SOURCE_PREFIX}{n:03}"), content);
        stores
            .destination
            .insert(format!("{DESTINATION_PREFIX}{n:03}"), copied);
    }
    let (walk, hinted) = walked(Kind::Reconcile, Request::default(), &json!({}), &mut stores);
    assert_eq!((walk.parity.equal.keys, hinted.len()), (400, 0));
}
