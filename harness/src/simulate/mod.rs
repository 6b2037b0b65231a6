//! Deterministic simulation: the very state machine of `shared` against the embedded GCS without
//! its connections and models of S3, the queues and Durable Objects, under a virtual clock, with faults that a
//! seed draws.
//!
//! One seed is one world of one thread; whatever happens in it follows from the seed alone. Nothing
//! here speaks HTTP over sockets.

mod circumstances;
mod delivered;
mod durable;
mod fault;
mod gcs;
mod judge;
mod mutant;
mod network;
mod operator;
mod platform;
mod port;
mod queue;
mod run;
mod s3;
mod scenario;
mod story;
mod tables;
#[cfg(test)]
mod tests;
mod warehouse;
mod workload;
mod world;

use crate::symbolic as body;

pub use mutant::Mutant;
pub use run::{Options, Summary, simulate};
pub use story::Story;
