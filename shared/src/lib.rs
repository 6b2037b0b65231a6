//! Protocols and decisions of Causeway: what to ask of S3, what to tell GCS, and when to stop.
//!
//! Nothing here does I/O, reads a clock or draws a random number: the worker and the simulator run the very
//! same code over [`port::Port`] and [`host::Platform`]. The road of one object is
//! [`event`] ([`sender`] says whose) → [`route`] → [`transfer`], driven by [`drive`]; a large one goes on in [`parts`];
//! [`walk`] sends down the same road what no event told of. [`host`] ties all of it to queues, alarms and
//! storage.
#![forbid(unsafe_code)]

pub mod access;
pub mod api;
pub mod aws;
pub mod bigquery;
pub mod brake;
pub mod breaker;
mod client;
pub mod composite;
pub mod credentials;
pub mod drive;
pub mod error;
pub mod event;
pub mod exchange;
pub mod gcs;
mod google;
pub mod host;
pub mod integrity;
pub mod json;
pub mod jwt;
pub mod ledger;
pub mod mapping;
pub mod message;
pub mod parts;
pub mod plan;
pub mod port;
mod renew;
pub mod retry;
pub mod route;
pub mod s3;
pub mod sender;
pub mod sigv4;
pub mod sqs;
pub mod tables;
pub mod time;
pub mod transfer;
pub mod walk;
