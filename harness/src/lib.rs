//! The harness.

pub mod cli;
pub mod client;
pub mod gcs;
pub mod s3;
