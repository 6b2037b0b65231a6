//! An assertion of Cloudflare Access; and nothing but RS256.
#![no_main]

use causeway_shared::jwt::Jwt;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|token: &str| {
    if let Some(jwt) = Jwt::read(token) {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let _ = jwt.caller("https://team.cloudflareaccess.com", "aud", now);
    }
});
