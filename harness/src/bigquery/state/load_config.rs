//! What a load job was asked to do: `configuration.load`, read strictly
//! (<https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad>).

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::partition::Partitioning;
use super::{Quotas, TableId};
use crate::bigquery::formats::{Format, Reading};
use crate::bigquery::types::{Kind, Schema, SchemaChange};

/// `writeDisposition`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Write {
    /// Behind the rows that are there.
    #[default]
    Append,
    /// In place of the rows that are there; of a whole table also of its schema.
    Truncate,
    /// In place of the rows that are there, in the schema that is there.
    TruncateData,
    /// Only where there are no rows.
    Empty,
}

/// A load job's task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    /// `destinationTable`, without a decorator
    pub(super) table: TableId,
    /// What follows `$` in the table's id
    pub(super) decorator: Option<String>,
    /// `sourceUris`
    pub(super) uris: Vec<String>,
    /// How the files are read
    pub(super) reading: Reading,
    /// `writeDisposition`
    pub(super) write: Write,
    /// Whether `createDisposition` is `CREATE_IF_NEEDED`
    pub(super) create: bool,
    /// `schema`
    pub(super) schema: Option<Schema>,
    /// `schemaUpdateOptions`
    pub(super) update: SchemaChange,
    /// `maxBadRecords`
    pub(super) max_bad_records: u64,
    /// `timePartitioning` or `rangePartitioning`
    pub(super) partitioning: Option<Partitioning>,
    /// What of the configuration a table that it creates gets.
    pub(super) table_resource: Map<String, Value>,
}

/// What the API knows and this server does not need.
const IGNORED: [&str; 7] = [
    "clustering",
    "destinationEncryptionConfiguration",
    "destinationTableProperties",
    "projectionFields",
    "connectionProperties",
    "createSession",
    "copyFilesOnly",
];

/// What of `configuration.load` a table that it creates has, too.
const OF_TABLE: [&str; 3] = ["timePartitioning", "rangePartitioning", "clustering"];

impl Load {
    /// Reads `configuration.load`.
    ///
    /// # Errors
    /// 400 `invalid`, with the first thing that is wrong.
    pub(super) fn read(
        project: &str,
        said: &Map<String, Value>,
        quotas: &Quotas,
    ) -> Result<Self, ApiError> {
        let mut said = Said::new(said);
        let (table, decorator) = destination(project, said.take("destinationTable"))?;
        let format = format(&said.string("sourceFormat")?.unwrap_or_default())?;
        let table_resource = OF_TABLE
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), said.peek(name)?.clone())));
        let table_resource = table_resource.collect();
        let time = said.take("timePartitioning");
        let range = said.take("rangePartitioning");
        let write = match said.string("writeDisposition")?.as_deref() {
            None | Some("WRITE_APPEND") => Write::Append,
            Some("WRITE_TRUNCATE") => Write::Truncate,
            Some("WRITE_TRUNCATE_DATA") => Write::TruncateData,
            Some("WRITE_EMPTY") => Write::Empty,
            Some(other) => return Err(no_value("writeDisposition", other)),
        };
        let create = match said.string("createDisposition")?.as_deref() {
            None | Some("CREATE_IF_NEEDED") => true,
            Some("CREATE_NEVER") => false,
            Some(other) => return Err(no_value("createDisposition", other)),
        };
        let schema = said
            .take("schema")
            .map(Schema::read)
            .transpose()
            .map_err(ApiError::invalid)?;
        let load = Self {
            uris: uris(said.take("sourceUris"), quotas)?,
            partitioning: Partitioning::read(time, range).map_err(ApiError::invalid)?,
            schema: schema.filter(|schema| !schema.0.is_empty()),
            update: update(said.take("schemaUpdateOptions"))?,
            max_bad_records: said.number("maxBadRecords")?.unwrap_or_default(),
            reading: reading(&mut said, format)?,
            table,
            decorator,
            write,
            create,
            table_resource,
        };
        said.finish()?;
        load.check()?;
        Ok(load)
    }

    /// What of the options does not go together.
    fn check(&self) -> Result<(), ApiError> {
        if self.update != SchemaChange::default() {
            let may = match self.write {
                Write::Append | Write::TruncateData => true,
                Write::Truncate => self.decorator.is_some(),
                Write::Empty => false,
            };
            if !may {
                return Err(ApiError::invalid(
                    "Schema update options should only be specified with WRITE_APPEND disposition, with WRITE_TRUNCATE_DATA disposition, or with WRITE_TRUNCATE disposition on a table partition.",
                ));
            }
            let knows_fields = self.reading.autodetect
                || self.schema.is_some()
                || self.reading.format.has_schema();
            if !knows_fields {
                return Err(ApiError::invalid(
                    "Schema update options need a schema: given, detected automatically, or the files' own.",
                ));
            }
        }
        if self.reading.autodetect && self.schema.is_some() {
            return Err(ApiError::invalid(
                "Schema and autodetect must not both be specified.",
            ));
        }
        Ok(())
    }

    /// Whether the job replaces the table's schema with its rows.
    pub(super) fn replaces_schema(&self) -> bool {
        self.write == Write::Truncate && self.decorator.is_none()
    }

    /// What a table that the job creates is told.
    pub(super) fn table_resource(&self, partitioning: Option<&Partitioning>) -> Map<String, Value> {
        let mut resource = self.table_resource.clone();
        if let (Some(Partitioning::Time { unit, .. }), false) =
            (partitioning, resource.contains_key("timePartitioning"))
        {
            let unit = format!("{unit:?}").to_uppercase();
            resource.insert("timePartitioning".into(), json!({ "type": unit }));
        }
        resource
    }

    /// The table, with the decorator if there is one.
    pub(super) fn target(&self) -> String {
        match &self.decorator {
            None => self.table.to_string(),
            Some(decorator) => format!("{}${decorator}", self.table),
        }
    }
}

