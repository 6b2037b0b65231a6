//! Keys that no event told of: a route is walked from its first key to its last, page by page, and
//! what needs it goes down the road of an event.
//!
//! A backfill lists the source and sends every key. A reconcile lists both sides, sends what differs
//! and says how far the two are apart. Pure but for [`next_page`]: whoever holds a [`Walk`] stores it
//! after each page. A page that is sent twice does no harm, because hints do none.
//!
//! Two sides in the order of their names are merged, page by page. Where one is in another order, keys are
//! looked up one by one (`lookup`); a backfill needs no order.

mod list;
mod lookup;
mod merge;
mod parity;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use list::next_page;
pub use merge::Page;
pub use parity::{Difference, Differs, Parity, Tally};

use crate::error::{TransferError, cut};
use crate::event::{KEY_BYTES, ObjectHint, unusable};
use crate::message::{BACKFILL, HintMessage, RECONCILE};
use crate::retry::{self, Disposition};
use crate::route::Route;
use crate::s3::Plus;

/// Keys a page.
const PAGE: u32 = 1000;
/// And at least, where a rate asks for less at a time.
const SMALL_PAGE: u32 = 100;
/// How many differences are kept to be shown.
const DIFFERENCES: usize = 100;

/// What a walk is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Every key of the source is sent.
    Backfill,
    /// What differs between source and destination is sent.
    Reconcile,
}

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// Only keys that begin with this, behind the route's own prefix.
    pub prefix: String,
    /// At most so many keys sent a second, a page at a time; 0: as fast as they can be listed.
    pub rate: u32,
    /// Only list and count.
    pub dry_run: bool,
    /// Equal keys are sent as well: what no listing shows, their headers and metadata, is then compared, and
    /// mended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deep: bool,
}

/// A walk, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// What it is for.
    pub kind: Kind,
    /// The route's name.
    pub route: String,
    /// What was asked for.
    pub request: Request,
    /// When it began.
    #[serde(deserialize_with = "crate::time::read")]
    pub started_at: Timestamp,
    /// How many keys the source had when all of them were last counted, where all of them are walked.
    pub expected: Option<u64>,
    /// What was found so far. A backfill knows the source alone.
    pub parity: Parity,
    /// How many hints were sent.
    pub sent: u64,
    /// The first differences, at most a hundred.
    pub differences: Vec<Difference>,
    /// How far it is: the source's key, or where one would be.
    pub last_key: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// How it ended, once it has.
    pub end: Option<End>,
    /// Which side was found to list in another order than that of its names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unordered: Option<StoreSide>,
    /// With what it goes on.
    #[serde(default, skip_serializing_if = "Resume::is_empty")]
    resume: Resume,
    /// How many keys to ask for.
    #[serde(skip, default = "whole_page")]
    page: u32,
}

/// One of the two sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreSide {
    /// Where objects come from.
    #[default]
    Source,
    /// Where their copies stand.
    Destination,
}

/// What a walk goes on with, beside its last key: for itself, and for nobody else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Resume {
    /// What asks the store for the next page, where the last one was used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Only a part of that page is left: what is behind the last key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_begun: bool,
    /// What a `+` in the source's listing stands for, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    plus: Option<Plus>,
    /// Which side is walked, where keys are looked up.
    side: StoreSide,
    /// How many pages there were of it.
    pages: u64,
    /// Where the last of them began whose number is a power of two. A listing that comes back there goes in
    /// circles: Brent's algorithm, which finds any circle and remembers one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
}

impl Resume {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes where a page of the store's began, if one was ended; whether that was seen before.
    fn comes_back(&mut self, began: Option<String>) -> bool {
        if began.is_none() {
            return false;
        }
        self.pages += 1;
        if began == self.mark {
            return true;
        }
        if self.pages.is_power_of_two() {
            self.mark = began;
        }
        false
    }
}

/// How a walk ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// In which way.
    pub outcome: Outcome,
    /// When.
    #[serde(deserialize_with = "crate::time::read")]
    pub at: Timestamp,
    /// Why it cannot go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TransferError>,
}

/// In which way a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It came to the last key.
    Done,
    /// A person ended it.
    Cancelled,
    /// It cannot go on.
    Failed,
}

impl fmt::Display for Outcome {
    /// As programs have it: `done`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Kind {
    /// Its name, as the API and the log have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Backfill => "backfill",
            Self::Reconcile => "reconcile",
        }
    }
}

fn whole_page() -> u32 {
    PAGE
}

impl Walk {
    /// A new one. `objects` is how many keys the route's source had when they were last counted.
    #[must_use]
    pub fn new(
        kind: Kind,
        route: &str,
        request: Request,
        objects: Option<u64>,
        now: Timestamp,
    ) -> Self {
        Self {
            kind,
            route: route.to_owned(),
            expected: objects.filter(|_| request.prefix.is_empty()),
            request,
            started_at: now,
            parity: Parity::default(),
            sent: 0,
            differences: Vec::new(),
            last_key: None,
            failures: 0,
            end: None,
            unordered: None,
            resume: Resume::default(),
            page: PAGE,
        }
    }

