//! What becomes of a message: acknowledged, given back with a delay, or put among the dead letters.

use std::time::Duration;

use super::{Delivered, Platform, Queue, put_after, seed, whole_seconds};
use crate::error::TransferError;
use crate::message::DeadLetter;
use crate::retry::{Disposition, after_delivery};

/// How long a message waits when the queue of dead letters does not take it, in seconds.
const DEAD_LETTER_DELAY: u32 = 30;

/// A message that was delivered, and what it holds.
pub(super) struct Delivery<M> {
    message: M,
    /// JSON, if it is one of ours.
    text: String,
    count: u32,
}

impl<M: Delivered> Delivery<M> {
    /// `message`, which holds `text`, and which a coordinator gave back `returns` times: that was
    /// tried as well.
    pub(super) fn new(message: M, text: String, returns: u32) -> Self {
        let count = message.count().saturating_add(returns);
        Self {
            message,
            text,
            count,
        }
    }

    /// Which delivery this is, from 1.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Takes it out of the queue.
    pub(super) fn acknowledge(&self) {
        self.message.acknowledge();
    }

    /// Lets it come again after `delay` seconds.
    pub(super) fn again_after(&self, delay: u32) {
        self.message.again_after(delay);
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
pub(super) async fn settle<T, M: Delivered>(
    platform: &impl Platform,
    delivery: &Delivery<M>,
    result: &Result<T, TransferError>,
) -> Decision {
    let Err(error) = result else {
        delivery.acknowledge();
        return Decision::Acknowledged;
    };
    match after_delivery(error, delivery.count, seed(platform)) {
        Disposition::RetryAfter(wait) => {
            let delay = whole_seconds(wait);
            delivery.again_after(delay);
            Decision::Retried {
                delay,
                deliveries: delivery.count,
            }
        }
        Disposition::Quarantine => give_up(platform, delivery, error).await,
    }
}

async fn give_up<M: Delivered>(
    platform: &impl Platform,
    delivery: &Delivery<M>,
    error: &TransferError,
) -> Decision {
    let letter = DeadLetter::new(
        &delivery.text,
        error.clone(),
        delivery.count,
        platform.now(),
    )
    .of(delivery.message.id());
    match put_after(platform, Queue::DeadLetters, &letter, Duration::ZERO).await {
        Ok(()) => {
            delivery.acknowledge();
            Decision::DeadLettered {
                deliveries: delivery.count,
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