fn no_value(name: &str, value: &str) -> ApiError {
    ApiError::invalid(format!(
        "Invalid value for {name}: {value} is not a valid value"
    ))
}

fn destination(
    project: &str,
    value: Option<&Value>,
) -> Result<(TableId, Option<String>), ApiError> {
    let value = value.ok_or_else(|| {
        ApiError::new(
            400,
            "required",
            "Required parameter is missing: destinationTable",
        )
    })?;
    let part = |name: &str| {
        let text = value[name].as_str().filter(|text| !text.is_empty());
        text.ok_or_else(|| {
            ApiError::new(
                400,
                "required",
                format!("Required parameter is missing: destinationTable.{name}"),
            )
        })
    };
    let project = value["projectId"].as_str().unwrap_or(project);
    TableId::decorated(project, part("datasetId")?, part("tableId")?)
}

fn format(name: &str) -> Result<Format, ApiError> {
    match name {
        "" | "CSV" => Ok(Format::Csv),
        "NEWLINE_DELIMITED_JSON" => Ok(Format::Json),
        "PARQUET" => Ok(Format::Parquet),
        "AVRO" => Ok(Format::Avro),
        "ORC" | "DATASTORE_BACKUP" => Err(ApiError::new(
            501,
            "notImplemented",
            format!(
                "This server does not load {name}; it loads CSV, NEWLINE_DELIMITED_JSON, PARQUET and AVRO."
            ),
        )),
        other => Err(no_value("sourceFormat", other)),
    }
}

fn uris(value: Option<&Value>, quotas: &Quotas) -> Result<Vec<String>, ApiError> {
    let list = value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    if list.is_empty() {
        return Err(ApiError::new(
            400,
            "required",
            "Required parameter is missing: sourceUris",
        ));
    }
    if list.len() > quotas.uris_a_job {
        return Err(ApiError::invalid(format!(
            "Too many source URIs: {} of at most {}",
            list.len(),
            quotas.uris_a_job
        )));
    }
    let uris = list.iter().map(|uri| {
        let uri = uri.as_str().unwrap_or_default();
        let (bucket, name) = split_uri(uri).ok_or_else(|| {
            ApiError::invalid(format!(
                "Source URI must be a Google Cloud Storage location: {uri}"
            ))
        })?;
        if bucket.contains('*') || name.matches('*').count() > 1 {
            return Err(ApiError::invalid(format!(
                "A source URI may have one * behind the bucket: {uri}"
            )));
        }
        Ok(uri.to_owned())
    });
    uris.collect()
}

/// Bucket and name of `gs://bucket/name`.
pub(super) fn split_uri(uri: &str) -> Option<(&str, &str)> {
    let (bucket, name) = uri.strip_prefix("gs://")?.split_once('/')?;
    (!bucket.is_empty() && !name.is_empty()).then_some((bucket, name))
}

fn update(value: Option<&Value>) -> Result<SchemaChange, ApiError> {
    let mut change = SchemaChange::default();
    for option in value.and_then(Value::as_array).into_iter().flatten() {
        match option.as_str().unwrap_or_default() {
            "ALLOW_FIELD_ADDITION" => change.add = true,
            "ALLOW_FIELD_RELAXATION" => change.relax = true,
            other => return Err(no_value("schemaUpdateOptions", other)),
        }
    }
    Ok(change)
}

