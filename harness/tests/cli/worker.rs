//! The commands that speak with a worker, and the local stack of `causeway dev`.

use serde_json::json;

use crate::common::{self, Stores};
use crate::worker_double::Worker;

#[tokio::test(flavor = "multi_thread")]
async fn send_tells_what_the_worker_made_of_it() {
    let stores = Stores::start().await;
    let worker = Worker::start().await;
    let environment = [
        ("CAUSEWAY_URL", worker.url()),
        ("CAUSEWAY_EVENTS_TOKEN", "t0k3n".to_owned()),
    ];
    let send = async |arguments: &[&str], input: &[u8]| {
        stores
            .run_in(&environment, &[&["send"], arguments].concat(), input)
            .await
    };
    let run = send(&["s3://bucket/a b+c", "s3://other/x"], b"").await;
    assert_eq!(run.status.code(), Some(0), "{}", common::text(&run.stderr));
    let shown = common::text(&run.stdout);
    assert_eq!(
        shown,
        "accepted s3://bucket/a b+c (route r)\nignored  s3://other/x: no route\n"
    );
    let run = send(&["s3://bucket/k", "--json"], b"").await;
    let answer: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(
        answer["accepted"],
        json!([{"id": "bucket/k", "bucket": "bucket", "key": "k", "route": "r"}])
    );

    let run = send(&["--file", "-"], b"{}").await;
    assert_eq!(run.status.code(), Some(2));
    assert!(common::text(&run.stderr).contains("the worker answered 400: no Records"));
    let run = send(&["s3://other/x", "s3://other/y"], b"").await;
    assert_eq!(run.status.code(), Some(1));
    assert!(common::text(&run.stderr).contains("error: nothing was accepted: 2 ignored"));
    let run = send(&["s3://bucket/k", "--token", "wr0ng"], b"").await;
    assert_eq!(run.status.code(), Some(4));
    assert!(!common::text(&run.stderr).contains("wr0ng"));
    assert_eq!(send(&["gs://bucket/k"], b"").await.status.code(), Some(2));
    assert_eq!(send(&[], b"").await.status.code(), Some(2));
    // Options about records that are made are of no use with a file.
    let run = send(&["--file", "-", "--event", "ObjectRemoved:Delete"], b"{}").await;
    assert_eq!(run.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_stack_is_used_when_the_environment_is_silent() {
    let stores = Stores::start().await;
    let project = stores.folder().join("project/below");
    std::fs::create_dir_all(&project).unwrap();
    let run = stores.bare(&project, &["ls", "s3://bucket"]).await;
    assert_eq!(run.status.code(), Some(2));
    let advice = common::text(&run.stderr);
    assert!(
        advice.contains("AWS_ACCESS_KEY_ID") && advice.contains("causeway dev"),
        "{advice}"
    );

    stores.leave_stack(&stores.folder().join("project"), "http://127.0.0.1:1");
    for name in ["s3://bucket", "gs://bucket"] {
        let run = stores.bare(&project, &["ls", name]).await;
        assert_eq!(run.status.code(), Some(0), "{}", common::text(&run.stderr));
        assert!(common::text(&run.stderr).contains("local stack"));
    }
}
