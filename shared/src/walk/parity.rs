//! How far the two sides are apart: counts, and the keys that differ.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What stands on both sides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parity {
    /// At the source.
    pub source: Tally,
    /// At the destination, parts of large objects apart.
    pub destination: Tally,
    /// Copies of what the source has now.
    pub equal: Tally,
    /// At the source, and not at the destination.
    pub missing: Tally,
    /// At both, and not the same.
    pub different: Tally,
    /// Copies whose source is gone.
    pub extra: Tally,
    /// At the destination, and no copies of ours: they stay.
    pub foreign: Tally,
    /// At the source, and not to be copied: the key is no UTF-8, or has `.` or `..` segments, or nothing of
    /// it is left behind the route's prefix.
    pub skipped: Tally,
    /// Equal copies of which a table has no rows, and none are on their way.
    #[serde(skip_serializing_if = "Tally::is_none")]
    pub not_loaded: Tally,
}

/// So many objects, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Objects.
    pub keys: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A key whose sides differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The source's key.
    pub key: String,
    /// How they differ.
    pub is: Differs,
}

/// How the two sides of a key differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Differs {
    /// Nothing stands at the destination.
    Missing,
    /// Something else stands there.
    Different,
    /// A copy stands there, and its source is gone.
    Extra,
    /// It cannot be copied.
    Skipped,
}

impl fmt::Display for Differs {
    /// As programs have it: `missing`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Tally {
    fn is_none(&self) -> bool {
        self.keys == 0
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.keys += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.keys += other.keys;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl std::ops::AddAssign for Parity {
    fn add_assign(&mut self, other: Self) {
        self.source += other.source;
        self.destination += other.destination;
        self.equal += other.equal;
        self.missing += other.missing;
        self.different += other.different;
        self.extra += other.extra;
        self.foreign += other.foreign;
        self.skipped += other.skipped;
        self.not_loaded += other.not_loaded;
    }
}
