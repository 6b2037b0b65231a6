//! Tokens: where they may stand, several at once, and what opens nothing.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use causeway_harness::stack::StackOptions;
use causeway_tests::{Stack, run};
use reqwest::{Method, StatusCode};
use serde_json::{Map, json};

use crate::fixture::{
    EVENTS_TOKENS, RESERVED, RESERVED_IN_URL, assert_refused, assert_taken, fixture, written,
};

#[test]
fn each_token_opens_as_bearer_as_basic_and_as_api_key() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        for token in ["the-token-of-before", "the-token-of-now"] {
            for way in 0..3 {
                let key = format!("{token}-{way}");
                let request = fixture.post().json(&written(&lane, &key));
                let request = match way {
                    0 => request.bearer_auth(token),
                    1 => request.basic_auth("whoever", Some(token)),
                    _ => request.header("x-api-key", token),
                };
                assert_taken(request.send().await.unwrap(), &lane, &key).await;
            }
        }
    });
}

#[test]
fn sns_raw_delivery_is_taken_with_a_token_and_refused_without() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        let event = written(&lane, "raw").to_string();
        let raw = || {
            let request = fixture.post().header("x-amz-sns-rawdelivery", "true");
            request
                .header("x-amz-sns-message-type", "Notification")
                .body(event.clone())
        };
        let without = raw().send().await.unwrap();
        // SNS shows the password of its URL once it was asked for Basic, and not before.
        let challenge = without.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
        assert_refused(without, 401, "Show a token of EVENTS_TOKEN").await;
        let with = raw().basic_auth("sns", Some("the-token-of-now"));
        assert_taken(with.send().await.unwrap(), &lane, "raw").await;
    });
}

/// MinIO until 2022 wrote its own scheme before the one that it was given.
#[test]
fn a_scheme_that_stands_there_twice_is_taken() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        let shown = [
            "Bearer Bearer the-token-of-now".to_owned(),
            "bearer  BEARER  the-token-of-now ".to_owned(),
            format!(
                "Bearer Basic {}",
                BASE64_STANDARD.encode("minio:the-token-of-now")
            ),
        ];
        for (index, shown) in shown.iter().enumerate() {
            let key = format!("twice {index}");
            let request = fixture.post().json(&written(&lane, &key));
            let answer = request.header("authorization", shown).send().await;
            assert_taken(answer.unwrap(), &lane, &key).await;
        }
    });
}

/// A URL has a token in it percent-encoded, and some clients send it so.
#[test]
fn a_password_may_be_as_it_stands_in_a_url() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        for (index, password) in [RESERVED, RESERVED_IN_URL].into_iter().enumerate() {
            let key = format!("reserved {index}");
            let request = fixture.post().json(&written(&lane, &key));
            let answer = request.basic_auth("sns", Some(password)).send().await;
            assert_taken(answer.unwrap(), &lane, &key).await;
        }
    });
}

#[test]
fn parameters_are_refused_once_a_token_is_shown() {
    run(async {
        let fixture = fixture().await;
        let url = format!("{}?no=1", fixture.stack.events_url());
        let request = fixture.stack.http.post(url).body(r#"{"Records": []}"#);
        let answer = request.bearer_auth("the-token-of-now").send().await;
        assert_refused(answer.unwrap(), 400, "takes no parameters").await;
    });
}

#[test]
fn nothing_else_opens() {
    run(async {
        let fixture = fixture().await;
        let wrong = [
            ("authorization", "Bearer the-token-of-no"),
            (
                "authorization",
                "Bearer the-token-of-before, the-token-of-now",
            ),
            ("authorization", "Bearer "),
            ("authorization", "the-token-of-now"),
            ("authorization", "Digest the-token-of-now"),
            // `the-token-of-now:`: a user's name is no password.
            ("authorization", "Basic dGhlLXRva2VuLW9mLW5vdzo="),
            ("authorization", "Basic ***"),
            ("authorization", "Bearer Bearer the-token-of-no"),
            ("authorization", "Bearer Bearer Bearer the-token-of-now"),
            ("authorization", "Bearer Digest the-token-of-now"),
            ("x-api-key", ""),
            ("x-api-key", "Bearer the-token-of-now"),
            ("x-api-token", "the-token-of-now"),
        ];
        for (name, value) in wrong {
            let answer = fixture.post().header(name, value).body("{}").send().await;
            let answer = answer.unwrap();
            assert_eq!(
                answer.headers()["www-authenticate"],
                "Basic realm=\"causeway\", Bearer realm=\"causeway\""
            );
            assert_refused(answer, 401, "Show a token of EVENTS_TOKEN").await;
        }
        let in_query = format!("{}?token=the-token-of-now", fixture.stack.events_url());
        let answer = fixture
            .stack
            .http
            .post(in_query)
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_refused(answer, 401, "Show a token of EVENTS_TOKEN").await;
    });
}

#[test]
fn who_asks_whether_anybody_is_there_hears_so() {
    run(async {
        let fixture = fixture().await;
        for path in ["/events", "/"] {
            for method in [Method::HEAD, Method::GET] {
                let url = format!("{}{path}", fixture.stack.local.runtime.url());
                let answer = fixture.stack.http.request(method, url).send().await;
                assert_eq!(answer.unwrap().status(), StatusCode::OK, "{path}");
            }
        }
    });
}

#[test]
fn a_sender_that_sends_too_much_does_not_starve_the_others() {
    run(async {
        let options = StackOptions {
            bindings: Map::from_iter([
                ("EVENTS_TOKEN".to_owned(), json!(EVENTS_TOKENS)),
                ("EVENTS_LIMIT".to_owned(), json!(20)),
            ]),
            silent: true,
            ..StackOptions::default()
        };
        let stack = Stack::start_with(1, options).await;
        let (lane, url) = (stack.lane(), stack.events_url());
        let send = async |token: &str, key: &str| {
            let event = written(&lane, key);
            let request = stack.http.post(&url).bearer_auth(token).json(&event);
            request.send().await.unwrap()
        };
        // Minutes begin anew, and then so does the counting.
        let mut refused = None;
        for number in 0..200 {
            let answer = send("the-token-of-before", &format!("much-{number}")).await;
            if answer.status() != StatusCode::ACCEPTED {
                refused = Some(answer);
                break;
            }
        }
        let refused = refused.unwrap();
        assert_eq!(refused.headers()["retry-after"], "60");
        assert_refused(refused, 429, "more within a minute than is its share").await;
        assert_taken(send("the-token-of-now", "other").await, &lane, "other").await;
    });
}
