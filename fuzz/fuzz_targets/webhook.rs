//! The headers of a signed request, and tokens: lines of the input, then the body.
#![no_main]

use causeway_shared::sender::{AccessTokens, Secrets, Signed};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(4, '\n');
    let [id, timestamp, signature, body] =
        std::array::from_fn(|_| lines.next().unwrap_or_default());
    let now = Timestamp::from_second(1_614_265_330).expect("a time");
    let secrets = Secrets::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx").expect("a secret");
    let signed = Signed {
        id,
        timestamp,
        signature,
    };
    assert!(
        secrets.check(signed, body.as_bytes(), now).is_err(),
        "nobody has the secret"
    );
    assert!(
        !AccessTokens::new(b"secret").have(signature, now),
        "nobody has it"
    );
    let _ = Secrets::parse(text);
});
