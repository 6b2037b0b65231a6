//! The harness.

pub mod gcs;
