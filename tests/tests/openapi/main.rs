//! The HTTP API as docs/openapi.yaml has it: each answer of the built worker is held against the
//! document that it serves.
#![allow(clippy::unwrap_used)]

mod access;
mod answers;
mod fixture;
mod guesses;
mod lists;
mod metrics;
mod schemathesis;
