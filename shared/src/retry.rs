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

/// The same where a store or a service refuses what a person probably has to mend: some 15 minutes, in which a
/// permission that was given arrives, and a mistake of the moment has passed.
pub const DELIVERIES_OF_REFUSED: u32 = 11;
/// And a large object whose upload is denied: a permission takes some minutes to arrive.
const DELIVERIES_OF_DENIED_UPLOADS: u32 = 4;
const AFTER_DENIED_UPLOAD: Duration = Duration::from_mins(7);

/// How often a walk tries that for one page: half a minute at most, because a person waits for what it says.
const PAGES_OF_REFUSED: u32 = 5;

/// Attempts at that within one delivery: whatever went before, one such answer is never the last word.
pub const ATTEMPTS_AT_REFUSED: u32 = 2;

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
    if attempt >= limits(error).0 {
        return None;
    }
    match error.retry_after {
        Some(asked) if asked > IN_HAND.longest => None,
        Some(asked) => Some(asked),
        None => Some(IN_HAND.wait(attempt, seed)),
    }
}

/// The attempts in hand that failed so far. Refusals are counted by themselves: the first of them is not
/// the last word either where other trouble came before.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    all: u32,
    refused: u32,
}

impl Attempts {
    /// Counts one that ended in `error`; gives the wait before the next, as [`in_hand`] does.
    pub(crate) fn wait(&mut self, error: &TransferError, seed: u64) -> Option<Duration> {
        self.all += 1;
        let mut attempt = self.all;
        if error.kind.is_doubtful() {
            self.refused += 1;
            attempt = self.refused;
        }
        in_hand(error, attempt, seed)
    }
}

/// What to do with a message whose delivery `delivery` (from 1) ended in `error`.
#[must_use]
pub fn after_delivery(error: &TransferError, delivery: u32, seed: u64) -> Disposition {
    if delivery >= limits(error).1 {
        return Disposition::Quarantine;
    }
    Disposition::RetryAfter(in_queue(error, delivery, seed))
}

/// What to do in a walk whose attempt `attempt` (from 1) at a page ended in `error`.
#[must_use]
pub fn after_page(error: &TransferError, attempt: u32, seed: u64) -> Disposition {
    if error.kind.is_doubtful() && attempt >= PAGES_OF_REFUSED {
        return Disposition::Quarantine;
    }
    after_delivery(error, attempt, seed)
}

/// `error` as the `delivery`th delivery (from 1) of a large object has it. To find out whether its upload is still denied
/// all of it has to be sent, so that is tried seldom and few times.
#[must_use]
pub(crate) fn of_large(mut error: TransferError, delivery: u32) -> TransferError {
    if error.kind == ErrorKind::DestinationDenied {
        error.is_final |= delivery >= DELIVERIES_OF_DENIED_UPLOADS;
        error.retry_after.get_or_insert(AFTER_DENIED_UPLOAD);
    }
    error
}

/// How often what failed with `error` is tried: in one delivery, and in how many deliveries.
fn limits(error: &TransferError) -> (u32, u32) {
    match error.kind {
        _ if error.is_final => (1, 1),
        ErrorKind::SourceChecksumMismatch | ErrorKind::ChecksumRefused => {
            (ATTEMPTS_IN_HAND, DELIVERIES_OF_DAMAGED)
        }
        kind if kind.is_transient() => (ATTEMPTS_IN_HAND, DELIVERIES),
        kind if kind.is_doubtful() => (ATTEMPTS_AT_REFUSED, DELIVERIES_OF_REFUSED),
        _ => (1, 1),
    }
}

/// Whether `code`, a store's or a service's own word for a refusal, says that what it refuses now it may
/// do later. Their lists are long, and each store has words of its own; these are what they have in
/// common
/// ([S3](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList),
/// [GCS](https://cloud.google.com/storage/docs/json_api/v1/status-codes)).
#[must_use]
pub(crate) fn passes(code: &str) -> bool {
    const WORDS: [&str; 18] = [
        "hrottl",
        "SlowDown",
        "imitExceeded",
        "uotaExceeded",
        "EXHAUSTED",
        "TooManyRequests",
        "Busy",
        "navailable",
        "UNAVAILABLE",
        "nternal",
        "INTERNAL",
        "backendError",
        "ommunicationError",
        "RequestTime",
        "RequestExpired",
        "DependencyTimeout",
        "Aborted",
        "ABORTED",
    ];
    WORDS.iter().any(|word| code.contains(word))
        || matches!(
            code,
            "TemporaryRedirect" | "ConditionalRequestConflict" | "conflict"
        )
}

/// The wait after attempt `attempt` (from 1) at something that nobody can replay: whatever the
/// `error`, it is tried for as long as a message is, and then (`None`) left to a person.
#[must_use]
pub fn unreplayable(error: &TransferError, attempt: u32, seed: u64) -> Option<Duration> {
    (attempt < DELIVERIES).then(|| in_queue(error, attempt, seed))
}

