//! Where a loader keeps what.

use crate::bigquery::Format;
use crate::gcs::Generation;

/// Its state.
pub(super) const STATE: &str = "loader";
/// What waits.
pub(super) const WAITING: &str = "p/";
/// Loads that have ended.
pub(super) const LOADS: &str = "l/";
/// Files a chunk: with the receipts of all and the state they are one write.
pub(super) const CHUNK: usize = 100;

/// What the keys of `route`'s versions of one format begin with. Compressed files and others don't go into one job.
pub(super) fn group(route: &str, format: Format, is_compressed: bool) -> String {
    let format = format.name();
    let gz = if is_compressed { ".gz" } else { "" };
    format!("{WAITING}{route}/v/{format}{gz}/")
}

/// A version in one of those.
pub(super) fn version(group: &str, name: &str, generation: Generation) -> String {
    format!("{group}{name}\n{}", generation.0)
}

/// A partition that waits.
pub(super) fn partition(route: &str, prefix: &str) -> String {
    format!("{WAITING}{route}/p/{prefix}")
}

/// What the receipts of all versions of `name` begin with.
pub(super) fn receipts(bucket: &str, name: &str) -> String {
    format!("r/{bucket}/{name}\n")
}

/// The receipt of one.
pub(super) fn receipt(bucket: &str, name: &str, generation: Generation) -> String {
    format!("{}{}", receipts(bucket, name), generation.0)
}

/// What the chunks of a job begin with.
pub(super) fn chunks(run: &str) -> String {
    format!("j/{run}/")
}

/// One of them.
pub(super) fn chunk(run: &str, number: u32) -> String {
    format!("j/{run}/{number:04}")
}

/// What a partition was replaced with.
pub(super) fn replaced(prefix: &str) -> String {
    format!("q/{prefix}")
}

/// The `number`th load.
pub(super) fn load(number: u64) -> String {
    format!("{LOADS}{number:012}")
}

/// The first key behind `key`.
pub(super) fn behind(key: &str) -> String {
    format!("{key}\0")
}
