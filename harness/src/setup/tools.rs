//! worker-build and wasm-bindgen, at the versions that Cargo.lock fixes for the libraries they
//! belong to, in the project's own target folder.

use std::fs;
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
    let lock = fs::read_to_string(root.join("Cargo.lock"))
        .context("Cargo.lock is missing: it is part of the repository")?;
    let tools = Tools {
        worker_build: setup.join("bin/worker-build"),
        wasm_bindgen: setup.join("bin/wasm-bindgen"),
    };
    // The two are released together, under one version.
    let version = locked(&lock, "worker")?;
    if !is_version(&tools.worker_build, version) {
        reporter.step("installing worker-build (about 1 min, once): it turns the compiled worker into what the runtime loads");
        let mut install = quickly(cargo(root), "0");
        install
            .args(["install", "--force", "--locked", "--root"])
            .arg(setup)
            .args(["worker-build", "--version", version])
            .args(["--bin", "worker-build"]);
        run(&mut install, reporter).context("cargo could not install worker-build")?;
    }
    // Refuses wasm whose library is of another version.
    let version = locked(&lock, "wasm-bindgen")?;
    if !is_version(&tools.wasm_bindgen, version) {
        reporter.step("building wasm-bindgen (about 1 min, once): it writes the JavaScript between the runtime and the wasm");
        build_wasm_bindgen(setup, version, &tools.wasm_bindgen, reporter)
            .context("cargo could not build wasm-bindgen")?;
    }
    Ok(tools)
}

/// `cargo`, told to optimize what it builds no further than this: each tool runs for seconds.
fn quickly(mut cargo: Command, opt_level: &str) -> Command {
    cargo
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", opt_level)
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    cargo
}

/// Builds the program that worker-build calls around the library of wasm-bindgen's own program, whose
/// test runner brings a web server and an HTTP client that take longer to build than all the rest.
fn build_wasm_bindgen(
    setup: &Path,
    version: &str,
    program: &Path,
    reporter: &Reporter,
) -> anyhow::Result<()> {
    let folder = setup.join("wasm-bindgen");
    fs::create_dir_all(folder.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"wasm-bindgen\"\nversion = \"{version}\"\nedition = \"2024\"\n\n\
         [dependencies]\nanyhow = \"1\"\nwasm-bindgen-cli-support = \"={version}\"\n\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/main.rs"), include_str!("wasm_bindgen.rs"))?;
    let mut build = quickly(cargo(&folder), "1");
    build.args(["build", "--release", "--target-dir", "target"]);
    run(&mut build, reporter)?;
    fs::create_dir_all(setup.join("bin"))?;
    fs::copy(folder.join("target/release/wasm-bindgen"), program)?;
    fs::remove_dir_all(&folder).context("removing its build folder")
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
