//! How often a ledger is told something, and from when on it is too often: one Durable Object answers some
//! hundreds of calls a second.

use jiff::Timestamp;

/// Calls a second that one ledger answers by itself.
const CALLS: u32 = 50;

/// The calls of this second and of the last. Kept in memory only: a restart begins at 0.
#[derive(Debug, Default)]
pub struct Load {
    second: i64,
    calls: u32,
    before: u32,
}

impl Load {
    /// One call at `now`. Gives whether there are too many.
    pub fn call(&mut self, now: Timestamp) -> bool {
        let now = now.as_second();
        if now != self.second {
            self.before = if now == self.second + 1 {
                self.calls
            } else {
                0
            };
            (self.second, self.calls) = (now, 0);
        }
        self.calls = self.calls.saturating_add(1);
        self.calls.max(self.before) > CALLS
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::double_ended_iterator_last)]
    use super::*;

    #[test]
    fn fifty_calls_a_second_are_not_too_many_and_the_next_one_is() {
        let mut load = Load::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut calls = |second, count| (0..count).map(|_| load.call(at(second))).last();
        assert_eq!(calls(1, 50), Some(false));
        assert_eq!(calls(1, 1), Some(true));
        assert_eq!(calls(2, 1), Some(true));
        assert_eq!(calls(3, 1), Some(false));
        assert_eq!(calls(9, 51), Some(true));
        assert_eq!(calls(11, 1), Some(false));
        // A clock that goes back.
        assert_eq!(calls(1, 1), Some(false));
    }
}
