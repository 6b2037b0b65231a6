//! What becomes of a message: acknowledged, given back with a delay, or put among the dead letters.

use causeway_shared::error::TransferError;
use causeway_shared::message::DeadLetter;
use causeway_shared::retry::{Disposition, after_delivery};
use causeway_shared::transfer::Outcome;
use serde_json::Value;
use worker::Env;

use crate::platform::{self, Message, Queue};

/// How long a message waits when the queue of dead letters does not take it, in seconds.
const DEAD_LETTER_DELAY: u32 = 30;

/// A message as it was delivered.
pub(crate) struct Delivery {
    message: Message,
    /// What the message holds.
    pub(crate) value: Value,
    count: u32,
}

impl Delivery {
    /// `message`, which holds `value`.
    pub(crate) fn new(message: Message, value: Value) -> Self {
        let count = message.delivery();
        Self {
            message,
            value,
            count,
        }
    }

    /// Lets it come again at once: nothing was tried.
    pub(crate) fn give_back(&self) {
        self.message.again_after(0);
    }
}

/// What was decided about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
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
    pub(crate) fn is_trouble(&self) -> bool {
        matches!(self, Self::DeadLettered { .. } | Self::Refused { .. })
    }
}

/// Settles `delivery` by the `result` of its transfer. It is acknowledged only once its outcome is
/// committed at GCS or it stands among the dead letters.
pub(crate) async fn settle(
    delivery: &Delivery,
    result: &Result<Outcome, TransferError>,
    env: &Env,
) -> Decision {
    let Err(error) = result else {
        delivery.message.acknowledge();
        return Decision::Acknowledged;
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "half of a random number is one"
    )]
    let seed = platform::random() as u64;
    match after_delivery(error, delivery.count, seed) {
        Disposition::RetryAfter(wait) => {
            let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let delay = u32::try_from(whole).unwrap_or(u32::MAX);
            delivery.message.again_after(delay);
            Decision::Retried {
                delay,
                deliveries: delivery.count,
            }
        }
        Disposition::Quarantine => quarantine(delivery, error, env).await,
    }
}

async fn quarantine(delivery: &Delivery, error: &TransferError, env: &Env) -> Decision {
    let letter = DeadLetter {
        message: delivery.value.clone(),
        error: error.clone(),
        deliveries: delivery.count,
        failed_at: platform::now(),
    };
    let put = async { Queue::bound(env, "DEAD_LETTERS")?.put(&letter).await };
    match put.await {
        Ok(()) => {
            delivery.message.acknowledge();
            Decision::DeadLettered {
                deliveries: delivery.count,
            }
        }
        Err(reason) => {
            delivery.message.again_after(DEAD_LETTER_DELAY);
            Decision::Refused {
                reason: format!("DEAD_LETTERS: {reason}"),
            }
        }
    }
}
