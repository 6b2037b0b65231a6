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
            "different": tally(0), "extra": tally(0), "foreign": tally(0), "skipped": tally(0),
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
        compared 4 keys, and sent nothing: all of them\nthe sides differ: 2 missing\n"
    );
    let calls = admin.calls();
    let calls: Vec<_> = calls
        .iter()
        .map(|call| call.split(' ').next().unwrap())
        .collect();
    assert_eq!(calls, ["GET", "POST", "GET", "GET"]);

    admin.worker.ledger.lock().unwrap().walks = steps.into();
    let mut json = admin.json(&["reconcile", "photos", "--detach"]).await;
    json.as_object_mut().unwrap().remove("target").unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn differences_have_an_exit_code_where_it_is_asked_for() {
    let admin = Admin::start().await;
    let set = |walk: Value| admin.worker.ledger.lock().unwrap().walks = [walk].into();
    let done = json!({"outcome": "done", "at": "2026-07-01T00:00:09Z"});
    let compare = ["reconcile", "photos", "--dry-run", "--exit-code"];
    set(walk(4, &done));
    let (code, error) = admin.fails(&compare).await;
    assert!(
        code == 6 && error.contains("the sides differ: 2 missing"),
        "{error}"
    );
    let (code, _) = admin
        .fails(&["reconcile", "photos", "--status", "--exit-code"])
        .await;
    assert_eq!(code, 6);
    let mut same = walk(4, &done);
    same["parity"]["missing"]["keys"] = 0.into();
    same["parity"]["foreign"]["keys"] = 3.into();
    set(same);
    assert!(
        admin
            .ok(&compare)
            .await
            .ends_with("both sides are the same\n")
    );
    // What has not been compared is not known to be the same.
    set(walk(4, &json!(null)));
    let (code, error) = admin
        .fails(&["reconcile", "photos", "--status", "--exit-code"])
        .await;
    assert!(
        code == 1 && error.contains("has not compared everything"),
        "{error}"
    );
    for unfit in ["--cancel", "--detach"] {
        let (code, _) = admin
            .fails(&["reconcile", "photos", "--exit-code", unfit])
            .await;
        assert_eq!(code, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_under_way_cannot_be_cancelled() {
    let admin = Admin::start().await;
    let set = |walks: &[Value]| admin.worker.ledger.lock().unwrap().walks = walks.to_vec().into();
    let end = |outcome: &str| json!({"outcome": outcome, "at": "2026-07-01T00:00:09Z"});
    set(&[walk(4, &end("done"))]);
    let (code, error) = admin.fails(&["reconcile", "photos", "--cancel"]).await;
    assert!(
        code == 3
            && error.contains(
                "no reconcile of photos is under way: the last one was done at 2026-07-01"
            ),
        "{error}"
    );
    assert_eq!(admin.calls(), ["GET /v1/routes/photos/reconcile"]);
    set(&[walk(4, &json!(null)), walk(4, &end("cancelled"))]);
    let said = admin.ok(&["reconcile", "photos", "--cancel"]).await;
    assert!(said.contains("before it was cancelled"), "{said}");
    assert_eq!(admin.calls()[1], "POST /v1/routes/photos/reconcile/cancel");
    // Somebody else's cancel is no success of who waits for the end.
    set(&[walk(4, &json!(null)), walk(4, &end("cancelled"))]);
    let (code, error) = admin.fails(&["reconcile", "photos"]).await;
    assert!(code == 1 && error.contains("was cancelled"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_is_text_and_no_name() {
    let admin = Admin::start().await;
    for arguments in [
        &["reconcile", "photos", "--prefix", "s3://bucket/in/2026/"][..],
        &["backfill", "photos", "--prefix", "gs://copy/in/2026/"],
        &[
            "quarantine",
            "list",
            "photos",
            "--key",
            "s3://bucket/in/2026/",
        ],
    ] {
        let (code, error) = admin.fails(arguments).await;
        assert!(code == 2 && error.contains(" \"in/2026/\""), "{error}");
    }
    assert!(admin.calls().is_empty());
}
