//! Credentials that are got and not given: roles at AWS, identities at Google, and what follows when a
//! token service says no. The services verify all that they are sent (`causeway_tests::TokenServices`).
#![allow(clippy::unwrap_used)]

mod google;
mod own;
mod redirects;
mod roles;

use causeway_harness::s3::store::Attributes;
use causeway_tests::{Lane, Role, Stack, TokenServices};
use serde_json::{Map, Value, json};

/// A key that STS knows and S3 does not: who reads with it gets nothing.
const KEY: (&str, &str) = ("AKIAOPERATOR", "the-secret-of-the-operators-key");

/// The ARN of the role called `name`.
fn arn(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

fn role(name: &str, external_id: Option<&str>, life: i64) -> Role {
    Role {
        arn: arn(name),
        external_id: external_id.map(str::to_owned),
        life,
    }
}

/// A stack with these routes' options, whose tokens come from `services`, and with `more` variables.
async fn stack(services: &TokenServices, routes: &[Value], more: &Value) -> Stack {
    let mut bindings = Map::from_iter([
        ("AWS_ACCESS_KEY_ID".to_owned(), json!(KEY.0)),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), json!(KEY.1)),
        ("AWS_ENDPOINT_URL_STS".to_owned(), json!(services.url())),
    ]);
    bindings.extend(
        (0..)
            .zip(routes)
            .map(|(n, options)| Lane::table(n, options)),
    );
    bindings.extend(more.as_object().unwrap().clone());
    let stack = Stack::start(routes.len(), bindings).await;
    services.serve(&stack.local);
    stack
}

/// Writes `key` at the source of `lane` and waits for its copy.
async fn copies(lane: &Lane<'_>, key: &str) {
    lane.put(key, format!("the bytes of {key}"), Attributes::default());
    lane.copied(key).await;
}

/// Nothing secret was said, and all ends well.
async fn end(stack: Stack, services: &TokenServices) {
    let said = stack.witness.now(|seen| format!("{seen:?}"));
    let mut secrets = services.secrets();
    secrets.extend(["Bearer ".into(), "Signature=".into(), "canonical".into()]);
    for secret in secrets {
        assert!(!said.contains(&secret), "{secret} was said: {said}");
    }
    stack.local.stop().await.unwrap();
}
