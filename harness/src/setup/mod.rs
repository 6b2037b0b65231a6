//! Everything that the demo and the tests need beyond cargo, Node and a C compiler: installed and
//! built where it is missing, inside the project's own folders, each with a word to the user.
//! Not for what an operator deploys with: that is wrangler's business, which calls this to build.

mod bundle;
mod command;
mod compiler;
mod debian;
mod node;
mod python;
mod report;
mod tools;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

pub(crate) use command::which;
pub use compiler::WasmCompiler;
pub use python::python;
pub use report::Reporter;

/// What [`ensure`] has made sure of.
#[derive(Debug, Clone)]
pub struct Toolchain {
    root: PathBuf,
    node: PathBuf,
    bundle: PathBuf,
}

impl Toolchain {
    /// The repository's top folder, where wrangler.toml and node_modules are.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The Node that runs the runtime.
    #[must_use]
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// The folder of the built worker: `index.js` and the wasm it imports.
    #[must_use]
    pub fn bundle(&self) -> &Path {
        &self.bundle
    }

    /// The same with another worker in the place of the built one, such as a test's.
    #[must_use]
    pub fn with_bundle(self, folder: impl Into<PathBuf>) -> Self {
        Self {
            bundle: folder.into(),
            ..self
        }
    }
}

/// Makes sure that the worker is built from the present sources and can be run, doing only what
/// is missing: a few milliseconds when nothing is, some minutes the first time. Safe to call from
/// several processes at once; one works, the others wait.
///
/// # Errors
/// When something is missing that it cannot install (what to do is in the message), when an
/// installation fails, and when the worker does not compile (with the compiler's message).
pub fn ensure(reporter: &mut Reporter) -> anyhow::Result<Toolchain> {
    let root = root()?;
    let setup = root.join("target/setup");
    std::fs::create_dir_all(&setup).with_context(|| format!("creating {}", setup.display()))?;
    let node = node::node()?;
    let _lock = lock(&setup.join("lock"), reporter)?;

    node::ensure_packages(&root, reporter)?;
    let fingerprint = bundle::fingerprint(&root)?;
    if !bundle::is_current(&root, &setup, &fingerprint) {
        node::check_c_compiler()?;
        let compiler = compiler::ensure(&root, &setup, reporter)?;
        let tools = tools::ensure(&root, &setup, reporter)?;
        bundle::build(&root, &setup, &fingerprint, &compiler, &tools, reporter)?;
    }
    let bundle = root.join(bundle::FOLDER);
    Ok(Toolchain { root, node, bundle })
}

/// Builds another worker, whose crate is in `folder`, into the folder `out`, unless it is there.
///
/// # Errors
/// As [`ensure`].
pub(crate) fn other_worker(
    root: &Path,
    folder: &Path,
    out: &Path,
    reporter: &mut Reporter,
) -> anyhow::Result<()> {
    let setup = root.join("target/setup");
    let _lock = lock(&setup.join("lock"), reporter)?;
    if out.join("index_bg.wasm").is_file() {
        return Ok(());
    }
    let compiler = compiler::ensure(root, &setup, reporter)?;
    let tools = tools::ensure(root, &setup, reporter)?;
    bundle::build_crate(root, folder, out, &compiler, &tools, reporter)
}

fn root() -> anyhow::Result<PathBuf> {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = harness
        .parent()
        .context("the harness has no parent folder")?;
    root.canonicalize().with_context(|| {
        format!(
            "{} is gone: this program works only where it was built",
            root.display()
        )
    })
}

/// Held while the set-up runs; released when dropped or when the process ends, however it ends.
fn lock(path: &Path, reporter: &mut Reporter) -> anyhow::Result<File> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    if file.try_lock().is_err() {
        reporter.step("waiting for another process that is setting up");
        file.lock()
            .with_context(|| format!("waiting for {}", path.display()))?;
    }
    Ok(file)
}
