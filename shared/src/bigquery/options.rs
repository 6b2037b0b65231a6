//! The options of load jobs that a route may set, under BigQuery's own names in snake case.
//!
//! [`OPTIONS`] is all there is to know of each. Not here: options that create tables or say their schema
//! (a table exists before its route does), Hive partitioning, and those of Datastore.

use serde_json::{Map, Value};

use super::Format;

/// What an option takes.
#[derive(Clone, Copy)]
enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number from 0 up to 2³¹ - 1.
    Count,
    /// Any text.
    Text,
    /// A list of any texts.
    Texts,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of some of these words.
    Words(&'static [&'static str]),
}

use Format::{Avro, Csv, Ndjson, Orc, Parquet};
use Kind::{Bool, Count, Text, Texts, Word, Words};

const ENCODINGS: &[&str] = &[
    "UTF-8",
    "ISO-8859-1",
    "UTF-16BE",
    "UTF-16LE",
    "UTF-32BE",
    "UTF-32LE",
];
const DECIMALS: &[&str] = &["NUMERIC", "BIGNUMERIC", "STRING"];

/// An option: its name in a route, its place in
/// [JobConfigurationLoad](https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad),
/// what it takes, and the formats that it is for.
type LoadOption = (&'static str, &'static str, Kind, &'static [Format]);

const OPTIONS: [LoadOption; 25] = [
    ("allow_jagged_rows", "allowJaggedRows", Bool, &[Csv]),
    ("allow_quoted_newlines", "allowQuotedNewlines", Bool, &[Csv]),
    (
        "column_name_character_map",
        "columnNameCharacterMap",
        Word(&["STRICT", "V1", "V2"]),
        &[Csv, Parquet],
    ),
    ("date_format", "dateFormat", Text, &[Csv, Ndjson]),
    ("datetime_format", "datetimeFormat", Text, &[Csv, Ndjson]),
    (
        "decimal_target_types",
        "decimalTargetTypes",
        Words(DECIMALS),
        &[Parquet, Avro, Orc],
    ),
    (
        "enable_list_inference",
        "parquetOptions.enableListInference",
        Bool,
        &[Parquet],
    ),
    ("encoding", "encoding", Word(ENCODINGS), &[Csv]),
    (
        "enum_as_string",
        "parquetOptions.enumAsString",
        Bool,
        &[Parquet],
    ),
    ("field_delimiter", "fieldDelimiter", Text, &[Csv]),
    (
        "ignore_unknown_values",
        "ignoreUnknownValues",
        Bool,
        &Format::ALL,
    ),
    (
        "json_extension",
        "jsonExtension",
        Word(&["GEOJSON"]),
        &[Ndjson],
    ),
    (
        "map_target_type",
        "parquetOptions.mapTargetType",
        Word(&["ARRAY_OF_STRUCT"]),
        &[Parquet],
    ),
    ("max_bad_records", "maxBadRecords", Count, &[Csv, Ndjson]),
    ("null_marker", "nullMarker", Text, &[Csv]),
    ("null_markers", "nullMarkers", Texts, &[Csv]),
    (
        "preserve_ascii_control_characters",
        "preserveAsciiControlCharacters",
        Bool,
        &[Csv],
    ),
    ("quote", "quote", Text, &[Csv]),
    (
        "schema_update",
        "schemaUpdateOptions",
        Words(&["add", "relax"]),
        &Format::ALL,
    ),
    ("skip_leading_rows", "skipLeadingRows", Count, &[Csv]),
    (
        "source_column_match",
        "sourceColumnMatch",
        Word(&["POSITION", "NAME"]),
        &[Csv],
    ),
    ("time_format", "timeFormat", Text, &[Csv, Ndjson]),
    ("time_zone", "timeZone", Text, &[Csv, Ndjson]),
    ("timestamp_format", "timestampFormat", Text, &[Csv, Ndjson]),
    (
        "use_avro_logical_types",
        "useAvroLogicalTypes",
        Bool,
        &[Avro],
    ),
];

/// The names of all options, in their order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|(name, ..)| *name)
}

/// The options that a route sets, by their places in `OPTIONS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadOptions(Vec<(usize, Value)>);

