//! The command line as a user has it: the built binary over the embedded stores.
#![allow(clippy::unwrap_used, missing_docs)]

mod admin;
mod admin_double;
mod common;
mod failures;
mod faults;
mod folders;
mod loads;
mod objects;
mod quarantine;
mod several;
mod target;
mod transfers;
mod walks;
mod worker;
mod worker_double;
