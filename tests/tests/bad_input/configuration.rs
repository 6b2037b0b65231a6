//! Wrong configurations: refused at the first request with the variable's name, and never its
//! value where that is a secret.

use causeway_harness::runtime::{Runtime, RuntimeOptions};
use causeway_tests::{Witness, run, toolchain, write_event};
use reqwest::{Client, Response};
use serde_json::{Map, Value, json};

/// What no answer and no log line may hold.
const SECRETS: [&str; 3] = [
    "the-secret-of-aws",
    "the-token-of-events",
    "the-key-of-google",
];

fn bindings(changes: &Value) -> Map<String, Value> {
    let [aws, events, _] = SECRETS;
    let right = json!({
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": aws,
        "AWS_REGION": "eu-west-1",
        "STORAGE_EMULATOR_HOST": "127.0.0.1:9",
        "EVENTS_TOKEN": events,
        "ROUTE_ONE": {"source": "s3://source", "destination": "gs://destination"},
    });
    let mut bindings = right.as_object().unwrap().clone();
    bindings.extend(changes.as_object().unwrap().clone());
    bindings.retain(|_, value| !value.is_null());
    bindings
}

async fn assert_refused(answer: Response, variable: &str, message: &str) {
    assert_eq!(answer.status(), 500, "{variable}");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: Value = answer.json().await.unwrap();
    let expected = json!({
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": format!("The worker is not configured: {variable}: {message}"),
        "variable": variable,
        "message": message,
    });
    assert_eq!(body, expected);
}

/// Starts a worker that `changes` make a wrong one and sends it both kinds of request.
async fn refuses(changes: Value, variable: &str, message: &str) {
    let witness = Witness::default();
    let options = RuntimeOptions {
        bindings: bindings(&changes),
        replace_routes: true,
        log: witness.log(),
        ..RuntimeOptions::default()
    };
    let runtime = Runtime::start(toolchain(), options).await.unwrap();
    let health = Client::new().get(format!("{}/healthz", runtime.url()));
    assert_refused(health.send().await.unwrap(), variable, message).await;
    let event = Client::new()
        .post(format!("{}/events", runtime.url()))
        .bearer_auth(SECRETS[1]);
    let event = event.json(&write_event("source", "key", None));
    assert_refused(event.send().await.unwrap(), variable, message).await;
    runtime.stop().await.unwrap();
    let said = witness.now(|seen| format!("{message} {seen:?}"));
    assert!(
        SECRETS.iter().all(|secret| !said.contains(secret)),
        "{said}"
    );
}

#[test]
fn a_missing_events_token() {
    let message = "is missing: set it to the token that senders of events show, in wrangler.toml or with `npx wrangler secret put EVENTS_TOKEN`.";
    run(refuses(
        json!({"EVENTS_TOKEN": null}),
        "EVENTS_TOKEN",
        message,
    ));
}

#[test]
fn an_empty_events_token() {
    let message = "is missing: set it to the token that senders of events show, in wrangler.toml or with `npx wrangler secret put EVENTS_TOKEN`.";
    run(refuses(
        json!({"EVENTS_TOKEN": " "}),
        "EVENTS_TOKEN",
        message,
    ));
}

#[test]
fn missing_aws_keys() {
    run(async {
        for (name, what) in [
            (
                "AWS_ACCESS_KEY_ID",
                "the id of a key that may read the source buckets",
            ),
            ("AWS_SECRET_ACCESS_KEY", "the key's secret"),
        ] {
            let message = format!(
                "is missing: set it to {what}, in wrangler.toml or with `npx wrangler secret put {name}`."
            );
            refuses(json!({name: null}), name, &message).await;
        }
    });
}

#[test]
fn no_route() {
    let message = "no route is configured. Add a table [vars.ROUTE_<NAME>] with source and destination to wrangler.toml.";
    run(refuses(json!({"ROUTE_ONE": null}), "ROUTE_<NAME>", message));
}

#[test]
fn a_route_to_nowhere() {
    let route = json!({"source": "s3://source", "destination": "s3://destination"});
    let message = "destination is not \"gs://bucket\" or \"gs://bucket/prefix\".";
    run(refuses(json!({"ROUTE_ONE": route}), "ROUTE_ONE", message));
}

#[test]
fn a_route_with_an_unknown_field() {
    let route = json!({"source": "s3://source", "destination": "gs://destination", "regoin": "x"});
    let message = "unknown field `regoin`, expected one of `source`, `destination`, `region`, `expected_bucket_owner`, `role_arn`, `external_id`, `parts`, `parts_above_mib`, `carry_after_s`, `etag_md5`, `tags`, `custom_time`, `storage_class`, `kms_key`, `deletes`, `on_conflict`, `brake_deletes`, `brake_percent`, `brake_window_s`, `sns_topics`. A route is a table with `source = \"s3://bucket/prefix\"`, `destination = \"gs://bucket/prefix\"` and, if need be, options.";
    run(refuses(json!({"ROUTE_ONE": route}), "ROUTE_ONE", message));
}

