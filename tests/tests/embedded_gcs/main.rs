//! The embedded GCS over HTTP: with Google's own Rust client, which knows nothing of our code, and
//! request by request where the rules are stricter than any client tries.
//!
//! Google's control client (buckets, listing, deleting) speaks gRPC and has no counterpart here.
#![allow(clippy::unwrap_used, clippy::large_futures)]

mod client;
mod compose;
mod emulator;
mod fixture;
mod kept;
mod objects;
mod options;
mod resumable;
mod uploads;
