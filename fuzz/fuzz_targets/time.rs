//! Times as others write them: what is read is what the library reads, which reads more.
#![no_main]

use causeway_shared::time::{http, rfc3339};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(time) = rfc3339(text) {
        assert_eq!(text.parse::<Timestamp>().ok(), Some(time));
    }
    let _ = http(text);
});