#[test]
fn a_route_with_a_storage_class_of_another_store() {
    let route = json!({"source": "s3://source", "destination": "gs://destination", "storage_class": "GLACIER"});
    let message = "storage_class is not one of STANDARD, NEARLINE, COLDLINE, ARCHIVE.";
    run(refuses(json!({"ROUTE_ONE": route}), "ROUTE_ONE", message));
}

#[test]
fn topics_queues_and_secrets_that_are_none() {
    run(async {
        let route = json!({"source": "s3://source", "destination": "gs://destination",
            "sns_topics": ["https://sns.evil.example"]});
        let message = "sns_topics are not all ARNs as \"arn:aws:sns:<region>:<account>:<name>\".";
        refuses(json!({"ROUTE_ONE": route}), "ROUTE_ONE", message).await;
        let message = "are not all URLs as https://sqs.<region>.amazonaws.com/<account>/<name>, without a user.";
        refuses(json!({"SQS_QUEUES": "inbox"}), "SQS_QUEUES", message).await;
        let message = "its secret number 1 is not `whsec_` and the base64 of at least 24 bytes.";
        refuses(json!({"WEBHOOK_SECRET": "hush"}), "WEBHOOK_SECRET", message).await;
    });
}

#[test]
fn a_route_that_is_no_table() {
    let message = "is neither a table nor JSON: expected ident at line 1 column 2.";
    run(refuses(
        json!({"ROUTE_ONE": "not a table"}),
        "ROUTE_ONE",
        message,
    ));
}

#[test]
fn google_credentials_that_are_no_key_file() {
    run(async {
        let key = SECRETS[2];
        let no_key = json!({
            "type": "service_account",
            "client_email": "a@b",
            "private_key_id": "1",
            "private_key": key,
        });
        let expected = "expected the JSON key file of a service account (type, client_email, private_key_id, private_key)";
        let cases = [
            (json!(key), format!("not JSON at line 1, column 2; {expected}.")),
            (no_key, "private_key is not a PKCS#8 key in PEM (-----BEGIN PRIVATE KEY-----). Set the secret to the file as Google gives it, with its \\n.".into()),
        ];
        for (file, message) in cases {
            refuses(
                json!({"GOOGLE_CREDENTIALS": file}),
                "GOOGLE_CREDENTIALS",
                &message,
            )
            .await;
        }
    });
}

#[test]
fn an_external_account_that_leads_elsewhere() {
    let file = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws",
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "token_url": "https://sts.googleapis.com.elsewhere.example/v1/token",
        "credential_source": {
            "environment_id": "aws1",
            "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        },
    });
    let message = "its token_url is not https://sts.[<region>.]googleapis.com/….";
    run(refuses(
        json!({"STORAGE_EMULATOR_HOST": null, "GOOGLE_CREDENTIALS": file}),
        "GOOGLE_CREDENTIALS",
        message,
    ));
}

#[test]
fn a_routes_own_keys_are_complete_or_none() {
    let message = "is missing: set it to the key's secret, in wrangler.toml or with `npx wrangler secret put AWS_SECRET_ACCESS_KEY_ONE`.";
    run(refuses(
        json!({"AWS_ACCESS_KEY_ID_ONE": "AKIDONE"}),
        "AWS_SECRET_ACCESS_KEY_ONE",
        message,
    ));
}

#[test]
fn an_external_id_without_a_role() {
    let route =
        json!({"source": "s3://source", "destination": "gs://destination", "external_id": "abc"});
    let message = "external_id goes with a role_arn, and this route has none.";
    run(refuses(json!({"ROUTE_ONE": route}), "ROUTE_ONE", message));
}

#[test]
fn no_google_credentials_without_an_emulator() {
    let message = "is missing: set the secret to the JSON file of a service account's key or of an external account.";
    run(refuses(
        json!({"STORAGE_EMULATOR_HOST": null}),
        "GOOGLE_CREDENTIALS",
        message,
    ));
}

#[test]
fn endpoints_that_are_none() {
    run(async {
        for (name, value) in [
            ("AWS_ENDPOINT_URL_S3", "ftp://localhost"),
            ("AWS_ENDPOINT_URL_S3", "http://localhost/path"),
            ("AWS_ENDPOINT_URL_SNS", "sns.evil.example"),
            ("AWS_ENDPOINT_URL_STS", "http://localhost?x"),
            ("STORAGE_EMULATOR_HOST", "http://"),
            ("AWS_ENDPOINT_URL_S3", "https://root:the-secret-of-aws@host"),
        ] {
            let message =
                "is not http(s)://host[:port] with nothing behind it and no user before it.";
            refuses(json!({name: value}), name, message).await;
        }
    });
}

