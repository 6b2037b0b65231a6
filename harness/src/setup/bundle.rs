//! The built worker: made by worker-build, and made again only when its sources change.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};

use super::Reporter;
use super::command::{clean, run};
use super::compiler::WasmCompiler;
use super::tools::Tools;

/// Where wrangler.toml's `main` says the worker is.
pub(super) const FOLDER: &str = "build";

/// What the built worker is made of.
const SOURCES: [&str; 9] = [
    "docs/openapi.yaml",
    "worker/build.rs",
    "worker/src",
    "worker/Cargo.toml",
    "shared/src",
    "shared/Cargo.toml",
    "Cargo.toml",
    "Cargo.lock",
    "package-lock.json",
];

/// A fingerprint of the sources.
///
/// # Errors
/// When one cannot be read.
pub(super) fn fingerprint(root: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    for source in SOURCES {
        for path in files(&root.join(source))? {
            let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    }
    Ok(BASE64_STANDARD.encode(hash.finalize()))
}

/// Whether the built worker was made of sources with this fingerprint.
pub(super) fn is_current(root: &Path, setup: &Path, fingerprint: &str) -> bool {
    let made_of = fs::read_to_string(stamp(setup)).unwrap_or_default();
    let folder = root.join(FOLDER);
    made_of == fingerprint
        && folder.join("index.js").is_file()
        && folder.join("index_bg.wasm").is_file()
}

/// Builds the worker.
///
/// # Errors
/// When it does not compile, with the compiler's message.
pub(super) fn build(
    root: &Path,
    setup: &Path,
    fingerprint: &str,
    compiler: &WasmCompiler,
    tools: &Tools,
    reporter: &mut Reporter,
) -> anyhow::Result<()> {
    reporter.step(
        "building the worker (about 1 min, less when little changed): the runtime runs it as wasm",
    );
    let (folder, out) = (root.join("worker"), root.join(FOLDER));
    build_crate(root, &folder, &out, compiler, tools, reporter)?;
    fs::write(stamp(setup), fingerprint).context("noting what the worker was built of")
}

/// Builds the worker whose crate is in `folder` into the folder `out`.
///
/// # Errors
/// When it does not compile, with the compiler's message.
pub(super) fn build_crate(
    root: &Path,
    folder: &Path,
    out: &Path,
    compiler: &WasmCompiler,
    tools: &Tools,
    reporter: &mut Reporter,
) -> anyhow::Result<()> {
    let tool = |name: &str| root.join("node_modules/.bin").join(name);
    let mut build = clean(&tools.worker_build, folder);
    build
        .args(["--release", "--out-dir"])
        .arg(out)
        // Two compilers in one folder would rebuild each other's work.
        .env("CARGO_TARGET_DIR", root.join("target/wasm"))
        // worker-build downloads each of these that is not named.
        .env("WASM_BINDGEN_BIN", &tools.wasm_bindgen)
        .env("WASM_OPT_BIN", tool("wasm-opt"))
        .env("ESBUILD_BIN", tool("esbuild"));
    compiler.apply(&mut build);
    run(&mut build, reporter).context("the worker could not be built")
}

fn stamp(setup: &Path) -> PathBuf {
    setup.join("worker-built-of")
}

/// `path` if it is a file, else every file below it, in a fixed order.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries = fs::read_dir(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| {
            format!(
                "{} is missing: it is part of the repository",
                path.display()
            )
        })?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries {
        found.extend(files(&entry.path())?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for source in SOURCES {
            let path = root.path().join(source);
            if source.contains('.') {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, source).unwrap();
            } else {
                fs::create_dir_all(path.join("deep")).unwrap();
                fs::write(path.join("deep/lib.rs"), source).unwrap();
            }
        }
        root
    }

    #[test]
    fn the_worker_is_current_until_a_source_changes() {
        let (root, setup) = (tree(), tempfile::tempdir().unwrap());
        let (root, setup) = (root.path(), setup.path());
        let first = fingerprint(root).unwrap();
        assert!(!is_current(root, setup, &first), "nothing is built");
        fs::create_dir(root.join(FOLDER)).unwrap();
        fs::write(root.join("build/index.js"), "").unwrap();
        fs::write(root.join("build/index_bg.wasm"), "").unwrap();
        fs::write(stamp(setup), &first).unwrap();
        assert!(is_current(root, setup, &fingerprint(root).unwrap()));

        fs::write(root.join("shared/src/deep/lib.rs"), "changed").unwrap();
        assert!(!is_current(root, setup, &fingerprint(root).unwrap()));
    }

    #[test]
    fn moving_text_between_files_changes_the_fingerprint() {
        let root = tree();
        let before = fingerprint(root.path()).unwrap();
        fs::rename(
            root.path().join("worker/src/deep"),
            root.path().join("worker/src/deeper"),
        )
        .unwrap();
        assert_ne!(fingerprint(root.path()).unwrap(), before);
    }
}
