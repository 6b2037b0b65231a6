//! CSV (<https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-csv>).

use std::borrow::Cow;

use super::{DETECTED_ROWS, Reading, column_name, common, nested};
use crate::bigquery::files::{BadFile, ReadRow};
use crate::bigquery::types::{Cell, Field, Kind, Mode, Row, Schema, from_text, looks_like};

/// A record as it is in the file.
struct Record {
    values: Vec<String>,
    /// For each value whether it stands in quotes.
    quoted: Vec<bool>,
    /// Why it cannot be read as a record.
    broken: Option<String>,
    line: u64,
    offset: u64,
}

/// All records of a file.
fn records(bytes: &[u8], how: &Reading) -> Result<Vec<Record>, BadFile> {
    let text: Cow<'_, [u8]> = if how.latin1 {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        text.into_bytes().into()
    } else {
        bytes
            .strip_prefix("\u{feff}".as_bytes())
            .unwrap_or(bytes)
            .into()
    };
    let mut reader = csv::ReaderBuilder::new();
    reader
        .has_headers(false)
        .flexible(true)
        .delimiter(how.delimiter);
    match how.quote {
        Some(quote) => reader.quote(quote),
        None => reader.quoting(false),
    };
    let mut reader = reader.from_reader(&*text);
    let mut read = csv::ByteRecord::new();
    let mut all = Vec::new();
    loop {
        match reader.read_byte_record(&mut read) {
            Ok(true) => {}
            Ok(false) => return Ok(all),
            Err(error) => return Err(BadFile(error.to_string())),
        }
        let start = read.position().map_or(0, csv::Position::byte);
        let span = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
        let raw = &text[span(start)..span(reader.position().byte())];
        all.push(record(&read, raw, how));
    }
}

fn record(read: &csv::ByteRecord, raw: &[u8], how: &Reading) -> Record {
    let (quoted, mut broken) = match quoting(raw, how) {
        Ok(quoted) => (quoted, None),
        Err(why) => (Vec::new(), Some(why.to_owned())),
    };
    let values = read.iter().map(|value| {
        if value.contains(&0) && !how.control_characters {
            broken = Some("Bad character (ASCII 0) encountered.".into());
        }
        String::from_utf8(value.to_vec()).unwrap_or_else(|_| {
            broken = Some("Invalid UTF-8 in the row".into());
            String::new()
        })
    });
    let values = values.collect();
    Record {
        values,
        quoted,
        broken,
        line: read.position().map_or(1, csv::Position::line),
        offset: read.position().map_or(0, csv::Position::byte),
    }
}

/// Which fields of a record are quoted. The reader of the values does not tell, and is content with quotes
/// that BigQuery is not content with.
fn quoting(raw: &[u8], how: &Reading) -> Result<Vec<bool>, &'static str> {
    const UNCLOSED: &str = "Missing close quote character (\").";
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    let mut quoted = Vec::new();
    let mut rest = Some(raw);
    while let Some(field) = rest {
        let is_quoted = how.quote.is_some() && field.first().copied() == how.quote;
        quoted.push(is_quoted);
        let mut end = 0;
        if is_quoted {
            end = 1;
            loop {
                let close = field[end..]
                    .iter()
                    .position(|byte| Some(*byte) == how.quote);
                let close = end + close.ok_or(UNCLOSED)?;
                end = close + 1;
                if field.get(end).copied() != how.quote {
                    break;
                }
                end += 1;
            }
            if !how.quoted_newlines && field[..end].contains(&b'\n') {
                return Err(UNCLOSED);
            }
            if field.get(end).is_some_and(|byte| *byte != how.delimiter) {
                return Err("Data between close quote character (\") and field separator.");
            }
        }
        let delimiter = field[end..].iter().position(|byte| *byte == how.delimiter);
        rest = delimiter.map(|at| &field[end + at + 1..]);
    }
    Ok(quoted)
}

/// The records behind the header as rows of `schema`.
pub(super) fn rows(bytes: &[u8], how: &Reading, schema: &Schema) -> Result<Vec<ReadRow>, BadFile> {
    if let Some(field) = nested(&schema.0) {
        return Err(BadFile(format!(
            "Cannot load CSV data with a nested schema. Field: {}",
            field.name
        )));
    }
    let records = records(bytes, how)?;
    let header = header(&records, how);
    let columns = match header.name_row.filter(|_| how.match_names) {
        Some(at) => by_name(&records[at], how, schema)?,
        None => (0..schema.0.len()).map(Some).collect(),
    };
    let body = records.iter().skip(header.rows);
    Ok(body
        .map(|record| row(record, how, &schema.0, &columns))
        .collect())
}

