//! What senders say, in every dialect.
#![no_main]

use causeway_shared::event::{Notification, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(Notification::Records(records)) = parse(body) {
        for hint in records.into_iter().flatten() {
            assert!(!hint.bucket.is_empty() && !hint.key.is_empty());
        }
    }
});
