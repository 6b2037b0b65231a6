//! What was got is kept for all until shortly before its end, and one at a time asks for the next.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::error::TransferError;

/// A credential is used until so many seconds before its end, so that it does not expire under way.
const MARGIN: i64 = 300;
/// And for so many at least, whatever the clocks say: nobody asks twice for one request.
const AT_LEAST: i64 = 5;
/// For so many seconds the others wait for whoever asks.
const PATIENCE: i64 = 15;

/// What is got anew now and then, for all that need it. One asks, the others wait for it: a token
/// service counts requests, and a batch begins two dozen transfers at once.
pub struct CachedCredential<T> {
    value: Mutex<Option<T>>,
    turns: Mutex<Turns>,
}

/// Who asks. Times are in seconds of Unix.
struct Turns {
    good_until: i64,
    /// Since when somebody asks.
    asked: Option<i64>,
    /// What came of the last asking, if that failed.
    failed: Option<TransferError>,
}

/// What to do for a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheState {
    /// Use what is kept.
    Use,
    /// Somebody asks for it: look again in a moment.
    Wait,
    /// Ask for it, and say with [`CachedCredential::keep`] or [`CachedCredential::fail`] what came of it.
    Ask,
}

impl<T: Clone> CachedCredential<T> {
    /// Nothing yet.
    #[must_use]
    pub fn none() -> Self {
        Self::new(None, i64::MIN)
    }

    /// What never ends.
    #[must_use]
    pub fn for_ever(value: T) -> Self {
        Self::new(Some(value), i64::MAX)
    }

    fn new(value: Option<T>, good_until: i64) -> Self {
        Self {
            value: Mutex::new(value),
            turns: Mutex::new(Turns {
                good_until,
                asked: None,
                failed: None,
            }),
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept, however near its end.
    #[must_use]
    pub fn value(&self) -> Option<T> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        value.clone()
    }

    /// Whether it is good at `now`.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        now.as_second() < self.turns().good_until
    }

    /// What to do at `now` for whoever has been waiting `since` then. Who was told to ask and never says
    /// what came of it holds the others up for 15 s.
    ///
    /// # Errors
    /// What whoever was waited for got instead of a credential.
    pub fn turn(
        &self,
        now: Timestamp,
        since: Option<Timestamp>,
    ) -> Result<CacheState, TransferError> {
        let since = since.map(Timestamp::as_second);
        self.turns().next(now.as_second(), since)
    }

    /// Keeps `value`, which was got at `now` and is good until `end`.
    pub fn keep(&self, value: T, end: Timestamp, now: Timestamp) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        let mut turns = self.turns();
        turns.asked = None;
        turns.good_until = (end.as_second() - MARGIN).max(now.as_second() + AT_LEAST);
    }

    /// There is none, because of `error`.
    pub fn fail(&self, error: TransferError) {
        let mut turns = self.turns();
        turns.asked = None;
        turns.failed = Some(error);
    }

    /// Has it got anew, because it was refused.
    pub fn forget(&self) {
        self.turns().good_until = i64::MIN;
    }
}

impl Turns {
    fn next(&mut self, now: i64, since: Option<i64>) -> Result<CacheState, TransferError> {
        if now < self.good_until {
            return Ok(CacheState::Use);
        }
        if since.is_some()
            && let Some(error) = &self.failed
        {
            return Err(error.clone());
        }
        let is_recent = |time: i64| (now - time).abs() < PATIENCE;
        if self.asked.is_some_and(is_recent) && since.is_none_or(is_recent) {
            return Ok(CacheState::Wait);
        }
        self.asked = Some(now);
        self.failed = None;
        Ok(CacheState::Ask)
    }
}

impl<T> fmt::Debug for CachedCredential<T> {
    /// Shows nothing of what is kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachedCredential")
    }
}
