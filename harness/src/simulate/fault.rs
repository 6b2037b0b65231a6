//! What can go wrong, by name, and how often it does.

use std::collections::{BTreeMap, BTreeSet};

use crate::rng::Rng;

/// The kinds of request that a fault can happen to. 0: it happens elsewhere.
pub(super) type At = u8;
/// A request to S3.
pub(super) const SOURCE: At = 1;
/// One to a session.
pub(super) const SESSION: At = 2;
/// One that reads of GCS.
pub(super) const LOOK: At = 4;
/// Any other.
pub(super) const WRITE: At = 8;
/// A job of BigQuery's.
pub(super) const JOB: At = 16;
const ANY: At = SOURCE | SESSION | LOOK | WRITE;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident $text:literal $at:expr;)+) => {
        /// A fault that a seed may draw.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Fault { $($(#[$doc])* $name,)+ }

        impl Fault {
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];

            pub(super) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            fn at(self) -> At {
                match self { $(Self::$name => $at),+ }
            }

            /// The status that the request is answered with, if that is the fault.
            pub(super) fn status(self) -> Option<u16> {
                match self {
                    Self::Denied => Some(403),
                    _ => self.as_str().parse().ok(),
                }
            }
        }
    };
}

faults! {
    /// The connection breaks before the request arrives.
    ResetBefore "reset-before" ANY;
    /// It breaks while an upload's body is on its way.
    ResetWithin "reset-within" SESSION | WRITE;
    /// The request took effect; its reply is lost.
    ResetAfter "reset-after" SESSION | WRITE;
    /// The request took effect, and is answered 503.
    Late503 "committed-503" SESSION | WRITE;
    Status408 "408" ANY;
    Status429 "429" ANY;
    Status500 "500" ANY;
    Status503 "503" ANY;
    /// No answer until the port gives up; the request may arrive long after that.
    Stalled "stalled" ANY;
    /// The body that is read ends early.
    Truncated "truncated" SOURCE;
    /// It breaks.
    SourceReset "source-reset" SOURCE;
    /// A byte of it arrives as another, or one of an upload's does.
    Corrupted "corrupted" SOURCE | SESSION | WRITE;
    /// The object is overwritten while it is read.
    SourceChanged "source-changed" SOURCE;
    /// The source refuses the read.
    Denied "denied" SOURCE;
    /// GCS no longer takes the token.
    TokenExpired "token-expired" LOOK | WRITE;
    /// GCS forgets a session.
    SessionExpired "session-expired" SESSION;
    /// A worker's isolate ends in the middle of everything.
    IsolateCrashed "isolate-crashed" 0;
    /// A Durable Object's isolate does.
    ObjectCrashed "object-crashed" 0;
    /// An isolate's clock is wrong.
    ClockSkew "clock-skew" 0;
    /// An event is sent more than once.
    EventDuplicated "event-duplicated" 0;
    /// It comes late, after later ones.
    EventDelayed "event-delayed" 0;
    /// An event of long ago is sent again.
    EventStale "event-stale" 0;
    /// An event is never sent; a reconcile is begun some time after.
    EventLost "event-lost" 0;
    /// A message is delivered twice at once.
    MessageDuplicated "message-duplicated" 0;
    /// A queue does not take a message, or took it and does not say so.
    QueueRefused "queue-refused" 0;
    /// A call to a Durable Object gives no answer.
    CallLost "call-lost" 0;
    /// An object's storage does not answer; what was to be stored may be.
    StorageRefused "storage-refused" 0;
    /// A job ends in backendError.
    JobFailed "job-failed" JOB;
    JobRateLimited "job-rate-limited" JOB;
    JobQuotaExceeded "job-quota-exceeded" JOB;
    JobDenied "job-denied" JOB;
    /// It takes minutes.
    JobSlow "job-slow" JOB;
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
        let mut more = Rng::new(seed, 7);
        let kinds = Fault::ALL
            .iter()
            .copied()
            .filter(|fault| match fault {
                // Each ends a key in quarantine: rare, or nothing else would be seen.
                Fault::Denied | Fault::ClockSkew => rng.chance(share, 60),
                fault if fault.at() == JOB => more.chance(share, 10),
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

    /// Whether one of `among` happens at `now`, or, where that is empty, one that meets requests of the kind `at`;
    /// and which.
    pub(super) fn strike(&mut self, among: &[Fault], at: At, now: u64) -> Option<(Fault, u32)> {
        let is_over = now >= self.until || self.drawn >= self.most;
        if is_over || self.kinds.is_empty() || !self.rng.chance(self.rate, 1000) {
            return None;
        }
        let fault = if among.is_empty() {
            let meets: Vec<_> = Fault::ALL
                .iter()
                .filter(|fault| fault.at() & at != 0)
                .collect();
            *meets[self.rng.place(meets.len())]
        } else {
            self.rng.pick(among)
        };
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
