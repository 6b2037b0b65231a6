//! SNS's envelope, and that no certificate is ever fetched from anywhere but the topic's own SNS; and
//! the ARNs of topics.
#![no_main]

use causeway_shared::aws;
use causeway_shared::sender::{Envelope, Topic};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

const TOPICS: [(&str, &str); 4] = [
    (
        "arn:aws:sns:us-west-2:131990247566:dongie-standard-topic",
        "sns.us-west-2.amazonaws.com",
    ),
    (
        "arn:aws-cn:sns:cn-north-1:131990247566:t",
        "sns.cn-north-1.amazonaws.com.cn",
    ),
    (
        "arn:aws-eusc:sns:eusc-de-east-1:131990247566:t",
        "sns.eusc-de-east-1.amazonaws.eu",
    ),
    (
        "arn:aws-iso:sns:us-iso-east-1:131990247566:t",
        "sns.us-iso-east-1.c2s.ic.gov",
    ),
];

fuzz_target!(|body: &[u8]| {
    if let Some(topic) = str::from_utf8(body).ok().and_then(Topic::parse) {
        let url = topic.url("a.pem", None);
        let host = url
            .strip_prefix("https://")
            .and_then(|url| url.strip_suffix("/a.pem"));
        let host = host.expect("a host and the file");
        assert!(host.starts_with("sns.") && !host.contains(['/', '@', ':', '?', '#', '%']));
    }
    let Ok(envelope) = Envelope::read(body) else {
        return;
    };
    let now: Timestamp = "2026-03-06T20:10:00Z".parse().expect("a time");
    let _ = envelope.kind();
    for (arn, host) in TOPICS {
        let topic = Topic::parse(arn).expect("an ARN");
        if let Ok(claim) = envelope.claim(&topic, now) {
            let name = claim
                .certificate
                .strip_suffix(".pem")
                .expect("a file of PEM");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            );
            let url = topic.url(&claim.certificate, None);
            assert_eq!(url, format!("https://{host}/{}", claim.certificate));
        }
        let request = topic.confirmation(envelope.token(), None);
        assert_eq!(request.uri().host(), Some(host));
        assert!(aws::region_of("sns", host).is_some());
    }
});
