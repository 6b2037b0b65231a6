//! Large objects through the built worker: in parallel parts, composed at GCS, and in one stream where
//! parts are not allowed. Whatever happens on the way, nothing is visible before it is whole, and no
//! part is left behind.
#![allow(clippy::unwrap_used)]

mod endings;
mod faults;
mod fixture;
mod killed;
mod metadata;
mod one_stream;
mod proofs;
