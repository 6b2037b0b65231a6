//! Who may import whom, and what the core may not touch, read from the sources. A tool of the
//! review, not a parser: it finds paths as people write them (`crate::gcs::...`,
//! `use crate::{gcs, plan}`, `super::gcs`), outside comments and tests.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The modules of `shared`, from the ground up: each may import those of the rows below its own.
const LAYERS: [&[&str]; 16] = [
    &["sigv4", "event", "brake", "breaker", "jwt", "bigquery"],
    &["sender"],
    &["s3", "gcs", "route", "sqs"],
    &["credentials"],
    &["access", "mapping", "plan"],
    &["message"],
    &["composite"],
    &["transfer"],
    &["port"],
    &["renew"],
    &["client"],
    &["parts", "walk"],
    &["tables"],
    &["ledger", "drive"],
    &["api"],
    &["host"],
];

/// Modules of `shared` that decide what becomes of a key or a message. `host` alone asks them.
const DECISIONS: [&str; 6] = ["drive", "parts", "plan", "retry", "transfer", "renew"];
/// What is common to all: they may be imported from anywhere and import only each other.
const COMMON: [&str; 8] = [
    "aws",
    "error",
    "exchange",
    "google",
    "integrity",
    "json",
    "retry",
    "time",
];

/// What reaches for a clock, for randomness or for the system.
const IMPURE: [&str; 13] = [
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::io::std",
    "rand::",
    "getrandom",
    "RandomState",
];

/// Packages that bring a platform with them.
const PLATFORM: [&str; 11] = [
    "tokio",
    "reqwest",
    "hyper",
    "rand",
    "getrandom",
    "uuid",
    "worker",
    "js-sys",
    "web-sys",
    "wasm-bindgen",
    "gloo",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The names of what `package` depends on, tests and benches apart.
fn dependencies(metadata: &Value, package: &str) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|found| found["name"] == package)
        .unwrap();
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies
        .filter(|dependency| dependency["kind"] != "dev")
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn worker_and_harness_import_shared_and_never_each_other() {
    let metadata = metadata();
    let of = |package: &str| dependencies(&metadata, package);
    assert!(of("causeway-worker").contains("causeway-shared"));
    assert!(of("causeway-harness").contains("causeway-shared"));
    assert!(!of("causeway-worker").contains("causeway-harness"));
    assert!(!of("causeway-harness").contains("causeway-worker"));
    let shared = of("causeway-shared");
    assert!(
        !shared.iter().any(|name| name.starts_with("causeway-")),
        "{shared:?}"
    );
    let platform: Vec<_> = PLATFORM
        .iter()
        .filter(|name| shared.contains(**name))
        .collect();
    assert!(platform.is_empty(), "shared depends on {platform:?}");
}

