//! What clients other than ours need of the store: tokens from its endpoint, none where it is an
//! emulator, batches, and bodies that only Google takes.

use causeway_harness::gcs::{EmbeddedGcs, GcsOptions, ServiceAccount};
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::fixture::{anonymous_server, answer, at, post, refusal, start};

const EMAIL: &str = "tester@local.iam.gserviceaccount.com";
const WRITE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
const READ: &str = "https://www.googleapis.com/auth/devstorage.read_only";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A server with one account, and the account's key file.
async fn server(emulator: bool) -> (EmbeddedGcs, Value) {
    let (credentials, account) = ServiceAccount::generate(EMAIL).unwrap();
    let gcs = start(GcsOptions {
        accounts: vec![account],
        emulator,
        ..GcsOptions::default()
    });
    (gcs.await, serde_json::from_str(&credentials).unwrap())
}

/// An assertion as clients make it, with `changes`.
fn assertion(key: &Value, audience: &str, changes: &Value) -> String {
    let now = jiff::Timestamp::now().as_second();
    let mut claims =
        json!({ "iss": EMAIL, "aud": audience, "scope": WRITE, "iat": now, "exp": now + 3600 });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let mut header = Header::new(Algorithm::RS256);
    header.kid = key["private_key_id"].as_str().map(str::to_owned);
    let pem = key["private_key"].as_str().unwrap();
    let pem = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    encode(&header, &claims, &pem).unwrap()
}

async fn exchange(gcs: &EmbeddedGcs, grant: &str, assertion: &str) -> (u16, Value) {
    let grant = percent_encoding::utf8_percent_encode(grant, percent_encoding::NON_ALPHANUMERIC);
    let form = format!("grant_type={grant}&assertion={assertion}");
    let request = Client::new()
        .post(gcs.token_uri())
        .header("content-type", "application/x-www-form-urlencoded");
    answer(request.body(form)).await
}

#[tokio::test]
async fn a_signed_assertion_is_exchanged_for_a_token() {
    let (gcs, key) = server(false).await;
    let here = gcs.token_uri();
    for audience in [here.as_str(), "https://oauth2.googleapis.com/token"] {
        let good = assertion(&key, audience, &json!({}));
        let (status, token) = exchange(&gcs, GRANT, &good).await;
        assert_eq!((status, &token["token_type"]), (200, &json!("Bearer")));
        let token = token["access_token"].as_str().unwrap();
        let upload = post(&gcs, "uploadType=media&name=x").body("x");
        assert_eq!(answer(upload.bearer_auth(token)).await.0, 200);
    }
    let read_only = assertion(&key, &here, &json!({ "scope": READ }));
    let (_, token) = exchange(&gcs, GRANT, &read_only).await;
    let bearer =
        |request: RequestBuilder| request.bearer_auth(token["access_token"].as_str().unwrap());
    assert_eq!(answer(bearer(at(&gcs, Method::GET, "/o"))).await.0, 200);
    assert_eq!(
        refusal(bearer(at(&gcs, Method::DELETE, "/o/x"))).await.0,
        403
    );

    let (_, other) = server(false).await;
    let mut forged = other;
    forged["private_key_id"] = key["private_key_id"].clone();
    let now = jiff::Timestamp::now().as_second();
    for (what, bad) in [
        ("signed by another", assertion(&forged, &here, &json!({}))),
        (
            "for others",
            assertion(&key, "https://example.com/token", &json!({})),
        ),
        (
            "too old",
            assertion(
                &key,
                &here,
                &json!({ "iat": now - 7200, "exp": now - 3600 }),
            ),
        ),
        (
            "too long",
            assertion(&key, &here, &json!({ "exp": now + 7200 })),
        ),
        (
            "of another",
            assertion(&key, &here, &json!({ "iss": "other@example.com" })),
        ),
        (
            "in the name of another",
            assertion(&key, &here, &json!({ "sub": "other@example.com" })),
        ),
        (
            "without a scope",
            assertion(&key, &here, &json!({ "scope": "email" })),
        ),
        ("no JWT", "hello".to_owned()),
        ("empty", String::new()),
    ] {
        let (status, said) = exchange(&gcs, GRANT, &bad).await;
        assert_eq!(
            (status, &said["error"]),
            (400, &json!("invalid_grant")),
            "{what}: {said}"
        );
    }
    let (status, said) = exchange(&gcs, "password", "x").await;
    assert_eq!(
        (status, &said["error"]),
        (400, &json!("unsupported_grant_type"))
    );
}

#[tokio::test]
async fn only_an_emulator_takes_requests_without_a_token() {
    let (strict, _) = server(false).await;
    let (gcs, _) = server(true).await;
    let upload = |gcs: &EmbeddedGcs| post(gcs, "uploadType=media&name=x").body("x");
    assert_eq!(refusal(upload(&strict)).await.0, 401);
    assert_eq!(answer(upload(&gcs)).await.0, 200);
    // One that is shown is looked at.
    assert_eq!(refusal(upload(&gcs).bearer_auth("made up")).await.0, 401);
    assert_eq!(
        refusal(upload(&gcs).basic_auth("a", Some("b"))).await.0,
        401
    );
    // Google's client for Node takes STORAGE_EMULATOR_HOST for the API's base.
    let short = |gcs: &EmbeddedGcs| Client::new().get(format!("{}/b/bucket/o/x", gcs.endpoint()));
    assert_eq!(answer(short(&gcs)).await.1["name"], "x");
    let anonymous = anonymous_server().await;
    assert_eq!(answer(upload(&anonymous)).await.0, 200);
    assert_eq!(answer(short(&anonymous)).await.0, 404);
}

