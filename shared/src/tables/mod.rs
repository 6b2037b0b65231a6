//! Tables: a route that ends in one goes on where its verified copy has landed. The table's loader is told each
//! version before its hint is acknowledged, and loads it, or the partition that it belongs to.
//!
//! `loader` is what outlives a message: jobs under way, and what holds them up; `job` is one of them, `pace` says when
//! the next may begin, `copies` and `mirror` are what is asked of the landing bucket. [`crate::host::tables`] keeps
//! and carries them out.

mod copies;
mod job;
mod loader;
mod mirror;
mod pace;
mod reason;
#[cfg(test)]
mod tests;

pub use copies::{copy_version, write_nothing};
pub use job::{Job, Phase, job_name};
pub use loader::{Blocked, Counts, Failed, Load, Loader, Task};
pub use mirror::{Mirror, mirror};
pub use pace::Limits;
pub use reason::{
    another_table, bad_file, no_format, no_partition, not_found_alone, second_version, two_formats,
};

use serde::{Deserialize, Serialize};

use crate::gcs::Generation;
use crate::message::HintMessage;

/// The generation of what is gone.
pub const GONE: Generation = Generation(0);

/// What a loader is told of one name at a landing place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landed {
    /// The name there.
    pub name: String,
    /// What it has now; 0 where the copy is gone.
    pub generation: Generation,
    /// What of it is loaded, where that is a copy of this version alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
    /// The hint that led to it, and that a replay repeats.
    pub message: HintMessage,
}

impl Landed {
    /// That `name` has `generation` now, as `message` led to.
    #[must_use]
    pub fn new(name: String, generation: Generation, message: HintMessage) -> Self {
        Self {
            name,
            generation,
            copy: None,
            message,
        }
    }
}
