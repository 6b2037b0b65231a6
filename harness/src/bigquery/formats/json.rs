//! Newline-delimited JSON (<https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json>).

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{DETECTED_ROWS, Reading, column_name, common};
use crate::bigquery::files::{BadFile, ReadRow};
use crate::bigquery::types::{
    Cell, Field, Kind, Mode, Row, Schema, from_text, looks_like, position,
};

type Object<'a> = BTreeMap<String, &'a RawValue>;

/// The lines of `bytes` that are not blank, and where each begins.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    let lines = bytes.split(|byte| *byte == b'\n').map(move |line| {
        let at = start;
        start += line.len() + 1;
        (at, line)
    });
    lines.filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// Each line as a row of `schema`.
pub(super) fn rows(bytes: &[u8], how: &Reading, schema: &Schema) -> Vec<ReadRow> {
    let read = |(at, line): (usize, &[u8])| {
        let row = parse(line).and_then(|object| row(&object, &schema.0, how.ignore_unknown, ""));
        row.map_err(|why| format!("JSON parsing error in row starting at position {at}: {why}"))
    };
    lines(bytes).map(read).collect()
}

fn parse(line: &[u8]) -> Result<Object<'_>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "Invalid UTF-8 in the row".to_owned())?;
    if !text.trim_start().starts_with('{') {
        return Err("Value encountered without start of object.".into());
    }
    serde_json::from_str(text).map_err(|error| {
        if error.is_eof() {
            "Parser terminated before end of string".to_owned()
        } else {
            format!("Invalid JSON: {error}")
        }
    })
}

fn row(
    object: &Object<'_>,
    fields: &[Field],
    ignore_unknown: bool,
    path: &str,
) -> Result<Row, String> {
    let mut cells = vec![None; fields.len()];
    for (name, raw) in object {
        match position(fields, name) {
            Some(at) => {
                let path = format!("{path}{name}");
                cells[at] = Some(cell(raw, &fields[at], ignore_unknown, &path)?);
            }
            None if ignore_unknown => {}
            None => return Err(format!("No such field: {path}{name}.")),
        }
    }
    let filled = fields
        .iter()
        .zip(cells)
        .map(|(field, cell)| match (cell, field.mode) {
            (Some(cell), _) => Ok(cell),
            (None, Mode::Nullable) => Ok(Cell::Null),
            (None, Mode::Repeated) => Ok(Cell::List(Vec::new())),
            (None, Mode::Required) => Err(format!("Missing required field: {path}{}.", field.name)),
        });
    filled.collect()
}

fn cell(raw: &RawValue, field: &Field, ignore_unknown: bool, path: &str) -> Result<Cell, String> {
    let null = || {
        Err(format!(
            "Only optional fields can be set to NULL. Field: {path}; Value: NULL"
        ))
    };
    let is_null = |raw: &RawValue| raw.get() == "null";
    match field.mode {
        Mode::Nullable if is_null(raw) => Ok(Cell::Null),
        _ if is_null(raw) => null(),
        Mode::Repeated if raw.get().starts_with('[') => {
            let items: Vec<&RawValue> =
                serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
            let cells = items.into_iter().map(|item| {
                if is_null(item) {
                    null()
                } else {
                    value(item, field, ignore_unknown, path)
                }
            });
            cells.collect::<Result<_, _>>().map(Cell::List)
        }
        Mode::Repeated => Err(format!(
            "Repeated field must be imported as a JSON array. Field: {path}."
        )),
        _ => value(raw, field, ignore_unknown, path),
    }
}