impl LoadOptions {
    /// Takes the options out of a route's `table`, whose files are all of `format` if it says so.
    ///
    /// # Errors
    /// What is wrong with one.
    pub fn take(table: &mut Map<String, Value>, format: Option<Format>) -> Result<Self, String> {
        let mut found = Vec::new();
        for (place, (name, _, kind, formats)) in OPTIONS.iter().enumerate() {
            let Some(value) = table.remove(*name) else {
                continue;
            };
            if !kind.takes(&value) {
                return Err(format!("{name} is not {}.", kind.expected()));
            }
            if let Some(format) = format.filter(|format| !formats.contains(format)) {
                let formats: Vec<_> = formats.iter().map(|format| format.name()).collect();
                return Err(format!(
                    "{name} is for files of {}, and this route's are {}: take it out.",
                    formats.join(", "),
                    format.name()
                ));
            }
            found.push((place, value));
        }
        let options = Self(found);
        if options.get("null_marker").is_some() && options.get("null_markers").is_some() {
            return Err("null_marker and null_markers exclude each other.".into());
        }
        if format == Some(Csv) && options.get("schema_update").is_some() && !options.has_header() {
            return Err("schema_update takes the names of columns from a CSV file's header: say skip_leading_rows = 1, or take it out.".into());
        }
        Ok(options)
    }

    /// The value of the option `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let mut options = self.iter();
        options.find_map(|(known, value)| (known == name).then_some(value))
    }

    /// All that are set, by name, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0
            .iter()
            .map(|(place, value)| (OPTIONS[*place].0, value))
    }

    fn has_header(&self) -> bool {
        let rows = self.get("skip_leading_rows").and_then(Value::as_u64);
        rows.is_some_and(|rows| rows > 0)
    }

    /// Writes those for files of `format` into `load`, the configuration of a job.
    pub(super) fn write(&self, format: Format, load: &mut Map<String, Value>) {
        for (place, value) in &self.0 {
            let (name, path, _, formats) = OPTIONS[*place];
            if !formats.contains(&format) {
                continue;
            }
            if name == "schema_update" {
                self.update_schema(value, format, load);
                continue;
            }
            let Some((group, path)) = path.split_once('.') else {
                load.insert(path.to_owned(), value.clone());
                continue;
            };
            let group = load.entry(group).or_insert_with(|| Map::new().into());
            group[path] = value.clone();
        }
    }

    /// The schema follows the files, where these say their columns' names: a CSV file without a header
    /// would add columns that nobody has named.
    fn update_schema(&self, words: &Value, format: Format, load: &mut Map<String, Value>) {
        if format == Csv && !self.has_header() {
            return;
        }
        let words = words.as_array().map(Vec::as_slice).unwrap_or_default();
        let words = words.iter().map(|word| match word.as_str() {
            Some("add") => "ALLOW_FIELD_ADDITION",
            _ => "ALLOW_FIELD_RELAXATION",
        });
        load.insert("schemaUpdateOptions".to_owned(), words.collect());
        // The others say their schema themselves.
        if matches!(format, Csv | Ndjson) {
            load.insert("autodetect".to_owned(), true.into());
        }
    }
}

impl Kind {
    fn takes(self, value: &Value) -> bool {
        let list = |takes: &dyn Fn(&str) -> bool| {
            let items = value.as_array().filter(|items| !items.is_empty());
            items.is_some_and(|items| items.iter().all(|item| item.as_str().is_some_and(takes)))
        };
        match self {
            Bool => value.is_boolean(),
            Count => value.as_u64().is_some_and(|count| count <= 0x7fff_ffff),
            Text => value.is_string(),
            Texts => list(&|_| true),
            Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Words(words) => list(&|word| words.contains(&word)),
        }
    }

    fn expected(self) -> String {
        match self {
            Bool => "true or false".into(),
            Count => "a whole number from 0".into(),
            Text => "a text".into(),
            Texts => "a list of texts".into(),
            Word(words) => format!("one of {}", words.join(", ")),
            Words(words) => format!("a list of some of {}", words.join(", ")),
        }
    }
}
