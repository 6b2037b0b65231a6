//! Every request that the worker sends, suffering every fault that it can: whatever happens, the
//! destination ends as the source is, or the hint is in quarantine with its true reason, and nothing
//! but the whole object is ever seen. What there is to cross is in `requests` and `faults`; where
//! the answer is not "it converges", `expected` says so, with the reason.
//!
//! One cell or some of them: `CAUSEWAY_CELL=gcs-compose/ cargo test --test matrix`.
#![allow(clippy::unwrap_used)]

mod cell;
mod expected;
mod faults;
mod requests;

use std::panic::AssertUnwindSafe;

use causeway_tests::{Stack, run};
use futures::{FutureExt as _, StreamExt as _, stream};

use crate::cell::Cell;

/// Cells at work at one time.
const AT_ONCE: usize = 24;

#[test]
fn every_request_survives_every_fault() {
    run(async {
        let cells = Cell::all();
        let bindings = cells.iter().map(Cell::binding).collect();
        let stack = Stack::start(cells.len(), bindings).await;
        let wanted = std::env::var("CAUSEWAY_CELL").unwrap_or_default();
        let wanted: Vec<_> = cells
            .iter()
            .filter(|cell| cell.name().contains(&wanted))
            .collect();
        assert!(!wanted.is_empty(), "no such cell");
        let (alone, beside): (Vec<_>, Vec<_>) = wanted.iter().partition(|cell| cell.is_alone());
        let run = |cells, at_once| {
            stream::iter(cells)
                .map(|cell| attempt(cell, &stack))
                .buffer_unordered(at_once)
                .filter_map(async |failure| failure)
                .collect::<Vec<String>>()
        };
        let mut failures = run(beside, AT_ONCE).await;
        failures.extend(run(alone, 1).await);
        assert!(
            failures.is_empty(),
            "{} of {} cells failed:\n\n{}",
            failures.len(),
            wanted.len(),
            failures.join("\n\n")
        );
        for cell in &wanted {
            cell.assert_quiet(&stack);
        }
        let asked: usize = wanted.iter().map(|cell| cell.faults_asked()).sum();
        let local = &stack.local;
        assert_eq!(
            local.s3.faults().consumed() + local.gcs.faults().consumed(),
            asked,
            "each fault was suffered, and by one request"
        );
        for route in stack.admin().routes().await.unwrap() {
            assert_eq!(route.quarantined, 0, "{}", route.route);
        }
        println!("{} cells, {asked} faults", wanted.len());
        stack.local.stop().await.unwrap();
    });
}

/// Runs a cell; gives what it failed with.
async fn attempt(cell: &Cell, stack: &Stack) -> Option<String> {
    let panic = AssertUnwindSafe(cell.run(stack))
        .catch_unwind()
        .await
        .err()?;
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let message = message.unwrap_or("panicked");
    eprintln!("{}: {message}", cell.name());
    Some(format!("{}: {message}", cell.name()))
}
