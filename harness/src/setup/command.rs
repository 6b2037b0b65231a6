//! Running other programs: with their output shown as progress, kept for the error message, and
//! with an environment that does not carry over from the cargo that may have started us.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::Reporter;

/// How many of a failed program's last lines its error shows.
const TAIL: usize = 25;

/// The path of `program` on `PATH`, if it is there.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// A cargo of its own: what `cargo run` or `cargo test` put into our environment would otherwise
/// choose its compiler, flags, profile and libraries.
pub(super) fn cargo(root: &Path) -> Command {
    clean("cargo", root)
}

/// `program`, to be run in `folder` without what an outer cargo left in the environment.
pub(super) fn clean(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_left_by_cargo) {
            command.env_remove(name);
        }
    }
    command
}

fn is_left_by_cargo(name: &str) -> bool {
    // Where packages come from is the machine's own business and stays.
    let kept = [
        "CARGO_HOME",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
    ];
    let left = [
        "CARGO",
        "RUSTC",
        "RUSTFLAGS",
        "RUSTDOC",
        // cargo points it at the outer compiler's libraries, which another compiler must not load.
        "LD_LIBRARY_PATH",
        "DYLD_FALLBACK_LIBRARY_PATH",
        // Set by worker-build and wasm-bindgen, were we started by one of them.
        "WASM_BINDGEN",
    ];
    left.iter().any(|prefix| name.starts_with(prefix))
        && !kept.iter().any(|prefix| name.starts_with(prefix))
}

/// Runs `command` to its end; its lines go to `reporter`.
///
/// # Errors
/// When it cannot be started or does not succeed; the error ends with its last lines of output.
pub(crate) fn run(command: &mut Command, reporter: &Reporter) -> anyhow::Result<()> {
    let shown = format!("{command:?}");
    let (reader, writer) = std::io::pipe().context("no pipe")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("no pipe")?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("could not start {shown}"))?;
    // The command holds the pipe's writing ends: while it does, the reader never sees the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut tail = VecDeque::with_capacity(TAIL);
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line.context("reading its output")?).into_owned();
        if line.trim().is_empty() {
            continue;
        }
        reporter.detail(&line);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    let status = child
        .wait()
        .with_context(|| format!("waiting for {shown}"))?;
    if !status.success() {
        bail!("{shown} failed ({status}):\n{}", Vec::from(tail).join("\n"));
    }
    Ok(())
}

/// What `command` printed, trimmed, if it succeeded.
pub(super) fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether `command` succeeds within `limit`; it is killed when it takes longer.
pub(super) fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    let Ok(mut child) = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
    else {
        return false;
    };
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            _ => {
                // Both fail only if it has just ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_an_outer_cargo_set_is_dropped_and_the_registry_stays() {
        for name in [
            "CARGO",
            "CARGO_TARGET_DIR",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTFLAGS",
            "RUSTC",
            "LD_LIBRARY_PATH",
        ] {
            assert!(is_left_by_cargo(name), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_REGISTRIES_MINE_INDEX",
            "CARGO_HTTP_PROXY",
            "PATH",
            "HTTPS_PROXY",
        ] {
            assert!(!is_left_by_cargo(name), "{name}");
        }
    }

    #[test]
    fn a_failure_shows_the_last_lines_of_both_streams() {
        let mut command = Command::new("sh");
        command.args(["-c", "seq 1 100; echo why >&2; exit 3"]);
        let error = run(&mut command, &Reporter::stderr())
            .unwrap_err()
            .to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.ends_with("\n99\n100\nwhy"), "{error}");
        assert!(!error.contains("\n75\n"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_given_up() {
        let start = Instant::now();
        assert!(!succeeds_within(
            Command::new("sleep").arg("60"),
            Duration::from_millis(100)
        ));
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
