//! What people and programs see: lines on standard output, progress and errors on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::failure::Failure;
use super::target;
use crate::client::Progress;
use crate::runtime::LogSink;

pub(super) use crate::text::shown;

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
        let mut json = json!({ "error": failure.json() });
        target::add_to(&mut json);
        self.json(&json);
        explain(failure)
    }

    /// A bar for `length` bytes (or a count of bytes, where the length is not known), shown only
    /// where a person waits.
    pub(super) fn bar(self, length: Option<u64>) -> ProgressBar {
        self.styled(
            length,
            "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}",
            "{spinner} {bytes} {bytes_per_sec} {elapsed} {msg}",
        )
    }

    /// The same for things that are counted.
    pub(super) fn counter(self, length: Option<u64>) -> ProgressBar {
        self.styled(
            length,
            "{wide_bar} {pos}/{len} {eta} {msg}",
            "{spinner} {pos} {elapsed} {msg}",
        )
    }

    fn styled(self, length: Option<u64>, known: &str, unknown: &str) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match length {
            Some(length) => (ProgressBar::new(length), known),
            None => (ProgressBar::new_spinner(), unknown),
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is a constant"));
        bar
    }
}

/// The lines of a table: columns under their headings and nothing else, to be cut and searched. A
/// heading that begins with `>` stands over numbers.
pub(super) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(
        headings
            .iter()
            .map(|heading| heading.trim_start_matches('>')),
    );
    for row in rows {
        table.add_row(row.iter().map(|cell| shown(cell)));
    }
    for (column, heading) in table.column_iter_mut().zip(headings) {
        column.set_padding((0, 2));
        if heading.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt().lines().map(str::to_owned).collect()
}

/// A time for people: seconds, in UTC.
pub(super) fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A length of time for people, in the largest unit of which there is one.
pub(super) fn duration(ms: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a length of time for people")]
    let ms = ms as f64;
    let (value, unit) = match ms {
        ..1e3 => (ms, "ms"),
        ..6e4 => (ms / 1e3, "s"),
        ..3.6e6 => (ms / 6e4, "min"),
        _ => (ms / 3.6e6, "h"),
    };
    let text = format!("{value:.1}");
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// Says what failed and what to do, to people.
pub(super) fn explain(failure: &Failure) -> ExitCode {
    let label = match failure.kind() {
        "interrupted" => "interrupted",
        _ => "error",
    };
    complain(&format!("{label}: {}", shown(&failure.what)));
    for line in &failure.lines {
        complain(&format!("  {}", shown_line(line)));
    }
    if !failure.advice.is_empty() {
        complain(&format!("  try: {}", shown(failure.advice.trim())));
    }
    failure.code.into()
}

/// A line on standard error. There may be nobody there any more, once a terminal is closed.
pub(super) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Moves `bar` as bytes move.
pub(super) fn progress(bar: &ProgressBar) -> Progress {
    let bar = bar.clone();
    Progress::new(move |bytes| match u64::try_from(bytes) {
        Ok(more) => bar.inc(more),
        Err(_) => bar.set_position(bar.position().saturating_sub(bytes.unsigned_abs())),
    })
}

/// The text of another program, several lines long: escaped as by [`shown`], but its line breaks are
/// kept. All lines but the first are indented, so that none can pass for one of ours.
pub(super) fn shown_lines(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().map(shown_line).collect();
    lines.join("\n  ")
}

/// One line of it. Programs align columns with tabs.
fn shown_line(line: &str) -> String {
    shown(&line.replace('\t', "    "))
}

/// A file for the worker's log.
pub(super) fn log_file(file: &Path) -> Result<LogSink, Failure> {
    LogSink::file(file).map_err(|error| {
        let advice = "give --log a file in a folder that is there";
        Failure::usage(format!("cannot write the worker's log: {error:#}"), advice)
    })
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

/// `1 entry`, `2 entries`
pub(super) fn entries(count: u64) -> String {
    if count == 1 {
        "1 entry".to_owned()
    } else {
        format!("{count} entries")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_other_programs_stay_lines() {
        assert_eq!(
            shown_lines("error[E0425]\n\t|\u{1b}[0m\r\nmore\n\n"),
            "error[E0425]\n      |\\u{1b}[0m\n  more"
        );
    }

    #[test]
    fn a_table_is_columns_and_nothing_else() {
        let rows = [
            vec!["a b".to_owned(), "7".to_owned(), String::new()],
            vec!["c\n".to_owned(), "10".to_owned(), "x".to_owned()],
        ];
        assert_eq!(
            table(&["name", ">n", "note"], rows),
            ["name   n  note", "a b    7", "c\\n   10  x"]
        );
    }

    #[test]
    fn a_duration_has_the_unit_that_fits() {
        for (ms, shown) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (60_000, "1 min"),
            (3_600_000, "1 h"),
            (604_800_000, "168 h"),
        ] {
            assert_eq!(duration(ms), shown);
        }
    }
}
