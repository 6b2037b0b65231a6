//! What becomes of a message: acknowledged, given back with a delay, or put among the dead letters.

use std::cell::Cell;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Delivered, Platform, Queue, put_after, seed, whole_seconds};
use crate::error::TransferError;
use crate::message::DeadLetter;
use crate::retry::{Disposition, after_delivery};

/// How long a message waits when the queue of dead letters does not take it, in seconds.
const DEAD_LETTER_DELAY: u32 = 30;

/// How long a message waits when the platform did not take over what it led to, in seconds.
pub(super) const PLATFORM_DELAY: u32 = 10;

/// A message that was delivered, and what is said of it: the queue hears that when the batch is done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Delivery {
    /// The queue's name for it.
    pub(super) id: String,
    /// JSON, if it is one of ours.
    pub(super) text: String,
    /// Which delivery the queue counts, from 1.
    count: u32,
    /// How often it was given back as a new message.
    #[serde(skip)]
    returns: Cell<u32>,
    #[serde(skip)]
    verdict: Cell<Option<Verdict>>,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// It leaves the queue.
    Acknowledged,
    /// It comes again after this many seconds.
    Again(u32),
}

impl Delivery {
    pub(super) fn of(message: &impl Delivered) -> Self {
        Self {
            id: message.id(),
            text: message.text(),
            count: message.count(),
            returns: Cell::default(),
            verdict: Cell::default(),
        }
    }

    /// It was given back `returns` times before, each time after it was tried.
    pub(super) fn add_returns(&self, returns: u32) {
        self.returns.set(returns);
    }

    /// Which delivery this is, from 1.
    pub(super) fn count(&self) -> u32 {
        self.count.saturating_add(self.returns.get())
    }

    /// Takes it out of the queue.
    pub(super) fn acknowledge(&self) {
        self.settle(Verdict::Acknowledged);
    }

    /// Lets it come again after `delay` seconds.
    pub(super) fn again_after(&self, delay: u32) {
        self.settle(Verdict::Again(delay));
    }

    /// The first word counts.
    pub(super) fn settle(&self, verdict: Verdict) {
        self.verdict
            .set(Some(self.verdict.get().unwrap_or(verdict)));
    }

    /// Takes back that it leaves the queue: who was to take it over did not.
    pub(super) fn take_back(&self) {
        self.verdict.set(None);
    }

    /// What was said of it. A message of which nothing was said is not lost.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict.get().unwrap_or(Verdict::Again(PLATFORM_DELAY))
    }
}

/// What was decided about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is done with.
    Acknowledged,
    /// It comes again.
    Retried {
        /// This many seconds from now at the earliest.
        delay: u32,
        /// After this many deliveries.
        deliveries: u32,
    },
    /// It stands among the dead letters.
    DeadLettered {
        /// After this many deliveries.
        deliveries: u32,
    },
    /// It should stand there, but that queue did not take it; it comes again.
    Refused {
        /// Why.
        reason: String,
    },
}

impl Decision {
    /// Whether somebody may have to act.
    pub(super) fn is_trouble(&self) -> bool {
        matches!(self, Self::DeadLettered { .. } | Self::Refused { .. })
    }

    /// Its name in the log and in the ledger.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Retried { .. } | Self::Refused { .. } => "retried",
            Self::DeadLettered { .. } => "quarantined",
        }
    }
}

/// Settles `delivery` by the `result` of its transfer. It is acknowledged only once its outcome is
/// committed at the destination or it stands among the dead letters.
pub(super) async fn settle<T>(
    platform: &impl Platform,
    delivery: &Delivery,
    result: &Result<T, TransferError>,
) -> Decision {
    let Err(error) = result else {
        delivery.acknowledge();
        return Decision::Acknowledged;
    };
    match after_delivery(error, delivery.count(), seed(platform)) {
        Disposition::RetryAfter(wait) => {
            let delay = whole_seconds(wait);
            delivery.again_after(delay);
            Decision::Retried {
                delay,
                deliveries: delivery.count(),
            }
        }
        Disposition::Quarantine => give_up(platform, delivery, error).await,
    }
}

async fn give_up(platform: &impl Platform, delivery: &Delivery, error: &TransferError) -> Decision {
    let letter = DeadLetter::new(
        &delivery.text,
        error.clone(),
        delivery.count(),
        platform.now(),
    )
    .of(delivery.id.clone());
    match put_after(platform, Queue::DeadLetters, &letter, Duration::ZERO).await {
        Ok(()) => {
            delivery.acknowledge();
            Decision::DeadLettered {
                deliveries: delivery.count(),
            }
        }
        Err(reason) => {
            delivery.again_after(DEAD_LETTER_DELAY);
            Decision::Refused {
                reason: format!("DEAD_LETTERS: {reason}"),
            }
        }
    }
}
