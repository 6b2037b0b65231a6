//! From an upload at S3 to rows in a table, through the built worker under its real runtime.
#![allow(clippy::unwrap_used)]

mod append;
mod faults;
mod refuse;
mod replace;

pub(crate) use causeway_tests::{Table, with_tables};
