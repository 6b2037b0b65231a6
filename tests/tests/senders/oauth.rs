//! The token endpoint, as EventBridge's connections use it.

use causeway_tests::run;
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::fixture::{
    Fixture, RESERVED, RESERVED_IN_URL, assert_refused, assert_taken, fixture, written,
};

fn endpoint(fixture: &Fixture) -> RequestBuilder {
    endpoint_with(fixture, "")
}

fn endpoint_with(fixture: &Fixture, query: &str) -> RequestBuilder {
    let url = format!("{}/oauth/token{query}", fixture.stack.local.runtime.url());
    fixture.stack.http.post(url)
}

#[test]
fn a_token_that_was_given_opens_the_door() {
    run(async {
        let fixture = fixture().await;
        let lane = fixture.stack.lane();
        let grant = ("grant_type", "client_credentials");
        let in_form = [
            grant,
            ("client_id", "aws"),
            ("client_secret", "the-token-of-now"),
        ];
        let ways = [
            endpoint(fixture).form(&in_form),
            endpoint(fixture)
                .form(&[grant])
                .basic_auth("aws", Some("the-token-of-before")),
            // EventBridge says no grant type unless it is told to.
            endpoint(fixture).basic_auth("aws", Some("the-token-of-now")),
            endpoint(fixture).form(&in_form[1..]),
            endpoint(fixture)
                .form(&[("grant_type", "")])
                .basic_auth("aws", Some("the-token-of-now")),
            // Encoded as forms are (RFC 6749, section 2.3.1), and as most clients send it.
            endpoint(fixture).basic_auth("aws", Some(RESERVED_IN_URL)),
            endpoint(fixture).basic_auth("aws", Some(RESERVED)),
            endpoint(fixture).form(&[grant, ("client_secret", RESERVED)]),
            endpoint(fixture)
                .body("client_secret=the-token-of-now&grant%5Ftype=client%5Fcredentials"),
            // What the specification does not have is ignored.
            endpoint(fixture).body("x=1&x=2&client_secret=the-token-of-now"),
        ];
        for (index, way) in ways.into_iter().enumerate() {
            let answer = way.send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["cache-control"], "no-store");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(
                (&body["token_type"], &body["expires_in"]),
                (&"Bearer".into(), &3600.into())
            );
            let token = body["access_token"].as_str().unwrap();
            assert!(!token.contains("the-token"));
            let key = format!("given-{index}");
            let event = fixture
                .post()
                .json(&written(&lane, &key))
                .bearer_auth(token);
            assert_taken(event.send().await.unwrap(), &lane, &key).await;
            let forged = fixture.post().body("{}").bearer_auth(format!("9{token}"));
            assert_refused(forged.send().await.unwrap(), 401, "Show a token").await;
        }
    });
}

#[test]
fn who_has_no_secret_is_given_none() {
    run(async {
        let fixture = fixture().await;
        let grant = ("grant_type", "client_credentials");
        let wrong = [
            (
                endpoint(fixture).form(&[grant, ("client_secret", "guess")]),
                401,
                "invalid_client",
            ),
            (endpoint(fixture).form(&[grant]), 401, "invalid_client"),
            (
                endpoint(fixture)
                    .form(&[grant])
                    .basic_auth("a", Some("guess")),
                401,
                "invalid_client",
            ),
            (
                endpoint(fixture).form(&[("grant_type", "password")]),
                400,
                "unsupported_grant_type",
            ),
            (
                endpoint(fixture).body("x".repeat(4000)),
                400,
                "unsupported_grant_type",
            ),
            (
                endpoint(fixture)
                    .form(&[grant, grant])
                    .basic_auth("a", Some("the-token-of-now")),
                400,
                "invalid_request",
            ),
            (
                endpoint(fixture).body("client_secret=the-token-of-now&client_secret=guess"),
                400,
                "invalid_request",
            ),
            (
                endpoint(fixture).body("client_secret=the-token-of-now&scope=a&s%63ope=b"),
                400,
                "invalid_request",
            ),
            (
                endpoint_with(fixture, "?grant_type=client_credentials")
                    .basic_auth("a", Some("the-token-of-now")),
                400,
                "invalid_request",
            ),
        ];
        for (request, status, error) in wrong {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status);
            assert_eq!(
                answer.headers().contains_key("www-authenticate"),
                status == 401
            );
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["error"], error);
        }
        let long = endpoint(fixture)
            .body("x".repeat(5000))
            .send()
            .await
            .unwrap();
        assert_refused(long, 413, "longer than 4096 bytes").await;
    });
}
