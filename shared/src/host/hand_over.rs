//! What does not end with its transfer: it is handed to the coordinator of its parts, or to another message.

use std::time::Duration;

use super::coordinator::{Answer, Handle};
use super::{Platform, Queue, gate, log, put_after};
use crate::error::{ErrorKind, TransferError};
use crate::message::{CarriedSession, HintMessage};
use crate::retry::DELIVERIES;
use crate::transfer::Ending;

/// How long after an isolate died GCS may still commit what it sent.
const LATE_UPLOAD: Duration = Duration::from_mins(15);

/// How many deliveries count of the message that carries `session` on: none if more of the object than ever was sent,
/// no more than before where the same session goes on, and this one, the `count`th, where a session was lost.
fn used(message: &HintMessage, session: &CarriedSession, count: u32) -> u32 {
    match &message.session {
        Some(before) if session.etag == before.etag && session.furthest <= before.furthest => {
            if session.uri == before.uri {
                message.returns
            } else {
                count
            }
        }
        _ => 0,
    }
}

/// Whether `session` would be carried on for ever: each is lost, and none comes further.
pub(super) fn is_in_vain(message: &HintMessage, session: &CarriedSession, count: u32) -> bool {
    used(message, session, count) >= DELIVERIES
}

/// That it would be.
pub(super) fn carried_in_vain(furthest: u64) -> TransferError {
    TransferError::new(
        ErrorKind::DestinationUnavailable,
        format!("GCS lost each upload of the object; none came further than {furthest} bytes."),
        "Look at the state of Google Cloud Storage, and replay the object.",
    )
}

/// Hands what does not end here to whoever goes on with it: the coordinator of its parts, or another message.
/// One that carries a session on counts the `count` deliveries on, if none of them came further; one that looks
/// again comes when nothing can be on its way any more. Whoever it is answers for the hint once this gives `true`.
pub(super) async fn hand_over(
    platform: &impl Platform,
    message: &HintMessage,
    ending: Ending,
    count: u32,
) -> Result<bool, String> {
    match ending {
        Ending::Settled(outcome) => {
            let again = HintMessage {
                returns: 0,
                ..message.clone()
            };
            put_after(platform, Queue::Hints, &again, LATE_UPLOAD).await?;
            log::looks_again(platform, message, &outcome, LATE_UPLOAD);
            Ok(true)
        }
        Ending::Parts(order) => {
            let name = order.coordinator();
            let line = log::in_parts(&order);
            if !gate::is_full(platform, &message.route) {
                match Handle::new(platform, &name).start(*order).await? {
                    Answer::Busy => return Ok(false),
                    Answer::Full => gate::note_full(platform, &message.route),
                    _ => {
                        log::info(platform, &line);
                        return Ok(true);
                    }
                }
            }
            let wait = gate::turn(platform, message);
            let again = HintMessage {
                returns: count.saturating_sub(1),
                ..message.clone()
            };
            put_after(platform, Queue::Hints, &again, wait).await?;
            log::held(platform, &message.route, 1, wait);
            Ok(true)
        }
        Ending::Carry { session, delay } => {
            let line = log::carried(message, &session);
            let next = HintMessage {
                returns: used(message, &session, count),
                session: Some(session),
                ..message.clone()
            };
            put_after(platform, Queue::Hints, &next, delay).await?;
            log::info(platform, &line);
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_session_that_goes_on_below_what_a_lost_one_had_is_not_in_vain() {
        let session = |uri: &str, furthest: u64| -> CarriedSession {
            let plan = json!({"slice": 1, "digest": null});
            let stored = crate::s3::StoredChecksums::default();
            let session = json!({"uri": uri, "etag": "e", "size": 9, "furthest": furthest, "plan": plan, "stored": stored});
            serde_json::from_value(session).unwrap()
        };
        let hint = json!({"bucket": "b", "key": "k", "event": "e"});
        let hint = json!({"route": "r", "hint": hint, "accepted_at": "2026-01-01T00:00:00Z"});
        let mut message: HintMessage = serde_json::from_value(hint).unwrap();
        assert_eq!(used(&message, &session("http://a", 5), 3), 0);
        message.session = Some(Box::new(session("http://a", 5)));
        message.returns = 2;
        assert_eq!(used(&message, &session("http://a", 6), 3), 0);
        assert_eq!(used(&message, &session("http://a", 5), 3), 2);
        assert_eq!(used(&message, &session("http://b", 5), 3), 3);
        assert!(is_in_vain(&message, &session("http://b", 5), DELIVERIES));
        assert!(!is_in_vain(&message, &session("http://a", 5), DELIVERIES));
    }
}
