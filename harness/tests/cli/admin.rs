//! An administrator and a worker's API: `causeway status`, tokens, exit codes. What else is done with it
//! is in `quarantine`, `transfers` and `walks`.

use std::process::Output;

use http::StatusCode;
use serde_json::{Value, json};

use crate::common::{Stores, text};
use crate::worker_double::Worker;

pub(crate) struct Admin {
    pub(crate) stores: Stores,
    pub(crate) worker: Worker,
}

impl Admin {
    pub(crate) async fn start() -> Self {
        let (stores, worker) = tokio::join!(Stores::start(), Worker::start());
        Self { stores, worker }
    }

    pub(crate) async fn with_token(&self, token: &str, arguments: &[&str]) -> Output {
        let environment = [
            // As senders are given it; administrators need not cut it.
            ("CAUSEWAY_URL", format!("{}/events", self.worker.url())),
            ("CAUSEWAY_ADMIN_TOKEN", token.to_owned()),
        ];
        self.stores.run_in(&environment, arguments, b"").await
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.with_token("0perat0r", arguments).await
    }

    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments).await;
        assert!(run.status.success(), "{arguments:?}: {}", text(&run.stderr));
        text(&run.stdout).to_owned()
    }

    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.ok(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&printed).unwrap()
    }

    /// Exit code and what was said on standard error.
    pub(crate) async fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let run = self.run(arguments).await;
        (run.status.code().unwrap(), text(&run.stderr).to_owned())
    }

    /// The ids that are left in the quarantine of `photos`.
    pub(crate) fn left(&self) -> Vec<String> {
        self.worker.ledger.lock().unwrap().ids("photos")
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.worker.ledger.lock().unwrap().calls)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_has_a_line_for_each_route_and_a_page_for_one() {
    let admin = Admin::start().await;
    let table = admin.ok(&["status"]).await;
    let words: Vec<Vec<&str>> = table
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .collect()
        })
        .collect();
    assert_eq!(
        words,
        [
            vec![
                "route",
                "copied",
                "bytes",
                "p50",
                "p99",
                "in quarantine",
                "brake",
                "other outcomes"
            ],
            vec![
                "photos",
                "12",
                "1.50 MiB",
                "80 ms",
                "2.5 s",
                "5",
                "3 of 1000 deletes in 1 h",
                "3 identical, 1 source-gone"
            ],
            vec!["ü?/%", "0", "0 B", "-", "-", "0", "-"],
        ],
        "{table}"
    );

    let page = admin.ok(&["status", "photos"]).await;
    for line in [
        "  from                 s3://bucket/in/",
        "  since                2026-07-01T00:00:00Z",
        "  identical            3",
        "  in quarantine        5",
        "  keys at the source   1234, when they were last counted",
        "2026-07-02T00:00:00Z  reconcile, dry run          done    1234        7          0      0     0",
        "event to commit: 12, p50 80 ms, p99 2.5 s, longest 2.6 s",
        &format!("     to 100 ms  {}  8", "█".repeat(40)),
        &format!("      over 1 s  {}{}  4", "█".repeat(20), " ".repeat(20)),
        "accepted to commit: none yet",
        "2026-07-02T03:04:05Z  copied                     2.00 KiB  120 ms  s3://bucket/in/x\\n",
        "2026-07-02T03:04:04Z  quarantined source-denied                    s3://bucket/in/y",
    ] {
        assert!(
            page.lines().any(|shown| shown == line),
            "{line:?} in\n{page}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_json_is_what_the_worker_says() {
    let admin = Admin::start().await;
    let all = admin.json(&["status"]).await;
    let one = admin.json(&["status", "photos"]).await;
    let target = json!({"worker": admin.worker.url()});
    assert_eq!(all["target"], target);
    let mut shown = all["routes"][0].clone();
    shown["target"] = target;
    assert_eq!(shown, one);
    assert_eq!(one["walks"][0]["parity"]["missing"]["keys"], 7);
    assert_eq!(one["counts"]["source-gone"], 1);
    assert_eq!(one["event_to_commit"]["p50_ms"], 80);
    assert_eq!(
        one["event_to_commit"]["buckets"][3],
        json!({"le_ms": null, "count": 4})
    );
    assert_eq!(one["recent"][1]["kind"], "source-denied");
    assert!(one["recent"][0].get("kind").is_none(), "{one}");
    assert_eq!(
        one["brake"],
        json!({"deletes": 3, "limit": 1000, "window_s": 3600})
    );
    assert_eq!(all["routes"][1]["since"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_what_was_wrong() {
    let admin = Admin::start().await;
    let commands = [
        &["status", "nowhere"][..],
        &["quarantine", "list", "nowhere"],
        &["quarantine", "show", "nowhere", "k"],
        &["quarantine", "drop", "nowhere", "--all"],
        &["replay", "nowhere", "--kind", "source-denied"],
    ];
    for arguments in commands {
        let (code, error) = admin.fails(arguments).await;
        assert_eq!(code, 3, "{arguments:?}: {error}");
        assert!(
            error.contains("404: There is no route \"nowhere\"."),
            "{error}"
        );
        assert!(
            error.contains("`causeway status` shows the routes"),
            "{error}"
        );

        let run = admin.with_token("wr0ng", arguments).await;
        assert_eq!(run.status.code(), Some(4), "{arguments:?}");
        let error = text(&run.stderr);
        assert!(
            error.contains("401: Send ADMIN_TOKEN.") && !error.contains("wr0ng"),
            "{error}"
        );
        assert!(error.contains("check CAUSEWAY_ADMIN_TOKEN"), "{error}");
    }
    admin.worker.ledger.lock().unwrap().open = false;
    for arguments in commands {
        let run = admin.run(&[arguments, &["--json"]].concat()).await;
        assert_eq!(run.status.code(), Some(4), "{arguments:?}");
        let error: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(error["error"]["kind"], "refused");
        let advice = error["error"]["advice"].as_str().unwrap();
        assert!(
            advice.contains("wrangler secret put ADMIN_TOKEN"),
            "{error}"
        );
    }
    for arguments in [
        &["status", ".."][..],
        &["replay", "photos"],
        &["replay", "photos", "k", "--all"],
        &["replay", "photos", "--all", "--kind", "source-denied"],
        &["quarantine", "drop", "photos"],
        &["quarantine"],
    ] {
        assert_eq!(admin.fails(arguments).await.0, 2, "{arguments:?}");
    }
    admin.worker.ledger.lock().unwrap().open = true;
    admin.worker.ledger.lock().unwrap().failures = [(0, StatusCode::BAD_REQUEST)].into();
    admin.calls();
    assert_eq!(admin.fails(&["replay", "photos", "k"]).await.0, 2);
    assert_eq!(
        admin
            .fails(&["status", "--url", "http://127.0.0.1:1"])
            .await
            .0,
        5
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admins_token_is_the_local_stacks_where_nothing_is_set() {
    let admin = Admin::start().await;
    let project = admin.stores.folder();
    let run = admin.stores.bare(project, &["status"]).await;
    assert_eq!(run.status.code(), Some(2));
    assert!(
        text(&run.stderr).contains("CAUSEWAY_ADMIN_TOKEN"),
        "{}",
        text(&run.stderr)
    );

    admin.stores.leave_stack(project, &admin.worker.url());
    let run = admin.stores.bare(project, &["status"]).await;
    assert!(run.status.success(), "{}", text(&run.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_lets_a_service_through_with_no_token_beside() {
    let admin = Admin::start().await;
    let mut environment = vec![
        ("CAUSEWAY_URL", admin.worker.url()),
        ("CAUSEWAY_ACCESS_CLIENT_ID", "id.access".to_owned()),
    ];
    let run = admin.stores.run_in(&environment, &["status"], b"").await;
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    for (secret, code) in [("wr0ng", 4), ("hush", 0)] {
        environment.truncate(2);
        environment.push(("CAUSEWAY_ACCESS_CLIENT_SECRET", secret.to_owned()));
        let run = admin.stores.run_in(&environment, &["status"], b"").await;
        assert_eq!(run.status.code(), Some(code), "{}", text(&run.stderr));
        assert!(!text(&run.stderr).contains("wr0ng"));
    }
}
