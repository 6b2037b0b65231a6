//! Helpers of the integration tests: the built worker under its runtime, and a witness of
//! everything that it does.
//!
//! A start of the worker costs a second, so that the tests of one binary share one where they can:
//! each takes a [`Lane`] of its own, a route with a source and a destination bucket that no other
//! test uses. No test sleeps: the [`Witness`] writes down everything from the start, and a test
//! waits until it has seen what the test is about.

mod contract;
mod event;
mod lane;
mod stack;
mod sts;
mod table;
mod witness;

use std::sync::{LazyLock, OnceLock};

use causeway_harness::setup::{Reporter, Toolchain, ensure};
use tokio::runtime::Runtime;

pub use contract::{Answer, Contract};
pub use event::{event, write_event};
pub use lane::{Lane, content, noise};
pub use stack::{LONGEST_WAIT, SHARED_LANES, Stack, shared};
pub use sts::{AUDIENCE, Asked, Role, TokenServices};
pub use table::{Table, into_table, make_dataset, with_tables};
pub use witness::{Seen, Witness};

/// Runs a test on the one runtime of this process, whose tasks (the servers of a shared
/// [`Stack`]) go on when a test ends.
///
/// # Panics
/// When the runtime cannot be made, and when the test panics.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Runtime::new().expect("threads can be started"));
    RUNTIME.block_on(test)
}

/// The toolchain with the worker built from the present sources; made sure of once a process.
///
/// # Panics
/// When it cannot be set up; the message says why.
pub fn toolchain() -> &'static Toolchain {
    static TOOLCHAIN: OnceLock<Toolchain> = OnceLock::new();
    TOOLCHAIN.get_or_init(|| match ensure(&mut Reporter::stderr()) {
        Ok(toolchain) => toolchain,
        Err(error) => panic!("the set-up failed: {error:#}"),
    })
}
