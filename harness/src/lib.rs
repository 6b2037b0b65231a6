//! The harness.

pub mod cli;
pub mod client;
