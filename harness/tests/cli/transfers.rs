//! `causeway submit` and `transfer`, against a worker's API.

use serde_json::json;

use crate::admin::Admin;

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_submitted_a_hundred_at_a_time() {
    let admin = Admin::start().await;
    let said = admin
        .ok(&["submit", "photos", "in/a\n", "s3://bucket/in/b", "out"])
        .await;
    assert_eq!(
        said,
        "accepted s3://bucket/in/a\\n (route photos)\naccepted s3://bucket/in/b (route photos)\n\
        ignored  s3://bucket/out: not below in/\n"
    );
    let (code, error) = admin.fails(&["submit", "photos", "s3://older/in/a"]).await;
    assert!(code == 2 && error.contains("s3://bucket/in/"), "{error}");
    let (code, error) = admin
        .fails(&["submit", "photos", "out", "s3://bucket/x"])
        .await;
    assert!(code == 1 && error.contains("2 ignored"), "{error}");
    admin.calls();
    for command in [
        &["submit", "photos", "in/a"][..],
        &["transfer", "photos"],
        &["quarantine", "show", "photos"],
        &["quarantine", "drop", "photos"],
        &["replay", "photos"],
    ] {
        for name in ["gs://copy/in/a", "s3://bucket", ""] {
            let (code, error) = admin.fails(&[command, &[name]].concat()).await;
            assert!(
                code == 2 && error.contains("s3://bucket/key"),
                "{command:?} {error}"
            );
        }
    }
    assert!(admin.calls().is_empty());
    let keys: Vec<_> = (0..250).map(|number| format!("in/{number}")).collect();
    let mut arguments = vec!["submit", "photos"];
    arguments.extend(keys.iter().map(String::as_str));
    let taken = admin.json(&arguments).await;
    let accepted = taken["accepted"].as_array().unwrap();
    assert_eq!((accepted.len(), &taken["ignored"]), (250, &json!([])));
    assert_eq!(accepted[249]["id"], "bucket/in/249");
    assert_eq!(admin.calls(), ["POST /v1/routes/photos/events"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_shown_by_its_key_or_among_the_last() {
    let admin = Admin::start().await;
    let said = admin.ok(&["transfer", "photos", "2025/a"]).await;
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
        let transfer = admin.json(&["transfer", "photos", name]).await;
        assert_eq!(transfer["id"], "older/2025/a");
        assert_eq!(transfer["quarantine"]["failures"], 2);
    }
    let (code, error) = admin.fails(&["transfer", "photos", "in/none"]).await;
    assert!(
        code == 3 && error.contains("nothing is remembered of in/none"),
        "{error}"
    );

    let said = admin.ok(&["transfer", "photos"]).await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[1].ends_with("s3://bucket/in/x\\n"), "{said}");
    let json = admin.json(&["transfer", "photos"]).await;
    assert_eq!(json["transfers"][1]["kind"], "source-denied");
}
