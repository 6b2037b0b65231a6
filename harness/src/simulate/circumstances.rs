//! What a seed draws of the people and the platform around the worker, beside faults: each is rare, and lasts.

use std::ops::Range;

use super::network::Store;
use super::s3::Parts;
use super::world::ISOLATES;
use crate::rng::Rng;

/// What somebody does once something has come to quarantine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deed {
    /// Milliseconds after the entry came.
    pub(super) after: u64,
    pub(super) by: By,
    pub(super) drops: bool,
    pub(super) releases: bool,
    /// From two terminals at once.
    pub(super) is_double: bool,
}

/// What entries are named by.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    Id,
    Kind,
    All,
}

/// In milliseconds.
pub(super) const HOUR: u64 = 3_600_000;

/// From when until when, in milliseconds.
pub(super) type Span = Range<u64>;

#[derive(Debug)]
pub(super) struct Circumstances {
    /// The first comes with the first entry, and so on.
    pub(super) deeds: Vec<Deed>,
    /// Whether everything is replayed once nothing moves any more.
    pub(super) is_mended: bool,
    /// Who refuses our credential, with which status and words.
    pub(super) refused: Option<(Span, Store, u16, &'static str)>,
    /// The route is another for a while.
    pub(super) change: Option<Change>,
    /// No hint is delivered meanwhile, and for an hour after that transfers have to wait for a place.
    pub(super) backlog: Option<Span>,
    /// When a version that wrote more than this one reads gives way to this one again.
    pub(super) rolled_back: Option<u64>,
    /// Requests of an invocation that may wait at once.
    pub(super) connections: usize,
    /// How long the queues gather a batch, in milliseconds.
    pub(super) gathers: u64,
    /// Whether the source tells of the parts of objects.
    pub(super) parts: Parts,
}

/// The route is another for a while, and each isolate sees it some time later.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) kind: Kind,
    span: Span,
    lags: [u64; ISOLATES],
}

/// What of a route changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Source,
    Destination,
    Prefix,
    Parts,
    Removed,
    Renamed,
    /// Another route takes one of the keys as well, to the same name.
    Overlapped,
    /// Nothing of the configuration can be read.
    Broken,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Source,
        Self::Destination,
        Self::Prefix,
        Self::Parts,
        Self::Removed,
        Self::Renamed,
        Self::Overlapped,
        Self::Broken,
    ];
}

impl Change {
    /// Whether `isolate` knows of it.
    pub(super) fn is_seen(&self, isolate: usize, now: u64) -> bool {
        let lag = self.lags[isolate];
        now >= lag && self.span.contains(&(now - lag))
    }

    /// When everybody knows that it is over.
    pub(super) fn end(&self) -> u64 {
        self.span.end + self.lags.iter().max().unwrap_or(&0)
    }
}

impl Circumstances {
    /// A landing place is one route's alone, and does not move.
    pub(super) fn draw(seed: u64, has_table: bool) -> Self {
        let mut rng = Rng::new(seed, 4);
        let number = rng.pick(&[0, 0, 1, 2, 6]);
        let deeds = (0..number).map(|_| Deed {
            after: rng.pick(&[10, 1_000, 60_000, 1_800_000]),
            by: rng.pick(&[By::Id, By::Kind, By::All]),
            drops: rng.chance(1, 8),
            releases: rng.chance(1, 5),
            is_double: rng.chance(1, 4),
        });
        let deeds = deeds.collect();
        let is_mended = rng.chance(1, 2);
        let span = |rng: &mut Rng, most| {
            let begin = rng.pick(&[0, 1_000, 60_000, 600_000]);
            let begin = rng.below(begin + 1);
            begin..begin + rng.between(60_000, most)
        };
        let refused = rng.chance(1, 12).then(|| {
            let (store, status, word) = rng.pick(&[
                (Store::S3, 403, "InvalidAccessKeyId"),
                (Store::S3, 403, "AccessDenied"),
                (Store::Gcs, 401, "authError"),
                (Store::Gcs, 403, "forbidden"),
            ]);
            (span(&mut rng, 1_800_000), store, status, word)
        });
        let change = rng.chance(1, 10).then(|| {
            let kind = match rng.pick(&Kind::ALL) {
                Kind::Destination | Kind::Prefix | Kind::Overlapped if has_table => Kind::Renamed,
                kind => kind,
            };
            let most = if kind == Kind::Broken { 24 } else { 2 };
            Change {
                kind,
                span: span(&mut rng, most * HOUR),
                lags: std::array::from_fn(|_| rng.below(300_000)),
            }
        });
        let backlog = rng.chance(1, 16).then(|| span(&mut rng, 8 * HOUR));
        let rolled_back = rng.chance(1, 8).then(|| rng.between(1_000, 1_800_000));
        Self {
            deeds,
            is_mended,
            refused,
            change,
            backlog,
            rolled_back,
            connections: rng.pick(&[1, 1, 2, 6]),
            gathers: rng.pick(&[0, 0, 2_000]),
            parts: rng.pick(&[
                Parts::Told,
                Parts::Told,
                Parts::Told,
                Parts::Denied,
                Parts::Unknown,
                Parts::Ignored,
            ]),
        }
    }
}
