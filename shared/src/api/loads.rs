//! Loads into a table, as its loader tells of them. The worker passes its answers on; these are for those who read them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::TransferError;

/// How a table's loads are: those under way, and a page of those that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loads {
    /// The loads that are under way.
    pub under_way: Vec<Load>,
    /// Loads that have ended, the newest first.
    pub ended: Vec<Load>,
    /// What to give as `before` for the next page; none at the end.
    pub before: Option<u64>,
    /// What all loads of the table came to.
    pub counts: LoadCounts,
    /// Whether files wait for a load.
    pub waits: bool,
    /// Why nothing is loaded before a person acts.
    pub blocked: Option<LoadsBlocked>,
    /// Until when nothing is loaded because BigQuery's quota is used up.
    pub quota_until: Option<Timestamp>,
    /// How many load jobs may begin at once.
    pub jobs_left: u32,
}

/// One load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// 16 hexadecimal digits.
    pub id: String,
    /// BigQuery's id of its last job; empty if BigQuery was given no job.
    pub job: String,
    /// The route whose files it loads.
    pub route: String,
    /// What the names of the files of the partition that it replaces begin with, behind the landing prefix: empty for
    /// the whole table, none where it adds rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended; none while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// How many files it has.
    pub files: u64,
    /// Rows that it has loaded.
    pub rows: u64,
    /// Rows that BigQuery left out as bad ones.
    pub bad_rows: u64,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TransferError>,
    /// The format of its files; only while it is under way, and so are those that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// When it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// What of it failed in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
}

/// What all loads of a table came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadCounts {
    /// Loads that ended, however they did.
    pub loads: u64,
    /// Load jobs that BigQuery was given, failed ones included.
    pub jobs: u64,
    /// Files whose rows were loaded.
    pub files: u64,
    /// Rows that were loaded.
    pub rows: u64,
    /// Rows that were left out as bad ones.
    pub bad_rows: u64,
    /// Files that went to quarantine.
    pub refused: u64,
    /// Versions of files that are known to be loaded, or to be in a load that is under way.
    pub receipts: u64,
}

/// Why nothing is loaded before a person acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadsBlocked {
    /// Since when.
    pub since: Timestamp,
    /// What happened at the last try.
    pub error: TransferError,
    /// How often it was tried.
    pub probes: u32,
}
