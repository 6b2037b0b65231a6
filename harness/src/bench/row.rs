//! One figure beside what it is compared with, and the table of all of them.

use comfy_table::presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED};
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

/// Which way a figure is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More of it.
    Higher,
    /// Less of it.
    Lower,
}

/// A figure. The ratio says how many times better ours is, whichever way is good: 2 is twice as
/// fast, or half as dear; below 1 ours is the worse one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Ours; none where it could not be measured.
    pub ours: Option<f64>,
    /// The other's; none where there is none, or it could not be measured.
    pub baseline: Option<f64>,
    /// Whose that is.
    pub baseline_name: Option<String>,
    /// How many times better ours is.
    pub ratio: Option<f64>,
    /// Of both figures.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// Why something is missing, or what else has to be known.
    pub note: Option<String>,
}

impl Row {
    /// A figure that stands for itself.
    pub(super) fn new(name: impl Into<String>, unit: &'static str, better: Better) -> Self {
        Self {
            name: name.into(),
            ours: None,
            baseline: None,
            baseline_name: None,
            ratio: None,
            unit,
            better,
            note: None,
        }
    }

    /// With our figure.
    pub(super) fn ours(mut self, ours: Option<f64>) -> Self {
        self.ours = ours.map(rounded);
        self.rated()
    }

    /// Beside another's figure.
    pub(super) fn against(mut self, name: impl Into<String>, baseline: Option<f64>) -> Self {
        self.baseline_name = Some(name.into());
        self.baseline = baseline.map(rounded);
        self.rated()
    }

    /// With a note.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    fn rated(mut self) -> Self {
        let ratio = match (self.ours, self.baseline, self.better) {
            (Some(ours), Some(baseline), Better::Higher) => ours / baseline,
            (Some(ours), Some(baseline), Better::Lower) => baseline / ours,
            _ => f64::NAN,
        };
        self.ratio = ratio.is_finite().then(|| rounded(ratio));
        self
    }
}

/// Three digits that count; whole numbers stay whole.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a double's exponent is small"
    )]
    let digits = (2 - value.abs().log10().floor() as i32).max(0);
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

/// The table for a terminal, or in Markdown.
#[must_use]
pub fn table(rows: &[Row], markdown: bool) -> String {
    let mut table = Table::new();
    table.load_style(if markdown {
        ASCII_MARKDOWN
    } else {
        UTF8_FULL_CONDENSED
    });
    if !markdown {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(["", "unit", "better", "ours", "theirs", "ratio", "against"]);
    let number =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
    for row in rows {
        let better = match row.better {
            Better::Higher => "higher",
            Better::Lower => "lower",
        };
        let note = row.note.as_deref().map(|note| format!("({note})"));
        let against = [row.baseline_name.clone(), note].into_iter().flatten();
        table.add_row([
            row.name.clone(),
            row.unit.to_owned(),
            better.to_owned(),
            number(row.ours),
            number(row.baseline),
            number(row.ratio),
            against.collect::<Vec<_>>().join(" "),
        ]);
    }
    for column in 3..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_says_how_many_times_better_ours_is() {
        let faster = Row::new("a", "MiB/s", Better::Higher);
        assert_eq!(
            faster.ours(Some(300.0)).against("b", Some(100.0)).ratio,
            Some(3.0)
        );
        let cheaper = Row::new("a", "ms", Better::Lower);
        assert_eq!(
            cheaper
                .clone()
                .ours(Some(2.0))
                .against("b", Some(1.0))
                .ratio,
            Some(0.5)
        );
        assert_eq!(cheaper.ours(Some(2.0)).against("b", None).ratio, None);
    }

    #[test]
    fn a_figure_is_shown_with_three_digits_that_count() {
        for (value, shown) in [
            (1234.5, 1235.0),
            (12.345, 12.3),
            (0.012_345, 0.0123),
            (0.0, 0.0),
        ] {
            assert!((rounded(value) - shown).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn a_row_without_its_peer_says_so_in_the_table() {
        let row = Row::new("a", "ms", Better::Lower).ours(Some(2.0));
        let text = table(&[row.against("rclone", None).note("not installed")], true);
        let line = text.lines().last().unwrap_or_default();
        assert!(
            line.contains(" 2 ") && line.contains("rclone (not installed)"),
            "{text}"
        );
    }
}
