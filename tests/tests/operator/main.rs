//! The API through the built worker: what the ledgers say, quarantine, replay, the brake.
#![allow(clippy::unwrap_used)]

mod api;
mod backfill;
mod brake;
mod fixture;
mod listings;
mod loads;
mod markers;
mod quarantine;
mod reconcile;
