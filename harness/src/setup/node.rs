//! Node, a C compiler, and the npm packages: workerd, wrangler, and the tools that finish the wasm.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::Reporter;
use super::command::{output, run, which};

/// What wrangler and miniflare, as pinned in package.json, ask for.
const MINIMUM_NODE: (u32, u32) = (20, 3);

/// The path of a Node that is new enough.
///
/// # Errors
/// When there is none: what to run to get one.
pub(super) fn node() -> anyhow::Result<PathBuf> {
    let (major, minor) = MINIMUM_NODE;
    let Some(node) = which("node") else {
        bail!(
            "Node is missing: install Node {major}.{minor} or newer with npm, {}",
            node_hint()
        );
    };
    let found = output(Command::new(&node).arg("--version")).unwrap_or_default();
    if version(&found).is_none_or(|found| found < MINIMUM_NODE) {
        bail!(
            "{} is {found}, too old for the runtime: install Node {major}.{minor} or newer, {}",
            node.display(),
            node_hint()
        );
    }
    Ok(node)
}

/// Checks that there is a C compiler, which cargo links with.
///
/// # Errors
/// When there is none: what to run to get one.
pub(super) fn check_c_compiler() -> anyhow::Result<()> {
    if std::env::var_os("CC").is_some()
        || ["cc", "gcc", "clang"]
            .iter()
            .any(|name| which(name).is_some())
    {
        return Ok(());
    }
    let hint = match package_manager() {
        Some("apt-get") => "sudo apt-get install build-essential",
        Some("dnf") => "sudo dnf install gcc",
        Some("pacman") => "sudo pacman -S base-devel",
        Some("apk") => "sudo apk add build-base",
        _ if cfg!(target_os = "macos") => "xcode-select --install",
        _ => "install gcc or clang with your package manager",
    };
    bail!("a C compiler is missing, which Rust links with: {hint}")
}

/// Installs the npm packages unless what is installed is what package-lock.json says.
///
/// # Errors
/// When npm is missing or fails.
pub(super) fn ensure_packages(root: &Path, reporter: &mut Reporter) -> anyhow::Result<()> {
    if packages_match(root)? {
        return Ok(());
    }
    let Some(npm) = which("npm") else {
        bail!("npm is missing: install it beside Node, {}", node_hint());
    };
    reporter.step("installing the npm packages (about 10 s): the Workers runtime, wrangler and the tools that finish the wasm");
    run(
        Command::new(npm)
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(root),
        reporter,
    )
    .context("npm could not install the packages of package-lock.json")
}

/// Compares package-lock.json with the copy of it that npm leaves when it has installed everything.
fn packages_match(root: &Path) -> anyhow::Result<bool> {
    let wanted = std::fs::read(root.join("package-lock.json"))
        .context("package-lock.json is missing: it is part of the repository")?;
    let wanted: Value = serde_json::from_slice(&wanted).context("package-lock.json is not JSON")?;
    let installed = std::fs::read(root.join("node_modules/.package-lock.json"))
        .ok()
        .and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    Ok(installed.is_some_and(|installed| same_packages(&wanted, &installed)))
}

fn same_packages(wanted: &Value, installed: &Value) -> bool {
    let Some(wanted) = wanted["packages"].as_object() else {
        return false;
    };
    wanted
        .iter()
        .filter(|(path, _)| !path.is_empty())
        .all(|(path, package)| {
            match installed["packages"].get(path) {
                Some(found) => found["version"] == package["version"],
                // Optional packages are those of other platforms.
                None => package["optional"] == true,
            }
        })
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn package_manager() -> Option<&'static str> {
    ["apt-get", "dnf", "pacman", "apk", "brew"]
        .into_iter()
        .find(|name| which(name).is_some())
}

fn node_hint() -> &'static str {
    match package_manager() {
        Some("apt-get") => {
            "by `sudo apt-get install nodejs npm` (Debian 13, Ubuntu 25.04 and later) or from https://nodejs.org/en/download"
        }
        Some("dnf") => "by `sudo dnf install nodejs npm`",
        Some("pacman") => "by `sudo pacman -S nodejs npm`",
        Some("apk") => "by `sudo apk add nodejs npm`",
        Some("brew") => "by `brew install node`",
        _ => "from https://nodejs.org/en/download",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version("v20.20.2"), Some((20, 20)));
        assert!(version("v9.11.0").unwrap() < MINIMUM_NODE);
        assert_eq!(version(""), None);
    }

    #[test]
    fn a_changed_or_missing_package_asks_for_an_install() {
        let lock = json!({"packages": {
            "": {"name": "causeway"},
            "node_modules/a": {"version": "1.0.0"},
            "node_modules/mac-only": {"version": "1.0.0", "optional": true},
        }});
        let installed =
            |version: &str| json!({"packages": {"node_modules/a": {"version": version}}});
        assert!(same_packages(&lock, &installed("1.0.0")));
        assert!(!same_packages(&lock, &installed("1.0.1")));
        assert!(!same_packages(&lock, &json!({"packages": {}})));
        assert!(!same_packages(&lock, &json!({})));
    }
}
