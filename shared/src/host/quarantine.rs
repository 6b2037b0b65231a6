//! The queue of dead letters, consumed into the quarantine of each route's ledger, so that nothing
//! ends where no one looks.
//!
//! Most were put there by `settle`, with the reason. A message without one was moved there by
//! the platform, after every delivery had ended without an answer.

use std::collections::BTreeMap;

use super::{Delivered, Platform, Queue, from_json, ledger, log, put_again};
use crate::error::{ErrorKind, TransferError};
use crate::message::{DeadLetter, Message};
use crate::route::UNROUTED;

/// The first wait for a ledger that does not answer, in seconds, and the longest.
const FIRST_DELAY: u32 = 30;
const LONGEST_DELAY: u32 = 3600;

/// After this many deliveries a message is sent to the queue again as a new one: half of what the queue allows.
const DELIVERIES: u32 = 50;

/// Puts a batch into quarantine. Each message is acknowledged once it is there.
pub async fn consume<M: Delivered>(platform: &impl Platform, messages: Vec<M>) {
    let mut routes: BTreeMap<String, Vec<(M, DeadLetter)>> = BTreeMap::new();
    for message in messages {
        let text = message.text();
        if let Ok(Message::Part(part)) = Message::read(text.as_bytes()) {
            // Its coordinator answers for the object, and sends the part again when it is overdue.
            log::part_given_up(platform, &part);
            message.acknowledge();
            continue;
        }
        let letter = from_json(&text).unwrap_or_else(|_| abandoned(platform, &text, &message));
        let route = letter.message["route"].as_str().unwrap_or(UNROUTED);
        let letters = routes.entry(route.to_owned()).or_default();
        letters.push((message, letter));
    }
    for (route, deliveries) in routes {
        let (messages, letters): (Vec<_>, Vec<_>) = deliveries.into_iter().unzip();
        match ledger::quarantine(platform, &route, letters.clone()).await {
            Ok(()) => {
                messages.iter().for_each(Delivered::acknowledge);
                for letter in &letters {
                    log::quarantined(platform, letter);
                }
            }
            Err(reason) => {
                log::ledger_silent(platform, &route, &reason);
                for message in messages {
                    wait(platform, &message).await;
                }
            }
        }
    }
}

/// Has `message` come again. Nothing catches what this queue gives up, so it is put there once more in time.
async fn wait(platform: &impl Platform, message: &impl Delivered) {
    let delay = FIRST_DELAY
        .saturating_mul(message.count())
        .min(LONGEST_DELAY);
    if message.count() >= DELIVERIES
        && put_again(platform, Queue::DeadLetters, message.text(), delay).await
    {
        return message.acknowledge();
    }
    message.again_after(delay);
}

/// The letter of a message that the platform gave up.
fn abandoned(platform: &impl Platform, text: &str, message: &impl Delivered) -> DeadLetter {
    let error = TransferError::new(
        ErrorKind::Abandoned,
        "The worker ended without an answer at every delivery of this message.",
        "Look for errors of the worker itself in its log, and replay it.",
    );
    DeadLetter::new(text, error, message.count(), platform.now()).of(message.id())
}
