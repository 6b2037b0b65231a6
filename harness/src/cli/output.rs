//! What people and programs see: lines on standard output, progress and errors on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::failure::Failure;
use crate::client::Progress;

/// Writes for people, or for programs.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// `json`: nothing but one object on standard output, and no progress.
    #[must_use]
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// A line for people. `false` when nobody reads any more.
    pub(super) fn line(self, line: &str) -> bool {
        self.json || writeln!(std::io::stdout(), "{line}").is_ok()
    }

    /// The object for programs.
    pub(super) fn json(self, value: &serde_json::Value) {
        if self.json {
            // Nobody reading it is no failure of what was done.
            let _ = writeln!(std::io::stdout(), "{value}");
        }
    }

    /// Says what failed to people and to programs.
    pub(super) fn fail(self, failure: &Failure) -> ExitCode {
        self.json(&json!({ "error": failure.json() }));
        explain(failure)
    }

    /// A bar for `length` bytes (or a count of bytes, where the length is not known), shown only
    /// where a person waits.
    pub(super) fn bar(self, length: Option<u64>) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match length {
            Some(length) => (
                ProgressBar::new(length),
                "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}",
            ),
            None => (
                ProgressBar::new_spinner(),
                "{spinner} {bytes} {bytes_per_sec} {elapsed} {msg}",
            ),
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is a constant"));
        bar
    }
}

/// Says what failed and what to do, to people.
pub(super) fn explain(failure: &Failure) -> ExitCode {
    eprintln!("error: {}", shown(&failure.what));
    if !failure.advice.is_empty() {
        eprintln!("  try: {}", shown(failure.advice.trim()));
    }
    failure.code.into()
}

/// Moves `bar` as bytes move.
pub(super) fn progress(bar: &ProgressBar) -> Progress {
    let bar = bar.clone();
    Progress::new(move |bytes| match u64::try_from(bytes) {
        Ok(more) => bar.inc(more),
        Err(_) => bar.set_position(bar.position().saturating_sub(bytes.unsigned_abs())),
    })
}

/// Text from elsewhere, with control characters escaped: a key must not move a terminal's cursor.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control();
            escaped
                .then(|| c.escape_default())
                .into_iter()
                .flatten()
                .chain((!escaped).then_some(c))
        })
        .collect()
}

/// A size for people: powers of 1,024, one decimal.
pub(super) fn human(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// `1 object`, `2 objects`
pub(super) fn objects(count: usize) -> String {
    if count == 1 {
        "1 object".to_owned()
    } else {
        format!("{count} objects")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_cannot_drive_a_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\n\u{9b}ü +"), "a\\u{1b}[2Jb\\n\\u{9b}ü +");
    }
}
