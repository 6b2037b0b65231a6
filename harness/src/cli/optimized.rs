//! Commands that want the harness built with all optimizations, where everything else is as well served
//! by the build that the tests use.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::failure::Failure;

/// Does nothing in an optimized build. In another, ends this process with what the same command gives when
/// the harness is built with optimizations; `why` says on standard error what that is good for.
///
/// # Errors
/// When cargo cannot be started.
pub(super) fn or_else_again(why: &str) -> Result<(), Failure> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    eprintln!("building the harness with optimizations (some minutes the first time): {why}");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["run", "--quiet", "--profile", "native", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .args(["--bin", "causeway", "--"])
        .args(std::env::args_os().skip(1));
    let ended = cargo.status().context("starting cargo");
    let ended = ended.map_err(|error| Failure::from_setup(&error))?;
    std::process::exit(ended.code().unwrap_or(1))
}