    /// The hints that `page` asks for; none in a dry run, and none at a key that no store can be asked for:
    /// each walk would send it to quarantine again. A copy whose source is gone is hinted at where `route`
    /// propagates deletes.
    #[must_use]
    pub fn hints(&self, page: &Page, route: &Route, now: Timestamp) -> Vec<HintMessage> {
        if self.request.dry_run {
            return Vec::new();
        }
        let event = match self.kind {
            Kind::Backfill => BACKFILL,
            Kind::Reconcile => RECONCILE,
        };
        let wanted = page
            .keys
            .iter()
            .filter(|(difference, _)| unusable(&difference.key).is_none())
            .filter(|(difference, _)| match difference.is {
                Differs::Missing | Differs::Different => true,
                Differs::Extra => route.propagates_deletes(),
                Differs::Skipped => false,
            });
        let wanted = wanted.map(|(difference, size)| {
            let stands = difference.is == Differs::Different;
            (&difference.key, *size, stands)
        });
        let equal = page
            .equal
            .iter()
            .map(|(key, size)| (key, Some(*size), true));
        let messages = wanted.chain(equal).map(|(key, size, stands)| {
            let hint = ObjectHint {
                size,
                ..ObjectHint::of(&route.source.bucket, key.clone(), event)
            };
            HintMessage {
                stands,
                ..HintMessage::new(&self.route, hint, now)
            }
        });
        messages.collect()
    }

    /// Takes a page, of whose hints `sent` are in the queue. Gives the wait before the next; none at
    /// the end.
    pub fn took(&mut self, page: Page, sent: u64, now: Timestamp) -> Option<Duration> {
        self.failures = 0;
        self.parity += page.parity;
        self.sent += sent;
        let room = DIFFERENCES.saturating_sub(self.differences.len());
        let found = page.keys.into_iter().map(|(mut difference, _)| {
            cut(&mut difference.key, KEY_BYTES);
            difference
        });
        let is_compared = self.kind == Kind::Reconcile;
        let found = found.filter(|found| is_compared || found.is == Differs::Skipped);
        self.differences.extend(found.take(room));
        self.last_key = page.last_key.or(self.last_key.take());
        self.resume.token = page.token;
        self.resume.is_begun = page.is_cut;
        if !page.more {
            self.ends(Outcome::Done, None, now);
        } else if page.is_last_of_source {
            self.last_key = None;
            self.resume = Resume {
                side: StoreSide::Destination,
                ..Resume::default()
            };
        } else if self.resume.comes_back(page.began) {
            let error = list::goes_round(&self.route);
            self.ends(Outcome::Failed, Some(error), now);
        }
        if self.end.is_some() {
            return None;
        }
        let rate = u64::from(self.request.rate);
        let wait = (sent * 1000).checked_div(rate).unwrap_or_default();
        Some(Duration::from_millis(wait))
    }

    /// Takes a page that could not be had. Gives the wait before it is asked for again; none if it is
    /// given up.
    pub fn failed(&mut self, error: TransferError, now: Timestamp, seed: u64) -> Option<Duration> {
        self.failures += 1;
        match retry::after_page(&error, self.failures, seed) {
            Disposition::RetryAfter(wait) if self.end.is_none() => Some(wait),
            _ => {
                self.ends(Outcome::Failed, Some(error), now);
                None
            }
        }
    }

    /// Ends it, if it has not ended.
    pub fn cancel(&mut self, now: Timestamp) {
        self.ends(Outcome::Cancelled, None, now);
    }

    /// How many keys the route's source has, once all of them were walked.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        let end = self.end.as_ref()?;
        let is_whole = end.outcome == Outcome::Done && self.request.prefix.is_empty();
        is_whole.then_some(self.parity.source.keys)
    }

    /// Cuts what is said of one that has ended to what a ledger has room for.
    pub(crate) fn bound(&mut self) {
        cut(&mut self.request.prefix, KEY_BYTES);
        if let Some(key) = &mut self.last_key {
            cut(key, KEY_BYTES);
        }
        if let Some(End {
            error: Some(error), ..
        }) = &mut self.end
        {
            error.bound();
        }
    }

    /// Begins once more, because `side` is in another order than that of its names: what was found so far
    /// was found by an order that is none.
    fn look_up(&mut self, side: StoreSide) {
        self.unordered = Some(side);
        self.parity = Parity::default();
        self.differences.clear();
        self.last_key = None;
        self.resume = Resume {
            plus: self.resume.plus,
            ..Resume::default()
        };
    }

    fn ends(&mut self, outcome: Outcome, error: Option<TransferError>, at: Timestamp) {
        self.end.get_or_insert(End { outcome, at, error });
        self.resume = Resume::default();
    }
}
