//! What the demo found, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::BinaryBytes;
use serde::Serialize;

use super::Tables;
use crate::percentiles::{Percentiles, round};
use crate::text::shown;

/// The demo's result. `--json` prints it as it stands here.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Objects uploaded to S3.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were committed at GCS.
    pub copied: usize,
    /// Objects that were read back equal: bytes, headers, metadata.
    pub verified: usize,
    /// Objects that were not.
    pub failed: usize,
    /// From the first sending of an object's event to its commit at GCS.
    pub event_to_commit_ms: Percentiles,
    /// From the demo's start to the first commit, in seconds: with set-up and start of the stack.
    pub first_commit_s: f64,
    /// From the first upload to the last commit, in seconds.
    pub elapsed_s: f64,
    /// Bytes copied in that time, per second.
    pub bytes_per_s: f64,
    /// Why, for each key that failed.
    pub failures: BTreeMap<String, String>,
    /// What came of the files that were loaded into a table; not of a folder's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tables: Option<Tables>,
}

/// Seconds, to two decimals.
#[must_use]
pub(super) fn seconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64())
}

impl Summary {
    /// The lines for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Percentiles { p50, p99 } = self.event_to_commit_ms;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = BinaryBytes(self.bytes_per_s as u64);
        let mut lines = vec![
            format!(
                "  uploaded   {} objects, {}",
                self.objects,
                BinaryBytes(self.bytes)
            ),
            format!(
                "  copied     {} in {} s, {rate}/s",
                self.copied, self.elapsed_s
            ),
            format!(
                "  verified   {} equal in bytes, headers and metadata",
                self.verified
            ),
            format!("  failed     {}", self.failed),
            format!("  event to commit   p50 {p50} ms   p99 {p99} ms"),
        ];
        if let Some(tables) = &self.tables {
            let Tables {
                files,
                rows_expected,
                rows_loaded,
                rows_wrong,
                jobs,
                quarantined,
            } = tables;
            lines.push(format!(
                "  loaded     {rows_loaded} of {rows_expected} rows from {files} files by {jobs} jobs, {rows_wrong} wrong; {quarantined} bad file in quarantine"
            ));
        }
        lines.extend(
            self.failures
                .iter()
                .map(|(key, reason)| format!("  {}: {}", shown(key), shown(reason))),
        );
        lines
    }
}
