//! Large objects in parallel: an object is cut into parts, each is copied by itself under `If-Match`,
//! GCS composes them, and the result is committed under the precondition that was seen before the
//! source was read.
//!
//! `coordinator` is the one state that outlives a message; `copy`, `assemble` and `sweep` are what is
//! carried out on a [`crate::port::Port`]. Nothing here does I/O by itself.

mod assemble;
mod coordinator;
mod copy;
mod leftovers;
mod reason;
mod run;
mod sweep;
#[cfg(test)]
mod tests;

pub use assemble::assemble;
pub use coordinator::{Coordinator, Started, Task, Verdict};
pub use copy::copy_part;
pub(crate) use leftovers::Leftovers;
pub use sweep::{discard, may_delete, sweep};

use serde::{Deserialize, Serialize};

use crate::gcs::Component;
use crate::integrity::Digests;

/// A part that stands at the destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCopy {
    /// Where.
    pub component: Component,
    /// Its CRC32C, as GCS has it and, where it was computed, as it was read; and the other checksum
    /// that was asked for.
    pub digests: Digests,
}
