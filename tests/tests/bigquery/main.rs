//! The embedded BigQuery, held against Google's own clients: `bq`, the libraries for Python and Rust. The
//! rows of its tables are judged by DuckDB, which reads the same files. Rules that no client tries are
//! tested beside the code that keeps them.
#![allow(clippy::unwrap_used, clippy::large_futures)]

mod access;
mod bq;
mod fixture;
mod python;
mod rust;
