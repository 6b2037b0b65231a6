//! Senders of one's own, whose requests are signed as Standard Webhooks says.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use causeway_tests::run;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::RequestBuilder;
use sha2::Sha256;

use crate::fixture::{Fixture, WEBHOOK_SECRET, assert_refused, assert_taken, fixture, written};

/// A request with `body`, signed with `secret` as of `late` seconds ago.
fn signed(fixture: &Fixture, secret: &str, body: &str, late: i64) -> RequestBuilder {
    let time = Timestamp::now().as_second() - late;
    let key = BASE64_STANDARD.decode(&secret["whsec_".len()..]).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("msg_1.{time}.{body}").as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    fixture
        .post()
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", time)
        .header("webhook-signature", format!("v1,AAAA v1,{signature}"))
        .body(body.to_owned())
}

#[test]
fn a_signed_request_is_taken() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        let body = written(&lane, "signed").to_string();
        let answer = signed(fixture, WEBHOOK_SECRET, &body, 60)
            .send()
            .await
            .unwrap();
        assert_taken(answer, &lane, "signed").await;
    });
}

#[test]
fn what_another_signed_or_of_another_time_or_body_is_refused() {
    run(async {
        let fixture = fixture().await;
        let other = "whsec_QUFBQUFBQUFBQUFBQUFBQQ==";
        let body = r#"{"Records": []}"#;
        let answer = signed(fixture, other, body, 0).send().await.unwrap();
        assert_refused(answer, 401, "The signature is not that of this message").await;
        for late in [360, -360] {
            let answer = signed(fixture, WEBHOOK_SECRET, body, late)
                .send()
                .await
                .unwrap();
            assert_refused(answer, 401, "more than 5 minutes from now").await;
        }
        let changed = signed(fixture, WEBHOOK_SECRET, body, 0).body("{}");
        let answer = changed.send().await.unwrap();
        assert_refused(answer, 401, "The signature is not that of this message").await;
        let unsigned = fixture
            .post()
            .header("webhook-signature", "v1,AAAA")
            .body(body);
        assert_refused(unsigned.send().await.unwrap(), 401, "webhook-timestamp").await;
    });
}
