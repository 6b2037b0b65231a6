//! The embedded S3 as AWS's own client sees it. What the worker makes of it is in `end_to_end`.
#![allow(clippy::unwrap_used)]

mod access;
mod buckets;
mod checksums;
mod events;
mod faults;
mod fixture;
mod multipart;
mod objects;
mod reads;
mod server;
mod sparse;
mod versions;
