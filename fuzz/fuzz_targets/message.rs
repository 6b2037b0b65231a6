//! What stands in the queues: other versions write it, and R2 and whoever else may send to a queue.
#![no_main]

use causeway_shared::message::{Message, fold};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(Message::Hint(hint)) = Message::read(text) {
        assert_eq!(fold(&[hint.clone(), hint]).len(), 1);
    }
});
