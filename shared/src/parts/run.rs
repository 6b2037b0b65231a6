//! A run of parts: which phase it is in, and how it goes on or ends.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::PartCopy;
use super::coordinator::{Started, Verdict};
use crate::composite::CompositeCopy;
use crate::error::TransferError;
use crate::message::HintMessage;
use crate::retry::{Disposition, after_delivery};
use crate::time::later;

/// Without a part for this long, one of those that are missing is sent again, to see whether they wait in a backlog
/// or are lost: longer than a part's longest wait for a retry and its copy together.
const SILENCE: Duration = Duration::from_mins(45);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) order: CompositeCopy,
    #[serde(deserialize_with = "crate::time::read")]
    pub(super) started_at: Timestamp,
    pub(super) phase: Phase,
    /// How often parts were sent.
    pub(super) rounds: u32,
    /// How often composing failed.
    pub(super) attempts: u32,
    /// It took the place of another run, and may be the older of the two: an ETag tells that of bytes,
    /// but not of tags.
    #[serde(default)]
    pub(super) is_doubtful: bool,
    /// How often a hint had parts sent again.
    #[serde(default)]
    pub(super) hurried: u32,
    /// The last hint for another version: when the run has ended, both sides are looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<Box<HintMessage>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// May parts be deleted here?
    Probing {
        #[serde(deserialize_with = "crate::time::read")]
        at: Timestamp,
    },
    /// What is missing is to be sent.
    Sending,
    /// Parts are under way; looked at again at `look`.
    Copying {
        #[serde(deserialize_with = "crate::time::read")]
        look: Timestamp,
        /// One was sent once more, after a silence, to see whether the others wait or are lost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        probe: Option<u32>,
    },
    /// That one is to be sent.
    Asking,
    /// All parts are here.
    Assembling {
        #[serde(deserialize_with = "crate::time::read")]
        at: Timestamp,
    },
    /// The end is to be made known.
    Settling(Box<Verdict>),
}

impl Run {
    /// When to try again what failed with `error`; the error if not any more.
    pub(super) fn wait(
        &mut self,
        error: TransferError,
        now: Timestamp,
        seed: u64,
    ) -> Result<Timestamp, TransferError> {
        self.attempts += 1;
        match after_delivery(&error, self.attempts, seed) {
            Disposition::RetryAfter(wait) => Ok(later(now, wait)),
            Disposition::Quarantine => Err(error),
        }
    }

    /// Has what is missing sent again if nothing was heard of it for `quiet_after` seconds; for twice as
    /// long the next time, because parts that wait in a backlog are not lost. It does not count as a round.
    pub(super) fn hurry(&mut self, quiet_after: u32, now: Timestamp) -> Started {
        let quiet = u64::from(quiet_after).checked_shl(self.hurried);
        let Phase::Copying { look, .. } = self.phase else {
            return Started::Underway;
        };
        let silence = SignedDuration::try_from(SILENCE).unwrap_or_default();
        let heard = look.checked_sub(silence).unwrap_or(look);
        let is_quiet = quiet.is_some_and(|quiet| later(heard, Duration::from_secs(quiet)) <= now);
        if !is_quiet {
            return Started::Underway;
        }
        self.hurried += 1;
        self.rounds = self.rounds.saturating_sub(1);
        self.phase = Phase::Sending;
        Started::Hurried
    }

    pub(super) fn has_all(&self, copies: &BTreeMap<u32, PartCopy>) -> bool {
        copies.len() == self.order.parts.count() as usize
    }

    /// Everything is looked at again, unless that was tried too often or cannot help.
    pub(super) fn again(&mut self, error: TransferError, seed: u64) -> Verdict {
        let next = self.next.clone();
        let mut message = next.unwrap_or_else(|| Box::new(self.order.message.clone()));
        message.returns += 1;
        match after_delivery(&error, message.returns, seed) {
            Disposition::RetryAfter(delay) => {
                self.next = None;
                Verdict::Again {
                    message,
                    delay,
                    error,
                }
            }
            Disposition::Quarantine => Verdict::Quarantine(error),
        }
    }
}

/// The parts of `run` that are not among `copies`.
pub(super) fn missing<'a>(
    run: &'a Run,
    copies: &'a BTreeMap<u32, PartCopy>,
) -> impl Iterator<Item = u32> + 'a {
    (0..run.order.parts.count()).filter(|number| !copies.contains_key(number))
}

impl Phase {
    pub(super) fn copying(probe: Option<u32>, now: Timestamp) -> Self {
        Self::Copying {
            look: later(now, SILENCE),
            probe,
        }
    }
}

pub(super) fn settling(verdict: Verdict) -> Phase {
    Phase::Settling(Box::new(verdict))
}
