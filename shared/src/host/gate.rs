//! Whether a route's hints are carried out or wait: its ledger keeps the breaker, and an isolate remembers what it
//! said.

use std::time::Duration;

use jiff::Timestamp;

use super::ledger::{self, Report};
use super::{Platform, from_json, log, seed};
use crate::breaker::{self, LONGEST, Passage};
use crate::error::TransferError;
use crate::message::HintMessage;
use crate::time::later;

/// How long the other hints of an isolate wait while one asks the ledger.
const ASKING: Duration = Duration::from_secs(5);

/// How long an isolate that heard that a route has as many runs as it may does not ask again.
const FULL: Duration = Duration::from_secs(2);

/// How long a large object waits for its turn at least, and at most, in seconds: it is a quarter of how long it has
/// waited.
const SHORTEST_TURN: i64 = 30;
const LONGEST_TURN: i64 = 5 * 60;

/// Whether `route` had as many runs of large objects as it may a moment ago.
pub(super) fn is_full(platform: &impl Platform, route: &str) -> bool {
    let until = platform.isolate().of(route).full_until;
    until.is_some_and(|until| wait_until(until, platform.now()).is_some())
}

/// Remembers that the ledger of `route` has just said so.
pub(super) fn note_full(platform: &impl Platform, route: &str) {
    let until = later(platform.now(), FULL);
    platform.isolate().of(route).full_until = Some(until);
}

/// How long `message` then waits for its turn.
pub(super) fn turn(platform: &impl Platform, message: &HintMessage) -> Duration {
    let waited = platform.now().as_second() - message.accepted_at.as_second();
    let wait = (waited / 4).clamp(SHORTEST_TURN, LONGEST_TURN);
    spread(platform, Duration::from_secs(wait.unsigned_abs()))
}

/// How long `message` has to wait before it is carried out; nothing if it need not. The ledger is asked only where
/// the breaker was open when the isolate, or the message, last heard of it.
pub(super) async fn wait(platform: &impl Platform, message: &HintMessage) -> Option<Duration> {
    let (isolate, route) = (platform.isolate(), &message.route);
    let held_until = isolate.of(route).held_until;
    if held_until.is_none() && !message.held {
        return None;
    }
    let held = |until| wait_until(until, platform.now());
    if let Some(wait) = held_until.and_then(held) {
        return Some(spread(platform, wait));
    }
    remember(platform, route, Some(ASKING));
    let told = ledger::tell(platform, route, &Report::Passage).await;
    let passage = told.and_then(|answer| from_json(&answer));
    heed(platform, route, &passage)
}

/// Tells the ledger that `message` was refused, if that may be the route's and not the key's.
pub(super) async fn refused(
    platform: &impl Platform,
    message: &HintMessage,
    error: &TransferError,
) {
    if !breaker::counts(error) {
        return;
    }
    let (route, key) = (&message.route, message.hint.key.clone());
    let report = Report::Refused(key, error.clone());
    let told = ledger::tell(platform, route, &report).await;
    let judged: Result<(bool, Passage), String> = told.and_then(|answer| from_json(&answer));
    if matches!(judged, Ok((true, _))) {
        log::breaker_opens(platform, route, error);
    }
    heed(platform, route, &judged.map(|(_, passage)| passage));
}

/// Remembers what the ledger said; gives how long to wait. Where it gave no answer nothing waits: transfers do not
/// need it.
fn heed(
    platform: &impl Platform,
    route: &str,
    passage: &Result<Passage, String>,
) -> Option<Duration> {
    match passage {
        Ok(Passage::Held(seconds)) => {
            let wait = Duration::from_secs((*seconds).into());
            remember(platform, route, Some(wait));
            Some(spread(platform, wait))
        }
        Ok(Passage::Attempt) => None,
        Ok(Passage::Free) => {
            remember(platform, route, None);
            None
        }
        Err(reason) => {
            log::ledger_silent(platform, route, reason);
            remember(platform, route, None);
            None
        }
    }
}

fn remember(platform: &impl Platform, route: &str, wait: Option<Duration>) {
    let until = wait.map(|wait| later(platform.now(), wait));
    platform.isolate().of(route).held_until = until;
}

/// How long it is until `until`; nothing where that is over, or no breaker can have said it: the clock was wrong.
fn wait_until(until: Timestamp, now: Timestamp) -> Option<Duration> {
    let seconds = until.as_second() - now.as_second();
    let wait = (1..=LONGEST).contains(&seconds).then_some(seconds)?;
    Some(Duration::from_secs(wait.unsigned_abs()))
}

/// `wait` and up to as much again, so that not all that waits comes at once.
fn spread(platform: &impl Platform, wait: Duration) -> Duration {
    let seconds = wait.as_secs().max(1);
    Duration::from_secs(seconds + seed(platform) % (seconds + 1))
}