#[test]
fn each_module_of_shared_imports_only_those_below_it() {
    let problems: Vec<String> = shared_sources()
        .iter()
        .flat_map(|(file, text)| upward_imports(file, text))
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// The worker and the simulator are platforms: whatever either of them decided, the other would have to mirror.
#[test]
fn neither_worker_nor_simulator_decides_what_host_does() {
    let mut problems = Vec::new();
    for folder in ["worker/src", "harness/src/simulate"] {
        for (file, text) in sources(folder) {
            problems.extend(decisions(&format!("{folder}/{file}"), &text));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn decisions(file: &str, code: &str) -> Vec<String> {
    let prefix = "causeway_shared::";
    let paths = code.match_indices(prefix).flat_map(|(start, _)| {
        let line = code[..start].matches('\n').count() + 1;
        let paths = first_segments(&code[start + prefix.len()..]);
        paths.into_iter().map(move |path| (line, path))
    });
    paths
        .filter_map(|(line, path)| {
            let name: String = path
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            DECISIONS
                .contains(&name.as_str())
                .then(|| format!("{file}:{line}: {name} is asked by shared/src/host alone"))
        })
        .collect()
}

#[test]
fn shared_has_no_clock_no_randomness_and_no_io() {
    let problems: Vec<String> = shared_sources()
        .iter()
        .flat_map(|(file, text)| impurities(file, text))
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn shared_sources() -> Vec<(String, String)> {
    sources("shared/src")
}

/// Path below `folder`, and text, of each source file that is not a test's.
fn sources(folder: &str) -> Vec<(String, String)> {
    fn collect(folder: &Path, top: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, top, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
                if !name.ends_with("tests.rs") && !name.contains("tests/") {
                    found.push((name, code(&fs::read_to_string(&path).unwrap())));
                }
            }
        }
    }
    let top = root().join(folder);
    let mut found = Vec::new();
    collect(&top, &top, &mut found);
    assert!(!found.is_empty());
    found
}

/// The text without comments, and without what follows the first `#[cfg(test)]`, where a file's
/// tests stand. Lines keep their numbers.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]").next().unwrap();
    let lines = before_tests.lines().map(|line| {
        if line.trim_start().starts_with("//") {
            ""
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn rank(module: &str) -> Option<usize> {
    if COMMON.contains(&module) {
        return Some(0);
    }
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .map(|layer| layer + 1)
}

fn upward_imports(file: &str, code: &str) -> Vec<String> {
    let own = file.split('/').next().unwrap().trim_end_matches(".rs");
    if own == "lib" {
        return Vec::new();
    }
    let Some(own_rank) = rank(own) else {
        return vec![format!(
            "{file}: the module {own} has no place in LAYERS: give it one"
        )];
    };
    let mut problems = Vec::new();
    for (line, imported) in imports(code) {
        let is_below = imported == own
            || rank(&imported).is_none_or(|rank| rank < own_rank || (rank == 0 && own_rank == 0));
        if !is_below {
            problems.push(format!(
                "shared/src/{file}:{line}: {own} may not import {imported}"
            ));
        }
    }
    problems
}

/// The first names after `crate::`, `super::` (as far as they lead to a module of the crate's top) and in
/// `crate::{...}`, with their lines.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for prefix in ["crate::", "super::"] {
        for (start, _) in code.match_indices(prefix) {
            let line = code[..start].matches('\n').count() + 1;
            let rest = &code[start + prefix.len()..];
            for path in first_segments(rest) {
                let name: String = path
                    .chars()
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect();
                // `pub(crate)` and paths to types and siblings are no modules of the crate's top.
                if rank(&name).is_some() {
                    found.push((line, name));
                }
            }
        }
    }
    found
}

/// `a::b` gives `a`; `{a, b::{c, d}, e}` gives `a`, `b` and `e`.
fn first_segments(rest: &str) -> Vec<&str> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![rest];
    };
    let (mut depth, mut start, mut found) = (0_usize, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(group[start..at].trim_start());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(group[start..at].trim_start());
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

fn impurities(file: &str, code: &str) -> Vec<String> {
    let lines = code.lines().enumerate();
    lines
        .flat_map(|(index, line)| {
            let found = IMPURE.iter().filter(move |name| contains_path(line, name));
            found.map(move |name| format!("shared/src/{file}:{}: {name}", index + 1))
        })
        .collect()
}

/// Whether `line` contains `path` where a path may begin, so that `operand::` is not `rand::`.
fn contains_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    })
}

/// The rules themselves: each must be able to fail.
mod the_rules {
    use super::*;

    #[test]
    fn an_upward_import_is_found_however_it_is_written() {
        for text in [
            "use crate::port::Port;",
            "use crate::{error::Error, port::Port};",
            "use crate::{\n    gcs::{Object, Name},\n    port,\n};",
            "use super::port::Port;",
            "fn wait(port: &dyn crate::port::Port) {}",
        ] {
            let found = upward_imports("plan.rs", &code(text));
            assert_eq!(found.len(), 1, "{text}: {found:?}");
        }
        assert_eq!(
            upward_imports("s3/object.rs", "use crate::gcs::Name;").len(),
            1
        );
        assert_eq!(
            upward_imports("transfer/mod.rs", "use crate::drive::drive;").len(),
            1
        );
        assert_eq!(
            upward_imports("error.rs", "use crate::s3::Refusal;").len(),
            1
        );
        assert_eq!(upward_imports("novelty.rs", "").len(), 1);
    }

    #[test]
    fn downward_imports_comments_and_tests_are_let_be() {
        for text in [
            "use crate::{error::Error, gcs::{self, Object}};",
            "// use crate::port;",
            "/// See [`crate::port`].",
            "#[cfg(test)]\nmod tests { use crate::drive; }",
            "pub(crate) fn port() {}",
            "use super::Part;",
        ] {
            assert_eq!(
                upward_imports("plan.rs", &code(text)),
                Vec::<String>::new(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_decision_is_found_however_it_is_imported() {
        for text in [
            "use causeway_shared::retry::after_delivery;",
            "use causeway_shared::{error::ErrorKind, drive::drive};",
            "fn copy() { causeway_shared::parts::copy_part() }",
        ] {
            assert_eq!(decisions("queue.rs", &code(text)).len(), 1, "{text}");
        }
        let fine = "use causeway_shared::host::batch;\n// causeway_shared::retry";
        assert_eq!(decisions("queue.rs", &code(fine)), Vec::<String>::new());
    }

    #[test]
    fn a_clock_randomness_and_io_are_found() {
        for text in [
            "let now = jiff::Timestamp::now();",
            "let now = Instant::now();",
            "use std::fs::File;",
            "let dice: u8 = rand::random();",
        ] {
            assert_eq!(impurities("plan.rs", &code(text)).len(), 1, "{text}");
        }
        let fine = "let a = operand::value();\n/// std::fs\n// Instant::now()";
        assert_eq!(impurities("plan.rs", &code(fine)), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_dependency_is_found() {
        let metadata = serde_json::json!({"packages": [{"name": "a", "dependencies": [
            {"name": "b", "kind": null}, {"name": "c", "kind": "dev"},
        ]}]});
        assert_eq!(
            dependencies(&metadata, "a"),
            BTreeSet::from(["b".to_owned()])
        );
    }
}

/// The table of docs/security.md: `file`: `test`.
#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let mut named = 0;
    let cells = page.lines().filter_map(|line| line.rsplit('|').nth(1));
    for place in cells.flat_map(|cell| cell.split("; ")) {
        let mut quoted = place.split('`').skip(1).step_by(2);
        let Some(file) = quoted
            .next()
            .filter(|file| Path::new(file).extension().is_some_and(|kind| kind == "rs"))
        else {
            continue;
        };
        let file = if file.contains('/') && root().join(file).is_file() {
            root().join(file)
        } else {
            root().join("tests/tests").join(file)
        };
        let text = fs::read_to_string(&file).unwrap_or_else(|_| panic!("{}", file.display()));
        for test in quoted {
            assert!(
                text.contains(&format!("fn {test}(")),
                "{test} in {}",
                file.display()
            );
            named += 1;
        }
    }
    assert!(named > 15, "{named}");
}

/// What compares something shown with a secret does it with `subtle` or `hmac`, and never with `==`,
/// which the type of a kept token does not have.
#[test]
fn secrets_are_compared_in_constant_time() {
    for (file, compares) in [
        ("shared/src/sender/token.rs", "ct_eq"),
        ("shared/src/sender/access_token.rs", "verify_slice"),
        ("shared/src/sender/standard_webhooks.rs", "verify_slice"),
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let (code, _) = text.split_once("#[cfg(test)]").unwrap();
        assert!(code.contains(compares), "{file}");
        assert!(!code.contains("==") && !code.contains("!="), "{file}");
    }
}
