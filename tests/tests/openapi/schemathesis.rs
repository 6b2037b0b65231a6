//! schemathesis against the built worker: everything that the document allows, and much that it does
//! not. It is written in Python: `.ci/schemathesis` installs it and runs this test, which `cargo test`
//! alone leaves out. `SCHEMATHESIS_ARGS="--seed 7 --max-examples 500"` has it ask for more.

use std::path::Path;

use causeway_harness::s3::store::Attributes;
use causeway_tests::run;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::fixture::Served;

#[test]
#[ignore = "needs schemathesis, which .ci/schemathesis installs"]
fn it_finds_nothing() {
    run(async {
        let served = Served::start(2, &Value::Null).await;
        something_to_look_at(&served).await;
        let file = served.stack.local.file();
        // With tokens, and without.
        asked(&served, &file.admin_token, &file.events_token, &[]).await;
        asked(&served, "wrong", "wrong", &["--phases", "coverage"]).await;
    });
}

/// A route with transfers, entries in quarantine and walks that have ended.
async fn something_to_look_at(served: &Served) {
    let lane = served.stack.lane_number(0);
    let mut keys: Vec<_> = (0..5).map(|number| format!("k{number}")).collect();
    keys.extend((0..5).map(|number| format!("no/{number}")));
    for key in &keys[5..] {
        lane.store().deny(&lane.source, Some(key.as_str())).unwrap();
    }
    for key in &keys {
        lane.put(key, "x", Attributes::default());
    }
    let body = json!({"keys": keys});
    served
        .ask(Method::POST, "/v1/routes/lane00/events", &body, 202)
        .await;
    let done = |answer: &causeway_tests::Answer| {
        let route = answer.json();
        route["counts"]["copied"] == 5 && route["quarantined"] == 5
    };
    served.until("/v1/routes/lane00", done).await;
}

/// Lets schemathesis ask, with these tokens; it must find nothing.
async fn asked(served: &Served, admin_token: &str, events_token: &str, more: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let document = format!("{}/openapi.json", served.stack.local.runtime.url());
    let others = std::env::var("SCHEMATHESIS_ARGS").unwrap_or_default();
    let mut program = Command::new(root.join("target/schemathesis/bin/schemathesis"));
    program
        .arg("--config-file")
        .arg(root.join(".ci/schemathesis.toml"))
        .args(["run", &document])
        .args(more)
        .args(others.split_whitespace())
        .env("ADMIN_TOKEN", admin_token)
        .env("EVENTS_TOKEN", events_token)
        .current_dir(root.join("target/schemathesis"));
    let ended = program.status().await.unwrap();
    assert!(ended.success(), "schemathesis found something: {ended}");
}
