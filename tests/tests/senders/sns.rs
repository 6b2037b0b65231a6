//! SNS: what it signed is taken, and nothing else is, whatever was tried before elsewhere.

use causeway_tests::run;
use serde_json::{Value, json};

use crate::fixture::{
    GOOD_TOKEN, PROXIED_TOKEN, TOPIC, assert_refused, assert_taken, busy_url, expired_url, fixture,
    long_ago, written,
};

#[test]
fn what_sns_signed_is_taken_in_both_versions_and_its_certificate_fetched_once() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        for round in 0..3 {
            for version in ["1", "2"] {
                let key = format!("version {version}, {round}");
                let message = fixture.sns.notification(&written(&lane, &key), version);
                assert_taken(fixture.deliver(&message).await, &lane, &key).await;
            }
        }
        // The tests of this binary share one isolate; those that run at once may each have asked.
        assert!(
            fixture.sns.certificates() < 6,
            "{}",
            fixture.sns.certificates()
        );
    });
}

#[test]
fn a_message_without_sns_headers_is_told_by_its_body() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        let message = fixture.sns.notification(&written(&lane, "plain"), "2");
        let answer = fixture
            .post()
            .body(message.to_string())
            .send()
            .await
            .unwrap();
        assert_taken(answer, &lane, "plain").await;
    });
}

#[test]
fn forged_replayed_and_foreign_messages_are_refused() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        let event = written(&lane, "forged");
        let honest = fixture.sns.notification(&event, "2");
        let signed = |change: Value| {
            let mut message = honest.clone();
            message
                .as_object_mut()
                .unwrap()
                .extend(change.as_object().unwrap().clone());
            fixture.sns.sign(&mut message);
            message
        };
        let mut changed = honest.clone();
        changed["Message"] = json!(r#"{"Records": []}"#);
        let mut unsigned = honest.clone();
        unsigned["Signature"] = json!("");
        let elsewhere = "https://evil.example/SimpleNotificationService-1.pem";
        let alike = "https://sns.us-east-1.amazonaws.com.evil.example/a.pem";
        let no_certificate = "https://sns.us-east-1.amazonaws.com/not-a-certificate.pem";
        let missing = "https://sns.us-east-1.amazonaws.com/missing.pem";
        let of_another = "arn:aws:sns:us-east-1:123456789012:somebody-elses";
        for (message, detail) in [
            (changed, "The signature is not that of this message"),
            (unsigned, "The signature is not that of this message"),
            (
                signed(json!({"Timestamp": long_ago()})),
                "more than 75 minutes",
            ),
            (signed(json!({"Timestamp": "yesterday"})), "is no time"),
            (
                signed(json!({"TopicArn": of_another})),
                "No route takes messages of the topic",
            ),
            (
                signed(json!({"SigningCertURL": elsewhere})),
                "SigningCertURL is",
            ),
            (
                signed(json!({"SigningCertURL": alike})),
                "SigningCertURL is",
            ),
            (
                signed(json!({"SigningCertURL": no_certificate})),
                "no X.509 certificate",
            ),
            (
                signed(json!({"SigningCertURL": missing})),
                "SNS has no certificate",
            ),
            (
                signed(json!({"SigningCertURL": expired_url()})),
                "and not now",
            ),
            (
                signed(json!({"SignatureVersion": "3"})),
                "SignatureVersion is \"3\"",
            ),
        ] {
            assert_refused(fixture.deliver(&message).await, 403, detail).await;
        }
        lane.stack.send(&written(&lane, "after")).await;
        lane.copied("after").await;
        assert_eq!(lane.names(), ["after"]);
    });
}

#[test]
fn many_messages_at_once_have_one_certificate_asked_for() {
    run(async {
        let fixture = fixture().await;
        let mut message = fixture.sns.notification(&json!({"Records": []}), "2");
        message["SigningCertURL"] = json!("https://sns.us-east-1.amazonaws.com/forged.pem");
        message["Signature"] = json!("AAAA");
        let all = (0..20).map(|_| fixture.deliver(&message));
        for answer in futures::future::join_all(all).await {
            assert_refused(answer, 403, "SNS has no certificate").await;
        }
        let asked = fixture.sns.asked.lock().unwrap();
        let forged = asked.iter().filter(|asked| asked.contains("forged"));
        assert_eq!(forged.count(), 1);
    });
}

#[test]
fn a_subscription_is_confirmed_by_a_request_of_our_own() {
    run(async {
        let fixture = fixture().await;
        let message = |token: &str, topic: &str| {
            let fields = json!({
                "Type": "SubscriptionConfirmation",
                "Message": "You have chosen to subscribe to the topic.",
                "SubscribeURL": "http://127.0.0.1:1/?Action=ConfirmSubscription&evil=1",
                "Token": token,
                "TopicArn": topic,
            });
            fixture.sns.message(&fields, "1")
        };
        let answer = fixture.deliver(&message(GOOD_TOKEN, TOPIC)).await;
        assert_eq!(answer.status(), 202);
        let body: Value = answer.json().await.unwrap();
        assert!(
            body["note"].as_str().unwrap().contains("is confirmed"),
            "{body}"
        );
        let asked = fixture.sns.asked.lock().unwrap().clone();
        let expected = format!(
            "Action=ConfirmSubscription&Token={GOOD_TOKEN}&TopicArn={}&Version=2010-03-31",
            TOPIC.replace(':', "%3A")
        );
        assert!(asked.contains(&expected), "{asked:?}");
        assert!(!asked.iter().any(|form| form.contains("evil")));

        let answer = fixture.deliver(&message(PROXIED_TOKEN, TOPIC)).await;
        assert_refused(answer, 503, "200 without a confirmation").await;
        let answer = fixture.deliver(&message("a-wrong-token", TOPIC)).await;
        assert_refused(answer, 403, "did not confirm the subscription").await;
        let foreign = "arn:aws:sns:us-east-1:210987654321:inbox";
        let answer = fixture.deliver(&message(GOOD_TOKEN, foreign)).await;
        assert_refused(answer, 403, "No route takes messages of the topic").await;
        let said = fixture.stack.witness.now(|seen| format!("{seen:?}"));
        assert!(said.contains("sns-subscribed") && !said.contains(GOOD_TOKEN));
    });
}

