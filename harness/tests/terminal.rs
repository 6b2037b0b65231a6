//! Commands that run servers, ended from outside: Ctrl-C in a terminal, a terminal that is closed, a
//! supervisor. A terminal sends its signals to every process of its foreground group.
//!
//! Python has pseudo-terminals; a machine without it tests without them, and says so.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use serde_json::Value;

/// Set where Python must be there: in CI.
const REQUIRED: &str = "CAUSEWAY_REQUIRE_PYTHON";

/// Starts a program in a terminal of its own, waits for a text that it prints, ends it in one of several
/// ways, and prints how it ended, what it said after that text, and what it left running.
const SCRIPT: &str = r#"
import json, os, pty, signal, sys, time
way, text, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
said = b""
def read():
    global said
    try:
        more = os.read(terminal, 65536)
    except OSError:
        more = b""
    said += more
    return more
while text.encode() not in said:
    if not read():
        sys.exit("it ended too early: " + said.decode(errors="replace"))
def below(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [int(child) for child in file.read().split()]
    except OSError:
        return []
    return children + [pid for child in children for pid in below(child)]
children = below(pid)
before = len(said)
if way == "ctrl-c":
    os.write(terminal, b"\x03")
elif way == "close":
    os.close(terminal)
elif way == "everybody":
    for each in [pid, *children]:
        os.kill(each, signal.SIGTERM)
else:
    os.kill(pid, signal.Signals[way])
if way != "close":
    while read():
        pass
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
until = time.monotonic() + 20
while (left := [each for each in children if os.path.exists(f"/proc/{each}")]) and time.monotonic() < until:
    time.sleep(0.02)
print(json.dumps({"status": status, "said": said[before:].decode(errors="replace"), "children": len(children), "left": len(left)}))
"#;

/// Runs `causeway` with `arguments` until it prints `text`, and ends it.
fn end(way: &str, text: &str, arguments: &[&str]) -> Option<Value> {
    let folder = tempfile::tempdir().unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT, way, text, env!("CARGO_BIN_EXE_causeway")]);
    // What a terminal says that it is; where tests run there may be none.
    python.env("TERM", "xterm-256color");
    let output = match python.args(arguments).current_dir(&folder).output() {
        Err(error) if std::env::var_os(REQUIRED).is_none() => {
            eprintln!("not tested: there is no Python, which has terminals: {error}");
            return None;
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{way} {arguments:?}: {said}");
    // Nothing is left for other commands to find.
    assert!(!folder.path().join("target/causeway/dev.json").exists());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

const DEV: [&str; 9] = [
    "dev",
    "--s3-port",
    "0",
    "--gcs-port",
    "0",
    "--bigquery-port",
    "0",
    "--worker-port",
    "0",
];

#[test]
fn dev_ends_well_however_it_is_told_to() {
    for way in [
        "ctrl-c",
        "ctrl-c",
        "ctrl-c",
        "SIGTERM",
        "everybody",
        "close",
    ] {
        let Some(ended) = end(way, "curl -H", &DEV) else {
            return;
        };
        assert_eq!(ended["status"], 0, "{way}: {ended}");
        assert!(ended["children"].as_u64() > Some(1), "{way}: {ended}");
        assert_eq!(ended["left"], 0, "{way}: {ended}");
        let said = ended["said"].as_str().unwrap();
        assert!(!said.contains("error"), "{way}: {ended}");
    }
}

#[test]
fn what_is_cut_short_says_so() {
    let soak = ["soak", "--events", "100000", "--keys", "1000"];
    for (way, text, arguments, status, signal) in [
        ("ctrl-c", "outcomes", &soak[..], 130, "SIGINT"),
        ("SIGTERM", "Starting", &["demo"], 143, "SIGTERM"),
        ("close", "Starting", &["demo"], 129, ""),
    ] {
        let Some(ended) = end(way, text, arguments) else {
            return;
        };
        assert_eq!(ended["status"], status, "{way}: {ended}");
        assert_eq!(ended["left"], 0, "{way}: {ended}");
        let said = ended["said"].as_str().unwrap();
        if !signal.is_empty() {
            let words = format!("interrupted: by {signal}, before the end");
            assert!(said.contains(&words), "{way}: {ended}");
        }
        assert!(!said.contains("error"), "{way}: {ended}");
    }
}
