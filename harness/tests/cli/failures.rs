//! What a user is told, and by which exit code, when a command cannot do what it was asked.

use crate::common::{self, Stores};

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_what_was_wrong() {
    let stores = Stores::start().await;
    for scheme in ["s3", "gs"] {
        let bucket = format!("{scheme}://bucket");
        let missing = format!("{bucket}/missing");
        let folder = format!("{bucket}/folder/");
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
            (2, "usage", vec!["put", "/", &bucket]),
            (2, "usage", vec!["put", "-r", "/dev/null", &bucket]),
            (2, "usage", vec!["put", "-r", "-", &bucket]),
            (2, "usage", vec!["put", "-r", "/etc", "/etc", &bucket]),
            (2, "usage", vec!["get", "-r", &missing, "-"]),
            (2, "usage", vec!["get", "-r", &missing, "/dev/null"]),
            (2, "usage", vec!["get", "-r", &missing, &missing]),
            (2, "usage", vec!["get", &folder]),
            (2, "usage", vec!["get", &missing, "/dev/null/"]),
            (2, "usage", vec!["get", &missing, &missing, "file"]),
            (2, "usage", vec!["get", &missing, "bucket/key", "folder/"]),
            (2, "usage", vec!["get", "folder/"]),
            (2, "usage", vec!["stat", &bucket]),
            (2, "usage", vec!["rm", &missing, &bucket]),
        ] {
            let run = stores.run(&arguments, b"").await;
            assert_eq!(
                run.status.code(),
                Some(code),
                "{arguments:?}: {}",
                common::text(&run.stderr)
            );
            let said = common::text(&run.stderr);
            assert!(
                said.starts_with("error: ") || said.contains("\nerror: "),
                "{arguments:?}: {said}"
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

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named_with_the_option_that_changes_it() {
    let stores = Stores::start().await;
    let taken = stores.s3_endpoint().rsplit(':').next().unwrap().to_owned();
    let options = [
        "--s3-port",
        "--gcs-port",
        "--bigquery-port",
        "--worker-port",
    ];
    for option in options {
        let others = options.map(|other| {
            let port = if other == option { &taken } else { "0" };
            format!("{other}={port}")
        });
        let arguments: Vec<_> = std::iter::once("dev")
            .chain(others.iter().map(String::as_str))
            .collect();
        let run = stores.run(&arguments, b"").await;
        assert_eq!(run.status.code(), Some(1));
        let said = common::text(&run.stderr);
        let [what, advice] = said.lines().collect::<Vec<_>>()[..] else {
            panic!("{said}")
        };
        assert!(what.contains(&format!("127.0.0.1:{taken} ")), "{said}");
        assert!(advice.contains(&format!("{option} PORT")), "{said}");
    }
    let run = stores.run(&["dev", "--s3-port=4443"], b"").await;
    assert_eq!(run.status.code(), Some(2));
    assert!(common::text(&run.stderr).contains("--s3-port and --gcs-port are both 4443"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_refused_before_anything_is_built() {
    let stores = Stores::start().await;
    for arguments in [
        &["demo", "--folder", "nowhere"][..],
        &["demo", "--log", "nowhere/log"],
        &["soak", "--log", "nowhere/log"],
        &["soak", "--events", "0"],
        &["simulate", "--seeds", "0"],
        &[
            "dev",
            "--s3-port=0",
            "--gcs-port=0",
            "--bigquery-port=0",
            "--worker-port=0",
            "--log",
            "nowhere/log",
        ],
        &["bench", "--only", "objcts"],
    ] {
        let run = stores.run(arguments, b"").await;
        let said = common::text(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {said}");
    }
}
