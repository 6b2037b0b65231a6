//! Stores and connections that fail while bytes are on their way.

use causeway_harness::gcs::{Fault, FaultSpec};
use http::{Method, StatusCode};

use crate::common::{self, Stores, patterned};

/// Lets the next request to GCS of that method (any, if none is given) and path fail.
fn fail(stores: &Stores, method: Option<Method>, path_contains: &str, fault: Fault) {
    stores.gcs.faults().fail_next(FaultSpec {
        method,
        path_contains: path_contains.to_owned(),
        fault,
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_fails_leaves_no_file() {
    let stores = Stores::start().await;
    stores
        .ok_with_input(&["put", "-", "gs://bucket/k"], &patterned(300_000))
        .await;
    for fault in [
        Fault::CorruptDownload,
        Fault::BreakDownload { after: 100_000 },
    ] {
        fail(&stores, None, "alt=media", fault);
        let file = stores.folder().join("k");
        let run = stores
            .run(&["get", "gs://bucket/k", file.to_str().unwrap()], b"")
            .await;
        assert!(
            matches!(run.status.code(), Some(1 | 5)),
            "{}",
            common::text(&run.stderr)
        );
        assert_eq!(std::fs::read_dir(stores.folder()).unwrap().count(), 0);
        stores.gcs.faults().assert_consumed();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumable_upload_survives_what_happens_to_it() {
    let stores = Stores::start().await;
    let content = patterned((64 << 20) + 1);
    // One a request: the chunks' PUTs and the questions between them.
    for fault in [
        Fault::Return {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: None,
        },
        Fault::ResetConnection,
        Fault::BreakUpload { after: 5 << 20 },
        Fault::ResetAfterCommit,
    ] {
        fail(&stores, Some(Method::PUT), "upload_id", fault);
    }
    stores
        .ok_with_input(&["put", "-", "gs://bucket/k"], &content)
        .await;
    stores.gcs.faults().assert_consumed();
    assert!(stores.ok(&["get", "gs://bucket/k", "-"]).await.stdout == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_reply_is_lost_is_repeated() {
    let stores = Stores::start().await;
    let fault = Fault::ResetAfterCommit;
    fail(&stores, Some(Method::POST), "uploadType=multipart", fault);
    let put = stores
        .ok_with_input(&["put", "-", "gs://bucket/k", "--json"], b"x")
        .await;
    let put: serde_json::Value = serde_json::from_slice(&put.stdout).unwrap();
    stores.gcs.faults().assert_consumed();
    assert_eq!(
        put["generation"],
        stores.json(&["stat", "gs://bucket/k"]).await["generation"]
    );
}
