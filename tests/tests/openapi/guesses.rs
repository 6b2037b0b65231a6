//! Guesses at a secret, wherever one is shown.

use causeway_tests::run;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::fixture::Served;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request from `address`.
fn from(request: RequestBuilder, address: &str) -> RequestBuilder {
    request.header("cf-connecting-ip", address)
}

/// Each place where a secret is shown, with one that is wrong.
fn guess(served: &Served, place: usize) -> RequestBuilder {
    let (get, post) = (Method::GET, Method::POST);
    let wrong = "a-token-that-opens-nothing";
    match place {
        0 => served.request(&get, "/v1/sources").bearer_auth(wrong),
        1 => {
            let form = [
                ("grant_type", "client_credentials"),
                ("client_secret", wrong),
            ];
            served.request(&post, "/oauth/token").form(&form)
        }
        2 => served
            .request(&post, "/events")
            .bearer_auth(wrong)
            .body("{}"),
        3 => served
            .request(&post, "/events")
            .basic_auth("a", Some(wrong))
            .body("{}"),
        4 => served
            .request(&post, "/events")
            .header("x-api-key", wrong)
            .body("{}"),
        5 => {
            let request = served.request(&post, "/events").header("webhook-id", "1");
            let request = request.header("webhook-timestamp", "1800000000");
            request.header("webhook-signature", "v1,AAAA").body("{}")
        }
        6 => served.request(&get, "/healthz").bearer_auth(wrong),
        _ => {
            let assertion = crate::access::assertion("https://another.example");
            let request = served.request(&get, "/v1/sources");
            request.header("cf-access-jwt-assertion", assertion)
        }
    }
}

/// Guesses from `address` until nothing of it is looked at any more.
async fn close(served: &Served, place: usize, address: &str) {
    // Minutes begin anew, and then so does the counting.
    for _ in 0..60 {
        let answer = served.held(from(guess(served, place), address)).await;
        match answer.status {
            401 => {}
            429 => {
                assert_eq!(answer.headers["retry-after"], "60");
                return;
            }
            other => panic!("{other} {}", answer.body),
        }
    }
    panic!("guesses at {place} from {address} are not limited");
}

#[test]
fn they_are_limited_by_address_before_anything_is_looked_at() {
    run(async {
        let more = json!({"API_LIMIT": 20, "WEBHOOK_SECRET": SECRET,
            "ACCESS_TEAM_DOMAIN": "team.example", "ACCESS_AUD": "aud"});
        let served = Served::start(1, &more).await;
        for place in 0..8 {
            let address = format!("192.0.2.{place}");
            close(&served, place, &address).await;
            // What is right is not looked at either: nobody learns that it was.
            let right = |method: &Method, path: &str| from(served.allowed(method, path), &address);
            for path in ["/v1/sources", "/healthz"] {
                let answer = served.held(right(&Method::GET, path)).await;
                assert_eq!(answer.status, 429, "{place} {path}");
            }
            let event = right(&Method::POST, "/events").json(&json!({"Records": []}));
            assert_eq!(served.held(event).await.status, 429, "{place}");
            let secret = served.stack.local.file().events_token;
            let form = [
                ("grant_type", "client_credentials"),
                ("client_secret", &*secret),
            ];
            let token = served.request(&Method::POST, "/oauth/token").form(&form);
            let token = served.held(from(token, &address)).await;
            assert_eq!(token.status, 429, "{place}");
            // Who shows nothing has guessed nothing.
            let open = from(served.request(&Method::GET, "/healthz"), &address);
            assert_eq!(served.held(open).await.status, 200);
        }
        // Nobody else is in the way of it.
        let other = from(served.allowed(&Method::GET, "/v1/sources"), "198.51.100.1");
        assert_eq!(served.held(other).await.status, 200);
    });
}

#[test]
fn a_network_of_ipv6_is_one_and_who_opens_is_not_counted() {
    run(async {
        let served = Served::start(1, &json!({"API_LIMIT": 20})).await;
        let event = || {
            served
                .allowed(&Method::POST, "/events")
                .json(&json!({"Records": []}))
        };
        for _ in 0..60 {
            let answer = served.held(from(event(), "2001:db8::1")).await;
            assert_eq!(answer.status, 202);
        }
        close(&served, 2, "2001:db8::2").await;
        let answer = served.held(from(event(), "2001:db8::3")).await;
        assert_eq!(answer.status, 429);
        let answer = served.held(from(event(), "2001:db8:0:1::3")).await;
        assert_eq!(answer.status, 202);
        let body: Value = answer.json();
        assert_eq!(body["accepted"], json!([]));
    });
}
