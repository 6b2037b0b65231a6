//! The command line as a user has it: the built binary over the embedded stores.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;
mod failures;
mod faults;
mod folders;
mod objects;
mod operator;
mod operator_double;
mod worker;
mod worker_double;
