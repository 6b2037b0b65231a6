//! A cell of a row, and its form in `tabledata.list`
//! (<https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list>).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Field, Kind, MICROS};

/// A row, in the order of the schema. A row that is older than the schema's last fields is shorter.
pub type Row = Vec<Cell>;

/// The value of one field of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// A scalar in the text that the API shows for it.
    Text(Box<str>),
    /// A TIMESTAMP, in microseconds from 1970 on.
    Timestamp(i64),
    /// The values of a REPEATED field.
    List(Vec<Cell>),
    /// The fields of a RECORD.
    Record(Row),
}

/// How `tabledata.list` shows a TIMESTAMP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimestampFormat {
    /// Seconds from 1970 on, as a floating point number.
    #[default]
    Seconds,
    /// Microseconds from 1970 on.
    Micros,
    /// ISO 8601 in UTC.
    Iso,
}

impl Cell {
    /// A scalar's cell.
    pub(crate) fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    /// The scalar's text; a timestamp's is in ISO 8601.
    #[must_use]
    pub fn scalar(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.to_string()),
            Self::Timestamp(micros) => Some(iso(*micros)),
            Self::Null | Self::List(_) | Self::Record(_) => None,
        }
    }

    /// The `v` of a cell of `field`.
    pub(crate) fn shown(&self, field: &Field, timestamps: TimestampFormat) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => text.to_string().into(),
            Self::Timestamp(micros) => match timestamps {
                TimestampFormat::Seconds => seconds(*micros).into(),
                TimestampFormat::Micros => micros.to_string().into(),
                TimestampFormat::Iso => iso(*micros).into(),
            },
            Self::List(cells) => cells
                .iter()
                .map(|cell| json!({ "v": cell.shown(field, timestamps) }))
                .collect(),
            Self::Record(cells) => json!({ "f": shown_row(cells, &field.fields, timestamps) }),
        }
    }

    /// How many bytes it counts for
    /// (<https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_sizes>).
    pub(crate) fn bytes(&self, field: &Field) -> u64 {
        match self {
            Self::Null => 0,
            Self::Timestamp(_) => 8,
            Self::List(cells) => cells.iter().map(|cell| cell.bytes(field)).sum(),
            Self::Record(cells) => row_bytes(cells, &field.fields),
            Self::Text(text) => match field.kind {
                Kind::Boolean => 1,
                Kind::Numeric => 16,
                Kind::Bignumeric => 32,
                Kind::Integer | Kind::Float | Kind::Date | Kind::Time | Kind::Datetime => 8,
                // Base64 has four characters for three bytes.
                Kind::Bytes => 2 + text.trim_end_matches('=').len() as u64 * 3 / 4,
                _ => 2 + text.len() as u64,
            },
        }
    }
}

/// The `f` of a row: its cells, and NULL for each field that is newer than it.
pub(crate) fn shown_row(row: &[Cell], fields: &[Field], timestamps: TimestampFormat) -> Value {
    let shown = fields.iter().enumerate().map(|(at, field)| {
        let cell = row.get(at).unwrap_or(&Cell::Null);
        let value = match cell {
            Cell::Null if field.is_repeated() => json!([]),
            cell => cell.shown(field, timestamps),
        };
        json!({ "v": value })
    });
    shown.collect()
}

/// How many bytes a row counts for.
pub(crate) fn row_bytes(row: &[Cell], fields: &[Field]) -> u64 {
    let pairs = row.iter().zip(fields);
    pairs.map(|(cell, field)| cell.bytes(field)).sum()
}

/// Seconds with up to six digits behind the point, exactly.
fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (whole, part) = (
        micros.unsigned_abs() / MICROS.unsigned_abs(),
        micros.unsigned_abs() % MICROS.unsigned_abs(),
    );
    let part = format!("{part:06}");
    let part = part.trim_end_matches('0');
    format!("{sign}{whole}.{}", if part.is_empty() { "0" } else { part })
}

fn iso(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_shown_exactly() {
        let field = Field::new("at", Kind::Timestamp);
        let shown = |micros, format| Cell::Timestamp(micros).shown(&field, format);
        for (micros, seconds) in [
            (0, "0.0"),
            (1_500_000, "1.5"),
            (-1, "-0.000001"),
            (1_795_824_000_000_001, "1795824000.000001"),
        ] {
            assert_eq!(shown(micros, TimestampFormat::Seconds), seconds);
            assert_eq!(shown(micros, TimestampFormat::Micros), micros.to_string());
        }
        assert_eq!(shown(0, TimestampFormat::Iso), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_row_counts_for_what_the_documentation_says() {
        let fields = [
            Field::new("i", Kind::Integer),
            Field::new("s", Kind::String),
            Field::new("b", Kind::Bytes),
            Field::new("n", Kind::Numeric),
        ];
        let row = [
            Cell::text("1"),
            Cell::text("abc"),
            Cell::text("YWJjZA=="),
            Cell::Null,
        ];
        assert_eq!(row_bytes(&row, &fields), 8 + 5 + 6);
    }
}
