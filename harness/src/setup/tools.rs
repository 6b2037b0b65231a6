//! worker-build and wasm-bindgen, at the versions that Cargo.lock fixes for the libraries they
//! belong to, in the project's own target folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::Reporter;
use super::command::{cargo, output, run};

/// The tools' paths.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) worker_build: PathBuf,
    pub(super) wasm_bindgen: PathBuf,
}

/// Installs the tools that are missing or of another version.
///
/// # Errors
/// When cargo cannot install one.
pub(super) fn ensure(root: &Path, setup: &Path, reporter: &mut Reporter) -> anyhow::Result<Tools> {
    let lock = std::fs::read_to_string(root.join("Cargo.lock"))
        .context("Cargo.lock is missing: it is part of the repository")?;
    let tools = Tools {
        worker_build: setup.join("bin/worker-build"),
        wasm_bindgen: setup.join("bin/wasm-bindgen"),
    };
    // The two are released together, under one version.
    let version = locked(&lock, "worker")?;
    if !is_version(&tools.worker_build, version) {
        reporter.step("installing worker-build (about 3 min, once): it turns the compiled worker into what the runtime loads");
        install(
            root,
            setup,
            reporter,
            &["worker-build", "--version", version, "--locked"],
        )?;
    }
    // Refuses wasm whose library is of another version. No --locked: its lock file names a yanked crate.
    let version = locked(&lock, "wasm-bindgen")?;
    if !is_version(&tools.wasm_bindgen, version) {
        reporter.step("installing wasm-bindgen (about 2 min, once): it writes the JavaScript between the runtime and the wasm");
        install(
            root,
            setup,
            reporter,
            &[
                "wasm-bindgen-cli",
                "--version",
                version,
                "--bin",
                "wasm-bindgen",
            ],
        )?;
    }
    Ok(tools)
}

fn install(
    root: &Path,
    setup: &Path,
    reporter: &Reporter,
    arguments: &[&str],
) -> anyhow::Result<()> {
    let mut install = cargo(root);
    install
        .args(["install", "--force", "--root"])
        .arg(setup)
        .args(arguments);
    run(&mut install, reporter).with_context(|| format!("cargo could not install {}", arguments[0]))
}

fn is_version(tool: &Path, version: &str) -> bool {
    output(Command::new(tool).arg("--version"))
        .is_some_and(|found| found.split_whitespace().last() == Some(version))
}

/// The version of `package` in a Cargo.lock.
fn locked<'lock>(lock: &'lock str, package: &str) -> anyhow::Result<&'lock str> {
    let mut lines = lock.lines();
    let name = format!("name = \"{package}\"");
    lines
        .find(|line| *line == name)
        .and_then(|_| {
            lines
                .next()?
                .strip_prefix("version = \"")?
                .strip_suffix('"')
        })
        .with_context(|| format!("Cargo.lock has no {package}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_locked_version_is_that_of_the_whole_name() {
        let lock = "[[package]]\nname = \"worker-sys\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"worker\"\nversion = \"0.8.7\"\n";
        assert_eq!(locked(lock, "worker").unwrap(), "0.8.7");
        assert!(locked(lock, "work").is_err());
    }
}
