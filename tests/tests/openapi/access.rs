//! Cloudflare Access before the API.

use std::sync::LazyLock;

use causeway_harness::gcs::ServiceAccount;
use causeway_tests::run;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::fixture::Served;

const AUDIENCE: &str = "an-application's-audience-tag";

/// A key of Access's, and another that is not.
static KEYS: LazyLock<[EncodingKey; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| {
        let (file, _) = ServiceAccount::generate("access@example.com").unwrap();
        let file: Value = serde_json::from_str(&file).unwrap();
        let pem = file["private_key"].as_str().unwrap();
        EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
    })
});

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs().try_into().unwrap()
}

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": [AUDIENCE], "exp": now() + 100, "nbf": now() - 1, "sub": "7f3"})
}

fn sign(kid: &str, key: usize, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(kid.to_owned());
    encode(&header, claims, &KEYS[key]).unwrap()
}

/// A good one of `issuer`, for the audience `aud`.
pub(crate) fn assertion(issuer: &str) -> String {
    let mut claims = claims(issuer);
    claims["aud"] = json!("aud");
    sign("one", 0, &claims)
}

/// Access's keys under their names, at its address.
async fn team(keys: &[(&str, usize)]) -> MockServer {
    let server = MockServer::start().await;
    publish(&server, keys).await;
    server
}

async fn publish(server: &MockServer, keys: &[(&str, usize)]) {
    let keys = keys.iter().map(|(kid, key)| {
        let jwk = Jwk::from_encoding_key(&KEYS[*key], Algorithm::RS256).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk
    });
    let set = json!({"keys": keys.collect::<Vec<_>>(), "public_cert": {}, "public_certs": []});
    server.reset().await;
    let certs = Mock::given(path("/cdn-cgi/access/certs"));
    certs
        .respond_with(ResponseTemplate::new(200).set_body_json(set))
        .mount(server)
        .await;
}

async fn worker(team: &str, more: Value) -> Served {
    let mut bindings = json!({"ACCESS_TEAM_DOMAIN": team, "ACCESS_AUD": AUDIENCE});
    bindings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    Served::start(1, &bindings).await
}

async fn status(served: &Served, assertion: &str) -> u16 {
    let request = served.request(&Method::GET, "/v1/sources");
    let request = request.header("cf-access-jwt-assertion", assertion);
    served.held(request).await.status
}

#[test]
fn an_assertion_of_access_opens_and_nothing_like_it() {
    run(async {
        let team = team(&[("one", 0), ("other", 1)]).await;
        let issuer = team.uri();
        let served = worker(&issuer, json!({"ADMIN_TOKEN": null})).await;
        assert_eq!(
            status(&served, &sign("one", 0, &claims(&issuer))).await,
            200
        );
        assert_eq!(
            status(&served, &sign("other", 1, &claims(&issuer))).await,
            200
        );
        let with = |name: &str, value: Value| {
            let mut claims = claims(&issuer);
            claims[name] = value;
            sign("one", 0, &claims)
        };
        let good = sign("one", 0, &claims(&issuer));
        let (signed, _) = good.rsplit_once('.').unwrap();
        let mut hmac = Header::new(Algorithm::HS256);
        hmac.kid = Some("one".to_owned());
        let secret = EncodingKey::from_secret(b"secret");
        for wrong in [
            with("iss", json!("https://other.cloudflareaccess.com")),
            with("aud", json!(["another"])),
            with("exp", json!(now() - 61)),
            with("nbf", json!(now() + 100)),
            sign("one", 1, &claims(&issuer)),
            sign("unknown", 0, &claims(&issuer)),
            encode(&hmac, &claims(&issuer), &secret).unwrap(),
            format!("{signed}."),
            format!("{signed}.AAAA"),
            String::new(),
            "x".repeat(5000),
        ] {
            assert_eq!(status(&served, &wrong).await, 401, "{wrong}");
        }
        assert_eq!(
            served
                .held(served.request(&Method::GET, "/v1/sources"))
                .await
                .status,
            401
        );
        // A token that was not configured opens nothing beside it.
        assert_eq!(
            served
                .held(served.allowed(&Method::GET, "/v1/sources"))
                .await
                .status,
            401
        );
        // Access adds its assertion to what a page of another site has a browser send.
        for (origin, expected) in [
            (served.stack.local.runtime.url(), 200),
            ("https://evil.example", 403),
            ("http://127.0.0.1", 403),
            ("null", 403),
        ] {
            let request = served.request(&Method::GET, "/v1/sources");
            let request = request.header("cf-access-jwt-assertion", &good);
            let answer = served.held(request.header("origin", origin)).await;
            assert_eq!(answer.status, expected, "{origin}");
        }
        // The keys were asked for once; an unknown one not again within the minute.
        assert_eq!(team.received_requests().await.unwrap().len(), 1);
    });
}

#[test]
fn a_token_opens_beside_access_and_keys_that_cannot_be_had_are_503() {
    run(async {
        let team = MockServer::start().await;
        let served = worker(&team.uri(), json!({})).await;
        assert_eq!(
            served
                .held(served.allowed(&Method::GET, "/v1/sources"))
                .await
                .status,
            200
        );
        let good = sign("one", 0, &claims(&team.uri()));
        assert_eq!(status(&served, &good).await, 503);
        publish(&team, &[("one", 0)]).await;
        assert_eq!(status(&served, &good).await, 200);
    });
}

#[test]
fn many_assertions_at_once_have_the_keys_asked_for_once() {
    run(async {
        let team = MockServer::start().await;
        let served = worker(&team.uri(), json!({})).await;
        let good = sign("one", 0, &claims(&team.uri()));
        let (signed, _) = good.rsplit_once('.').unwrap();
        let unsigned = format!("{signed}.AAAA");
        let all = async || {
            let all = (0..20).map(|_| status(&served, &unsigned));
            futures::future::join_all(all).await
        };
        let slow = |status| {
            let delay = std::time::Duration::from_millis(500);
            ResponseTemplate::new(status).set_delay(delay)
        };
        // Who waited in vain does not ask as well.
        let broken = Mock::given(path("/cdn-cgi/access/certs"));
        broken.respond_with(slow(200)).mount(&team).await;
        assert_eq!(all().await, [503; 20]);
        assert_eq!(team.received_requests().await.unwrap().len(), 1);
        team.reset().await;
        let certs = Mock::given(path("/cdn-cgi/access/certs"));
        let keys = slow(200).set_body_json(json!({"keys": []}));
        certs.respond_with(keys).mount(&team).await;
        assert_eq!(all().await, [401; 20]);
        assert_eq!(team.received_requests().await.unwrap().len(), 1);
    });
}

#[test]
fn half_of_access_is_a_mistake() {
    run(async {
        let served = Served::start(1, &json!({"ACCESS_AUD": AUDIENCE})).await;
        let answer = served.held(served.request(&Method::GET, "/healthz")).await;
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["variable"]),
            (500, &json!("ACCESS_TEAM_DOMAIN, ACCESS_AUD"))
        );
    });
}
