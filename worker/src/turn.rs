//! What many requests of an isolate need at once is asked for by one of them: the others wait, and then
//! look at what came of it.
//!
//! Anybody can send what makes the worker ask for a key or a certificate. A request must not wait for
//! another's promise, so each looks again by itself.

use std::cell::RefCell;
use std::time::Duration;

use worker::Delay;

/// How often whoever waits looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long whoever asks is waited for, in milliseconds: the platform may have ended its request.
const PATIENCE: f64 = 15_000.0;

thread_local! {
    /// The URLs that are asked for, and since when.
    static ASKED: RefCell<Vec<(String, f64)>> = const { RefCell::new(Vec::new()) };
}

/// The right to ask for a URL, until it is dropped.
pub(crate) struct Turn(String, f64);

impl Turn {
    /// The turn to ask for `url`. None for who has waited for another's: what that one got is kept, or it
    /// got nothing.
    pub(crate) async fn take(url: &str) -> Option<Self> {
        if is_asked(url) {
            while is_asked(url) {
                Delay::from(LOOK_AGAIN).await;
            }
            return None;
        }
        let now = js_sys::Date::now();
        ASKED.with_borrow_mut(|asked| asked.push((url.to_owned(), now)));
        Some(Self(url.to_owned(), now))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        ASKED.with_borrow_mut(|asked| {
            asked.retain(|(url, since)| *url != self.0 || since.total_cmp(&self.1).is_ne());
        });
    }
}

/// Whether `url` is asked for now.
fn is_asked(url: &str) -> bool {
    let now = js_sys::Date::now();
    ASKED.with_borrow_mut(|asked| {
        asked.retain(|(_, since)| now - since < PATIENCE);
        asked.iter().any(|(asked, _)| asked == url)
    })
}
