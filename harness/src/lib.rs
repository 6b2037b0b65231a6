//! The harness.

pub mod runtime;
pub mod setup;
