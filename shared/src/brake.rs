//! The brake on deletes: how many may be carried over within a while before a person has to say that
//! they are meant.
//!
//! A bucket that is emptied by mistake, or a lifecycle rule that is wrong by a year, looks like any
//! other row of deletes, one at a time. Pure: whoever keeps the [`BrakeState`] of a route asks it
//! before each delete, and stores it after.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Into how many slots a window is cut: as many counts are kept, however many deletes there are.
const SLOTS: u32 = 60;

/// At most this fraction of the remaining deletes, one in 8, is granted at once.
const SHARE: u32 = 8;

/// However small the bucket: so many deletes are no flood. Only of a share; a number is meant.
pub const ALWAYS: u64 = 10;

/// How many deletes a route allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brake {
    /// So many within the window; 0 asks a person each time.
    pub deletes: u32,
    /// And so many of 100 of the bucket's objects, but never less than [`ALWAYS`].
    pub percent: u32,
    /// The window, in seconds.
    pub window: u32,
}

/// Whether a delete may be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletePermit {
    /// It may, and is counted.
    Granted,
    /// It may not.
    Braked {
        /// How many there were within the window.
        deletes: u64,
        /// How many are allowed.
        limit: u64,
    },
}

/// What was granted lately: counts by the second in which their slot began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrakeState(BTreeMap<i64, u32>);

impl Brake {
    /// How many deletes are allowed within the window, in a bucket of so many `objects`. Without
    /// their number the share is not asked.
    #[must_use]
    pub fn limit(&self, objects: Option<u64>) -> u64 {
        let share = objects.map_or(u64::MAX, |objects| {
            let share = u128::from(objects) * u128::from(self.percent) / 100;
            u64::try_from(share).unwrap_or(u64::MAX).max(ALWAYS)
        });
        share.min(self.deletes.into())
    }

    /// A slot's length in seconds.
    fn slot(&self) -> i64 {
        self.window.div_ceil(SLOTS).max(1).into()
    }
}

impl BrakeState {
    /// Asks for up to `count` deletes at `now`, in a bucket that had `objects` objects at the last count. Gives
    /// how many are granted, and the answer to the first. Granted deletes count for the window, and up to a slot
    /// longer; others do not count.
    pub fn ask(
        &mut self,
        brake: &Brake,
        objects: Option<u64>,
        now: Timestamp,
        count: u32,
    ) -> (u32, DeletePermit) {
        let (deletes, limit) = (self.deletes(brake, now), brake.limit(objects));
        let left = u32::try_from(limit.saturating_sub(deletes)).unwrap_or(u32::MAX);
        // An isolate may not use all that it is granted: some must be left for the others.
        let granted = count.min((left / SHARE).max(1)).min(left);
        if granted == 0 {
            return (0, DeletePermit::Braked { deletes, limit });
        }
        let slot = brake.slot();
        let begins = now.as_second().div_euclid(slot) * slot;
        *self.0.entry(begins).or_default() += granted;
        (granted, DeletePermit::Granted)
    }

    /// `count` granted deletes were not made: the last ones no longer count.
    pub fn returned(&mut self, mut count: u32) {
        for granted in self.0.values_mut().rev() {
            let less = count.min(*granted);
            *granted -= less;
            count -= less;
        }
        self.0.retain(|_, granted| *granted > 0);
    }

    /// How many deletes count at `now`; older ones are forgotten. So are those of a clock that was
    /// ahead by more than a window.
    pub fn deletes(&mut self, brake: &Brake, now: Timestamp) -> u64 {
        let (now, window) = (now.as_second(), i64::from(brake.window));
        let (oldest, latest) = (now - window - brake.slot(), now + window);
        self.0
            .retain(|begins, _| (oldest + 1..=latest).contains(begins));
        self.0.values().map(|&count| u64::from(count)).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BRAKE: Brake = Brake {
        deletes: 3,
        percent: 20,
        window: 600,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn after_as_many_as_are_allowed_nothing_goes_until_they_are_out_of_the_window() {
        let mut state = BrakeState::default();
        for second in [0, 100, 599] {
            assert_eq!(
                state.ask(&BRAKE, None, at(second), 1).1,
                DeletePermit::Granted
            );
        }
        let braked = DeletePermit::Braked {
            deletes: 3,
            limit: 3,
        };
        assert_eq!(state.ask(&BRAKE, None, at(600), 1).1, braked);
        // What was refused does not count: the first one's slot ends, and one more may go.
        assert_eq!(state.ask(&BRAKE, None, at(610), 1).1, DeletePermit::Granted);
        assert_eq!(state.ask(&BRAKE, None, at(611), 1).1, braked);
    }

    #[test]
    fn a_share_is_asked_where_the_number_of_objects_is_known_and_a_handful_always_goes() {
        let brake = Brake {
            deletes: 1000,
            ..BRAKE
        };
        let limits = [None, Some(0), Some(50), Some(500), Some(u64::MAX)];
        assert_eq!(
            limits.map(|objects| brake.limit(objects)),
            [1000, 10, 10, 100, 1000]
        );
        // A number that is smaller still is meant.
        assert_eq!(BRAKE.limit(Some(500)), 3);
        let none = Brake {
            deletes: 0,
            ..BRAKE
        };
        let mut state = BrakeState::default();
        let braked = DeletePermit::Braked {
            deletes: 0,
            limit: 0,
        };
        assert_eq!(state.ask(&none, None, at(0), 1).1, braked);
    }

    #[test]
    fn several_are_granted_at_once_while_many_are_left_and_what_is_returned_does_not_count() {
        let brake = Brake {
            deletes: 24,
            ..BRAKE
        };
        let mut state = BrakeState::default();
        let granted: Vec<_> = (0..25)
            .map(|_| state.ask(&brake, None, at(0), 2))
            .take_while(|(granted, _)| *granted > 0)
            .map(|(granted, _)| granted)
            .collect();
        assert_eq!(granted.iter().sum::<u32>(), 24);
        assert_eq!((granted[0], granted.last()), (2, Some(&1)));
        state.ask(&brake, None, at(20), 2);
        assert_eq!(state.deletes(&brake, at(20)), 24);
        state.returned(3);
        assert_eq!(state.deletes(&brake, at(20)), 21);
        assert_eq!(state.ask(&brake, None, at(20), 9).0, 1);
        state.returned(100);
        assert_eq!(state.deletes(&brake, at(20)), 0);
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let mut state = BrakeState::default();
        for _ in 0..2 {
            state.ask(&BRAKE, None, at(9), 1);
        }
        let text = serde_json::to_string(&state).unwrap();
        let mut read: BrakeState = serde_json::from_str(&text).unwrap();
        assert_eq!(read.deletes(&BRAKE, at(10)), 2);
        assert_eq!(read, state);
    }
}
