//! What a worker says of events and keys that it was given.

use serde::{Deserialize, Serialize};

/// What was taken in, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenIn {
    /// Hints that are in the queue.
    pub accepted: Vec<Accepted>,
    /// What leads to nothing.
    pub ignored: Vec<Ignored>,
}

/// A hint that is in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its transfer's: `bucket/key`.
    #[serde(default)]
    pub id: String,
    /// The source's bucket.
    pub bucket: String,
    /// The source's key.
    pub key: String,
    /// The route that it takes.
    pub route: String,
}

/// What leads to nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// The bucket, as far as it was said.
    #[serde(default)]
    pub bucket: Option<String>,
    /// The key, as far as it was said.
    #[serde(default)]
    pub key: Option<String>,
    /// Why.
    pub reason: String,
}
