//! The API, as a client of it sees it; each answer is held against the document.

use causeway_tests::{Answer, Contract, Lane, Stack, shared};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const TOKEN: &str = "an-admins-token-of-the-local-worker-only";

/// Asks for `path` with `token`, and gives status and body.
pub(crate) async fn ask(
    stack: &Stack,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> (StatusCode, Value) {
    static CONTRACT: OnceCell<Contract> = OnceCell::const_new();
    let contract = CONTRACT.get_or_init(|| Contract::of(stack)).await;
    let url = format!("{}{path}", stack.local.runtime.url());
    let mut request = stack.http.request(method.clone(), url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = Answer::read(request.send().await.unwrap()).await;
    contract.hold(&method, path, &answer);
    let status = StatusCode::from_u16(answer.status).unwrap();
    (status, serde_json::from_str(&answer.body).unwrap())
}

async fn ok(lane: &Lane<'_>, method: Method, path: &str, body: Option<&Value>) -> Value {
    let path = format!("/v1/routes/{}{path}", lane.route);
    let (status, body) = ask(lane.stack, method, &path, Some(TOKEN), body).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

/// What the ledger of the lane's route says.
pub(crate) async fn status(lane: &Lane<'_>) -> Value {
    ok(lane, Method::GET, "", None).await
}

/// The ledger once `look` likes it: it is written a moment after the last commit of a batch.
pub(crate) async fn status_when(lane: &Lane<'_>, look: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let seen = status(lane).await;
        if look(&seen) {
            return seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("waited in vain: {:#}", status(lane).await);
}

/// A page of the quarantine.
pub(crate) async fn list(lane: &Lane<'_>, query: &str) -> Value {
    ok(lane, Method::GET, &format!("/quarantine{query}"), None).await
}

/// The keys in quarantine, all pages of them.
pub(crate) async fn keys(lane: &Lane<'_>) -> Vec<String> {
    let (mut keys, mut query) = (Vec::new(), String::new());
    loop {
        let page = list(lane, &query).await;
        let entries = page["entries"].as_array().unwrap();
        keys.extend(
            entries
                .iter()
                .map(|entry| entry["key"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => {
                query = format!("?after={}", next.replace('/', "%2F").replace('+', "%2B"));
            }
            None => return keys,
        }
    }
}

/// Has entries replayed or dropped, call by call, and gives how many there were.
pub(crate) async fn take(lane: &Lane<'_>, verb: &str, mut selector: Value) -> u64 {
    let mut all = 0;
    loop {
        let path = format!("/quarantine/{verb}");
        let taken = ok(lane, Method::POST, &path, Some(&selector)).await;
        all += taken["count"].as_u64().unwrap();
        if taken["more"] == json!(false) {
            return all;
        }
        selector["after"] = taken["next"].clone();
    }
}

/// Waits until `count` keys of the lane came into quarantine.
pub(crate) async fn quarantined(lane: &Lane<'_>, count: usize) {
    let what = format!("{count} in quarantine of {}", lane.route);
    let enough = |seen: &causeway_tests::Seen| {
        let ours = seen
            .letters
            .iter()
            .filter(|letter| letter.message["route"] == *lane.route);
        (ours.count() >= count).then_some(())
    };
    lane.stack.witness.until(&what, enough).await;
}

pub(crate) async fn lane() -> Lane<'static> {
    shared().await.lane()
}
