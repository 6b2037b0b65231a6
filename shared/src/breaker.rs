//! The breaker of a route: while a store refuses everything because of how the route is configured, its hints wait
//! in the queue, and one at a time finds out whether that has been mended.
//!
//! A key that was refused proves little, [`IN_A_ROW`] of them without one that was copied in between prove that
//! waiting for each by itself helps nobody. Pure: the route's ledger keeps a [`Breaker`], and asks it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, TransferError, cut};
use crate::time::later;

/// How many keys have to be refused for one reason, with no success in between, before it opens.
pub const IN_A_ROW: usize = 10;

/// The longest key that is kept, in bytes: what two keys share so far is one to the count.
const KEY_BYTES: usize = 256;

/// How long hints wait for the next attempt at least, in seconds: it is a quarter of how long it has been open, so
/// that a route that was held for an hour goes on within half of one.
const SHORTEST: i64 = 30;
/// And at most.
pub const LONGEST: i64 = 15 * 60;

/// How long the next attempt waits for the result of the last, in seconds: its isolate may have died.
const ATTEMPT: i64 = 120;

/// What is kept of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Breaker {
    /// Keys that were refused one after another, for the reason of the last.
    keys: Vec<String>,
    /// The last refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<TransferError>,
    /// Since when it is open.
    #[serde(deserialize_with = "crate::time::read_option")]
    since: Option<Timestamp>,
    /// When one may try next, while it is open.
    #[serde(deserialize_with = "crate::time::read_option")]
    next: Option<Timestamp>,
}

/// What a hint of the route may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passage {
    /// It is carried out.
    Free,
    /// It is carried out, for all that wait.
    Attempt,
    /// It waits at least this many seconds.
    Held(u32),
}

/// Whether `error` may be of the route's configuration and not of the one key.
#[must_use]
pub fn counts(error: &TransferError) -> bool {
    !error.is_final
        && matches!(
            error.kind,
            ErrorKind::SourceDenied
                | ErrorKind::SourceCredentialRefused
                | ErrorKind::SourceBucketMissing
                | ErrorKind::DestinationDenied
                | ErrorKind::DestinationCredentialRefused
                | ErrorKind::DestinationBucketMissing
                | ErrorKind::TableMissing
        )
}

impl Breaker {
    /// `key` was refused with an error that [`counts`]. Gives whether that opens it.
    pub fn refused(&mut self, key: &str, mut error: TransferError, now: Timestamp) -> bool {
        error.bound();
        if let Some(since) = self.since {
            self.next = Some(later(now, pause(since, now)));
            self.refusal = Some(error);
            return false;
        }
        if self
            .refusal
            .as_ref()
            .is_some_and(|last| last.kind != error.kind)
        {
            self.keys.clear();
        }
        self.refusal = Some(error);
        let mut key = key.to_owned();
        cut(&mut key, KEY_BYTES);
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
        if self.keys.len() < IN_A_ROW {
            return false;
        }
        self.keys.clear();
        (self.since, self.next) = (Some(now), Some(later(now, pause(now, now))));
        true
    }

    /// A key was copied, or deleted: both stores let it. Gives whether that closes it.
    pub fn passed(&mut self) -> bool {
        std::mem::take(self).since.is_some()
    }

    /// A hint ended well, which does not prove that both stores let one be copied: if it was an attempt, another may
    /// follow at once.
    pub fn settled(&mut self, now: Timestamp) {
        self.next = self.next.map(|_| now);
    }

    /// What a hint may do at `now`. An attempt is given to one.
    pub fn ask(&mut self, now: Timestamp) -> Passage {
        let Some(next) = self.next else {
            return Passage::Free;
        };
        let wait = next.as_second() - now.as_second();
        if wait > 0 {
            // A clock that was ahead holds nothing for longer than the pause.
            let wait = wait.min(LONGEST);
            return Passage::Held(u32::try_from(wait).unwrap_or(u32::MAX));
        }
        self.next = Some(later(now, seconds(ATTEMPT)));
        Passage::Attempt
    }

