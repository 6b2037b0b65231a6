//! `causeway quarantine` and `replay`, against a worker's API.

use http::StatusCode;
use serde_json::{Value, json};

use crate::admin::Admin;

#[tokio::test(flavor = "multi_thread")]
async fn a_list_turns_every_page() {
    let admin = Admin::start().await;
    let list = admin.ok(&["quarantine", "list", "photos"]).await;
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
    assert_eq!(admin.calls().len(), 3);

    let list = admin.json(&["quarantine", "list", "photos"]).await;
    assert_eq!(
        (&list["route"], &list["count"]),
        (&json!("photos"), &json!(5))
    );
    let ledger = admin.worker.ledger.lock().unwrap();
    assert_eq!(list["entries"], json!(ledger.quarantine["photos"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_cut_to_a_kind_and_a_prefix() {
    let admin = Admin::start().await;
    let list = async |arguments: &[&str]| {
        let list = admin
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
        admin.ok(&["quarantine", "list", "ü?/%"]).await,
        "0 entries\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_shown_by_key_by_name_and_by_id() {
    let admin = Admin::start().await;
    let shown = admin.ok(&["quarantine", "show", "photos", "2025/a"]).await;
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
        let mut entry = admin.json(&["quarantine", "show", "photos", name]).await;
        entry.as_object_mut().unwrap().remove("target").unwrap();
        let ledger = admin.worker.ledger.lock().unwrap();
        assert!(ledger.quarantine["photos"].contains(&entry), "{entry}");
        assert_eq!(entry["id"], id);
    }
    // The beginning of a key is not that key.
    let (code, error) = admin
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
    let admin = Admin::start().await;
    let said = admin.ok(&["replay", "photos", "2025/a"]).await;
    assert_eq!(said, "replayed s3://bucket/2025/a (source-denied)\n");
    let dropped = admin
        .json(&["quarantine", "drop", "photos", "s3://older/2025/a"])
        .await;
    let target = json!({"worker": admin.worker.url()});
    assert_eq!(
        dropped,
        json!({"route": "photos", "dropped": 1, "target": target})
    );
    assert_eq!(admin.left().len(), 3);
    for command in [&["replay"][..], &["quarantine", "drop"]] {
        let gone = admin
            .fails(&[command, &["photos", "2025/a"]].concat())
            .await;
        assert_eq!(gone.0, 3, "{}", gone.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_entries_are_taken_call_by_call() {
    let admin = Admin::start().await;
    let replayed = admin
        .json(&["replay", "photos", "--kind", "source-denied"])
        .await;
    assert_eq!(replayed["replayed"], 4);
    assert_eq!(admin.left(), ["bucket/2026/b c"]);
    let calls = admin.calls();
    let replays = calls
        .iter()
        .filter(|call| call.ends_with("/quarantine/replay"));
    // Five entries stand there, and a call looks at two.
    assert_eq!(replays.count(), 3, "{calls:?}");
    let said = admin.ok(&["quarantine", "drop", "photos", "--all"]).await;
    assert_eq!(said, "dropped 1 entry\n");
    let said = admin.ok(&["replay", "photos", "--all"]).await;
    assert_eq!(
        (said.as_str(), admin.left().len()),
        ("replayed 0 entries\n", 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_is_not_replayed_for_ever() {
    let admin = Admin::start().await;
    admin.worker.ledger.lock().unwrap().fails_again = true;
    let replayed = admin.json(&["replay", "photos", "--all"]).await;
    assert_eq!(replayed["replayed"], 5);
    assert_eq!(admin.left().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_that_breaks_says_how_far_it_came() {
    let admin = Admin::start().await;
    // The route's status, the first two entries, then nothing.
    admin.worker.ledger.lock().unwrap().failures = [(2, StatusCode::SERVICE_UNAVAILABLE)].into();
    let run = admin.run(&["replay", "photos", "--all", "--json"]).await;
    assert_eq!(run.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["replayed"], 2);
    let message = "the worker answered 503: The ledger does not answer.";
    assert_eq!(report["error"]["message"], message);
    assert_eq!(admin.left().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_again_but_nothing_is_done_twice() {
    let admin = Admin::start().await;
    admin.worker.ledger.lock().unwrap().failures = [(0, StatusCode::SERVICE_UNAVAILABLE)].into();
    admin.ok(&["status"]).await;
    // Two pages, the first of them twice.
    assert_eq!(admin.calls().len(), 3);

    admin.worker.ledger.lock().unwrap().failures = [(1, StatusCode::SERVICE_UNAVAILABLE)].into();
    let (code, error) = admin.fails(&["replay", "photos", "--all"]).await;
    assert_eq!((code, admin.calls().len()), (1, 2), "{error}");
    assert!(error.contains("try again in a moment"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_does_not_exist_is_refused_with_those_that_do() {
    let admin = Admin::start().await;
    for command in [
        &["quarantine", "list"][..],
        &["quarantine", "drop"],
        &["replay"],
    ] {
        let arguments = [command, &["photos", "--kind", "source-deneid"]].concat();
        let (code, error) = admin.fails(&arguments).await;
        assert_eq!(code, 2, "{error}");
        assert!(
            error.contains("a similar value exists: 'source-denied'")
                && error.contains("deletes-braked"),
            "{error}"
        );
    }
    assert!(admin.calls().is_empty());
}
