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

/// A stack in which a sender may send so many events a minute.
async fn limited(events: u32) -> Stack {
    let options = StackOptions {
        bindings: Map::from_iter([
            ("EVENTS_TOKEN".to_owned(), json!(EVENTS_TOKENS)),
            ("EVENTS_LIMIT".to_owned(), json!(events)),
        ]),
        silent: true,
        ..StackOptions::default()
    };
    Stack::start_with(1, options).await
}

#[test]
fn events_are_counted_and_not_requests() {
    run(async {
        let stack = limited(5).await;
        let (lane, url) = (stack.lane(), stack.events_url());
        let record = causeway_tests::write_event(&lane.source, "k", None)["Records"][0].clone();
        let send = async |token: &str, count: usize| {
            let event = json!({"Records": vec![record.clone(); count]});
            let request = stack.http.post(&url).bearer_auth(token).json(&event);
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(send("the-token-of-before", 3000).await, 429);
        // Records that lead to nothing are work as well.
        let nothing = json!({"Records": vec![0; 6]});
        let request = stack.http.post(&url).bearer_auth("the-token-of-now");
        let answer = request.json(&nothing).send().await.unwrap();
        assert_eq!(answer.status(), 429);
        // Nothing of either is in the queue.
        let event = written(&lane, "other");
        let request = stack.http.post(&url).json(&event);
        let request = request.bearer_auth(stack.local.file().events_token);
        assert_taken(request.send().await.unwrap(), &lane, "other").await;
        stack
            .witness
            .now(|seen| assert!(seen.outcomes(&lane.source, "k").is_empty()));
    });
}

#[test]
fn tokens_that_were_given_have_the_share_of_the_one_that_they_were_given_for() {
    run(async {
        let stack = limited(20).await;
        let (lane, url) = (stack.lane(), stack.events_url());
        let token = async |secret: &str| {
            let url = format!("{}/oauth/token", stack.local.runtime.url());
            let form = [
                ("grant_type", "client_credentials"),
                ("client_secret", secret),
            ];
            let answer = stack.http.post(url).form(&form).send().await.unwrap();
            let answer: serde_json::Value = answer.json().await.unwrap();
            answer["access_token"].as_str().unwrap().to_owned()
        };
        let send = async |token: &str, key: &str| {
            let event = written(&lane, key);
            let request = stack.http.post(&url).bearer_auth(token).json(&event);
            request.send().await.unwrap()
        };
        let mut refused = false;
        for number in 0..100 {
            let given = token("the-token-of-before").await;
            // It has one spelling: another opens nothing.
            let respelled = send(&format!("0{given}"), "k").await;
            assert_refused(respelled, 401, "Show a token").await;
            if send(&given, &format!("much-{number}")).await.status() == 429 {
                refused = true;
                break;
            }
        }
        assert!(refused, "fresh tokens have a share of their own");
        assert_eq!(send("the-token-of-before", "same").await.status(), 429);
        let other = token("the-token-of-now").await;
        assert_taken(send(&other, "other").await, &lane, "other").await;
    });
}

#[test]
fn a_sender_that_sends_too_much_does_not_starve_the_others() {
    run(async {
        let stack = limited(20).await;
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
