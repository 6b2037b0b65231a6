//! `causeway status`, `submit`, `transfer`, `quarantine` and `replay`, against a worker's API.

use std::process::Output;

use http::StatusCode;
use serde_json::{Value, json};

use crate::common::{Stores, text};
use crate::worker_double::Worker;

struct Operator {
    stores: Stores,
    worker: Worker,
}

impl Operator {
    async fn start() -> Self {
        let (stores, worker) = tokio::join!(Stores::start(), Worker::start());
        Self { stores, worker }
    }

    async fn with_token(&self, token: &str, arguments: &[&str]) -> Output {
        let environment = [
            // As senders are given it; operators need not cut it.
            ("CAUSEWAY_URL", format!("{}/events", self.worker.url())),
            ("CAUSEWAY_ADMIN_TOKEN", token.to_owned()),
        ];
        self.stores.run_in(&environment, arguments, b"").await
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.with_token("0perat0r", arguments).await
    }

    async fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments).await;
        assert!(run.status.success(), "{arguments:?}: {}", text(&run.stderr));
        text(&run.stdout).to_owned()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.ok(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&printed).unwrap()
    }

    /// Exit code and what was said on standard error.
    async fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let run = self.run(arguments).await;
        (run.status.code().unwrap(), text(&run.stderr).to_owned())
    }

    /// The ids that are left in the quarantine of `photos`.
    fn left(&self) -> Vec<String> {
        self.worker.ledger.lock().unwrap().ids("photos")
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.worker.ledger.lock().unwrap().calls)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_has_a_line_for_each_route_and_a_page_for_one() {
    let operator = Operator::start().await;
    let table = operator.ok(&["status"]).await;
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

    let page = operator.ok(&["status", "photos"]).await;
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
    let operator = Operator::start().await;
    let all = operator.json(&["status"]).await;
    let one = operator.json(&["status", "photos"]).await;
    assert_eq!(all["routes"][0], one);
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
async fn a_list_turns_every_page() {
    let operator = Operator::start().await;
    let list = operator.ok(&["quarantine", "list", "photos"]).await;
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), 7, "{list}");
    assert!(
        lines[0].starts_with("key ") && lines[0].ends_with("  message"),
        "{list}"
    );
    assert_eq!(
        lines[3],
        "2026/d\\u{1b}  source-denied           2  2026-07-02T03:04:05Z  S3 said no to 2026/d\\u{1b}"
    );
    assert_eq!(lines[6], "5 entries");
    assert_eq!(operator.calls().len(), 3);

    let list = operator.json(&["quarantine", "list", "photos"]).await;
    assert_eq!(
        (&list["route"], &list["count"]),
        (&json!("photos"), &json!(5))
    );
    let ledger = operator.worker.ledger.lock().unwrap();
    assert_eq!(list["entries"], json!(ledger.quarantine["photos"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_cut_to_a_kind_and_a_prefix() {
    let operator = Operator::start().await;
    let list = async |arguments: &[&str]| {
        let list = operator
            .json(&[&["quarantine", "list"], arguments].concat())
            .await;
        let entries = list["entries"].as_array().unwrap().iter();
        entries
            .map(|entry| entry["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        list(&["photos", "--kind", "source-archived"]).await,
        ["bucket/2026/b c"]
    );
    assert_eq!(
        list(&["photos", "--key", "e?&=+#%"]).await,
        ["bucket/e?&=+#%"]
    );
    assert_eq!(
        list(&["photos", "--kind", "source-denied", "--key", "2025/"]).await,
        ["bucket/2025/a", "older/2025/a"]
    );
    assert!(list(&["ü?/%"]).await.is_empty());
    assert_eq!(
        operator.ok(&["quarantine", "list", "ü?/%"]).await,
        "0 entries\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_shown_by_key_by_name_and_by_id() {
    let operator = Operator::start().await;
    let shown = operator
        .ok(&["quarantine", "show", "photos", "2025/a"])
        .await;
    assert_eq!(
        shown,
        "s3://bucket/2025/a\n\
        \x20 kind                 source-denied\n\
        \x20 fault                configuration\n\
        \x20 message              S3 said no to 2025/a\n\
        \x20 advice               Allow it.\n\
        \x20 status               403\n\
        \x20 request id           R3QU35T\n\
        \x20 deliveries           4\n\
        \x20 failures             2\n\
        \x20 first failed         2026-07-01T00:00:00Z\n\
        \x20 last failed          2026-07-02T03:04:05Z\n\
        \x20 id                   bucket/2025/a\n"
    );
    for (name, id) in [
        ("2026/d\u{1b}", "bucket/2026/d\u{1b}"),
        ("e?&=+#%", "bucket/e?&=+#%"),
        ("s3://older/2025/a", "older/2025/a"),
        ("older/2025/a", "older/2025/a"),
    ] {
        let entry = operator.json(&["quarantine", "show", "photos", name]).await;
        let ledger = operator.worker.ledger.lock().unwrap();
        assert!(ledger.quarantine["photos"].contains(&entry), "{entry}");
        assert_eq!(entry["id"], id);
    }
    // The beginning of a key is not that key.
    let (code, error) = operator
        .fails(&["quarantine", "show", "photos", "2025/"])
        .await;
    assert_eq!(code, 3);
    assert!(
        error.contains("2025/ is not in the quarantine of photos"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_entry_is_replayed_or_dropped() {
    let operator = Operator::start().await;
    let said = operator.ok(&["replay", "photos", "2025/a"]).await;
    assert_eq!(said, "replayed s3://bucket/2025/a (source-denied)\n");
    let dropped = operator
        .json(&["quarantine", "drop", "photos", "s3://older/2025/a"])
        .await;
    assert_eq!(
        dropped,
        json!({"route": "photos", "dropped": 1, "more": false})
    );
    assert_eq!(operator.left().len(), 3);
    for command in [&["replay"][..], &["quarantine", "drop"]] {
        let gone = operator
            .fails(&[command, &["photos", "2025/a"]].concat())
            .await;
        assert_eq!(gone.0, 3, "{}", gone.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_entries_are_taken_call_by_call() {
    let operator = Operator::start().await;
    let replayed = operator
        .json(&["replay", "photos", "--kind", "source-denied"])
        .await;
    assert_eq!(
        replayed,
        json!({"route": "photos", "replayed": 4, "more": false})
    );
    assert_eq!(operator.left(), ["bucket/2026/b c"]);
    let calls = operator.calls();
    let replays = calls
        .iter()
        .filter(|call| call.ends_with("/quarantine/replay"));
    assert_eq!(replays.count(), 2, "{calls:?}");
    let said = operator
        .ok(&["quarantine", "drop", "photos", "--all"])
        .await;
    assert_eq!(said, "dropped 1 entry\n");
    let said = operator.ok(&["replay", "photos", "--all"]).await;
    assert_eq!(
        (said.as_str(), operator.left().len()),
        ("replayed 0 entries\n", 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_is_not_replayed_for_ever() {
    let operator = Operator::start().await;
    operator.worker.ledger.lock().unwrap().fails_again = true;
    let replayed = operator.json(&["replay", "photos", "--all"]).await;
    // Five stood there, and a call takes two.
    assert_eq!(
        (&replayed["replayed"], &replayed["more"]),
        (&json!(6), &json!(true))
    );
    assert_eq!(operator.left().len(), 5);
    let said = operator.ok(&["replay", "photos", "--all"]).await;
    assert!(said.contains("run it again"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_breaks_says_how_far_it_came() {
    let operator = Operator::start().await;
    // The route's status, the first two entries, then nothing.
    operator.worker.ledger.lock().unwrap().failures = [(2, StatusCode::SERVICE_UNAVAILABLE)].into();
    let run = operator.run(&["replay", "photos", "--all", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(
        (&report["replayed"], &report["more"]),
        (&json!(2), &json!(true))
    );
    let message = "the worker answered 503: The ledger does not answer.";
    assert_eq!(report["error"]["message"], message);
    assert_eq!(operator.left().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_again_but_nothing_is_done_twice() {
    let operator = Operator::start().await;
    operator.worker.ledger.lock().unwrap().failures = [(0, StatusCode::SERVICE_UNAVAILABLE)].into();
    operator.ok(&["status"]).await;
    // Two pages, the first of them twice.
    assert_eq!(operator.calls().len(), 3);

    operator.worker.ledger.lock().unwrap().failures = [(1, StatusCode::SERVICE_UNAVAILABLE)].into();
    let (code, error) = operator.fails(&["replay", "photos", "--all"]).await;
    assert_eq!((code, operator.calls().len()), (1, 2), "{error}");
    assert!(error.contains("try again in a moment"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_what_was_wrong() {
    let operator = Operator::start().await;
    let commands = [
        &["status", "nowhere"][..],
        &["quarantine", "list", "nowhere"],
        &["quarantine", "show", "nowhere", "k"],
        &["quarantine", "drop", "nowhere", "--all"],
        &["replay", "nowhere", "--kind", "k"],
    ];
    for arguments in commands {
        let (code, error) = operator.fails(arguments).await;
        assert_eq!(code, 3, "{arguments:?}: {error}");
        assert!(
            error.contains("404: There is no route \"nowhere\"."),
            "{error}"
        );
        assert!(
            error.contains("`causeway status` shows the routes"),
            "{error}"
        );

        let run = operator.with_token("wr0ng", arguments).await;
        assert_eq!(run.status.code(), Some(4), "{arguments:?}");
        let error = text(&run.stderr);
        assert!(
            error.contains("401: Send ADMIN_TOKEN.") && !error.contains("wr0ng"),
            "{error}"
        );
        assert!(error.contains("check CAUSEWAY_ADMIN_TOKEN"), "{error}");
    }
    operator.worker.ledger.lock().unwrap().open = false;
    for arguments in commands {
        let run = operator.run(&[arguments, &["--json"]].concat()).await;
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
        &["replay", "photos", "--all", "--kind", "k"],
        &["quarantine", "drop", "photos"],
        &["quarantine"],
    ] {
        assert_eq!(operator.fails(arguments).await.0, 2, "{arguments:?}");
    }
    assert_eq!(
        operator
            .fails(&["status", "--url", "http://127.0.0.1:1"])
            .await
            .0,
        5
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_token_is_the_local_stacks_where_nothing_is_set() {
    let operator = Operator::start().await;
    let project = operator.stores.folder();
    let run = operator.stores.bare(project, &["status"]).await;
    assert_eq!(run.status.code(), Some(2));
    assert!(
        text(&run.stderr).contains("CAUSEWAY_ADMIN_TOKEN"),
        "{}",
        text(&run.stderr)
    );

    let mut stack = operator.stores.stack();
    stack["worker_url"] = operator.worker.url().into();
    let file = project.join(causeway_harness::cli::STACK_FILE);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, stack.to_string()).unwrap();
    let run = operator.stores.bare(project, &["status"]).await;
    assert!(run.status.success(), "{}", text(&run.stderr));
}

/// A reconcile of `photos` that has seen so many keys.
fn walk(keys: u64, end: &Value) -> Value {
    let tally = |keys: u64| json!({"keys": keys, "bytes": keys * 10});
    json!({
        "kind": "reconcile", "route": "photos", "started_at": "2026-07-01T00:00:00Z", "expected": 4,
        "request": {"prefix": "2026/", "rate": 9, "dry_run": true},
        "parity": {
            "source": tally(keys), "destination": tally(2), "equal": tally(2), "missing": tally(2),
            "different": tally(0), "extra": tally(0), "foreign": tally(0),
        },
        "sent": 0, "differences": [{"key": "2026/a", "is": "missing"}, {"key": "2026/b", "is": "missing"}],
        "last_key": "2026/b", "failures": 0, "end": end,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconcile_is_waited_for_and_says_what_differs() {
    let operator = Operator::start().await;
    let (code, error) = operator.fails(&["reconcile", "photos", "--status"]).await;
    assert!(code == 3 && error.contains("no reconcile yet"), "{error}");
    let done = json!({"outcome": "done", "at": "2026-07-01T00:00:09Z"});
    let steps = [walk(1, &json!(null)), walk(3, &json!(null)), walk(4, &done)];
    operator.worker.ledger.lock().unwrap().walks = steps.clone().into();
    let arguments = [
        "reconcile",
        "photos",
        "--prefix",
        "2026/",
        "--rate",
        "9",
        "--dry-run",
    ];
    let said = operator.ok(&arguments).await;
    assert_eq!(
        said,
        "is       key\nmissing  2026/a\nmissing  2026/b\n\n\
        parity       keys  bytes\nsource          4   40 B\ndestination     2   20 B\n\
        equal           2   20 B\nmissing         2   20 B\ndifferent       0    0 B\n\
        extra           0    0 B\nforeign         0    0 B\n\
        compared 4 keys, and sent nothing: all of them\n"
    );
    let calls = operator.calls();
    let calls: Vec<_> = calls
        .iter()
        .map(|call| call.split(' ').next().unwrap())
        .collect();
    assert_eq!(calls, ["GET", "POST", "GET", "GET"]);

    operator.worker.ledger.lock().unwrap().walks = steps.into();
    let json = operator.json(&["reconcile", "photos", "--detach"]).await;
    assert_eq!(json, walk(1, &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconcile_that_cannot_go_on_fails_with_the_stores_reason() {
    let operator = Operator::start().await;
    let error = json!({
        "kind": "source-denied", "message": "S3 refused to list.", "advice": "Allow s3:ListBucket.",
        "status": 403, "request_id": null, "retry_after": null,
    });
    let end = json!({"outcome": "failed", "at": "2026-07-01T00:00:09Z", "error": error});
    operator.worker.ledger.lock().unwrap().walks = [walk(1, &end)].into();
    let (code, said) = operator.fails(&["reconcile", "photos"]).await;
    assert_eq!(code, 1);
    assert!(
        said.contains("S3 refused to list.") && said.contains("Allow s3:ListBucket."),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_submitted_a_hundred_at_a_time() {
    let operator = Operator::start().await;
    let said = operator
        .ok(&["submit", "photos", "in/a\n", "s3://bucket/in/b", "out"])
        .await;
    assert_eq!(
        said,
        "accepted s3://bucket/in/a\\n (route photos)\naccepted s3://bucket/in/b (route photos)\n\
        ignored  s3://bucket/out: not below in/\n"
    );
    let (code, error) = operator
        .fails(&["submit", "photos", "s3://older/in/a"])
        .await;
    assert!(code == 2 && error.contains("s3://bucket/in/"), "{error}");
    operator.calls();
    let keys: Vec<_> = (0..250).map(|number| format!("in/{number}")).collect();
    let mut arguments = vec!["submit", "photos"];
    arguments.extend(keys.iter().map(String::as_str));
    let taken = operator.json(&arguments).await;
    let accepted = taken["accepted"].as_array().unwrap();
    assert_eq!((accepted.len(), &taken["ignored"]), (250, &json!([])));
    assert_eq!(accepted[249]["id"], "bucket/in/249");
    assert_eq!(operator.calls(), ["POST /v1/routes/photos/events"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_shown_by_its_key_or_among_the_last() {
    let operator = Operator::start().await;
    let said = operator.ok(&["transfer", "photos", "2025/a"]).await;
    assert_eq!(
        said,
        "s3://bucket/2025/a\n\
        \x20 outcome              quarantined\n\
        \x20 at                   2026-07-02T03:04:05Z\n\
        \x20 kind                 source-denied\n\
        \x20 in quarantine        since 2026-07-01T00:00:00Z\n\
        \x20 message              S3 said no to 2025/a\n\
        \x20 advice               Allow it.\n"
    );
    for name in ["s3://older/2025/a", "older/2025/a"] {
        let transfer = operator.json(&["transfer", "photos", name]).await;
        assert_eq!(transfer["id"], "older/2025/a");
        assert_eq!(transfer["quarantine"]["failures"], 2);
    }
    let (code, error) = operator.fails(&["transfer", "photos", "in/none"]).await;
    assert!(
        code == 3 && error.contains("nothing is remembered of in/none"),
        "{error}"
    );

    let said = operator.ok(&["transfer", "photos"]).await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[1].ends_with("s3://bucket/in/x\\n"), "{said}");
    let json = operator.json(&["transfer", "photos"]).await;
    assert_eq!(json["transfers"][1]["kind"], "source-denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn access_lets_a_service_through_with_no_token_beside() {
    let operator = Operator::start().await;
    let mut environment = vec![
        ("CAUSEWAY_URL", operator.worker.url()),
        ("CAUSEWAY_ACCESS_CLIENT_ID", "id.access".to_owned()),
    ];
    let run = operator.stores.run_in(&environment, &["status"], b"").await;
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    for (secret, code) in [("wr0ng", 4), ("hush", 0)] {
        environment.truncate(2);
        environment.push(("CAUSEWAY_ACCESS_CLIENT_SECRET", secret.to_owned()));
        let run = operator.stores.run_in(&environment, &["status"], b"").await;
        assert_eq!(run.status.code(), Some(code), "{}", text(&run.stderr));
        assert!(!text(&run.stderr).contains("wr0ng"));
    }
}