    /// Since when it is open, when one may try next, and what was refused last; nothing while it is closed.
    #[must_use]
    pub fn shown(&self) -> Option<(Timestamp, Timestamp, &TransferError)> {
        Some((self.since?, self.next?, self.refusal.as_ref()?))
    }
}

fn pause(since: Timestamp, now: Timestamp) -> Duration {
    let open = now.as_second() - since.as_second();
    seconds((open / 4).clamp(SHORTEST, LONGEST))
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn denied() -> TransferError {
        TransferError::new(ErrorKind::SourceDenied, "no", "ask")
    }

    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for key in 0..IN_A_ROW {
            let opens = breaker.refused(&key.to_string(), denied(), at(0));
            assert_eq!(opens, key + 1 == IN_A_ROW);
        }
        breaker
    }

    #[test]
    fn it_opens_after_so_many_keys_in_a_row_and_not_after_one_that_is_refused_as_often() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            assert!(!breaker.refused("k", denied(), at(0)));
        }
        for key in 0..100 {
            assert!(!breaker.refused(&key.to_string(), denied(), at(0)));
            assert!(!breaker.passed());
        }
        let other = TransferError::new(ErrorKind::DestinationDenied, "no", "ask");
        for key in 0..IN_A_ROW {
            let error = if key % 2 == 0 {
                denied()
            } else {
                other.clone()
            };
            assert!(!breaker.refused(&key.to_string(), error, at(0)));
        }
        assert_eq!(breaker.ask(at(0)), Passage::Free);
        assert_eq!(open().ask(at(0)), Passage::Held(30));
    }

    #[test]
    fn one_at_a_time_finds_out_and_the_pause_grows_with_the_outage() {
        let mut breaker = open();
        assert_eq!(breaker.ask(at(30)), Passage::Attempt);
        assert_eq!(breaker.ask(at(30)), Passage::Held(120));
        breaker.refused("x", denied(), at(40));
        assert_eq!(breaker.ask(at(41)), Passage::Held(29));
        assert_eq!(breaker.ask(at(1000)), Passage::Attempt);
        breaker.refused("x", denied(), at(1000));
        assert_eq!(breaker.ask(at(1000)), Passage::Held(250));
        breaker.refused("x", denied(), at(100_000));
        assert_eq!(breaker.ask(at(100_000)), Passage::Held(900));
        // A clock that goes wrong.
        assert_eq!(breaker.ask(at(0)), Passage::Held(900));
        assert!(breaker.passed());
        assert_eq!(breaker.ask(at(0)), Passage::Free);
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn an_attempt_that_proves_nothing_is_followed_by_another() {
        let mut breaker = open();
        assert_eq!(breaker.ask(at(30)), Passage::Attempt);
        breaker.settled(at(31));
        assert_eq!(breaker.ask(at(31)), Passage::Attempt);
        assert!(matches!(breaker.ask(at(31)), Passage::Held(_)));
        let mut closed = Breaker::default();
        closed.settled(at(1));
        assert_eq!(closed.ask(at(1)), Passage::Free);
    }

    #[test]
    fn what_is_of_one_key_does_not_count() {
        assert!(counts(&denied()));
        let mut barred = denied();
        barred.is_final = true;
        assert!(!counts(&barred));
        let busy = TransferError::new(ErrorKind::SourceUnavailable, "", "");
        assert!(!counts(&busy));
    }

    #[test]
    fn it_is_bounded_and_read_again() {
        let mut breaker = Breaker::default();
        for key in 0..IN_A_ROW - 1 {
            let page = "<html>".repeat(10_000);
            let error = TransferError::new(ErrorKind::SourceDenied, page.clone(), page);
            breaker.refused(&format!("{key}{}", "k".repeat(100_000)), error, at(0));
        }
        let text = serde_json::to_string(&breaker).unwrap();
        assert!(text.len() < 20_000, "{}", text.len());
        assert_eq!(serde_json::from_str::<Breaker>(&text).unwrap(), breaker);
        let open = open();
        let text = serde_json::to_string(&open).unwrap();
        assert_eq!(serde_json::from_str::<Breaker>(&text).unwrap(), open);
    }
}
