//! Walks over two stores that are listed page by page: what is found is what a look at all of it at
//! once finds, however the pages fall.
#![allow(clippy::unwrap_used)]

mod stores;

use std::collections::{BTreeMap, BTreeSet};

use causeway_shared::walk::{Differs, Kind, Outcome, Parity, Request, Tally, Walk, next_page};
use futures::executor::block_on;
use proptest::prelude::*;
use serde_json::{Value, json};

use stores::{
    Content, Copied, DESTINATION_PREFIX, NOW, Oddities, SOURCE_PREFIX, Stores, access, route,
};

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
        .filter(|(rest, copied)| {
            let is_part = rest.starts_with(".causeway-parts/0") && copied.of.is_none();
            rest.starts_with(prefix) && !is_part
        })
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
            (Some(has), Some(copied)) if copied.of == Some(*has) && copied.size == has.size => {
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

/// A copy, which now and then somebody has written other bytes over.
fn copied() -> impl Strategy<Value = Copied> {
    (prop::option::of(content()), 0..3_u64, 0..6_u8).prop_map(|(of, size, chance)| Copied {
        size: of
            .filter(|_| chance > 0)
            .map_or(size, |content| content.size),
        of,
    })
}

/// Names that sort in unlikely ways, some of them like or in the folder of parts of a large object.
const NAME: &str = r"(\.causeway-parts/[ab]|\.causeway-parts/0123456789abcdef/0001-0123456789abcdef-1|[ab+/.\x00 é😀\u{ffff}]{1,4})";

/// Whether the key can be copied at all.
fn can_be_copied(rest: &str) -> bool {
    let segments = || rest.split('/');
    !segments().any(|segment| matches!(segment, "." | ".."))
}

fn oddities() -> impl Strategy<Value = Oddities> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (flags, any::<bool>(), any::<bool>()).prop_map(
        |(
            (source_by_path, destination_by_path, repeats, blanks, forgets),
            milliseconds,
            gives_more,
        )| {
            Oddities {
                source_by_path,
                destination_by_path,
                repeats,
                blanks,
                // Where there is no order, a token is all that there is.
                forgets: forgets && !source_by_path && !destination_by_path && !blanks,
                milliseconds,
                gives_more,
                ..Oddities::default()
            }
        },
    )
}

