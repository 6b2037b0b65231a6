//! Times as others write them: what is read is what the library reads, but that a fraction may be longer.
#![no_main]

use causeway_shared::time::{any, http, rfc3339};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(time) = rfc3339(text) {
        match text.parse::<Timestamp>() {
            Ok(theirs) => assert_eq!(time, theirs),
            Err(_) => {
                let (_, fraction) = text.split_once('.').expect("a fraction");
                let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
                assert!(digits > 9, "the library does not read it");
            }
        }
    }
    assert!(http(text).is_none() || any(text).is_some());
});
