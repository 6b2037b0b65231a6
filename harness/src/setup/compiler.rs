//! A Rust compiler that can produce wasm32: rustup's if it has the target or can get it, else
//! Debian's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use super::command::{clean, output, succeeds_within, which};
use super::{Reporter, debian};

/// The target that Workers run.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// rustup gives up by itself where it reaches no server; this is for networks that swallow packets.
const RUSTUP_LIMIT: Duration = Duration::from_mins(2);

/// Which compiler builds for wasm32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WasmCompiler {
    /// The `rustc` that everything else is built with.
    Own,
    /// A wrapper script around another one, with a sysroot of ours.
    Wrapper(PathBuf),
}

impl WasmCompiler {
    /// Makes `command`, and every cargo it starts, use this compiler.
    pub(super) fn apply(&self, command: &mut Command) {
        let Self::Wrapper(script) = self else { return };
        command.env("RUSTC", script);
        // worker-build asks the `rustc` on PATH for its sysroot.
        let mut path = OsString::from(script.parent().unwrap_or(Path::new("")));
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        command.env("PATH", path);
    }
}

/// Finds a compiler for wasm32, installing what it needs.
///
/// # Errors
/// When neither rustup nor Debian's packages can provide one.
pub(super) fn ensure(
    root: &Path,
    setup: &Path,
    reporter: &mut Reporter,
) -> anyhow::Result<WasmCompiler> {
    if own_has_target(root) {
        debian::discard(setup)?;
        return Ok(WasmCompiler::Own);
    }
    if let Some(wrapper) = debian::current(setup) {
        return Ok(WasmCompiler::Wrapper(wrapper));
    }
    let mut tried = "rustup is not installed";
    if which("rustup").is_some() {
        reporter.step("adding the wasm32 target to the Rust toolchain (about 10 s): the worker is compiled to wasm");
        let mut add = clean("rustup", root);
        if succeeds_within(add.args(["target", "add", TARGET]), RUSTUP_LIMIT)
            && own_has_target(root)
        {
            return Ok(WasmCompiler::Own);
        }
        tried = "`rustup target add wasm32-unknown-unknown` failed";
    }
    if !debian::is_possible() {
        bail!(
            "there is no Rust compiler for {TARGET}: {tried}, and there is no apt-get to install Debian's; run `rustup target add {TARGET}` and see what it says"
        );
    }
    debian::ensure(setup, reporter).map(WasmCompiler::Wrapper)
}

fn own_has_target(root: &Path) -> bool {
    output(clean("rustc", root).args(["--print", "sysroot"])).is_some_and(|sysroot| {
        Path::new(&sysroot)
            .join("lib/rustlib")
            .join(TARGET)
            .join("lib")
            .is_dir()
    })
}
