//! Two pages side by side: which keys are on both sides the same, and which are not.

use std::cmp::Ordering;

use super::{Difference, Differs, Kind, Parity, Walk};
use crate::gcs::{Object, Provenance};
use crate::order::parts_folder;
use crate::route::{OnConflict, Route};
use crate::s3::{Listed, may_be_same};
use crate::time::http as http_date;

/// What was found between one key and another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// How many there are of each.
    pub parity: Parity,
    /// The keys to be looked at, with the source's size where there is one: in a backfill all of the
    /// source's.
    pub keys: Vec<(Difference, Option<u64>)>,
    /// Up to which key, if anything stands there.
    pub last_key: Option<String>,
    /// Whether there is more behind it.
    pub more: bool,
}

/// What was listed of both sides, each in the order of its names, and whether there is more.
pub(super) struct Sides {
    pub(super) source: Vec<Listed>,
    pub(super) more_source: bool,
    pub(super) copies: Vec<Object>,
    pub(super) more_copies: bool,
}

/// Compares the sides as far as both are known.
pub(super) fn merged(walk: &Walk, route: &Route, sides: Sides) -> Page {
    let Sides {
        source,
        more_source,
        copies,
        more_copies,
    } = sides;
    let copies: Vec<_> = copies
        .into_iter()
        .filter_map(|object| Some((route.source_key(&object.name)?, object)))
        .collect();
    let ends = [
        source.last().filter(|_| more_source).map(|last| &*last.key),
        copies.last().filter(|_| more_copies).map(|last| &*last.0),
    ];
    let bound = ends.into_iter().flatten().min().map(str::to_owned);
    let is_known = |key: &str| bound.as_deref().is_none_or(|bound| key <= bound);

    let mut page = Page {
        more: bound.is_some(),
        last_key: bound.clone(),
        ..Page::default()
    };
    let mut source = source
        .iter()
        .filter(|listed| is_known(&listed.key) && !is_marker(listed, route))
        .peekable();
    let mut copies = copies
        .iter()
        .filter(|(key, object)| is_known(key) && !is_part(&object.name, route))
        .peekable();
    loop {
        let order = match (source.peek(), copies.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(listed), Some((key, _))) => listed.key.cmp(key),
        };
        let listed = source.next_if(|_| order.is_le());
        let copy = copies.next_if(|_| order.is_ge());
        match (listed, copy) {
            (Some(listed), copy) => {
                page.source(walk.kind, route, listed, copy.map(|(_, object)| object));
            }
            (None, Some((key, object))) => page.alone(route, key, object),
            (None, None) => break,
        }
    }
    page
}

impl Page {
    /// A key of the source, and what stands at the destination.
    fn source(&mut self, kind: Kind, route: &Route, listed: &Listed, copy: Option<&Object>) {
        self.parity.source.add(listed.size);
        let Some(object) = copy else {
            if kind == Kind::Reconcile {
                self.parity.missing.add(listed.size);
            }
            return self.differs(&listed.key, Differs::Missing, Some(listed.size));
        };
        self.parity.destination.add(size(object));
        match provenance(route, &listed.key, object) {
            Some(provenance) if is_of(&provenance, listed) => self.parity.equal.add(listed.size),
            None if route.on_conflict == OnConflict::Keep => self.parity.foreign.add(size(object)),
            _ => {
                self.parity.different.add(listed.size);
                self.differs(&listed.key, Differs::Different, Some(listed.size));
            }
        }
    }

    /// An object of the destination, where `key` is not at the source.
    fn alone(&mut self, route: &Route, key: &str, object: &Object) {
        let size = size(object);
        self.parity.destination.add(size);
        if provenance(route, key, object).is_some() {
            self.parity.extra.add(size);
            self.differs(key, Differs::Extra, None);
        } else {
            self.parity.foreign.add(size);
        }
    }

    fn differs(&mut self, key: &str, is: Differs, size: Option<u64>) {
        let key = key.to_owned();
        self.keys.push((Difference { key, is }, size));
    }
}

/// Where `object` came from, if it is a copy of `key`.
fn provenance(route: &Route, key: &str, object: &Object) -> Option<Provenance> {
    Provenance::of(&object.metadata, &route.source.bucket, key)
}

/// Whether there is nothing to copy of what was listed.
fn is_marker(listed: &Listed, route: &Route) -> bool {
    listed.size == 0 && route.is_own_folder(&listed.key)
}

/// Whether `name` is that of a part of a large object.
fn is_part(name: &str, route: &Route) -> bool {
    name.starts_with(&parts_folder(&route.destination))
}

/// Whether a copy from `provenance` is one of what the source has now, as far as a listing tells: the
/// same ETag and size, last written in the same second.
fn is_of(provenance: &Provenance, listed: &Listed) -> bool {
    let seconds = listed.last_modified.map(jiff::Timestamp::as_second);
    let copied = provenance.last_modified.as_deref().and_then(http_date);
    may_be_same(listed.etag.as_deref().unwrap_or_default(), &provenance.etag)
        && listed.size == provenance.size
        && seconds == copied.map(jiff::Timestamp::as_second)
}

fn size(object: &Object) -> u64 {
    object.size.parse().unwrap_or_default()
}
