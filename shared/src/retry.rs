//! When to try again: one pure function of what failed, how often, and a seed.
//!
//! Waits are drawn with full jitter
//! ([Retry strategy](https://cloud.google.com/storage/docs/retry-strategy),
//! [Exponential backoff and jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)).
//! Every request that Causeway repeats is idempotent: reads, and writes under a precondition or
//! to a session whose offset is asked first. That is why idempotency is no parameter here.

use std::time::Duration;

use jiff::SignedDuration;

use crate::error::{ErrorKind, TransferError};

/// Attempts within one delivery of a message, before it goes back to the queue.
pub const ATTEMPTS_IN_HAND: u32 = 3;

/// Deliveries of a message before it is quarantined: with the delays below, some five hours.
pub const DELIVERIES: u32 = 30;

/// The same where the bytes are not the checksum's: each look costs the whole object, and what is
/// damaged stays so.
pub const DELIVERIES_OF_DAMAGED: u32 = 3;

/// After this long in hand nothing is begun once more: a consumer has 15 minutes, and one upload may
/// take six of them.
pub const AGAIN_WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// Where a failure leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Try again after this long.
    RetryAfter(Duration),
    /// Keep it with its reason until somebody acts.
    Quarantine,
}

/// Short waits for short troubles, while the message is in hand: up to 0.2 s, then 0.8 s.
const IN_HAND: Backoff = Backoff {
    first: Duration::from_millis(200),
    factor: 4,
    longest: Duration::from_secs(5),
};

/// Waits in the queue: up to 2 s, 4 s, 8 s … 30 min.
const IN_QUEUE: Backoff = Backoff {
    first: Duration::from_secs(2),
    factor: 2,
    longest: Duration::from_mins(30),
};

/// The longest delay that the queue takes.
const LONGEST_DELAY: Duration = Duration::from_hours(24);

/// What to do in the middle of a transfer whose attempt `attempt` (from 1) failed: wait and start
/// over, or (`None`) end it with the error, for [`after_delivery`] to judge.
#[must_use]
pub fn in_hand(error: &TransferError, attempt: u32, seed: u64) -> Option<Duration> {
    if !error.kind.is_transient() || attempt >= ATTEMPTS_IN_HAND {
        return None;
    }
    match error.retry_after {
        Some(asked) if asked > IN_HAND.longest => None,
        Some(asked) => Some(asked),
        None => Some(IN_HAND.wait(attempt, seed)),
    }
}

/// What to do with a message whose delivery `delivery` (from 1) ended in `error`.
#[must_use]
pub fn after_delivery(error: &TransferError, delivery: u32, seed: u64) -> Disposition {
    let deliveries = match error.kind {
        ErrorKind::SourceChecksumMismatch | ErrorKind::ChecksumRefused => DELIVERIES_OF_DAMAGED,
        _ => DELIVERIES,
    };
    if !error.kind.is_transient() || delivery >= deliveries {
        return Disposition::Quarantine;
    }
    Disposition::RetryAfter(in_queue(error, delivery, seed))
}

/// The wait after attempt `attempt` (from 1) at something that nobody can replay: whatever the
/// `error`, it is tried for as long as a message is, and then (`None`) left to a person.
#[must_use]
pub fn unreplayable(error: &TransferError, attempt: u32, seed: u64) -> Option<Duration> {
    (attempt < DELIVERIES).then(|| in_queue(error, attempt, seed))
}

fn in_queue(error: &TransferError, delivery: u32, seed: u64) -> Duration {
    let asked = error.retry_after.unwrap_or_default();
    let wait = IN_QUEUE.wait(delivery, seed);
    wait.max(asked).min(LONGEST_DELAY)
}

struct Backoff {
    first: Duration,
    factor: u32,
    longest: Duration,
}

impl Backoff {
    fn wait(&self, attempt: u32, seed: u64) -> Duration {
        let ceiling = self
            .factor
            .checked_pow(attempt.saturating_sub(1))
            .and_then(|factor| self.first.checked_mul(factor))
            .map_or(self.longest, |wait| wait.min(self.longest));
        let ceiling = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        let draw = mix(seed ^ u64::from(attempt)) % ceiling.saturating_add(1);
        Duration::from_millis(draw)
    }
}

/// SplitMix64's finaliser: spreads seeds that differ in a few bits over all 64.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind, retry_after: Option<u64>) -> TransferError {
        TransferError {
            retry_after: retry_after.map(Duration::from_secs),
            ..TransferError::new(kind, "", "")
        }
    }

    #[test]
    fn what_nobody_can_mend_by_waiting_is_quarantined_at_once() {
        let denied = error(ErrorKind::SourceDenied, None);
        assert_eq!(in_hand(&denied, 1, 7), None);
        assert_eq!(after_delivery(&denied, 1, 7), Disposition::Quarantine);
    }

    #[test]
    fn waits_are_jittered_under_a_growing_ceiling() {
        let busy = error(ErrorKind::DestinationUnavailable, None);
        let ceiling = |attempt: u32| {
            (0..500)
                .filter_map(|seed| in_hand(&busy, attempt, seed))
                .max()
                .unwrap_or_default()
        };
        assert!(
            ceiling(1) <= Duration::from_millis(200) && ceiling(1) > Duration::from_millis(150)
        );
        assert!(
            ceiling(2) <= Duration::from_millis(800) && ceiling(2) > Duration::from_millis(600)
        );
        assert_eq!(in_hand(&busy, ATTEMPTS_IN_HAND, 7), None);
    }

    #[test]
    fn the_queue_waits_longer_each_time_and_then_gives_up() {
        let busy = error(ErrorKind::SourceUnavailable, None);
        for delivery in 1..DELIVERIES {
            let Disposition::RetryAfter(wait) = after_delivery(&busy, delivery, 3) else {
                panic!("quarantined after {delivery}")
            };
            assert!(wait <= Duration::from_secs(2 << (delivery - 1)).min(IN_QUEUE.longest));
        }
        assert_eq!(
            after_delivery(&busy, DELIVERIES, 3),
            Disposition::Quarantine
        );
        assert_eq!(after_delivery(&busy, u32::MAX, 3), Disposition::Quarantine);
    }

    #[test]
    fn bytes_that_stay_damaged_are_not_read_thirty_times() {
        for kind in [
            ErrorKind::SourceChecksumMismatch,
            ErrorKind::ChecksumRefused,
        ] {
            let damaged = error(kind, None);
            assert!(in_hand(&damaged, 1, 7).is_some());
            let after = |delivery| after_delivery(&damaged, delivery, 7);
            assert!(matches!(after(1), Disposition::RetryAfter(_)));
            assert_eq!(after(DELIVERIES_OF_DAMAGED), Disposition::Quarantine);
        }
    }

    #[test]
    fn retry_after_is_honoured_here_when_short_and_in_the_queue_when_long() {
        let short = error(ErrorKind::DestinationUnavailable, Some(2));
        assert_eq!(in_hand(&short, 1, 0), Some(Duration::from_secs(2)));
        let long = error(ErrorKind::DestinationUnavailable, Some(90));
        assert_eq!(in_hand(&long, 1, 0), None);
        assert_eq!(
            after_delivery(&long, 1, 0),
            Disposition::RetryAfter(Duration::from_secs(90))
        );
        let absurd = error(ErrorKind::DestinationUnavailable, Some(1 << 40));
        assert_eq!(
            after_delivery(&absurd, 1, 0),
            Disposition::RetryAfter(LONGEST_DELAY)
        );
    }
}
