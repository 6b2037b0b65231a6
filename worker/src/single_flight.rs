//! Single flight: of many requests of an isolate that need the same answer at once, one asks for it. The
//! others wait, and then look at what came of it.
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

/// A request for a URL that is under way, until this is dropped.
pub(crate) struct SingleFlight(String, f64);

impl SingleFlight {
    /// Begins to ask for `url`. None, once another's request for it has ended: its answer is kept, or it got
    /// none.
    pub(crate) async fn begin(url: &str) -> Option<Self> {
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

impl Drop for SingleFlight {
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
