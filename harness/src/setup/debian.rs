//! wasm32 without rustup's servers: Debian's compiler, a standard library built from Debian's copy
//! of its source, and a sysroot of our own that joins the two. Nothing of the system is changed
//! but the packages installed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::Reporter;
use super::command::{cargo, output, run, which};
use super::compiler::TARGET;

/// The compiler, the standard library's source, and the linker's name that the compiler calls.
const PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "rust-web-llvm"];
const RUSTC: &str = "/usr/bin/rustc";
const RUSTLIB: &str = "/usr/lib/rustlib";
const LINKER: &str = "/usr/bin/rust-lld";

/// Whether this way exists on this machine.
pub(super) fn is_possible() -> bool {
    which("apt-get").is_some() && which("dpkg-query").is_some()
}

/// The wrapper script, if it is there and made for the compiler that is installed now.
pub(super) fn current(setup: &Path) -> Option<PathBuf> {
    let version = installed_version()?;
    let made_for = fs::read_to_string(stamp(setup)).ok()?;
    (made_for == version && wrapper(setup).is_file()).then(|| wrapper(setup))
}

/// Makes the wrapper script: installs the packages, builds the standard library, lays out the
/// sysroot; each if missing or for another version of the compiler.
///
/// # Errors
/// When the packages cannot be installed or the standard library cannot be built.
pub(super) fn ensure(setup: &Path, reporter: &mut Reporter) -> anyhow::Result<PathBuf> {
    if !PACKAGES.iter().all(|package| version_of(package).is_some()) || !linker_works() {
        install(reporter)?;
    }
    if let Some(wrapper) = current(setup) {
        return Ok(wrapper);
    }
    let version = installed_version()
        .context("Debian's rustc-web was installed, but dpkg does not know it")?;
    reporter.step(
        "building the standard library for wasm32 (about 30 s, once): Debian ships only its source",
    );
    let libraries = build_std(setup, reporter)?;
    lay_out_sysroot(setup, &libraries)?;
    fs::write(stamp(setup), version)?;
    fs::remove_dir_all(setup.join("std"))
        .context("removing the standard library's build folder")?;
    Ok(wrapper(setup))
}

fn install(reporter: &mut Reporter) -> anyhow::Result<()> {
    let manually = format!(
        "sudo apt-get update && sudo apt-get install {} lld-NN",
        PACKAGES.join(" ")
    );
    let Some(prefix) = root_prefix() else {
        bail!(
            "Debian's Rust compiler for wasm32 is missing and installing it needs root: run `{manually}` (NN as `readlink {LINKER}` then says)"
        );
    };
    reporter.step("installing Debian's Rust compiler (about 40 s): rustup reaches no server that has the wasm32 target");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new(prefix.first().copied().unwrap_or("apt-get"));
        command
            .args(prefix.iter().skip(1))
            .args((!prefix.is_empty()).then_some("apt-get"));
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let packages = |names: &[&str]| {
        let mut command = apt(&["install", "--yes", "--no-install-recommends"]);
        command.args(names);
        command
    };
    run(&mut apt(&["update"]), reporter).context("Debian's package lists could not be read")?;
    run(&mut packages(&PACKAGES), reporter)
        .with_context(|| format!("this system's packages have no Rust compiler for {TARGET}"))?;
    if !linker_works() {
        // The name leads to one version of lld, which no package depends on.
        let linker = fs::read_link(LINKER)
            .with_context(|| format!("{LINKER} is not the link that rust-web-llvm installs"))?;
        let package = linker
            .file_name()
            .and_then(|name| name.to_str())
            .context("the linker's name is not text")?;
        run(&mut packages(&[package]), reporter)
            .with_context(|| format!("the linker {package} could not be installed"))?;
    }
    Ok(())
}

/// What to put before apt-get to be root: nothing, sudo if it asks no password, or there is no way.
fn root_prefix() -> Option<&'static [&'static str]> {
    if output(Command::new("id").arg("-u")).as_deref() == Some("0") {
        return Some(&[]);
    }
    output(Command::new("sudo").args(["-n", "true"])).map(|_| ["sudo", "-n"].as_slice())
}

fn linker_works() -> bool {
    output(Command::new(LINKER).args(["-flavor", "wasm", "--version"])).is_some()
}

/// Builds the standard library as a dependency of an empty crate; returns its files.
fn build_std(setup: &Path, reporter: &Reporter) -> anyhow::Result<Vec<PathBuf>> {
    let folder = setup.join("std");
    fs::create_dir_all(folder.join("src"))?;
    fs::write(
        folder.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n",
    )?;
    fs::write(folder.join("src/lib.rs"), "#![no_std]\n")?;
    let mut build = cargo(&folder);
    build
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--target-dir",
            "target",
        ])
        .arg("-Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test")
        .env("RUSTC", RUSTC)
        // -Zbuild-std is not stable, neither in cargo nor in what it asks of the compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        // Without it, `lto = true` finds no code in these libraries.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes");
    run(&mut build, reporter).context("the standard library could not be built for wasm32")?;
    let output = folder.join("target").join(TARGET).join("release/deps");
    let mut libraries = Vec::new();
    for entry in fs::read_dir(&output)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("lib") && name.ends_with(".rlib") && !name.starts_with("libempty-") {
            libraries.push(path);
        }
    }
    if libraries.is_empty() {
        bail!(
            "the standard library was built, but {} has no libraries",
            output.display()
        );
    }
    Ok(libraries)
}

fn lay_out_sysroot(setup: &Path, libraries: &[PathBuf]) -> anyhow::Result<()> {
    let sysroot = setup.join("sysroot");
    if sysroot.exists() {
        fs::remove_dir_all(&sysroot)?;
    }
    let rustlib = sysroot.join("lib/rustlib");
    let target = rustlib.join(TARGET).join("lib");
    fs::create_dir_all(&target)?;
    for entry in fs::read_dir(RUSTLIB)? {
        let entry = entry?;
        if entry.file_name() != TARGET {
            symlink(entry.path(), rustlib.join(entry.file_name()))?;
        }
    }
    for library in libraries {
        fs::copy(
            library,
            target.join(library.file_name().unwrap_or_default()),
        )?;
    }
    let script = wrapper(setup);
    let text = format!(
        "#!/bin/sh\nexec {RUSTC} --sysroot '{}' \"$@\"\n",
        sysroot.display()
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Removes an earlier wrapper script: whoever finds one takes it for the compiler that was chosen.
///
/// # Errors
/// When it is there and cannot be removed.
pub(super) fn discard(setup: &Path) -> anyhow::Result<()> {
    match fs::remove_file(wrapper(setup)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("removing the wrapper around Debian's compiler")
        }
        _ => Ok(()),
    }
}

fn wrapper(setup: &Path) -> PathBuf {
    setup.join("rustc")
}

fn stamp(setup: &Path) -> PathBuf {
    setup.join("sysroot/debian-version")
}

fn installed_version() -> Option<String> {
    version_of("rustc-web")
}

fn version_of(package: &str) -> Option<String> {
    output(Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status} ${Version}", package]))?
        .strip_prefix("installed ")
        .map(str::to_owned)
}
