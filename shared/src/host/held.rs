//! What an object has in memory of what it stores.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::time::Duration;

use serde_json::json;

use super::{Platform, Storage, log};

/// What can be read from an object's storage.
pub(super) trait Stored: Sized {
    /// Reads it; what it is at first, where nothing is stored.
    ///
    /// # Errors
    /// The platform's words, or why it cannot be read.
    async fn read(storage: &impl Storage) -> Result<Self, String>;
}

/// An object's state in memory. It is read from storage at first use, and again after a failure; a default never
/// takes the place of stored state.
#[derive(Debug)]
pub(super) struct Held<T> {
    state: RefCell<Option<T>>,
    /// How many alarms failed in a row.
    failures: Cell<u32>,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self {
            state: RefCell::new(None),
            failures: Cell::new(0),
        }
    }
}

impl<T: Stored> Held<T> {
    /// Reads it, unless it is there. Gives whether it was read.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) async fn load(&self, storage: &impl Storage) -> Result<bool, String> {
        let is_there = self.state.borrow().is_some();
        if !is_there {
            let stored = T::read(storage).await?;
            // Another request may have read it meanwhile, and changed it.
            self.state.borrow_mut().get_or_insert(stored);
        }
        Ok(!is_there)
    }

    /// Runs `act` on the loaded state. Nothing else changes it meanwhile.
    ///
    /// # Errors
    /// If another request failed since it was loaded, and dropped it.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> Result<R, String> {
        let mut held = self.state.borrow_mut();
        held.as_mut().map(act).ok_or_else(|| DROPPED.to_owned())
    }

    /// Loads the state and runs `act`. If that fails, drops the state, which may hold changes that were not stored.
    ///
    /// # Errors
    /// Those of [`Held::load`] and of `act`.
    pub(super) async fn attempt<R>(
        &self,
        storage: &impl Storage,
        act: impl Future<Output = Result<R, String>>,
    ) -> Result<R, String> {
        self.load(storage).await?;
        let done = act.await;
        if done.is_err() {
            self.state.replace(None);
        }
        done
    }

    /// Ends an alarm. If its work failed, logs that as `event` and sets another alarm.
    ///
    /// # Errors
    /// The platform's error if even that alarm cannot be set.
    pub(super) async fn end_alarm(
        &self,
        platform: &impl Platform,
        storage: &impl Storage,
        event: &str,
        worked: Result<(), String>,
    ) -> Result<(), String> {
        let Err(message) = worked else {
            self.failures.set(0);
            return Ok(());
        };
        let failures = self.failures.get();
        self.failures.set(failures.saturating_add(1));
        log::trouble(platform, &json!({"event": event, "message": message}));
        storage.set_alarm(Some(pause(failures))).await
    }
}

const DROPPED: &str = "another request failed; the object's state has to be read again";

/// How long an object waits after its alarm failed, when `failures` had failed before: 15 s to 16 min.
fn pause(failures: u32) -> Duration {
    Duration::from_secs(15 << failures.min(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_goes_on_failing_is_tried_less_and_less_often() {
        let waits = [0, 1, 5, 6, 7, u32::MAX].map(|failures| pause(failures).as_secs());
        assert_eq!(waits, [15, 30, 480, 960, 960, 960]);
    }
}
