//! SNS's envelope, and that no certificate is ever fetched from anywhere but the topic's own SNS.
#![no_main]

use causeway_shared::sender::{Envelope, Topic};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let topic = Topic::parse("arn:aws:sns:us-west-2:131990247566:dongie-standard-topic");
    let topic = topic.expect("an ARN");
    let Ok(envelope) = Envelope::read(body) else {
        return;
    };
    let now: Timestamp = "2026-03-06T20:10:00Z".parse().expect("a time");
    let _ = envelope.kind();
    if let Ok(claim) = envelope.claim(&topic, now) {
        let name = claim
            .certificate
            .strip_suffix(".pem")
            .expect("a file of PEM");
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        );
    }
    let request = topic.confirmation(envelope.token(), None);
    assert_eq!(request.uri().host(), Some("sns.us-west-2.amazonaws.com"));
});
