//! What becomes of a message: acknowledged, given back with a delay, or put among the dead letters.

use std::time::Duration;

use causeway_shared::error::TransferError;
use causeway_shared::message::DeadLetter;
use causeway_shared::retry::{Disposition, after_delivery};
use worker::Env;

use crate::platform::{self, Message, Queue, whole_seconds};

/// How long a message waits when the queue of dead letters does not take it, in seconds.
const DEAD_LETTER_DELAY: u32 = 30;

/// A message as it was delivered.
pub(crate) struct Delivery {
    message: Message,
    /// What the message holds: JSON, if it is one of ours.
    text: String,
    count: u32,
}

impl Delivery {
    /// `message`, which holds `text`, and which a coordinator gave back `returns` times: that was
    /// tried as well.
    pub(crate) fn new(message: Message, text: String, returns: u32) -> Self {
        let count = message.delivery().saturating_add(returns);
        Self {
            message,
            text,
            count,
        }
    }

    /// Which delivery this is, from 1.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Takes it out of the queue.
    pub(crate) fn acknowledge(&self) {
        self.message.acknowledge();
    }

    /// Lets it come again after `delay` seconds.
    pub(crate) fn again_after(&self, delay: u32) {
        self.message.again_after(delay);
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
pub(crate) async fn settle<T>(
    delivery: &Delivery,
    result: &Result<T, TransferError>,
    env: &Env,
) -> Decision {
    let Err(error) = result else {
        delivery.message.acknowledge();
        return Decision::Acknowledged;
    };
    match after_delivery(error, delivery.count, platform::seed()) {
        Disposition::RetryAfter(wait) => {
            let delay = whole_seconds(wait);
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
    let (text, now) = (&delivery.text, platform::now());
    let letter = DeadLetter::new(text, error.clone(), delivery.count, now);
    let put = async {
        Queue::bound(env, "DEAD_LETTERS")?
            .put_after(&letter, Duration::ZERO)
            .await
    };
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