fn value(raw: &RawValue, field: &Field, ignore_unknown: bool, path: &str) -> Result<Cell, String> {
    let token = raw.get();
    let unfit = |value: &str| {
        let kind = match field.kind {
            Kind::Float => "double".to_owned(),
            kind => kind.name().to_lowercase(),
        };
        format!("Could not convert value to {kind}. Field: {path}; Value: {value}")
    };
    let read = |text: &str| {
        from_text(text, field).map_err(|why| match why.as_str() {
            "Unable to parse" => unfit(text),
            why => format!("{why} Field: {path}; Value: {text}"),
        })
    };
    if field.kind == Kind::Json {
        return read(token);
    }
    match (token.as_bytes().first(), field.kind) {
        (Some(b'{'), Kind::Record) => {
            let object: Object<'_> =
                serde_json::from_str(token).map_err(|error| error.to_string())?;
            row(&object, &field.fields, ignore_unknown, &format!("{path}.")).map(Cell::Record)
        }
        (Some(b'['), _) => Err(format!("Array specified for non-repeated field: {path}.")),
        (Some(b'{'), _) => Err(format!(
            "JSON object specified for non-record field: {path}"
        )),
        (_, Kind::Record) => Err(unfit(token)),
        (Some(b'"'), _) => {
            let text: String = serde_json::from_str(token).map_err(|error| error.to_string())?;
            read(&text)
        }
        (Some(first), kind) if takes(kind, *first) => read(token),
        _ => Err(unfit(token)),
    }
}

/// Whether values of a type may be written as a number, or as `true` and `false`, which start with `first`.
fn takes(kind: Kind, first: u8) -> bool {
    match first {
        b't' | b'f' => kind == Kind::Boolean,
        b'-' | b'0'..=b'9' => matches!(
            kind,
            Kind::Integer | Kind::Float | Kind::Numeric | Kind::Bignumeric | Kind::Timestamp
        ),
        _ => false,
    }
}

/// Guesses the schema from the first rows.
pub(super) fn detect(bytes: &[u8]) -> Result<Schema, BadFile> {
    let mut fields = Vec::new();
    for (_, line) in lines(bytes).take(DETECTED_ROWS) {
        // What is no object is an error of its row.
        if let Ok(object) = parse(line) {
            observe(&object, &mut fields)?;
        }
    }
    Ok(Schema(fields.into_iter().map(Guess::field).collect()))
}

/// What is known of a field; no kind where every value was null.
struct Guess {
    name: String,
    kind: Option<Kind>,
    repeated: bool,
    fields: Vec<Guess>,
}

impl Guess {
    fn field(self) -> Field {
        let mut field = Field::new(&self.name, self.kind.unwrap_or(Kind::String));
        field.fields = self.fields.into_iter().map(Self::field).collect();
        let mode = if self.repeated {
            Mode::Repeated
        } else {
            Mode::Nullable
        };
        field.with_mode(mode)
    }
}

fn observe(object: &Object<'_>, fields: &mut Vec<Guess>) -> Result<(), BadFile> {
    for (name, raw) in object {
        let name = column_name(name);
        let at = fields
            .iter()
            .position(|guess| guess.name == name)
            .unwrap_or_else(|| {
                fields.push(Guess {
                    name,
                    kind: None,
                    repeated: false,
                    fields: Vec::new(),
                });
                fields.len() - 1
            });
        observe_value(raw, &mut fields[at])?;
    }
    Ok(())
}

fn observe_value(raw: &RawValue, guess: &mut Guess) -> Result<(), BadFile> {
    let token = raw.get();
    let broken = |error: serde_json::Error| BadFile(error.to_string());
    let kind = match token.as_bytes().first() {
        Some(b'n') => return Ok(()),
        Some(b'[') => {
            guess.repeated = true;
            let items: Vec<&RawValue> = serde_json::from_str(token).map_err(broken)?;
            return items
                .into_iter()
                .try_for_each(|item| observe_value(item, guess));
        }
        Some(b'{') => {
            observe(
                &serde_json::from_str(token).map_err(broken)?,
                &mut guess.fields,
            )?;
            Kind::Record
        }
        Some(b'"') => looks_like(&serde_json::from_str::<String>(token).map_err(broken)?),
        Some(b't' | b'f') => Kind::Boolean,
        _ => looks_like(token),
    };
    let before = guess.kind.unwrap_or(kind);
    if (before == Kind::Record) != (kind == Kind::Record) {
        return Err(BadFile(format!(
            "Field {} is a record in one row and a scalar in another",
            guess.name
        )));
    }
    guess.kind = Some(common(before, kind));
    Ok(())
}
