//! The queue of dead letters, consumed into the quarantine of each route's ledger, so that nothing
//! ends where no one looks.
//!
//! Most were put there by [`crate::settle`], with the reason. A message without one was moved there by
//! the platform, after every delivery had ended without an answer.

use std::collections::BTreeMap;

use causeway_shared::error::{ErrorKind, TransferError};
use causeway_shared::message::{DeadLetter, Message};
use worker::Env;

use crate::ledger::Handle;
use crate::outcome;
use crate::platform::{self, MessageBatch};

/// What the name of the queue ends with, by which its batches are told from others.
pub(crate) const QUEUE: &str = "dead-letters";

/// The ledger of what belongs to no route: it cannot be read. It also keeps the names of the others.
pub(crate) use causeway_shared::route::UNROUTED;

/// The longest wait for a ledger that does not answer, in seconds.
const LONGEST_DELAY: u32 = 3600;

/// Puts a batch into quarantine. Each message is acknowledged once it is there.
pub(crate) async fn consume(batch: &MessageBatch, env: &Env) {
    let mut routes: BTreeMap<String, Vec<(platform::Message, DeadLetter)>> = BTreeMap::new();
    for message in batch.list() {
        let text = message.text();
        if let Ok(Message::Part(part)) = Message::read(text.as_bytes()) {
            // Its coordinator answers for the object, and sends the part again when it is overdue.
            outcome::log_part_given_up(&part);
            message.acknowledge();
            continue;
        }
        let letter = platform::from_json(&text).unwrap_or_else(|_| abandoned(&text, &message));
        let route = letter.message["route"].as_str().unwrap_or(UNROUTED);
        let letters = routes.entry(route.to_owned()).or_default();
        letters.push((message, letter));
    }
    for (route, deliveries) in routes {
        let (messages, letters): (Vec<_>, Vec<_>) = deliveries.into_iter().unzip();
        // Its name first: what is there is then found, whatever becomes of the route.
        let put = async {
            if route != UNROUTED {
                Handle::register(env, &route).await?;
            }
            Handle::new(env, &route)?.quarantine(letters.clone()).await
        };
        match put.await {
            Ok(()) => {
                messages.iter().for_each(platform::Message::acknowledge);
                letters.iter().for_each(outcome::log_quarantined);
            }
            Err(reason) => {
                outcome::log_ledger_silent(&route, &reason);
                for message in messages {
                    message
                        .again_after(30_u32.saturating_mul(message.delivery()).min(LONGEST_DELAY));
                }
            }
        }
    }
}

/// The letter of a message that the platform gave up.
fn abandoned(text: &str, message: &platform::Message) -> DeadLetter {
    let error = TransferError::new(
        ErrorKind::Abandoned,
        "The worker ended without an answer at every delivery of this message.",
        "Look for errors of the worker itself in its log, and replay it.",
    );
    DeadLetter::new(text, error, message.delivery(), platform::now())
}
