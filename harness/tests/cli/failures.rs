//! What a user is told, and by which exit code, when a command cannot do what it was asked.

use crate::common::{self, Stores};

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_what_was_wrong() {
    let stores = Stores::start().await;
    for scheme in ["s3", "gs"] {
        let bucket = format!("{scheme}://bucket");
        let missing = format!("{bucket}/missing");
        for (code, kind, arguments) in [
            (3, "not_found", vec!["get", &missing, "-"]),
            (3, "not_found", vec!["stat", &missing]),
            (3, "not_found", vec!["rm", &missing]),
            (3, "not_found", vec!["rm", "-r", &missing]),
            (3, "not_found", vec!["ls", &missing]),
            (2, "usage", vec!["get", &bucket]),
            (2, "usage", vec!["rm", "-r", &bucket]),
            (2, "usage", vec!["put", "-", &bucket]),
            (2, "usage", vec!["put", "/nonexistent", &bucket]),
        ] {
            let run = stores.run(&arguments, b"").await;
            assert_eq!(
                run.status.code(),
                Some(code),
                "{arguments:?}: {}",
                common::text(&run.stderr)
            );
            assert!(
                common::text(&run.stderr).starts_with("error: "),
                "{arguments:?}"
            );
            if arguments.contains(&"-") && arguments[0] == "get" {
                continue;
            }
            let error = stores
                .run(&[&arguments[..], &["--json"]].concat(), b"")
                .await;
            let error: serde_json::Value = serde_json::from_slice(&error.stdout).unwrap();
            assert_eq!(error["error"]["kind"], kind, "{arguments:?}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_refused_and_not_shown() {
    let stores = Stores::start().await;
    let run = stores
        .run_with(
            "AWS_SECRET_ACCESS_KEY",
            "hunter2hunter2",
            &["ls", "s3://bucket"],
        )
        .await;
    assert_eq!(run.status.code(), Some(4), "{}", common::text(&run.stderr));
    assert!(!common::text(&run.stderr).contains("hunter2"));
    let (stranger, _) =
        causeway_harness::gcs::ServiceAccount::generate("stranger@example.com").unwrap();
    let run = stores
        .run_with("GOOGLE_CREDENTIALS", &stranger, &["ls", "gs://bucket"])
        .await;
    assert_eq!(run.status.code(), Some(4), "{}", common::text(&run.stderr));
    let run = stores
        .run_with(
            "AWS_ENDPOINT_URL",
            "http://127.0.0.1:1",
            &["ls", "s3://bucket"],
        )
        .await;
    assert_eq!(run.status.code(), Some(5), "{}", common::text(&run.stderr));
}