/// The wait after failure `attempt` (from 1) of something that goes on until it succeeds: up to 5 minutes.
#[must_use]
pub(crate) fn until_it_succeeds(attempt: u32, seed: u64) -> Duration {
    const WAITS: Backoff = Backoff {
        first: Duration::from_secs(1),
        factor: 2,
        longest: Duration::from_mins(5),
    };
    WAITS.wait(attempt, seed)
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
        let mut barred = error(ErrorKind::DestinationDenied, None);
        barred.is_final = true;
        let archived = error(ErrorKind::SourceArchived, None);
        for error in [barred, archived, error(ErrorKind::DestinationRefused, None)] {
            assert_eq!(in_hand(&error, 1, 7), None, "{error:?}");
            let then = after_delivery(&error, 1, 7);
            assert_eq!(then, Disposition::Quarantine, "{error:?}");
        }
    }

    #[test]
    fn one_refusal_is_never_the_last_word_and_some_of_them_are() {
        let denied = error(ErrorKind::SourceDenied, None);
        for delivery in 1..DELIVERIES_OF_REFUSED {
            let then = after_delivery(&denied, delivery, 7);
            assert!(matches!(then, Disposition::RetryAfter(_)), "{delivery}");
        }
        let last = after_delivery(&denied, DELIVERIES_OF_REFUSED, 7);
        assert_eq!(last, Disposition::Quarantine);
        let page = |attempt| after_page(&denied, attempt, 7);
        assert!(matches!(page(1), Disposition::RetryAfter(_)));
        assert_eq!(page(PAGES_OF_REFUSED), Disposition::Quarantine);
        // Also in a delivery that comes late because of something else.
        assert!(in_hand(&denied, 1, 7).is_some());
        assert_eq!(in_hand(&denied, ATTEMPTS_AT_REFUSED, 7), None);
    }

    #[test]
    fn what_is_refused_is_tried_for_a_quarter_of_an_hour() {
        let denied = error(ErrorKind::SourceDenied, None);
        let waits = |seed| {
            let each = (1..DELIVERIES_OF_REFUSED).map(|delivery| {
                match after_delivery(&denied, delivery, seed) {
                    Disposition::RetryAfter(wait) => wait.as_secs(),
                    Disposition::Quarantine => panic!("quarantined after {delivery}"),
                }
            });
            each.sum::<u64>()
        };
        let mean = (0..500).map(waits).sum::<u64>() / 500;
        assert!((12 * 60..20 * 60).contains(&mean), "{mean}");
    }

    #[test]
    fn a_refusal_after_other_trouble_is_the_first_one_all_the_same() {
        let (busy, denied) = (
            error(ErrorKind::SourceUnavailable, None),
            error(ErrorKind::SourceDenied, None),
        );
        let mut attempts = Attempts::default();
        assert!(attempts.wait(&busy, 7).is_some());
        assert!(attempts.wait(&busy, 7).is_some());
        assert!(attempts.wait(&denied, 7).is_some());
        assert_eq!(attempts.wait(&denied, 7), None);
        assert_eq!(attempts.wait(&busy, 7), None);
    }

    #[test]
    fn a_kind_is_one_that_passes_or_a_doubtful_one_and_never_both() {
        let kinds = [ErrorKind::SourceUnavailable, ErrorKind::SourceDenied];
        for kind in kinds {
            assert_ne!(kind.is_transient(), kind.is_doubtful(), "{kind}");
        }
    }

    #[test]
    fn the_words_of_stores_that_are_busy_are_told_from_the_others() {
        for code in [
            "SlowDown",
            "SlowDownRead",
            "ServiceUnavailable",
            "InternalError",
            "RequestTimeout",
            "RequestTimeTooSkewed",
            "OperationAborted",
            "ConditionalRequestConflict",
            "TemporaryRedirect",
            "ThrottlingException",
            "KMS.ThrottlingException",
            "KMS.KMSInternalException",
            "TooManyRequestsException",
            "quotaExceeded",
            "rateLimitExceeded",
            "userRateLimitExceeded",
            "dailyLimitExceeded",
            "dailyLimitExceededUnreg",
            "RESOURCE_EXHAUSTED",
            "conflict",
        ] {
            assert!(passes(code), "{code}");
        }
        for code in [
            "",
            "AccessDenied",
            "InvalidRequest",
            "KMS.DisabledException",
            "KMS.KMSInvalidStateException",
            "forbidden",
            "invalid",
            "accountDisabled",
            "orgPolicyConstraintFailed",
            "uploadTooLarge",
        ] {
            assert!(!passes(code), "{code}");
        }
    }

    #[test]
    fn a_large_object_is_sent_few_times_while_its_upload_is_denied() {
        let denied = |delivery| {
            let error = of_large(error(ErrorKind::DestinationDenied, None), delivery);
            after_delivery(&error, delivery, 1)
        };
        assert!(matches!(denied(1), Disposition::RetryAfter(wait) if wait >= AFTER_DENIED_UPLOAD));
        assert_eq!(denied(4), Disposition::Quarantine);
        let busy = of_large(error(ErrorKind::DestinationUnavailable, None), 9);
        assert_eq!((busy.is_final, busy.retry_after), (false, None));
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