/// As SNS does with a URL that has a token in it, once it was challenged.
#[test]
fn a_subscription_that_comes_with_a_token_is_proven_all_the_same() {
    run(async {
        let fixture = fixture().await;
        let message = |change: Value| {
            let mut fields = json!({
                "Type": "SubscriptionConfirmation",
                "Message": "You have chosen to subscribe to the topic.",
                "SubscribeURL": "http://127.0.0.1:1/",
                "Token": GOOD_TOKEN,
            });
            let changes = change.as_object().unwrap().clone();
            fields.as_object_mut().unwrap().extend(changes);
            fixture.sns.message(&fields, "2")
        };
        let deliver = async |message: &Value| {
            let request = fixture.post().basic_auth("sns", Some("the-token-of-now"));
            let request = request.header("x-amz-sns-rawdelivery", "true");
            request.body(message.to_string()).send().await.unwrap()
        };
        let answer = deliver(&message(json!({}))).await;
        assert_eq!(answer.status(), 202);
        let body: Value = answer.json().await.unwrap();
        let note = body["note"].as_str().unwrap();
        assert!(note.contains("is confirmed"), "{body}");
        let foreign = json!({"TopicArn": "arn:aws:sns:us-east-1:210987654321:inbox"});
        let answer = deliver(&message(foreign)).await;
        assert_refused(answer, 403, "No route takes messages of the topic").await;
        let mut forged = message(json!({}));
        forged["Token"] = json!("another");
        assert_refused(deliver(&forged).await, 403, "The signature is not that").await;
        let ended = deliver(&message(json!({"Type": "UnsubscribeConfirmation"}))).await;
        let body: Value = ended.json().await.unwrap();
        let note = body["note"].as_str().unwrap();
        assert!(note.contains("has ended"), "{body}");
    });
}

#[test]
fn a_certificate_that_sns_cannot_give_now_has_the_message_sent_again_and_is_asked_for_at_once() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        for status in [302, 408, 425, 429, 500, 503, 504] {
            let key = format!("busy {status}");
            let mut message = fixture.sns.notification(&written(&lane, &key), "2");
            message["SigningCertURL"] = json!(busy_url(status));
            fixture.sns.sign(&mut message);
            let answer = fixture.deliver(&message).await;
            assert_eq!(answer.headers()["retry-after"], "5", "{status}");
            assert_refused(answer, 503, "SNS did not answer").await;
            assert_taken(fixture.deliver(&message).await, &lane, &key).await;
        }
    });
}

#[test]
fn a_confirmation_that_sns_puts_off_is_sent_again() {
    run(async {
        let fixture = fixture().await;
        let fields = json!({
            "Type": "SubscriptionConfirmation",
            "Message": "You have chosen to subscribe to the topic.",
            "SubscribeURL": "http://127.0.0.1:1/",
            "Token": "a-throttled-token",
        });
        let answer = fixture.deliver(&fixture.sns.message(&fields, "1")).await;
        assert_refused(answer, 503, "SNS did not answer").await;
    });
}

#[test]
fn the_end_of_a_subscription_is_shown() {
    run(async {
        let fixture = fixture().await;
        let fields = json!({
            "Type": "UnsubscribeConfirmation",
            "Message": "You have chosen to deactivate the subscription.",
            "SubscribeURL": "http://127.0.0.1:1/",
            "Token": GOOD_TOKEN,
        });
        let answer = fixture.deliver(&fixture.sns.message(&fields, "2")).await;
        let body: Value = answer.json().await.unwrap();
        assert!(
            body["note"].as_str().unwrap().contains("has ended"),
            "{body}"
        );
        let shown = |seen: &causeway_tests::Seen| {
            let mut lines = seen.log.iter();
            lines
                .find(|line| line["event"] == "sns-unsubscribed")
                .cloned()
        };
        let line = fixture
            .stack
            .witness
            .until("the end of a subscription", shown)
            .await;
        assert_eq!(line["topic"], TOPIC);
    });
}

#[test]
fn a_subscription_of_a_url_with_parameters_is_not_confirmed() {
    run(async {
        let fixture = fixture().await;
        let token = "a-token-that-nobody-shows";
        let fields = json!({"Type": "SubscriptionConfirmation", "Message": "m", "Token": token,
            "SubscribeURL": "http://127.0.0.1:1/"});
        let message = fixture.sns.message(&fields, "2");
        let url = format!("{}?a=1", fixture.stack.events_url());
        let request = fixture.stack.http.post(url).body(message.to_string());
        assert_refused(request.send().await.unwrap(), 400, "takes no parameters").await;
        let asked = fixture.sns.asked.lock().unwrap().clone();
        assert!(!asked.iter().any(|form| form.contains(token)));
    });
}

#[test]
fn a_message_that_holds_no_event_is_not_tried_again() {
    run(async {
        let fixture = fixture().await;
        let message = fixture.sns.notification(&json!("hello"), "2");
        assert_refused(fixture.deliver(&message).await, 400, "no dialect").await;
    });
}
