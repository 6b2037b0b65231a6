//! Two pages side by side: which keys are on both sides the same, and which are not.

use std::cmp::Ordering;

use super::list::Copies;
use super::{Difference, Differs, Kind, Parity, Walk};
use crate::composite::is_part;
use crate::event::unusable;
use crate::gcs::{Generation, Object, Provenance};
use crate::mapping::is_intact;
use crate::route::{OnConflict, Route};
use crate::s3::{Listed, Listing, may_be_same};
use crate::time;

/// What was found between one key and another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// How many there are of each.
    pub parity: Parity,
    /// The keys to be looked at, with the source's size where there is one: in a backfill all of the
    /// source's. And those that cannot be.
    pub keys: Vec<(Difference, Option<u64>)>,
    /// Keys that are equal as far as a listing tells, and their sizes, where that is not enough.
    pub equal: Vec<(String, u64)>,
    /// Equal copies that a table may have the rows of: names, generations, sizes.
    pub landed: Vec<(String, Generation, u64)>,
    /// Up to which key, if anything stands there.
    pub last_key: Option<String>,
    /// Whether there is more behind it.
    pub more: bool,
    /// What asks for what is behind it, where it is not the last key.
    pub(super) token: Option<String>,
    /// Where the store's page began that ends here, if one does.
    pub(super) began: Option<String>,
    /// It was looked up, and is a part of what the store gave.
    pub(super) is_cut: bool,
    /// It was looked up, and the source has no more.
    pub(super) is_last_of_source: bool,
}

/// What was listed of both sides, each in the order of its names but for a backfill's.
pub(super) struct Sides {
    pub(super) source: Listing,
    pub(super) copies: Copies,
}

/// Compares the sides as far as both are known.
pub(super) fn merged(walk: &Walk, route: &Route, sides: Sides) -> Page {
    let Sides { source, copies } = sides;
    let copies_end = copies.next.is_none();
    let copies: Vec<_> = copies
        .objects
        .into_iter()
        .filter_map(|object| Some((route.source_key(&object.name)?, object)))
        .collect();
    let last_of_source = source.objects.last().map(|last| &*last.key);
    let ends = [
        last_of_source.filter(|_| source.more),
        copies.last().filter(|_| !copies_end).map(|last| &*last.0),
    ];
    // A page without keys says nothing of what is behind the last: neither do copies, then.
    let is_blank = source.more && last_of_source.is_none();
    let bound = ends.into_iter().flatten().min().map(str::to_owned);
    let bound = bound.filter(|_| !is_blank);
    let is_used_up = is_blank
        || bound
            .as_deref()
            .is_none_or(|bound| Some(bound) == last_of_source);
    let is_unordered = walk.kind == Kind::Backfill;
    let is_known = |key: &[u8]| {
        let is_before = bound.as_deref().is_none_or(|bound| key <= bound.as_bytes());
        is_unordered || (is_before && !is_blank)
    };
    let last = walk.last_key.as_deref().unwrap_or_default().as_bytes();

    let mut page = Page {
        more: source.more || !copies_end,
        last_key: bound.clone(),
        token: source.token.clone().filter(|_| is_used_up && source.more),
        ..Page::default()
    };
    // Otherwise the source's page comes again: the copies are not yet that far.
    page.began = page.begins_at(&source).filter(|_| is_used_up);
    let is_new = |key: &[u8]| is_unordered || ((is_used_up || is_known(key)) && key > last);
    let mut source = sort_out(&mut page, route, source, is_new);
    source.retain(|listed| is_known(listed.key.as_bytes()));
    let mut source = source.iter().peekable();
    let mut copies = copies
        .iter()
        .filter(|(key, object)| is_known(key.as_bytes()) && !is_part(object))
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
                page.source(walk, route, listed, copy.map(|(_, object)| object));
            }
            (None, Some((key, object))) => page.alone(route, key, object),
            (None, None) => break,
        }
    }
    page
}

