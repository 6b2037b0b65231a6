//! Values that a file has as text: every field of CSV, and the numbers and strings of JSON.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Cell, Field, Kind, civil, decimal};

/// `text` as a value of `field`, which is taken for a single one.
///
/// # Errors
/// Why it is not a value of that type, in the service's words where they are known.
pub(crate) fn from_text(text: &str, field: &Field) -> Result<Cell, String> {
    let cell = match field.kind {
        Kind::Timestamp => {
            let micros = civil::timestamp(text).ok_or_else(|| {
                format!("Could not parse '{text}' as a timestamp. Required format is YYYY-MM-DD HH:MM[:SS[.SSSSSS]] or YYYY/MM/DD HH:MM[:SS[.SSSSSS]]")
            })?;
            return Ok(Cell::Timestamp(micros));
        }
        Kind::String => Some(text.to_owned()).filter(|text| fits(field, text.chars().count())),
        Kind::Bytes => BASE64_STANDARD
            .decode(text)
            .ok()
            .filter(|bytes| fits(field, bytes.len()))
            .map(|bytes| BASE64_STANDARD.encode(bytes)),
        Kind::Integer => integer(text).map(|value| value.to_string()),
        Kind::Float => float(text).map(float_text),
        Kind::Boolean => boolean(text).map(|value| value.to_string()),
        Kind::Date => civil::date(text).map(|date| date.to_string()),
        Kind::Time => civil::time(text).map(civil::clock),
        Kind::Datetime => civil::datetime(text).map(civil::shown),
        Kind::Numeric | Kind::Bignumeric => decimal::canonical(text, field),
        Kind::Json => json(text),
        Kind::Geography => Some(text.to_owned()).filter(|text| !text.is_empty()),
        Kind::Record => None,
    };
    cell.map(Cell::text).ok_or_else(|| match field.kind {
        Kind::Date => format!("Could not parse '{text}' as DATE. Required format is YYYY-MM-DD"),
        Kind::Numeric | Kind::Bignumeric => format!("Invalid {} value: {text}", field.kind.name()),
        Kind::String | Kind::Bytes if field.max_length.is_some() => {
            format!(
                "Field {}: the value is longer than its maximum length",
                field.name
            )
        }
        _ => "Unable to parse".to_owned(),
    })
}

fn fits(field: &Field, length: usize) -> bool {
    field.max_length.is_none_or(|most| length as u64 <= most)
}

/// Rust takes for an integer what BigQuery does: a sign and decimal digits.
fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn float(text: &str) -> Option<f64> {
    let word = text.trim_start_matches(['+', '-']);
    let has_digit = word.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let special = ["nan", "inf", "infinity"]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name));
    let value = text.parse::<f64>().ok().filter(|_| has_digit || special)?;
    // 1e999 is out of range, not infinite.
    (special || value.is_finite()).then_some(value)
}

/// As the API shows a FLOAT64.
pub(crate) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    format!("{value:?}")
}

fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["true", "t", "yes", "y", "1"]) {
        return Some(true);
    }
    is(["false", "f", "no", "n", "0"]).then_some(false)
}

/// JSON without white space between its tokens.
fn json(text: &str) -> Option<String> {
    serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .map(|value| value.to_string())
}

/// The type that automatic detection takes a text for
/// (<https://cloud.google.com/bigquery/docs/schema-detect>).
pub(crate) fn looks_like(text: &str) -> Kind {
    if integer(text).is_some() {
        Kind::Integer
    } else if float(text).is_some() {
        Kind::Float
    } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        Kind::Boolean
    } else if civil::date(text).is_some() {
        Kind::Date
    } else if civil::time(text).is_some() {
        Kind::Time
    } else if civil::timestamp(text).is_some() {
        Kind::Timestamp
    } else {
        Kind::String
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, text: &str) -> Option<String> {
        from_text(text, &Field::new("f", kind)).ok()?.scalar()
    }

    #[test]
    fn values_are_read_strictly() {
        let good = [
            (Kind::Integer, "9223372036854775807", "9223372036854775807"),
            (
                Kind::Integer,
                "-9223372036854775808",
                "-9223372036854775808",
            ),
            (Kind::Float, "1", "1.0"),
            (Kind::Float, "-inf", "-Infinity"),
            (Kind::Float, "nan", "NaN"),
            (Kind::Boolean, "YES", "true"),
            (Kind::Bytes, "aGk=", "aGk="),
            (Kind::Datetime, "2026-11-27 1:2:3", "2026-11-27T01:02:03"),
            (Kind::Json, "{\"b\": [1, 2]}", "{\"b\":[1,2]}"),
            (Kind::String, "", ""),
        ];
        for (kind, text, wanted) in good {
            assert_eq!(read(kind, text).as_deref(), Some(wanted), "{text}");
        }
        let bad = [
            (Kind::Integer, "9223372036854775808"),
            (Kind::Integer, "1.0"),
            (Kind::Integer, " 1"),
            (Kind::Integer, ""),
            (Kind::Float, "1e999"),
            (Kind::Float, "one"),
            (Kind::Boolean, "2"),
            (Kind::Bytes, "aGk"),
            (Kind::Json, "{"),
            (Kind::Geography, ""),
            (Kind::Date, "27.11.2026"),
        ];
        for (kind, text) in bad {
            assert_eq!(read(kind, text), None, "{text}");
        }
    }

    #[test]
    fn the_longest_value_of_a_field_holds() {
        let mut field = Field::new("f", Kind::String);
        field.max_length = Some(2);
        assert!(from_text("äö", &field).is_ok() && from_text("abc", &field).is_err());
        field.kind = Kind::Bytes;
        assert!(from_text("aGk=", &field).is_ok() && from_text("YWJj", &field).is_err());
    }
}
