//! The native side of Causeway: embedded stores, the set-up of the worker's toolchain, the runtime
//! that runs it, the demo and the operator's command line.
//!
//! What a transfer does is not here: the worker and this crate share it in `causeway-shared`.

pub mod bench;
pub mod bigquery;
pub mod cli;
pub mod client;
pub mod demo;
pub mod fault;
pub mod gcs;
mod listen;
mod percentiles;
mod rng;
pub mod runtime;
pub mod s3;
pub mod setup;
pub mod simulate;
pub mod soak;
pub mod stack;
pub mod stack_file;
pub mod symbolic;
mod text;
pub mod throttle;