/// The objects of `listing` that can be copied. The others that are new are counted and named.
pub(super) fn sort_out(
    page: &mut Page,
    route: &Route,
    listing: Listing,
    is_new: impl Fn(&[u8]) -> bool,
) -> Vec<Listed> {
    let unreadable = listing.unreadable.into_iter();
    for found in unreadable.filter(|found| is_new(&found.bytes)) {
        page.skip(found.size);
        page.differs(&found.name, Differs::Skipped, Some(found.size));
    }
    let (copied, skipped): (Vec<_>, Vec<_>) = listing
        .objects
        .into_iter()
        .partition(|listed| can_be_copied(route, &listed.key));
    for listed in skipped {
        // The marker of the route's own folder is nothing.
        let is_marker = listed.size == 0 && route.is_own_folder(&listed.key);
        if is_new(listed.key.as_bytes()) && !is_marker {
            page.skip(listed.size);
            page.differs(&listed.key, Differs::Skipped, Some(listed.size));
        }
    }
    copied
}

/// Whether `key` can be asked for, and has a name at the destination.
fn can_be_copied(route: &Route, key: &str) -> bool {
    let name = route.destination_name(key).unwrap_or_default();
    unusable(key).is_none() && !matches!(name.as_str(), "" | "." | "..")
}

impl Page {
    /// Where a page of `listing` begins.
    pub(super) fn begins_at(&self, listing: &Listing) -> Option<String> {
        let first = listing.objects.first().map(|first| first.key.clone());
        first.or_else(|| self.token.clone())
    }

    /// A key of the source, and what stands at the destination.
    pub(super) fn source(
        &mut self,
        walk: &Walk,
        route: &Route,
        listed: &Listed,
        copy: Option<&Object>,
    ) {
        self.parity.source.add(listed.size);
        let Some(object) = copy else {
            if walk.kind == Kind::Reconcile {
                self.parity.missing.add(listed.size);
            }
            return self.differs(&listed.key, Differs::Missing, Some(listed.size));
        };
        self.parity.destination.add(bytes_of(object));
        match provenance(route, &listed.key, object) {
            Some(provenance) if is_of(object, &provenance, listed) => {
                self.parity.equal.add(listed.size);
                if route.table.is_some() {
                    let name = object.name.clone();
                    self.landed.push((name, object.generation(), listed.size));
                }
                if walk.request.deep {
                    self.equal.push((listed.key.clone(), listed.size));
                }
            }
            None if route.on_conflict == OnConflict::Keep => {
                self.parity.foreign.add(bytes_of(object));
            }
            _ => {
                self.parity.different.add(listed.size);
                self.differs(&listed.key, Differs::Different, Some(listed.size));
            }
        }
    }

    /// An object of the destination, where `key` is not at the source.
    pub(super) fn alone(&mut self, route: &Route, key: &str, object: &Object) {
        let size = bytes_of(object);
        self.parity.destination.add(size);
        if is_copy(route, key, object) {
            self.parity.extra.add(size);
            self.differs(key, Differs::Extra, None);
        } else {
            self.parity.foreign.add(size);
        }
    }

    /// An object of the source that is none to be copied.
    fn skip(&mut self, size: u64) {
        self.parity.source.add(size);
        self.parity.skipped.add(size);
    }

    fn differs(&mut self, key: &str, is: Differs, size: Option<u64>) {
        let key = key.to_owned();
        self.keys.push((Difference { key, is }, size));
    }
}

/// Whether `object` is a copy of `key`, of whatever it was.
pub(super) fn is_copy(route: &Route, key: &str, object: &Object) -> bool {
    provenance(route, key, object).is_some()
}

/// Where `object` came from, if it is a copy of `key`.
fn provenance(route: &Route, key: &str, object: &Object) -> Option<Provenance> {
    Provenance::of(&object.metadata, &route.source.bucket, key)
}

/// Whether `object`, a copy from `provenance`, is one of what the source has now, as far as two listings
/// tell: the same ETag and size, last written within a second, and at the destination the bytes that were
/// written.
fn is_of(object: &Object, provenance: &Provenance, listed: &Listed) -> bool {
    let copied = provenance.last_modified.as_deref().and_then(time::any);
    // Where neither tells anything, a look does.
    let has_etags = listed.etag.is_some() && !provenance.etag.is_empty();
    let has_times = listed.last_modified.is_some() && copied.is_some();
    (has_etags || has_times || listed.size == 0)
        && may_be_same(listed.etag.as_deref().unwrap_or_default(), &provenance.etag)
        && listed.size == provenance.size
        && listed.size == bytes_of(object)
        && is_intact(object)
        && time::agree(listed.last_modified, copied)
}

pub(super) fn bytes_of(object: &Object) -> u64 {
    object.size.parse().unwrap_or_default()
}
