//! The harness.

pub mod setup;
