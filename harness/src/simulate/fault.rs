//! What can go wrong, by name, and how often it does.

use std::collections::{BTreeMap, BTreeSet};

use crate::rng::Rng;

/// A fault that a seed may draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The connection breaks before the request arrives.
    ResetBefore,
    /// It breaks while an upload's body is on its way.
    ResetWithin,
    /// The request took effect; its reply is lost.
    ResetAfter,
    /// The request took effect, and is answered 503.
    Late503,
    Status408,
    Status429,
    Status500,
    Status503,
    /// No answer until the port gives up; the request may arrive long after that.
    Stalled,
    /// The body that is read ends early.
    Truncated,
    /// It breaks.
    SourceReset,
    /// A byte of it arrives as another, or one of an upload's does.
    Corrupted,
    /// The object is overwritten while it is read.
    SourceChanged,
    /// The source refuses the read.
    Denied,
    /// GCS no longer takes the token.
    TokenExpired,
    /// GCS forgets a session.
    SessionExpired,
    /// A worker's isolate ends in the middle of everything.
    IsolateCrashed,
    /// A Durable Object's isolate does.
    ObjectCrashed,
    /// An isolate's clock is wrong.
    ClockSkew,
    /// An event is sent more than once.
    EventDuplicated,
    /// It comes late, after later ones.
    EventDelayed,
    /// An event of long ago is sent again.
    EventStale,
    /// An event is never sent; a reconcile is begun some time after.
    EventLost,
    /// A message is delivered twice at once.
    MessageDuplicated,
    /// A queue does not take a message, or took it and does not say so.
    QueueRefused,
    /// A call to a Durable Object gives no answer.
    CallLost,
    /// An object's storage does not answer; what was to be stored may be.
    StorageRefused,
}

impl Fault {
    pub(super) const ALL: [Self; 27] = [
        Self::ResetBefore,
        Self::ResetWithin,
        Self::ResetAfter,
        Self::Late503,
        Self::Status408,
        Self::Status429,
        Self::Status500,
        Self::Status503,
        Self::Stalled,
        Self::Truncated,
        Self::SourceReset,
        Self::Corrupted,
        Self::SourceChanged,
        Self::Denied,
        Self::TokenExpired,
        Self::SessionExpired,
        Self::IsolateCrashed,
        Self::ObjectCrashed,
        Self::ClockSkew,
        Self::EventDuplicated,
        Self::EventDelayed,
        Self::EventStale,
        Self::EventLost,
        Self::MessageDuplicated,
        Self::QueueRefused,
        Self::CallLost,
        Self::StorageRefused,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ResetBefore => "reset-before",
            Self::ResetWithin => "reset-within",
            Self::ResetAfter => "reset-after",
            Self::Late503 => "committed-503",
            Self::Status408 => "408",
            Self::Status429 => "429",
            Self::Status500 => "500",
            Self::Status503 => "503",
            Self::Stalled => "stalled",
            Self::Truncated => "truncated",
            Self::SourceReset => "source-reset",
            Self::Corrupted => "corrupted",
            Self::SourceChanged => "source-changed",
            Self::Denied => "denied",
            Self::TokenExpired => "token-expired",
            Self::SessionExpired => "session-expired",
            Self::IsolateCrashed => "isolate-crashed",
            Self::ObjectCrashed => "object-crashed",
            Self::ClockSkew => "clock-skew",
            Self::EventDuplicated => "event-duplicated",
            Self::EventDelayed => "event-delayed",
            Self::EventStale => "event-stale",
            Self::EventLost => "event-lost",
            Self::MessageDuplicated => "message-duplicated",
            Self::QueueRefused => "queue-refused",
            Self::CallLost => "call-lost",
            Self::StorageRefused => "storage-refused",
        }
    }
}

/// A seed's faults: which kinds, how often, until when; and what was injected so far.
#[derive(Debug)]
pub(super) struct Faults {
    rng: Rng,
    kinds: BTreeSet<Fault>,
    /// Of 1,000 occasions, this many have a fault.
    rate: u64,
    /// Milliseconds.
    until: u64,
    /// There are no more than so many.
    most: u32,
    /// Faults of these numbers are left out.
    left_out: BTreeSet<u32>,
    drawn: u32,
    pub(super) injected: BTreeMap<Fault, u64>,
}

impl Faults {
    pub(super) fn draw(seed: u64, left_out: &BTreeSet<u32>) -> Self {
        let mut rng = Rng::new(seed, 3);
        let share = rng.pick(&[0, 1, 3, 5, 9]);
        let kinds = Fault::ALL
            .into_iter()
            .filter(|fault| match fault {
                // Each ends a key in quarantine: rare, or nothing else would be seen.
                Fault::Denied | Fault::ClockSkew => rng.chance(share, 60),
                _ => rng.chance(share, 10),
            })
            .collect();
        Self {
            kinds,
            rate: rng.pick(&[5, 20, 60, 150, 300]),
            until: rng.pick(&[20_000, 120_000, 900_000, 7_200_000]),
            most: rng.pick(&[3, 10, 30, 100]),
            left_out: left_out.clone(),
            drawn: 0,
            injected: BTreeMap::new(),
            rng,
        }
    }

    pub(super) fn until(&self) -> u64 {
        self.until
    }

    /// Whether one of `among` happens at `now`, and which.
    pub(super) fn strike(&mut self, among: &[Fault], now: u64) -> Option<(Fault, u32)> {
        let is_over = now >= self.until || self.drawn >= self.most;
        if is_over || self.kinds.is_empty() || !self.rng.chance(self.rate, 1000) {
            return None;
        }
        let fault = self.rng.pick(among);
        if !self.kinds.contains(&fault) {
            return None;
        }
        let number = self.drawn;
        self.drawn += 1;
        if self.left_out.contains(&number) {
            return None;
        }
        *self.injected.entry(fault).or_default() += 1;
        Some((fault, number))
    }

    /// There was nothing that `fault` could have happened to.
    pub(super) fn withdraw(&mut self, fault: Fault) {
        if let Some(count) = self.injected.get_mut(&fault) {
            *count = count.saturating_sub(1);
        }
    }

    /// How many numbers were given away.
    pub(super) fn drawn(&self) -> u32 {
        self.drawn
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
        self.injected.get(&fault).is_some_and(|&count| count > 0)
    }
}
