//! `causeway reconcile`, against a worker's API.

use serde_json::{Value, json};

use crate::admin::Admin;

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
    let admin = Admin::start().await;
    let (code, error) = admin.fails(&["reconcile", "photos", "--status"]).await;
    assert!(code == 3 && error.contains("no reconcile yet"), "{error}");
    let done = json!({"outcome": "done", "at": "2026-07-01T00:00:09Z"});
    let steps = [walk(1, &json!(null)), walk(3, &json!(null)), walk(4, &done)];
    admin.worker.ledger.lock().unwrap().walks = steps.clone().into();
    let arguments = [
        "reconcile",
        "photos",
        "--prefix",
        "2026/",
        "--rate",
        "9",
        "--dry-run",
    ];
    let said = admin.ok(&arguments).await;
    assert_eq!(
        said,
        "is       key\nmissing  2026/a\nmissing  2026/b\n\n\
        parity       keys  bytes\nsource          4   40 B\ndestination     2   20 B\n\
        equal           2   20 B\nmissing         2   20 B\ndifferent       0    0 B\n\
        extra           0    0 B\nforeign         0    0 B\n\
        compared 4 keys, and sent nothing: all of them\n"
    );
    let calls = admin.calls();
    let calls: Vec<_> = calls
        .iter()
        .map(|call| call.split(' ').next().unwrap())
        .collect();
    assert_eq!(calls, ["GET", "POST", "GET", "GET"]);

    admin.worker.ledger.lock().unwrap().walks = steps.into();
    let json = admin.json(&["reconcile", "photos", "--detach"]).await;
    assert_eq!(json, walk(1, &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconcile_that_cannot_go_on_fails_with_the_stores_reason() {
    let admin = Admin::start().await;
    let error = json!({
        "kind": "source-denied", "message": "S3 refused to list.", "advice": "Allow s3:ListBucket.",
        "status": 403, "request_id": null, "retry_after": null,
    });
    let end = json!({"outcome": "failed", "at": "2026-07-01T00:00:09Z", "error": error});
    admin.worker.ledger.lock().unwrap().walks = [walk(1, &end)].into();
    let (code, said) = admin.fails(&["reconcile", "photos"]).await;
    assert_eq!(code, 1);
    assert!(
        said.contains("S3 refused to list.") && said.contains("Allow s3:ListBucket."),
        "{said}"
    );
}