#[test]
fn tokens_that_can_be_guessed_or_are_two_parties() {
    run(async {
        let [_, events, _] = SECRETS;
        let short = |place| {
            format!(
                "its token number {place} has fewer than 16 characters, which can be guessed: set it to a random one, such as `openssl rand -hex 32` gives."
            )
        };
        let both = |other| {
            format!(
                "has one of {other} among its own: each secret is one party's alone. Set it to a random one, such as `openssl rand -hex 32` gives."
            )
        };
        let webhook = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for (changes, variable, message) in [
            (json!({"EVENTS_TOKEN": "a"}), "EVENTS_TOKEN", short(1)),
            (
                json!({"EVENTS_TOKEN": format!("{events}, fifteen-letters")}),
                "EVENTS_TOKEN",
                short(2),
            ),
            (json!({"ADMIN_TOKEN": "a"}), "ADMIN_TOKEN", short(1)),
            (
                json!({"ADMIN_TOKEN": format!("another-long-token {events}")}),
                "ADMIN_TOKEN",
                both("EVENTS_TOKEN"),
            ),
            (
                json!({"ADMIN_TOKEN": webhook, "WEBHOOK_SECRET": webhook}),
                "ADMIN_TOKEN",
                both("WEBHOOK_SECRET"),
            ),
            (
                json!({"EVENTS_TOKEN": webhook, "WEBHOOK_SECRET": webhook}),
                "EVENTS_TOKEN",
                both("WEBHOOK_SECRET"),
            ),
        ] {
            refuses(changes, variable, &message).await;
        }
    });
}

#[test]
fn a_route_called_as_what_belongs_to_none() {
    let route = json!({"source": "s3://source", "destination": "gs://destination"});
    let message = "is what the quarantine of messages without a route is called: call the route something else.";
    run(refuses(
        json!({"ROUTE_UNROUTED": route}),
        "ROUTE_UNROUTED",
        message,
    ));
}

#[test]
fn a_domain_of_access_that_is_none() {
    let message = "is not http(s)://host[:port] with nothing behind it and no user before it.";
    let changes =
        json!({"ACCESS_TEAM_DOMAIN": "root:the-secret-of-aws@team.example", "ACCESS_AUD": "aud"});
    run(refuses(changes, "ACCESS_TEAM_DOMAIN", message));
}

/// Everything that has a value which is not what it should be: whoever asks is told the variable and what
/// is expected there, and nothing of what was found.
#[test]
fn nobody_is_told_a_value() {
    run(async {
        let secret = SECRETS[0];
        let table = |name: &str, value: Value| {
            let mut route = json!({"source": "s3://source", "destination": "gs://destination"});
            route[name] = value;
            json!({ "ROUTE_ONE": route })
        };
        let account = json!({"type": "external_account", "subject_token_type": secret});
        for changes in [
            table("source", json!(secret)),
            table("region", json!(format!("{secret} {secret}"))),
            table("role_arn", json!(secret)),
            table(secret, json!(1)),
            table("tags", json!(secret)),
            json!({"ROUTE_ONE": secret}),
            json!({"AWS_REGION": format!("{secret} {secret}")}),
            json!({"SQS_QUEUES": secret}),
            json!({"SQS_QUEUES": format!("ftp://root:{secret}@host/1/q")}),
            json!({"SQS_QUEUES": format!("https://root:{secret}@host/1/q")}),
            json!({"AWS_ENDPOINT_URL_SNS": format!("http://{secret}@host")}),
            json!({"STORAGE_EMULATOR_HOST": format!("root:{secret}@host")}),
            json!({"GOOGLE_CREDENTIALS": {"type": secret}}),
            json!({"GOOGLE_CREDENTIALS": account}),
        ] {
            let options = RuntimeOptions {
                bindings: bindings(&changes),
                replace_routes: true,
                ..RuntimeOptions::default()
            };
            let runtime = Runtime::start(toolchain(), options).await.unwrap();
            let health = Client::new().get(format!("{}/healthz", runtime.url()));
            let answer = health.send().await.unwrap();
            assert_eq!(answer.status(), 500, "{changes}");
            let said = format!(
                "{:?} {}",
                answer.headers().clone(),
                answer.text().await.unwrap()
            );
            runtime.stop().await.unwrap();
            assert!(!said.contains(secret), "{said}");
        }
    });
}