/// What stands before the data.
struct Header {
    rows: usize,
    /// The row with the names of the columns.
    name_row: Option<usize>,
}

fn header(records: &[Record], how: &Reading) -> Header {
    let rows = match how.skip_leading_rows {
        Some(rows) => usize::try_from(rows).unwrap_or(usize::MAX),
        None if how.match_names || (how.autodetect && has_names(records, how)) => 1,
        None => 0,
    };
    let rows = rows.min(records.len());
    Header {
        rows,
        name_row: rows
            .checked_sub(1)
            .filter(|_| how.match_names || how.autodetect),
    }
}

/// Whether the first row has only texts where one below has something else.
fn has_names(records: &[Record], how: &Reading) -> bool {
    let Some((first, rest)) = records.split_first() else {
        return false;
    };
    let is_text = |value: &String| looks_like(value) == Kind::String && !value.is_empty();
    first.values.iter().all(is_text)
        && rest.iter().take(DETECTED_ROWS).any(|record| {
            let mut values = record.values.iter();
            values
                .any(|value| !how.null_markers.contains(value) && looks_like(value) != Kind::String)
        })
}

/// For each field of the schema the column that has it.
fn by_name(names: &Record, how: &Reading, schema: &Schema) -> Result<Vec<Option<usize>>, BadFile> {
    let mut columns = vec![None; schema.0.len()];
    for (at, name) in names.values.iter().enumerate() {
        match schema.position(&column_name(name)) {
            Some(field) => columns[field] = Some(at),
            None if how.ignore_unknown => {}
            None => {
                return Err(BadFile(format!(
                    "The schema has no column of the name \"{name}\" that the header has"
                )));
            }
        }
    }
    Ok(columns)
}

fn row(
    record: &Record,
    how: &Reading,
    fields: &[Field],
    columns: &[Option<usize>],
) -> Result<Row, String> {
    let place = format!(
        "line_number: {} byte_offset_to_start_of_line: {}",
        record.line, record.offset
    );
    if let Some(why) = &record.broken {
        return Err(format!("{why}; {place}"));
    }
    let named = how.match_names;
    if record.values.len() > fields.len() && !how.ignore_unknown && !named {
        return Err(format!(
            "Too many values in line. Found {} column(s) while expected {}.; {place}",
            record.values.len(),
            fields.len()
        ));
    }
    let cells = fields.iter().zip(columns).map(|(field, column)| {
        let Some(column) = column else {
            return nothing(field).ok_or_else(|| format!("Required column {} is missing; {place}", field.name));
        };
        let at = format!(
            "{place} column_index: {column} column_name: \"{}\" column_type: {}",
            field.name,
            field.kind.sql_name()
        );
        let Some(value) = record.values.get(*column) else {
            let missing = nothing(field).filter(|_| how.jagged_rows);
            return missing.ok_or_else(|| {
                format!("CSV table references column position {column}, but line contains only {} columns.; {at}", record.values.len())
            });
        };
        let quoted = record.quoted.get(*column).copied().unwrap_or_default();
        if !quoted && how.null_markers.contains(value) {
            return nothing(field).ok_or_else(|| format!("Required column value for column index: {column} is missing; {at}"));
        }
        from_text(value, field).map_err(|why| format!("{why}; {at} value: \"{value}\""))
    });
    cells.collect()
}

/// NULL, where the field may be it.
fn nothing(field: &Field) -> Option<Cell> {
    (field.mode != Mode::Required).then_some(Cell::Null)
}

/// Guesses the schema from the header and the first rows.
pub(super) fn detect(bytes: &[u8], how: &Reading) -> Result<Schema, BadFile> {
    let records = records(bytes, how)?;
    let header = header(&records, how);
    let body = || records.iter().skip(header.rows).take(DETECTED_ROWS);
    let names = header.name_row.map(|at| &records[at].values);
    let width = body().map(|record| record.values.len()).max();
    let width = width.or(names.map(Vec::len)).unwrap_or_default();
    let fields = (0..width).map(|column| {
        let values = body().filter_map(|record| record.values.get(column));
        let values = values.filter(|value| !how.null_markers.contains(value));
        let kind = values
            .map(|value| looks_like(value))
            .reduce(common)
            .unwrap_or(Kind::String);
        let own = names
            .and_then(|names| names.get(column))
            .map(|name| column_name(name));
        let number = |kind: Kind| format!("{}_field_{column}", kind.sql_name().to_lowercase());
        let name = own
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| number(kind));
        Field::new(&name, kind)
    });
    Ok(Schema(fields.collect()))
}
