//! The formats that load jobs read (<https://cloud.google.com/bigquery/docs/batch-loading-data>).

mod avro;
mod csv;
mod json;
mod parquet;
mod shape;

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::files::{BadFile, ReadRow};
use super::types::{Cell, Field, Kind, Row, Schema, datetime_text, from_text};
pub(crate) use shape::{adapt, reshape};

/// Automatic detection looks at this many rows.
const DETECTED_ROWS: usize = 500;
/// A compressed file may have this many bytes (<https://cloud.google.com/bigquery/quotas#load_jobs>).
const GZIP_LIMIT: usize = 4 << 30;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// `sourceFormat`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the format of its name")]
pub enum Format {
    #[default]
    Csv,
    Json,
    Parquet,
    Avro,
}

impl Format {
    /// Whether its files say what their fields are.
    #[must_use]
    pub fn has_schema(self) -> bool {
        matches!(self, Self::Parquet | Self::Avro)
    }

    /// As the messages of jobs call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Json => "JSON",
            Self::Parquet => "Parquet",
            Self::Avro => "Apache Avro",
        }
    }
}

/// How a file is to be read: the options of a load job that are about its files
/// (<https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad>).
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the API"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// `sourceFormat`
    pub format: Format,
    /// `skipLeadingRows`, if it was said
    pub skip_leading_rows: Option<u64>,
    /// `fieldDelimiter`
    pub delimiter: u8,
    /// `quote`; none: nothing is quoted
    pub quote: Option<u8>,
    /// `allowQuotedNewlines`
    pub quoted_newlines: bool,
    /// `allowJaggedRows`
    pub jagged_rows: bool,
    /// `nullMarker` or `nullMarkers`
    pub null_markers: Vec<String>,
    /// Whether `encoding` is ISO-8859-1 instead of UTF-8
    pub latin1: bool,
    /// `preserveAsciiControlCharacters`
    pub control_characters: bool,
    /// `ignoreUnknownValues`
    pub ignore_unknown: bool,
    /// `autodetect`
    pub autodetect: bool,
    /// Whether `sourceColumnMatch` is NAME
    pub match_names: bool,
    /// `decimalTargetTypes`
    pub decimals: Vec<Kind>,
    /// `useAvroLogicalTypes`
    pub logical_types: bool,
    /// `parquetOptions.enableListInference`
    pub list_inference: bool,
    /// `parquetOptions.enumAsString`
    pub enum_as_string: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            format: Format::Csv,
            skip_leading_rows: None,
            delimiter: b',',
            quote: Some(b'"'),
            quoted_newlines: false,
            jagged_rows: false,
            null_markers: vec![String::new()],
            latin1: false,
            control_characters: false,
            ignore_unknown: false,
            autodetect: false,
            match_names: false,
            decimals: vec![Kind::Numeric],
            logical_types: false,
            list_inference: false,
            enum_as_string: false,
        }
    }
}

impl Reading {
    /// The type that a decimal of that many digits becomes.
    fn decimal_kind(&self, name: &str, precision: usize, scale: usize) -> Result<Kind, BadFile> {
        let whole = precision.saturating_sub(scale);
        let fits = |kind: &Kind| match kind {
            Kind::Numeric => whole <= 29 && scale <= 9,
            Kind::Bignumeric => whole <= 38 && scale <= 38,
            _ => true,
        };
        // The order of the list has no meaning.
        let order = [Kind::Numeric, Kind::Bignumeric, Kind::String];
        let chosen = order
            .into_iter()
            .filter(|kind| self.decimals.contains(kind))
            .find(fits);
        chosen.ok_or_else(|| {
            BadFile(format!(
                "The decimal field '{name}' with precision {precision} and scale {scale} fits none of the decimal target types"
            ))
        })
    }
}

/// The schema of a file.
///
/// # Errors
/// What keeps it from being read.
pub(super) fn schema(bytes: &Bytes, how: &Reading) -> Result<Schema, BadFile> {
    match how.format {
        Format::Csv => csv::detect(&plain(bytes)?, how),
        Format::Json => json::detect(&plain(bytes)?),
        Format::Parquet => parquet::schema(bytes, how),
        Format::Avro => avro::schema(bytes, how),
    }
}

/// The rows of a file, as rows of `schema`.
///
/// # Errors
/// What keeps all of them from being read.
pub(super) fn rows(bytes: &Bytes, how: &Reading, schema: &Schema) -> Result<Vec<ReadRow>, BadFile> {
    match how.format {
        Format::Csv => csv::rows(&plain(bytes)?, how, schema),
        Format::Json => Ok(json::rows(&plain(bytes)?, how, schema)),
        Format::Parquet => shaped(
            &parquet::schema(bytes, how)?,
            parquet::rows(bytes, how)?,
            schema,
        ),
        Format::Avro => shaped(&avro::schema(bytes, how)?, avro::rows(bytes, how)?, schema),
    }
}

fn shaped(own: &Schema, rows: Vec<Row>, schema: &Schema) -> Result<Vec<ReadRow>, BadFile> {
    let rows = rows
        .into_iter()
        .map(|row| reshape(row, &own.0, &schema.0).map(Ok).map_err(BadFile));
    rows.collect()
}

/// The bytes of a file that may be compressed.
fn plain(bytes: &Bytes) -> Result<Bytes, BadFile> {
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(bytes.clone());
    }
    if bytes.len() > GZIP_LIMIT {
        return Err(BadFile(
            "Input CSV or JSON files are compressed and larger than 4 GB".into(),
        ));
    }
    let mut all = Vec::new();
    let read = MultiGzDecoder::new(&**bytes).read_to_end(&mut all);
    read.map_err(|error| BadFile(format!("Failed to decompress the file: {error}")))?;
    Ok(all.into())
}

/// A decimal of a file, as a value of the type that it was given.
fn decimal_cell(text: &str, kind: Kind) -> Option<Cell> {
    let kind = if kind == Kind::String {
        Kind::Bignumeric
    } else {
        kind
    };
    from_text(text, &Field::new("", kind)).ok()
}

/// So many microseconds from 1970 on, as a DATETIME or a TIMESTAMP.
fn instant(micros: i64, kind: Kind) -> Option<Cell> {
    let text = datetime_text(micros)?;
    Some(match kind {
        Kind::Datetime => Cell::text(text),
        _ => Cell::Timestamp(micros),
    })
}

/// What two types seen in one column have in common, for automatic detection.
fn common(one: Kind, other: Kind) -> Kind {
    match (one, other) {
        (one, other) if one == other => one,
        (Kind::Integer, Kind::Float) | (Kind::Float, Kind::Integer) => Kind::Float,
        (Kind::Date, Kind::Timestamp) | (Kind::Timestamp, Kind::Date) => Kind::Timestamp,
        _ => Kind::String,
    }
}

/// A name that a column may have.
fn column_name(text: &str) -> String {
    let plain: String = text
        .trim()
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    if plain.starts_with(|first: char| first.is_numeric()) {
        return format!("_{plain}");
    }
    plain
}

/// Whether `fields` has what a file of flat records cannot have.
fn nested(fields: &[Field]) -> Option<&Field> {
    fields
        .iter()
        .find(|field| field.kind == Kind::Record || field.is_repeated())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::unnecessary_wraps)]
mod tests;