proptest! {
    #[test]
    fn what_is_found_does_not_depend_on_where_pages_end(
        source in prop::collection::btree_map(NAME, content(), 0..40),
        destination in prop::collection::btree_map(NAME, copied(), 0..40),
        crowd in prop::sample::select(vec![0_usize, 90, 200]),
        (prefix, overwrite, propagate, dry_run) in
            (prop::sample::select(vec!["", "a"]), any::<bool>(), any::<bool>(), any::<bool>()),
        oddities in oddities(),
    ) {
        let below = |prefix: &str, rest: &str| format!("{prefix}{rest}");
        let mut stores = Stores { oddities, ..Stores::default() };
        let source = source.into_iter().filter(|(rest, _)| can_be_copied(rest));
        stores.source.extend(source.map(|(rest, it)| (below(SOURCE_PREFIX, &rest), it)));
        let copies = destination.into_iter();
        stores.destination.extend(copies.map(|(rest, it)| (below(DESTINATION_PREFIX, &rest), it)));
        // Pages are of a hundred here: one side may be crowded where the other is empty.
        let parts = (0..crowd).map(|n| {
            format!("{DESTINATION_PREFIX}.causeway-parts/0123456789abcdef/{n:04}-0123456789abcdef-1")
        });
        stores.destination.extend(parts.map(|name| (name, Copied { of: None, size: 1 })));
        let many = (0..crowd).map(|n| format!("{SOURCE_PREFIX}b{n:03}"));
        stores.source.extend(many.map(|key| (key, Content { etag: 1, size: 1 })));

        let request = Request { prefix: prefix.into(), rate: 1, dry_run, deep: false };
        let options = json!({
            "on_conflict": if overwrite { "overwrite" } else { "keep" },
            "deletes": if propagate { "propagate" } else { "ignore" },
        });
        let (parity, differ) = expected(&stores, prefix, overwrite);
        let (walk, hinted) = walked(Kind::Reconcile, request, &options, &mut stores);
        prop_assert_eq!(walk.parity, parity);
        let shown: Vec<_> = walk.differences.iter().map(|found| (&found.key, found.is)).collect();
        let all: Vec<_> = differ.iter().map(|(key, is)| (key, *is)).collect();
        prop_assert_eq!(shown.len(), all.len().min(100));
        prop_assert!(shown.iter().all(|found| all.contains(found)), "{:?} {:?}", shown, all);
        let sent: Vec<_> = differ
            .iter()
            .filter(|(_, is)| !dry_run && (propagate || **is != Differs::Extra))
            .map(|(key, _)| key.clone())
            .filter(|key| can_be_copied(key))
            .collect();
        if walk.unordered.is_none() {
            prop_assert_eq!(shown, all.into_iter().take(100).collect::<Vec<_>>());
            prop_assert_eq!(hinted, sent);
        } else {
            // What was sent before the order was found to be none was sent as well.
            let hinted: BTreeSet<_> = hinted.into_iter().collect();
            prop_assert!(sent.iter().all(|key| hinted.contains(key)));
        }
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

/// A source with these keys, and the copies of some of them.
fn holding(keys: &[&str], copied: &[&str]) -> Stores {
    let content = Content { etag: 1, size: 3 };
    let copy = Copied {
        of: Some(content),
        size: 3,
    };
    let keys = keys.iter().map(|key| format!("{SOURCE_PREFIX}{key}"));
    let names = copied
        .iter()
        .map(|key| format!("{DESTINATION_PREFIX}{key}"));
    Stores {
        source: keys.map(|key| (key, content)).collect(),
        destination: names.map(|name| (name, copy)).collect(),
        ..Stores::default()
    }
}

fn reconciled(stores: &mut Stores) -> (Walk, Vec<String>) {
    walked(
        Kind::Reconcile,
        Request::default(),
        &json!({"deletes": "propagate"}),
        stores,
    )
}

#[test]
fn a_folder_before_what_is_called_like_it_makes_no_copy_extra() {
    let keys = ["v1/a", "v1.txt", "v1/b", "w"];
    for (source_by_path, destination_by_path) in [(true, false), (false, true), (true, true)] {
        let mut stores = holding(&keys, &["v1/a", "v1.txt", "w", "x"]);
        stores.oddities.source_by_path = source_by_path;
        stores.oddities.destination_by_path = destination_by_path;
        let (walk, _) = reconciled(&mut stores);
        let parity = walk.parity;
        assert_eq!(parity.source.keys, 4);
        assert_eq!(
            (parity.equal.keys, parity.missing.keys, parity.extra.keys),
            (3, 1, 1)
        );
        let found: Vec<_> = walk
            .differences
            .iter()
            .map(|found| (&*found.key, found.is))
            .collect();
        assert_eq!(
            found,
            [("in/v1/b", Differs::Missing), ("in/x", Differs::Extra)]
        );
        // One request an object of each side, and no more.
        assert_eq!(stores.oddities.looked_up, 8);
        assert!(walk.unordered.is_some());
    }
    let mut stores = holding(&keys, &[]);
    stores.oddities.source_by_path = true;
    let (walk, hinted) = walked(Kind::Backfill, Request::default(), &json!({}), &mut stores);
    assert_eq!(hinted, ["in/v1/a", "in/v1/b", "in/v1.txt", "in/w"]);
    assert_eq!((walk.parity.source.keys, stores.oddities.looked_up), (4, 0));
}

#[test]
fn a_backfill_follows_tokens_whatever_the_order_and_however_many_pages_are_blank() {
    let keys: Vec<_> = (0..500)
        .map(|n| format!("{}{n:03}", if n % 2 == 0 { "v/" } else { "v." }))
        .collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    for repeats in [false, true] {
        let mut stores = holding(&keys, &[]);
        stores.oddities = Oddities {
            source_by_path: true,
            repeats,
            blanks: true,
            ..Oddities::default()
        };
        let request = Request {
            rate: 1,
            ..Request::default()
        };
        let (walk, hinted) = walked(Kind::Backfill, request, &json!({}), &mut stores);
        assert_eq!((walk.parity.source.keys, hinted.len()), (500, 500));
        let hinted: BTreeSet<_> = hinted.into_iter().collect();
        assert_eq!(hinted.len(), 500);
    }
}

#[test]
fn a_listing_that_goes_in_circles_ends_the_walk_with_the_reason() {
    let keys: Vec<_> = (0..500).map(|n| format!("{n:03}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    for kind in [Kind::Backfill, Kind::Reconcile] {
        let mut stores = holding(&keys, &[]);
        stores.oddities.circles = true;
        let route = route(&json!({}));
        let access = access(&route);
        let request = Request {
            rate: 1,
            ..Request::default()
        };
        let mut walk = Walk::new(kind, "r", request, None, NOW);
        for pages in 0.. {
            assert!(pages < 100, "{walk:?}");
            let page = block_on(next_page(&mut stores, &access, &route, &mut walk, 1)).unwrap();
            walk.took(page, 0, NOW);
            if walk.end.is_some() {
                break;
            }
        }
        let end = walk.end.as_ref().unwrap();
        assert_eq!(end.outcome, Outcome::Failed);
        assert!(end.error.as_ref().unwrap().message.contains("in circles"));
        assert_eq!(walk.count(), None);
    }
}

#[test]
fn a_key_that_is_no_utf8_is_named_and_counted_and_the_others_go_on() {
    for (kind, copied) in [
        (Kind::Backfill, &[][..]),
        (Kind::Reconcile, &["a", "b", "c"]),
    ] {
        let mut stores = holding(&["a", "b", "c", "d/../e"], copied);
        stores.oddities.unreadable = vec![("in/b".into(), "in%2Faa%E9")];
        let (walk, hinted) = walked(kind, Request::default(), &json!({}), &mut stores);
        let parity = walk.parity;
        assert_eq!((parity.source.keys, parity.skipped.keys), (5, 2));
        let named: Vec<_> = walk
            .differences
            .iter()
            .map(|found| (&*found.key, found.is))
            .collect();
        let expected = [
            ("in%2Faa%E9", Differs::Skipped),
            ("in/d/../e", Differs::Skipped),
        ];
        assert_eq!(named, expected);
        assert_eq!(hinted.len(), 3 - copied.len());
    }
}

#[test]
fn a_plus_that_stands_for_itself_is_asked_for_once_where_nothing_shows_it() {
    for (raw_plus, keys, looked_up) in [
        (true, &["a+b", "c+d"][..], 1),
        (true, &["a+b", "c d"], 0),
        (false, &["a+b", "c d"], 0),
    ] {
        let mut stores = holding(keys, keys);
        stores.oddities.raw_plus = raw_plus;
        let (walk, hinted) = reconciled(&mut stores);
        assert_eq!((walk.parity.equal.keys, hinted.len()), (2, 0), "{keys:?}");
        assert_eq!(stores.oddities.looked_up, looked_up, "{keys:?}");
    }
}

#[test]
fn a_walk_of_all_that_is_equal_may_have_it_looked_at_all_the_same() {
    let mut stores = holding(&["a", "b", "c"], &["a", "b"]);
    let deep = Request {
        deep: true,
        ..Request::default()
    };
    let (walk, hinted) = walked(Kind::Reconcile, deep, &json!({}), &mut stores);
    assert_eq!((walk.parity.equal.keys, walk.differences.len()), (2, 1));
    assert_eq!(hinted, ["in/c", "in/a", "in/b"]);
}
