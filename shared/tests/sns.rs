//! Messages that SNS really signed, checked by code that is not ours; and those that it did not.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used)]

use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey,
};
use causeway_shared::sender::{Certificate, Claim, Envelope, Hash, Kind, Refused, Topic};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const PEM: &[u8] = include_bytes!(
    "../testdata/sns/SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem"
);
const MESSAGES: [(&str, Kind); 4] = [
    (
        include_str!("../testdata/sns/notification-v2.json"),
        Kind::Notification,
    ),
    (
        include_str!("../testdata/sns/notification-v1-subject.json"),
        Kind::Notification,
    ),
    (
        include_str!("../testdata/sns/subscription-confirmation-v1.json"),
        Kind::SubscriptionConfirmation,
    ),
    (
        include_str!("../testdata/sns/unsubscribe-confirmation-v2.json"),
        Kind::UnsubscribeConfirmation,
    ),
];

fn topic() -> Topic {
    Topic::parse("arn:aws:sns:us-west-2:131990247566:dongie-standard-topic").unwrap()
}

fn now() -> Timestamp {
    "2026-03-06T20:10:00Z".parse().unwrap()
}

fn claim(message: &Value, now: Timestamp) -> Result<Claim, Refused> {
    let envelope = Envelope::read(message.to_string().as_bytes())?;
    envelope.claim(&topic(), now)
}

fn is_signed(claim: &Claim) -> bool {
    let algorithm = match claim.hash {
        Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
    };
    let certificate = Certificate::from_pem(PEM).unwrap();
    let key = UnparsedPublicKey::new(algorithm, &certificate.key);
    key.verify(&claim.signed, &claim.signature).is_ok()
}

#[test]
fn what_sns_signed_is_believed_and_nothing_that_was_changed() {
    for (text, kind) in MESSAGES {
        let message: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Envelope::read(text.as_bytes()).unwrap().kind(), Ok(kind));
        let honest = claim(&message, now()).unwrap();
        assert!(is_signed(&honest), "{text}");
        assert_eq!(
            honest.certificate,
            "SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem"
        );
        let signed = ["Message", "MessageId", "Subject", "SubscribeURL", "Token"];
        for field in signed
            .into_iter()
            .filter(|field| message.get(field).is_some())
        {
            let mut forged = message.clone();
            forged[field] = json!("forged");
            assert!(
                !is_signed(&claim(&forged, now()).unwrap()),
                "{field} of {text}"
            );
        }
        let mut forged = message.clone();
        forged["Timestamp"] = json!("2026-03-06T20:10:00.000Z");
        assert!(!is_signed(&claim(&forged, now()).unwrap()));
        let mut weaker = message.clone();
        weaker["SignatureVersion"] = json!(if message["SignatureVersion"] == "1" {
            "2"
        } else {
            "1"
        });
        assert!(!is_signed(&claim(&weaker, now()).unwrap()));
    }
}

#[test]
fn the_key_is_what_other_readers_of_certificates_find() {
    let certificate = Certificate::from_pem(PEM).unwrap();
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &certificate.key).unwrap();
    assert_eq!(certificate.not_before.to_string(), "2025-11-10T00:00:00Z");
    assert_eq!(certificate.not_after.to_string(), "2026-10-14T23:59:59Z");
    for (time, is_good) in [
        ("2025-11-09T23:59:59Z", false),
        ("2025-11-10T00:00:00Z", true),
        ("2026-10-14T23:59:59Z", true),
        ("2026-10-15T00:00:00Z", false),
    ] {
        assert_eq!(
            certificate.check(time.parse().unwrap()).is_ok(),
            is_good,
            "{time}"
        );
    }
}

#[test]
fn a_message_of_another_time_is_refused() {
    let message: Value = serde_json::from_str(MESSAGES[0].0).unwrap();
    let sent: Timestamp = message["Timestamp"].as_str().unwrap().parse().unwrap();
    for (minutes, is_good) in [(-76, false), (-74, true), (74, true), (76, false)] {
        let claim = claim(&message, sent + SignedDuration::from_mins(minutes));
        assert_eq!(claim.is_ok(), is_good, "{minutes} minutes");
        assert!(is_good || matches!(claim, Err(Refused::Stale { .. })));
    }
}

