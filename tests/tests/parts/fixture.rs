//! A stack whose routes cut objects above 1 MiB, and what is the same for every large object.

use std::sync::Arc;

use causeway_harness::gcs::state::Object as Stored;
use causeway_harness::s3::store::{Algorithm, SparseSpec};
use causeway_harness::{gcs, s3};
use causeway_tests::{Lane, SHARED_LANES, Seen, Stack, content};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

pub(crate) const MIB: u64 = 1 << 20;

/// The stack that the tests share: parts of 1 MiB, above 30 MiB of up to 4 MiB.
pub(crate) async fn shared() -> &'static Stack {
    static SHARED: OnceCell<Stack> = OnceCell::const_new();
    SHARED
        .get_or_init(|| with_options(json!({"parts_above_mib": 1})))
        .await
}

/// A stack whose routes have `options`.
pub(crate) async fn with_options(options: Value) -> Stack {
    Stack::start(SHARED_LANES, bindings(&options)).await
}

/// The routes of the lanes, all with `options`.
pub(crate) fn bindings(options: &Value) -> Map<String, Value> {
    (0..SHARED_LANES)
        .map(|number| Lane::table(number, options))
        .collect()
}

/// An object of `size` bytes with a full CRC32C at the source.
pub(crate) fn large(size: u64) -> SparseSpec {
    SparseSpec::new(size, size).with(Algorithm::Crc32c)
}

pub(crate) fn put(lane: &Lane<'_>, spec: &SparseSpec) {
    lane.store()
        .put_sparse(&lane.source, "key", spec.clone())
        .unwrap();
}

/// Copies `spec`, which must arrive byte by byte and in parts, and gives what stands there.
pub(crate) async fn copy(lane: &Lane<'_>, spec: &SparseSpec) -> Arc<Stored> {
    put(lane, spec);
    arrived(lane, spec).await
}

/// Waits for `spec`, and until nothing but it is left.
pub(crate) async fn arrived(lane: &Lane<'_>, spec: &SparseSpec) -> Arc<Stored> {
    let line = ended(lane, "copied").await;
    let stored = lane.stored("key").unwrap();
    assert_eq!(line["generation"], stored.generation);
    assert_eq!(line["bytes"], spec.size());
    assert!(content(&stored) == spec.body().bytes().await.unwrap());
    swept(lane).await;
    assert_eq!(lane.names(), ["key"]);
    stored
}

/// Waits until the key's transfer ends as `event`, and gives the log's line.
pub(crate) async fn ended(lane: &Lane<'_>, event: &str) -> Value {
    let look = |seen: &Seen| {
        let lines = seen.outcomes(&lane.source, "key");
        lines
            .into_iter()
            .find(|line| line["event"] == event)
            .cloned()
    };
    let what = format!("{event} in {}", lane.source);
    lane.stack.witness.until(&what, look).await
}

/// Waits until every part that was ever written is deleted.
pub(crate) async fn swept(lane: &Lane<'_>) {
    let look = |seen: &Seen| {
        let ours = seen.commits.iter().filter(|commit| {
            commit.bucket == lane.destination && commit.name.contains(".causeway-parts/")
        });
        let (deleted, written): (Vec<_>, Vec<_>) = ours.partition(|commit| commit.deleted);
        (deleted.len() == written.len() && !written.is_empty()).then_some(())
    };
    let what = format!("no part in {}", lane.destination);
    lane.stack.witness.until(&what, look).await;
}

/// How many objects were written whose names contain `what`.
pub(crate) fn written(lane: &Lane<'_>, what: &str) -> usize {
    lane.stack.witness.now(|seen| {
        let ours = seen.commits.iter().filter(|commit| {
            commit.bucket == lane.destination && !commit.deleted && commit.name.contains(what)
        });
        ours.count()
    })
}

/// Lets the next request to the destination with `method` and `path` suffer `fault`.
pub(crate) fn fail_gcs(lane: &Lane<'_>, method: Method, path: &str, fault: gcs::Fault) {
    lane.stack.local.gcs.faults().fail_next(gcs::FaultSpec {
        method: Some(method),
        path_contains: format!("/b/{}/{path}", lane.destination),
        fault,
    });
}

/// Lets the read of the source that begins at `first` suffer `fault`.
pub(crate) fn fail_s3(lane: &Lane<'_>, first: u64, fault: s3::Fault) {
    lane.stack.local.s3.faults().fail_next(s3::FaultSpec {
        method: Some(Method::GET),
        path_contains: format!("/{}/key bytes={first}-", lane.source),
        fault,
    });
}

/// Checks that each fault was met.
pub(crate) fn all_met(lane: &Lane<'_>) {
    let at_gcs = lane.stack.local.gcs.faults().pending();
    let ours = format!("/b/{}/", lane.destination);
    assert!(
        !at_gcs
            .iter()
            .any(|spec| spec.path_contains.starts_with(&ours)),
        "{at_gcs:?}"
    );
    let at_s3 = lane.stack.local.s3.faults().pending();
    let ours = format!("/{}/", lane.source);
    assert!(
        !at_s3
            .iter()
            .any(|spec| spec.path_contains.starts_with(&ours)),
        "{at_s3:?}"
    );
}
