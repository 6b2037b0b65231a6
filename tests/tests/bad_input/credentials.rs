//! Credentials that a store refuses: a dead letter that says which, and nothing of them anywhere.

use causeway_harness::gcs::ServiceAccount;
use causeway_harness::s3::store::Attributes;
use causeway_shared::error::{ErrorKind, Fault};
use causeway_tests::{Stack, run};
use serde_json::{Value, json};

/// Sends one object along a stack with these bindings and gives its dead letter's message.
async fn dead_letter(bindings: &Value, kind: ErrorKind, status: u16, advice: &str) -> String {
    let stack = Stack::start(1, bindings.as_object().unwrap().clone()).await;
    let lane = stack.lane();
    lane.put("key", "bytes", Attributes::default());
    let letter = lane.letter().await;
    assert_eq!(
        (letter.error.kind, letter.error.status),
        (kind, Some(status))
    );
    assert_eq!(letter.error.kind.fault(), Fault::Configuration);
    assert!(
        letter.error.advice.contains(advice),
        "{}",
        letter.error.advice
    );
    assert!(lane.names().is_empty());

    lane.outcomes("key", 1).await;
    let file = stack.local.file();
    let private_key = file.google_credentials["private_key"]
        .as_str()
        .unwrap()
        .to_owned();
    let line_of_key = private_key.lines().nth(3).unwrap().to_owned();
    let mut secrets = vec![
        file.secret_access_key,
        file.events_token,
        file.admin_token,
        line_of_key,
        "Bearer ".into(),
    ];
    secrets.extend(
        bindings
            .as_object()
            .unwrap()
            .values()
            .filter_map(|v| Some(v.as_str()?.to_owned())),
    );
    let said = stack.witness.now(|seen| format!("{seen:?}"));
    assert!(
        secrets.iter().all(|secret| !said.contains(secret)),
        "{said}"
    );
    stack.local.stop().await.unwrap();
    letter.error.message
}

#[test]
fn a_wrong_aws_secret() {
    run(async {
        let bindings = json!({"AWS_SECRET_ACCESS_KEY": "not-the-secret"});
        let kind = ErrorKind::SourceCredentialRefused;
        let message = dead_letter(&bindings, kind, 403, "AWS_SECRET_ACCESS_KEY").await;
        let start = "S3 answered 403 SignatureDoesNotMatch for the bucket source-00";
        assert!(message.starts_with(start), "{message}");
    });
}

#[test]
fn an_unknown_aws_key_id() {
    run(async {
        let bindings = json!({"AWS_ACCESS_KEY_ID": "NOBODYSKEY"});
        let kind = ErrorKind::SourceCredentialRefused;
        let message = dead_letter(&bindings, kind, 403, "AWS_ACCESS_KEY_ID").await;
        let start = "S3 answered 403 InvalidAccessKeyId for the bucket source-00: ";
        assert!(message.starts_with(start), "{message}");
    });
}

#[test]
fn a_google_key_that_is_not_the_accounts() {
    run(async {
        let (another, _) =
            ServiceAccount::generate("causeway@local.iam.gserviceaccount.com").unwrap();
        let bindings = json!({"GOOGLE_CREDENTIALS": another});
        let kind = ErrorKind::DestinationCredentialRefused;
        let message = dead_letter(&bindings, kind, 401, "GOOGLE_CREDENTIALS").await;
        let start = "GCS answered 401 authError for the bucket destination-00: ";
        assert!(message.starts_with(start), "{message}");
    });
}