/// Ways in which such checks were passed before: by AWS's own SDKs and by others.
#[test]
fn a_certificate_from_anywhere_else_is_refused() {
    let message: Value = serde_json::from_str(MESSAGES[0].0).unwrap();
    for url in [
        "http://sns.us-west-2.amazonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.us-west-2.amazonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com@evil.example/a.pem",
        "https://sns.us-west-2.amazonaws.com:443@evil.example/a.pem",
        "https://evil.example#sns.us-west-2.amazonaws.com/a.pem",
        "https://evil.example?sns.us-west-2.amazonaws.com/a.pem",
        "https://evil.example\\@sns.us-west-2.amazonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com:8443/a.pem",
        "https://sns.us-west-2.amazonaws.com./a.pem",
        "https://SNS.us-west-2.amazonaws.com/a.pem",
        "https://sns.evil.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem",
        "https://sns-us-west-2.amazonaws.com/a.pem",
        "https://sns-fips.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-west-2.api.aws.evil.example/a.pem",
        "https://vpce-1a-2b.sns.us-west-2.vpce.amazonaws.com/a.pem",
        "https://snsXus-west-2.amazonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com.cn/a.pem",
        "https://mybucket.s3.us-west-2.amazonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com/",
        "https://sns.us-west-2.amazonaws.com/.pem",
        "https://sns.us-west-2.amazonaws.com/a.txt",
        "https://sns.us-west-2.amazonaws.com/a.pem?x=1",
        "https://sns.us-west-2.amazonaws.com/a.pem#.pem",
        "https://sns.us-west-2.amazonaws.com/a/b.pem",
        "https://sns.us-west-2.amazonaws.com/../a.pem",
        "https://sns.us-west-2.amazonaws.com/%2e%2e/a.pem",
        "https://sns.us-west-2.amazonaws.com/?Action=Publish&Message=a.pem",
        "https://sns.us-west-2.amazonaws.com/a.pem\r\nHost: evil.example",
        " https://sns.us-west-2.amazonaws.com/a.pem",
        "",
    ] {
        let mut forged = message.clone();
        forged["SigningCertURL"] = json!(url);
        assert!(
            matches!(claim(&forged, now()), Err(Refused::Certificate(_))),
            "{url}"
        );
    }
}

