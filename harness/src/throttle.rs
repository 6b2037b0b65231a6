//! How fast a connection moves bytes, and how long an answer takes, for stores that play slow or distant ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _, stream};
use tokio::time::{Instant, sleep_until};

/// Bytes are let through in pieces that take this long.
const BEAT: Duration = Duration::from_millis(10);
/// Who falls behind catches up with this much at most.
const CREDIT: Duration = Duration::from_millis(100);

/// Bytes a second for each connection; can be changed while connections are open. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Throttle(Arc<AtomicU64>);

impl Throttle {
    /// A limit in bytes a second; `None` or zero: no limit.
    #[must_use]
    pub fn new(limit: Option<u64>) -> Self {
        let throttle = Self::default();
        throttle.set(limit);
        throttle
    }

    /// Changes the limit, for what is under way as well.
    pub fn set(&self, limit: Option<u64>) {
        self.0.store(limit.unwrap_or(0), Ordering::Relaxed);
    }

    /// The limit in bytes a second.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// The pace of one connection.
    pub(crate) fn pace(&self) -> Pace {
        Pace {
            throttle: self.clone(),
            due: None,
        }
    }

    /// `body`, at the limit's pace and in pieces small enough that it flows evenly.
    pub(crate) fn slow<S, E>(
        &self,
        body: S,
    ) -> impl Stream<Item = Result<Bytes, E>> + Send + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Send,
    {
        let begin = (body, self.pace(), Bytes::new());
        stream::try_unfold(begin, |(mut body, mut pace, mut left)| async move {
            while left.is_empty() {
                match body.try_next().await? {
                    Some(next) => left = next,
                    None => return Ok(None),
                }
            }
            let piece = left.split_to(pace.piece().min(left.len()));
            pace.moved(piece.len()).await;
            Ok(Some((piece, (body, pace, left))))
        })
    }
}

/// How long a store waits before it does what a request asks for; can be changed at any time. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Delay(Arc<AtomicU64>);

impl Delay {
    /// Changes it, to whole microseconds.
    pub fn set(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.0.store(micros, Ordering::Relaxed);
    }

    /// Waits that long.
    pub(crate) async fn passes(&self) {
        let micros = self.0.load(Ordering::Relaxed);
        if micros > 0 {
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
    }
}

/// When the next bytes of one connection may move.
pub(crate) struct Pace {
    throttle: Throttle,
    due: Option<Instant>,
}

impl Pace {
    /// How many bytes to move in one go.
    fn piece(&self) -> usize {
        let beats = u64::try_from(1000 / BEAT.as_millis()).unwrap_or(1);
        self.throttle.limit().map_or(usize::MAX, |limit| {
            usize::try_from((limit / beats).max(1)).unwrap_or(usize::MAX)
        })
    }

    /// Waits as long as `bytes` take.
    pub(crate) async fn moved(&mut self, bytes: usize) {
        let Some(limit) = self.throttle.limit() else {
            self.due = None;
            return;
        };
        let now = Instant::now();
        let earliest = now.checked_sub(CREDIT).unwrap_or(now);
        let nanoseconds = bytes as u128 * 1_000_000_000 / u128::from(limit);
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let due = self.due.unwrap_or(now).max(earliest) + takes;
        self.due = Some(due);
        sleep_until(due).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_delay_can_be_changed_from_outside() {
        let delay = Delay::default();
        let begin = Instant::now();
        delay.passes().await;
        delay.clone().set(Duration::from_millis(30));
        delay.passes().await;
        assert!(begin.elapsed() >= Duration::from_millis(30));
    }

    #[tokio::test]
    async fn bytes_come_evenly_at_the_limit_and_at_once_without_one() {
        let throttle = Throttle::new(Some(2_000_000));
        let whole = Bytes::from(vec![7; 500_000]);
        let pieces = [whole.slice(..300_000), whole.slice(300_000..)].map(Ok::<_, ()>);
        let mut slow = std::pin::pin!(throttle.slow(stream::iter(pieces.clone())));
        let (begin, mut got) = (Instant::now(), 0);
        while let Some(piece) = slow.try_next().await.unwrap() {
            assert!(piece.len() <= 20_000, "{}", piece.len());
            got += piece.len() as u64;
            assert!(begin.elapsed() >= Duration::from_micros(got / 2), "{got}");
            if got == 400_000 {
                throttle.set(None);
                break;
            }
        }
        let rest: Vec<_> = slow.try_collect().await.unwrap();
        let lengths: Vec<_> = rest.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [100_000]);
    }
}
