//! What senders say, in every dialect, out of whatever it is wrapped in.
#![no_main]

use causeway_shared::event::{Notification, parse};
use libfuzzer_sys::fuzz_target;

const MARK: &[u8] = b"\xEF\xBB\xBF";

fuzz_target!(|body: &[u8]| {
    let read = parse(body);
    if let Ok(Notification::Records(records)) = &read {
        // A record is two letters at least, and two keys at most.
        assert!(records.len() <= body.len());
        for hint in records.iter().flatten() {
            assert!(!hint.bucket.is_empty() && !hint.key.is_empty());
            assert!(hint.key.len() <= body.len());
        }
    }
    if read.is_ok() && !body.starts_with(MARK) {
        assert_eq!(parse(&[MARK, body].concat()), read);
    }
});
