//! Programs and libraries from PyPI, in virtual environments of the project's own: what ours is tested
//! against and compared with. Nothing of the product needs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::command::{run, which};
use super::{Reporter, lock};

/// Makes sure that what the requirements file `list` names is installed; gives the folder of the
/// environment's programs, `python` among them. `what` says in words what is installed, and for whom.
/// Safe to call from several processes at once.
///
/// # Errors
/// When there is no Python, or PyPI gives not what is asked for.
pub fn python(
    root: &Path,
    name: &str,
    list: &Path,
    what: &str,
    reporter: &mut Reporter,
) -> anyhow::Result<PathBuf> {
    let wanted = fs::read_to_string(list).with_context(|| format!("reading {}", list.display()))?;
    let folder = root.join("target/python").join(name);
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let _lock = lock(&folder.join("lock"), reporter)?;
    let (programs, stamp) = (folder.join("venv/bin"), folder.join("installed"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    let Some(python) = which("python3") else {
        bail!("Python is not installed, which would bring it");
    };
    reporter.step(&format!("installing {what}"));
    let mut make = Command::new(python);
    run(make.args(["-m", "venv"]).arg(folder.join("venv")), reporter).context(
        "Python cannot make a virtual environment (on Debian: apt install python3-venv)",
    )?;
    let mut pip = Command::new(programs.join("pip"));
    pip.args(["install", "--disable-pip-version-check", "--requirement"])
        .arg(list);
    run(&mut pip, reporter).context("PyPI does not give it")?;
    fs::write(&stamp, wanted).context("noting what was installed")?;
    Ok(programs)
}
