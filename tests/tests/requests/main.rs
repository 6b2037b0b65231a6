//! The requests that leave the worker, to the letter, and what it makes of each reply. Both stores
//! are scripted here: that the real protocol works is shown in `end_to_end`.
#![allow(clippy::unwrap_used)]

mod broken;
mod etags;
mod fixture;
mod gcs;
mod metadata;
mod proofs;
mod raw;
mod refusals;
mod replies;
mod resumable;
mod s3;
mod shares;
mod smuggled;
mod stored;