#[test]
fn topics_are_arns_and_nothing_that_would_lead_elsewhere() {
    let of = |arn: &str| Topic::parse(arn).unwrap().url("a.pem", None);
    assert_eq!(
        of("arn:aws:sns:eu-west-1:1:t"),
        "https://sns.eu-west-1.amazonaws.com/a.pem"
    );
    assert_eq!(
        of("arn:aws-cn:sns:cn-north-1:1:t.fifo"),
        "https://sns.cn-north-1.amazonaws.com.cn/a.pem"
    );
    for wrong in [
        "",
        "inbox",
        "arn:aws:sqs:eu-west-1:1:t",
        "arn:aws:sns:eu-west-1:1",
        "arn:aws:sns:eu-west-1:1:t:subscription",
        "arn:aws:sns::1:t",
        "arn:aws:sns:evil.example/:1:t",
        "arn:aws:sns:evil.example:1:t",
        "arn:aws:sns:a@b:1:t",
        "arn:evil:sns:eu-west-1:1:t",
        "arn:aws:sns:cn-north-1:1:t",
        "arn:aws-cn:sns:eu-west-1:1:t",
        "arn:aws-iso:sns:us-isob-east-1:1:t",
    ] {
        assert_eq!(Topic::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_topic_of_each_partition_has_its_certificates_at_its_own_sns_by_any_of_its_names() {
    let message: Value = serde_json::from_str(MESSAGES[0].0).unwrap();
    for (arn, hosts) in [
        (
            "arn:aws:sns:us-west-2:1:t",
            &[
                "sns.us-west-2.amazonaws.com",
                "sns-fips.us-west-2.amazonaws.com",
                "sns.us-west-2.api.aws",
            ][..],
        ),
        (
            "arn:aws-us-gov:sns:us-gov-west-1:1:t",
            &[
                "sns.us-gov-west-1.amazonaws.com",
                "sns.us-gov-west-1.api.aws",
            ],
        ),
        (
            "arn:aws-cn:sns:cn-northwest-1:1:t",
            &[
                "sns.cn-northwest-1.amazonaws.com.cn",
                "sns.cn-northwest-1.api.amazonwebservices.com.cn",
            ],
        ),
        (
            "arn:aws-eusc:sns:eusc-de-east-1:1:t",
            &["sns.eusc-de-east-1.amazonaws.eu"],
        ),
        (
            "arn:aws-iso:sns:us-iso-east-1:1:t",
            &["sns.us-iso-east-1.c2s.ic.gov"],
        ),
        (
            "arn:aws-iso-e:sns:eu-isoe-west-1:1:t",
            &["sns.eu-isoe-west-1.cloud.adc-e.uk"],
        ),
    ] {
        let topic = Topic::parse(arn).unwrap();
        for host in hosts {
            let mut message = message.clone();
            message["SigningCertURL"] = json!(format!("https://{host}/a.pem"));
            let envelope = Envelope::read(message.to_string().as_bytes()).unwrap();
            let claim = envelope.claim(&topic, now()).unwrap();
            let fetched = topic.url(&claim.certificate, None);
            assert_eq!(fetched, format!("https://{}/a.pem", hosts[0]));
        }
        let request = topic.confirmation("t", None);
        assert_eq!(request.uri().host(), Some(hosts[0]));
    }
}

#[test]
fn a_byte_order_mark_before_a_message_is_taken() {
    let marked = ["\u{feff}", MESSAGES[0].0].concat();
    let envelope = Envelope::read(marked.as_bytes()).unwrap();
    assert_eq!(envelope.kind(), Ok(Kind::Notification));
}

#[test]
fn a_confirmation_goes_to_the_topics_own_sns_with_nothing_of_the_message_but_its_token() {
    let request = topic().confirmation("a&b=c", None);
    assert_eq!(
        request.uri().to_string(),
        "https://sns.us-west-2.amazonaws.com/"
    );
    assert_eq!(
        request.body().as_ref(),
        b"Action=ConfirmSubscription&Token=a%26b%3Dc&TopicArn=arn%3Aaws%3Asns%3Aus-west-2%3A131990247566%3Adongie-standard-topic&Version=2010-03-31"
    );
}

#[test]
fn neither_token_nor_signature_is_in_debug() {
    let envelope = Envelope::read(MESSAGES[2].0.as_bytes()).unwrap();
    let text = format!("{envelope:?}");
    assert!(text.contains("SubscriptionConfirmation") && !text.contains(envelope.token()));
}

proptest! {
    #[test]
    fn no_body_and_no_certificate_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Envelope::read(&bytes);
        let _ = Certificate::from_pem(&bytes);
    }

    #[test]
    fn no_damage_to_a_certificate_panics(at in 0..PEM.len(), byte in any::<u8>()) {
        let mut damaged = PEM.to_vec();
        damaged[at] = byte;
        let _ = Certificate::from_pem(&damaged);
    }

    #[test]
    fn no_field_of_a_message_panics(field in 0..9_usize, text in ".*") {
        let fields = ["Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp",
                      "SignatureVersion", "Signature", "SigningCertURL"];
        let mut message: Value = serde_json::from_str(MESSAGES[1].0).unwrap();
        message[fields[field]] = json!(text);
        let claim = claim(&message, now());
        prop_assert!(field != 8 || claim.is_err());
        let _ = Topic::parse(&text);
    }
}