fn reading(said: &mut Said<'_>, format: Format) -> Result<Reading, ApiError> {
    let mut how = Reading {
        format,
        skip_leading_rows: said.number("skipLeadingRows")?,
        quoted_newlines: said.flag("allowQuotedNewlines")?,
        jagged_rows: said.flag("allowJaggedRows")?,
        control_characters: said.flag("preserveAsciiControlCharacters")?,
        ignore_unknown: said.flag("ignoreUnknownValues")?,
        autodetect: said.flag("autodetect")?,
        logical_types: said.flag("useAvroLogicalTypes")?,
        ..Reading::default()
    };
    if let Some(delimiter) = said.string("fieldDelimiter")? {
        if format != Format::Csv {
            return Err(ApiError::invalid(
                "Only CSV imports may specify a field delimiter.",
            ));
        }
        how.delimiter = match delimiter.as_bytes() {
            [byte] => *byte,
            b"\\t" => b'\t',
            _ => return Err(no_value("fieldDelimiter", &delimiter)),
        };
    }
    if let Some(quote) = said.string("quote")? {
        how.quote = match quote.as_bytes() {
            [] => None,
            [byte] => Some(*byte),
            _ => return Err(no_value("quote", &quote)),
        };
    }
    let one = said.string("nullMarker")?;
    let many = said.strings("nullMarkers")?;
    match (one, many) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "nullMarker and nullMarkers can't be set at the same time.",
            ));
        }
        (Some(one), None) => how.null_markers = vec![one],
        (None, Some(many)) => how.null_markers = many,
        (None, None) => {}
    }
    how.latin1 = match said.string("encoding")?.as_deref() {
        None | Some("UTF-8") => false,
        Some("ISO-8859-1") => true,
        Some(other) => {
            return Err(no_value(
                "encoding",
                &format!("{other} (this server reads UTF-8 and ISO-8859-1)"),
            ));
        }
    };
    how.match_names = match said.string("sourceColumnMatch")?.as_deref() {
        None | Some("POSITION" | "SOURCE_COLUMN_MATCH_UNSPECIFIED") => false,
        Some("NAME") => true,
        Some(other) => return Err(no_value("sourceColumnMatch", other)),
    };
    if let Some(decimals) = said.strings("decimalTargetTypes")? {
        let kinds = decimals.iter().map(|name| match name.as_str() {
            "NUMERIC" => Ok(Kind::Numeric),
            "BIGNUMERIC" => Ok(Kind::Bignumeric),
            "STRING" => Ok(Kind::String),
            other => Err(no_value("decimalTargetTypes", other)),
        });
        how.decimals = kinds.collect::<Result<_, _>>()?;
    }
    if let Some(options) = said.take("parquetOptions").and_then(Value::as_object) {
        let mut options = Said::new(options);
        how.list_inference = options.flag("enableListInference")?;
        how.enum_as_string = options.flag("enumAsString")?;
        options.finish()?;
    }
    match said.string("fileSetSpecType")?.as_deref() {
        None | Some("FILE_SET_SPEC_TYPE_FILE_SYSTEM_MATCH") => Ok(how),
        Some(other) => Err(no_value("fileSetSpecType", other)),
    }
}

/// An object of the API, of which nothing may be left over.
struct Said<'a> {
    all: &'a Map<String, Value>,
    read: Vec<&'static str>,
}

impl<'a> Said<'a> {
    fn new(all: &'a Map<String, Value>) -> Self {
        Self {
            all,
            read: IGNORED.to_vec(),
        }
    }

    fn peek(&self, name: &str) -> Option<&'a Value> {
        self.all.get(name).filter(|value| !value.is_null())
    }

    fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.read.push(name);
        self.peek(name)
    }

    fn string(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let text = value
            .as_str()
            .ok_or_else(|| no_value(name, &value.to_string()))?;
        Ok(Some(text.to_owned()))
    }

    fn strings(&mut self, name: &'static str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(list) = self.take(name).and_then(Value::as_array) else {
            return Ok(None);
        };
        let texts = list.iter().map(|value| {
            value
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| no_value(name, &value.to_string()))
        });
        let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
        Ok(Some(texts).filter(|texts| !texts.is_empty()))
    }

    /// Google's clients send some numbers as texts.
    fn number(&mut self, name: &'static str) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number
            .map(Some)
            .ok_or_else(|| no_value(name, &value.to_string()))
    }

    fn flag(&mut self, name: &'static str) -> Result<bool, ApiError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(no_value(name, &other.to_string())),
        }
    }

    fn finish(&self) -> Result<(), ApiError> {
        let left = self
            .all
            .keys()
            .find(|name| !self.read.contains(&name.as_str()));
        match left {
            None => Ok(()),
            Some(name) => Err(ApiError::invalid(format!(
                "Invalid JSON payload received. Unknown name \"{name}\": Cannot find field, or not one that this server knows."
            ))),
        }
    }
}
