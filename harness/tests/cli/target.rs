//! Which store or worker a command uses where a local stack and credentials for another are both there.

use serde_json::{Value, json};

use crate::admin::Admin;
use crate::common::{self, Stores, run_at};

/// Credentials for one pair of stores, and in the folder the local stack of another.
struct Both {
    remote: Stores,
    local: Stores,
}

impl Both {
    async fn start() -> Self {
        let (remote, local) = tokio::join!(Stores::start(), Stores::start());
        local.leave_stack(local.folder(), "http://127.0.0.1:1");
        for stores in [&remote, &local] {
            for name in ["s3://bucket/k", "gs://bucket/k"] {
                stores
                    .ok_with_input(&["put", "-", name, "--no-local"], b"x")
                    .await;
            }
        }
        Self { remote, local }
    }

    /// Exit code, what was said and what was printed, with the remote's credentials.
    async fn run(&self, arguments: &[&str]) -> (i32, String, Value) {
        self.run_with(&self.remote.environment(), arguments).await
    }

    async fn run_with(
        &self,
        environment: &[(&'static str, String)],
        arguments: &[&str],
    ) -> (i32, String, Value) {
        let arguments = [arguments, &["--json"]].concat();
        let run = run_at(self.local.folder(), environment, &arguments).await;
        let said = common::text(&run.stderr).to_owned();
        let printed = serde_json::from_slice(&run.stdout).unwrap_or_default();
        (run.status.code().unwrap(), said, printed)
    }

    /// How many objects are left at both.
    async fn left(&self, bucket: &str) -> [u64; 2] {
        let mut left = [0, 0];
        for (stores, left) in [&self.remote, &self.local].into_iter().zip(&mut left) {
            let listed = stores.json(&["ls", "-r", bucket, "--no-local"]).await;
            *left = listed["count"].as_u64().unwrap();
        }
        left
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_is_named_once() {
    let stores = Stores::start().await;
    stores
        .ok_with_input(&["put", "-", "s3://bucket/k"], b"x")
        .await;
    stores
        .ok_with_input(&["put", "-", "gs://bucket/k"], b"x")
        .await;
    let (s3, gs) = (stores.s3_endpoint(), stores.gcs.endpoint());
    for arguments in [
        &["ls", "s3://bucket"][..],
        &["stat", "s3://bucket/k"],
        &["get", "s3://bucket/k", "/dev/null"],
        &["get", "-r", "s3://bucket", "all"],
        &["put", "k", "s3://bucket/"],
        &["put", "k", "all/k", "s3://bucket/x"],
        &["rm", "--dry-run", "s3://bucket/k"],
        &["rm", "s3://bucket/none"],
    ] {
        std::fs::write(stores.folder().join("k"), "x").unwrap();
        let run = stores.run(&[arguments, &["--json"]].concat(), b"").await;
        let said = common::text(&run.stderr);
        let line = format!("using S3 at {s3} (environment)");
        let named = said.lines().filter(|said| *said == line).count();
        if run.status.code() == Some(2) {
            // Refused before there was a target.
            assert_eq!((arguments[1], named), ("k", 0), "{said}");
            continue;
        }
        assert_eq!(named, 1, "{arguments:?}: {said}");
        let printed: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(printed["target"], json!({ "s3": s3 }), "{arguments:?}");
    }
    let gone = stores.json(&["rm", "s3://bucket/k", "gs://bucket/k"]).await;
    assert_eq!(gone["target"], json!({ "s3": s3, "gs": gs }));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_first_and_options_before_them() {
    let both = Both::start().await;
    for (scheme, remote, local) in [
        ("s3", both.remote.s3_endpoint(), both.local.s3_endpoint()),
        ("gs", both.remote.gcs.endpoint(), both.local.gcs.endpoint()),
    ] {
        let name = format!("{scheme}://bucket/k");
        let folder = both.local.folder().to_str().unwrap();
        let file = both
            .local
            .folder()
            .join(causeway_harness::stack_file::STACK_FILE);
        for (options, target) in [
            (&[][..], &remote),
            (&["--no-local"], &remote),
            (&["--local"], &local),
            (&["--stack", folder], &local),
            (&["--stack", file.to_str().unwrap()], &local),
        ] {
            let (code, said, printed) = both.run(&[&["stat", &name], options].concat()).await;
            assert_eq!(code, 0, "{said}");
            assert_eq!(printed["target"][scheme], **target, "{options:?}");
            assert_eq!(
                said.contains("local stack in"),
                options != ["--no-local"],
                "{said}"
            );
        }
    }
    // Half of the credentials, or those of another kind, are an error that names the way round it.
    for (environment, name) in [
        ([("AWS_ACCESS_KEY_ID", "AKID".to_owned())], "s3://bucket/k"),
        ([("GOOGLE_CREDENTIALS", "{}".to_owned())], "gs://bucket/k"),
        (
            [("CAUSEWAY_URL", "http://127.0.0.1:1".to_owned())],
            "photos",
        ),
    ] {
        let command = if name == "photos" { "status" } else { "stat" };
        let (code, said, _) = both.run_with(&environment, &[command, name]).await;
        assert!(
            code == 2 && said.contains("add --local for the local stack in"),
            "{said}"
        );
        let (code, said, _) = both
            .run_with(&environment, &[command, name, "--local"])
            .await;
        assert!(code == 0 || command == "status" && code == 5, "{said}");
    }
    for options in [
        &["--local", "--no-local"][..],
        &["--local", "--stack", "."],
        &["--stack", "nowhere"],
    ] {
        let (code, said, _) = both
            .run(&[&["stat", "s3://bucket/k"], options].concat())
            .await;
        assert_eq!(code, 2, "{said}");
    }
    let nowhere = tempfile::tempdir().unwrap();
    let run = run_at(nowhere.path(), &[], &["ls", "--local", "s3://bucket"]).await;
    assert_eq!(run.status.code(), Some(2));
    assert!(common::text(&run.stderr).contains("there is no local stack"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_deletes_does_not_guess() {
    let both = Both::start().await;
    for bucket in ["s3://bucket", "gs://bucket"] {
        let key = format!("{bucket}/k");
        for arguments in [&["rm", &key][..], &["rm", "-r", "--all", bucket]] {
            let (code, said, printed) = both.run(arguments).await;
            assert_eq!(code, 2, "{said}");
            assert!(
                said.contains("--local") && said.contains("--no-local"),
                "{said}"
            );
            assert_eq!(printed["error"]["kind"], "usage");
            assert_eq!(both.left(bucket).await, [1, 1]);
        }
        let (code, said, _) = both.run(&["rm", "--dry-run", &key]).await;
        assert_eq!(code, 0, "{said}");
        assert_eq!(both.run(&["rm", "--local", &key]).await.0, 0);
        assert_eq!(both.left(bucket).await, [1, 0]);
        assert_eq!(both.run(&["rm", "--no-local", &key]).await.0, 0);
        assert_eq!(both.left(bucket).await, [0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_other_programs_count_where_something_is_deleted() {
    let both = Both::start().await;
    let home = tempfile::tempdir().unwrap();
    for file in [
        ".aws/credentials",
        ".config/gcloud/application_default_credentials.json",
    ] {
        let file = home.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "").unwrap();
    }
    let home = [("HOME", home.path().to_str().unwrap().to_owned())];
    let profile = [("AWS_PROFILE", "prod".to_owned())];
    let gcloud = [("CLOUDSDK_ACTIVE_CONFIG_NAME", "prod".to_owned())];
    for (environment, bucket) in [
        (&profile, "s3://bucket"),
        (&gcloud, "gs://bucket"),
        (&home, "s3://bucket"),
        (&home, "gs://bucket"),
    ] {
        let (code, said, _) = both.run_with(environment, &["ls", bucket]).await;
        assert!(code == 0 && said.contains("local stack in"), "{said}");
        for option in [&[][..], &["--no-local"]] {
            let arguments = [&["rm", "-r", "--all", bucket], option].concat();
            let (code, said, _) = both.run_with(environment, &arguments).await;
            assert_eq!(code, 2, "{said}");
        }
        assert_eq!(both.left(bucket).await, [1, 1]);
    }
    // The stack under its own URL is one target and not two, as `causeway dev` says for other tools.
    let own = both.local.environment();
    let (code, said, _) = both.run_with(&own, &["rm", "gs://bucket/k"]).await;
    assert!(
        code == 0 && said.contains("(environment, the local stack in"),
        "{said}"
    );
    assert_eq!(both.left("gs://bucket").await, [1, 0]);
    // Alone, the stack is what can be meant.
    let (code, said, _) = both.run_with(&[], &["rm", "s3://bucket/k"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(both.left("s3://bucket").await, [1, 0]);
    // Without a stack the profile is not passed over in silence.
    let run = run_at(both.remote.folder(), &profile, &["ls", "s3://bucket"]).await;
    assert_eq!(run.status.code(), Some(2));
    let said = common::text(&run.stderr);
    assert!(
        said.contains("AWS_PROFILE is set") && said.contains("export-credentials"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_chosen_as_a_store_is() {
    let (remote, local) = tokio::join!(Admin::start(), Admin::start());
    let folder = local.stores.folder();
    local.stores.leave_stack(folder, &local.worker.url());
    let environment = [
        ("CAUSEWAY_URL", remote.worker.url()),
        ("CAUSEWAY_ADMIN_TOKEN", "0perat0r".to_owned()),
        ("CAUSEWAY_EVENTS_TOKEN", "t0k3n".to_owned()),
    ];
    let run = async |arguments: &[&str]| {
        let run = run_at(folder, &environment, arguments).await;
        (
            run.status.code().unwrap(),
            common::text(&run.stderr).to_owned(),
        )
    };
    let asked = || (!remote.calls().is_empty(), !local.calls().is_empty());
    for command in [
        &["status"][..],
        &["transfer", "photos"],
        &["submit", "photos", "in/a"],
        &["quarantine", "list", "photos"],
    ] {
        let (code, said) = run(command).await;
        assert_eq!(code, 0, "{said}");
        let line = format!(
            "using the worker at {} (environment; --local",
            remote.worker.url()
        );
        assert!(said.starts_with(&line), "{said}");
        assert_eq!(asked(), (true, false));
        let (code, said) = run(&[command, &["--local"]].concat()).await;
        assert_eq!(code, 0, "{said}");
        assert_eq!(asked(), (false, true));
    }
    let (code, said) = run(&["send", "--local", "s3://bucket/k"]).await;
    assert!(code == 0 && said.contains(&local.worker.url()), "{said}");

    let url = remote.worker.url();
    for command in [
        &["replay", "photos", "--kind", "source-archived"][..],
        &["quarantine", "drop", "photos", "--kind", "source-archived"],
        &["reconcile", "photos", "--detach"],
    ] {
        let (code, said) = run(command).await;
        assert!(code == 2 && said.contains("CAUSEWAY_URL"), "{said}");
        assert_eq!(asked(), (false, false));
        // The reconcile of these workers is answered 404, by the one that was asked.
        for (options, by) in [
            (&["--local"][..], (false, true)),
            (&["--no-local"], (true, false)),
            (&["--url", &url], (true, false)),
        ] {
            let (code, said) = run(&[command, options].concat()).await;
            assert_ne!(code, 2, "{said}");
            assert_eq!(asked(), by, "{command:?} {options:?}");
        }
    }
    let (code, said) = run(&["status", "--local", "--url", &url]).await;
    assert_eq!(code, 2, "{said}");
}
