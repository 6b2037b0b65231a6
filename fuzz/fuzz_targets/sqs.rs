//! What SQS answers.
#![no_main]

use bytes::Bytes;
use causeway_shared::sqs;
use http::Response;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    let Ok(reply) = Response::builder()
        .status(status)
        .body(Bytes::copy_from_slice(body))
    else {
        return;
    };
    let _ = sqs::read(&reply).map_err(|refusal| refusal.to_string());
});
