//! What an object has in memory of what it stores.

use std::cell::RefCell;

use super::Storage;

/// What can be read from an object's storage.
pub(super) trait Stored: Sized {
    /// Reads it; what it is at first, where nothing is stored.
    ///
    /// # Errors
    /// The platform's words, or why it cannot be read.
    async fn read(storage: &impl Storage) -> Result<Self, String>;
}

/// An object's state, read once, and again after it was dropped: what is stored is the truth, and nothing else is
/// ever taken for it.
#[derive(Debug)]
pub(super) struct Held<T>(RefCell<Option<T>>);

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self(RefCell::new(None))
    }
}

impl<T: Stored> Held<T> {
    /// Reads it, unless it is there.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) async fn load(&self, storage: &impl Storage) -> Result<(), String> {
        if self.0.borrow().is_none() {
            let stored = T::read(storage).await?;
            // Another request may have read it meanwhile, and changed it.
            self.0.borrow_mut().get_or_insert(stored);
        }
        Ok(())
    }

    /// What `act` gives of it, once it was read. Between its beginning and its end nothing else happens to it.
    ///
    /// # Errors
    /// Where another request failed since then, and dropped it.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> Result<R, String> {
        let mut held = self.0.borrow_mut();
        held.as_mut().map(act).ok_or_else(|| DROPPED.to_owned())
    }

    /// Drops it: something of it may not have been stored.
    pub(super) fn forget(&self) {
        self.0.replace(None);
    }
}

/// What whoever asked is told, who asks again.
const DROPPED: &str = "another request failed, and what it may have changed is read anew";