/// As gcloud sends it: a boundary in single quotes, lines that end with a line feed.
#[tokio::test]
async fn multipart_bodies_of_gcloud_are_taken() {
    let gcs = anonymous_server().await;
    let media = "two lines\r\nand half a delimiter\n--===1=";
    let body = format!(
        "--===1==\nContent-Type: application/json\nMIME-Version: 1.0\n\n{{\"name\": \"x\"}}\n--===1==\n\
         Content-Type: text/plain\nMIME-Version: 1.0\nContent-Transfer-Encoding: binary\n\n{media}\n--===1==--\n"
    );
    let upload = |quoted: &str, body: &str| {
        let content_type = format!("multipart/related; boundary={quoted}");
        let upload = post(&gcs, "uploadType=multipart");
        upload
            .header("content-type", content_type)
            .body(body.to_owned())
    };
    for quoted in ["'===1=='", "\"===1==\"", "===1=="] {
        let (status, object) = answer(upload(quoted, &body)).await;
        assert_eq!(
            (status, &object["contentType"]),
            (200, &json!("text/plain")),
            "{quoted}"
        );
        let got = at(&gcs, Method::GET, "/o/x?alt=media")
            .send()
            .await
            .unwrap();
        assert_eq!(got.text().await.unwrap(), media);
    }
    let mixed = body.replacen("\n\n", "\r\n\r\n", 1);
    assert_eq!(refusal(upload("===1==", &mixed)).await.0, 400);
}

#[tokio::test]
async fn a_batch_answers_each_of_its_calls() {
    let (gcs, key) = server(false).await;
    let good = assertion(&key, &gcs.token_uri(), &json!({}));
    let (_, token) = exchange(&gcs, GRANT, &good).await;
    let token = token["access_token"].as_str().unwrap();
    for name in ["a", "b"] {
        let upload = post(&gcs, &format!("uploadType=media&name={name}")).body("x");
        assert_eq!(answer(upload.bearer_auth(token)).await.0, 200);
    }
    let calls = [
        "DELETE /storage/v1/b/bucket/o/a",
        "DELETE /storage/v1/b/bucket/o/missing",
        "GET /storage/v1/b/bucket/o/b?fields=name",
        "GET /storage/v1/b/bucket/o/b?alt=media",
        "POST /batch/storage/v1",
    ];
    let parts: String = calls
        .iter()
        .enumerate()
        .map(|(at, call)| {
            format!("--b\r\nContent-Type: application/http\r\nContent-ID: <x+{at}>\r\n\r\n{call} HTTP/1.1\r\n\r\n\r\n")
        })
        .collect();
    let batch = |body: String| {
        let url = format!("{}/batch/storage/v1", gcs.endpoint());
        let batch = Client::new().post(url).body(body);
        batch.header("content-type", "multipart/mixed; boundary=\"b\"")
    };
    let whole = format!("{parts}--b--\r\n");
    let answers = batch(whole.clone())
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    let kind = answers.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let (_, boundary) = kind.split_once("multipart/mixed; boundary=").unwrap();
    let answers = answers.text().await.unwrap();
    let answers: Vec<_> = answers.split(&format!("--{boundary}")).collect();
    for (at, status) in [204, 404, 200, 400, 400].into_iter().enumerate() {
        let answer = answers[at + 1];
        assert!(
            answer.contains(&format!("Content-ID: <response-x+{at}>")),
            "{answer}"
        );
        assert!(
            answer.contains(&format!("\r\n\r\nHTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert!(
        answers[3].contains("\r\n\r\n{\"name\":\"b\"}"),
        "{}",
        answers[3]
    );
    assert_eq!(answers[6], "--\r\n");
    // Each call needs a credential, and a batch an end and a call.
    let unsigned = batch(whole).send().await.unwrap().text().await.unwrap();
    assert_eq!(unsigned.matches("HTTP/1.1 401 ").count(), 3, "{unsigned}");
    assert_eq!(refusal(batch(parts)).await.0, 400);
    assert_eq!(refusal(batch("--b--\r\n".to_owned())).await.0, 400);
}

#[tokio::test]
async fn an_object_is_given_another_name_in_one_step() {
    let gcs = anonymous_server().await;
    let upload = post(&gcs, "uploadType=media&name=old").header("content-type", "text/x");
    let (_, old) = answer(upload.body("hello")).await;
    let generation = old["generation"].as_str().unwrap();
    let rename =
        |to: &str, query: &str| at(&gcs, Method::POST, &format!("/o/old/moveTo/o/{to}?{query}"));
    assert_eq!(
        refusal(rename("new", "ifSourceGenerationMatch=1")).await.0,
        412
    );
    assert_eq!(refusal(rename("old", "")).await.0, 400);
    let query = format!("ifGenerationMatch=0&ifSourceGenerationMatch={generation}");
    let (status, new) = answer(rename("new", &query)).await;
    assert_eq!(
        (status, &new["contentType"], &new["size"]),
        (200, &json!("text/x"), &json!("5"))
    );
    assert_eq!(refusal(at(&gcs, Method::GET, "/o/old")).await.0, 404);
    assert_eq!(refusal(rename("other", "")).await.0, 404);
}

#[tokio::test]
async fn what_there_is_none_of_is_listed_as_none() {
    let gcs = anonymous_server().await;
    assert_eq!(
        answer(post(&gcs, "uploadType=media&name=x").body("x"))
            .await
            .0,
        200
    );
    let get = async |path: &str| answer(at(&gcs, Method::GET, path)).await;
    let (status, layout) = get("/storageLayout").await;
    assert_eq!(
        (status, &layout["hierarchicalNamespace"]["enabled"]),
        (200, &json!(false))
    );
    for path in ["/managedFolders", "/o?softDeleted=true"] {
        let (status, listed) = get(path).await;
        assert_eq!((status, listed.get("items")), (200, None), "{path}");
    }
}
