//! What SQS answers and what its messages say, and the URLs of queues.
#![no_main]

use bytes::Bytes;
use causeway_shared::event;
use causeway_shared::sigv4::Credentials;
use causeway_shared::sqs::{self, Queue};
use http::Response;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (status, body) = input;
    if let Ok(url) = str::from_utf8(body) {
        let credentials = Credentials::new("AKID", "secret", None).expect("credentials");
        if let Ok(queue) = Queue::new(&credentials, "us-east-1", url) {
            let _ = queue.receive(sqs::WAIT, Timestamp::UNIX_EPOCH);
        }
    }
    let Ok(reply) = Response::builder()
        .status(status)
        .body(Bytes::copy_from_slice(body))
    else {
        return;
    };
    let received = sqs::read(&reply).map_err(|refusal| refusal.to_string());
    for message in received.iter().flatten() {
        assert!(!message.receipt_handle.is_empty());
        let _ = event::parse(message.body.as_bytes());
    }
});
