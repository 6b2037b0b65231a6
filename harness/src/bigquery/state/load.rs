//! What a load job does: at its start it reads its files, by name; at its end it changes the table, in
//! one step (<https://cloud.google.com/bigquery/docs/loading-data>).

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Quotas;
use super::error::JobError;
use super::job::Statistics;
use super::load_config::{Load, Write, split_uri};
use super::partition::Partitioning;
use super::table::{StoredRow, Table};
use crate::bigquery::files::{BadFile, Files, Found, Refused};
use crate::bigquery::formats::{Format, adapt, reshape};
use crate::bigquery::types::{Mode, Row, Schema, SchemaChange, row_bytes};

/// As many of the rows with errors are told of as this.
const TOLD_ERRORS: usize = 5;

/// What a job has read and will write.
pub(super) struct Loaded {
    /// The schema that the table is to have.
    pub(super) schema: Schema,
    /// How it is to be cut.
    pub(super) partitioning: Option<Partitioning>,
    pub(super) rows: Vec<StoredRow>,
    /// The rows that were left out, as far as they are told of.
    pub(super) warnings: Vec<JobError>,
    pub(super) statistics: Statistics,
}

struct SourceFile<'a> {
    uri: String,
    bucket: &'a str,
    name: String,
    size: u64,
}

type Failure = Vec<JobError>;

fn failed(error: JobError) -> Failure {
    vec![error]
}

/// What a job has at hand.
pub(super) struct Work<'a> {
    pub(super) load: &'a Load,
    /// The table, if it is there.
    pub(super) table: Option<&'a Table>,
    pub(super) files: &'a dyn Files,
    pub(super) quotas: &'a Quotas,
    pub(super) user: &'a str,
    pub(super) reads_storage: bool,
    pub(super) now: Timestamp,
}

impl Work<'_> {
    /// Reads everything.
    ///
    /// # Errors
    /// The errors of the job, the decisive one first.
    pub(super) fn read(&self) -> Result<Loaded, Failure> {
        let sources = self.sources().map_err(failed)?;
        if self.table.is_none() && !self.load.create {
            return Err(failed(JobError::new(
                "notFound",
                format!("Not found: Table {}", self.load.table),
            )));
        }
        let partitioning = self.partitioning().map_err(failed)?;
        let decorator = match (&self.load.decorator, &partitioning) {
            (None, _) => None,
            (Some(_), None) => {
                let why = format!(
                    "Cannot read partition information from a table that is not partitioned: {}",
                    self.load.target()
                );
                return Err(failed(JobError::invalid(why)));
            }
            (Some(decorator), Some(partitioning)) => {
                let partition = partitioning.decorated(decorator);
                Some(partition.map_err(|why| failed(JobError::invalid(why)))?)
            }
        };
        let (reading, schema) = self.schemas(&sources)?;
        if let Some(partitioning) = &partitioning {
            partitioning
                .check(&schema)
                .map_err(|why| failed(JobError::invalid(why)))?;
        }
        let (rows, warnings, bad_records) = self.rows(&sources, &reading, &schema)?;
        let statistics = Statistics {
            input_files: sources.len() as u64,
            input_bytes: sources.iter().map(|source| source.size).sum(),
            output_rows: rows.len() as u64,
            output_bytes: rows.iter().map(|row| row_bytes(row, &schema.0)).sum(),
            bad_records,
        };
        let rows = self
            .placed(rows, &schema, partitioning.as_ref(), decorator.as_deref())
            .map_err(failed)?;
        Ok(Loaded {
            schema,
            partitioning,
            rows,
            warnings,
            statistics,
        })
    }

    /// What the URIs name now.
    fn sources(&self) -> Result<Vec<SourceFile<'_>>, JobError> {
        let mut sources = Vec::new();
        for uri in &self.load.uris {
            let (bucket, name) = split_uri(uri)
                .ok_or_else(|| JobError::invalid(format!("Invalid source URI: {uri}")))?;
            if !self.reads_storage {
                return Err(JobError::new(
                    "accessDenied",
                    format!(
                        "Access Denied: File {uri}: Access Denied (the token has no scope for Cloud Storage)"
                    ),
                ));
            }
            let source = |found: Found| SourceFile {
                uri: format!("gs://{bucket}/{}", found.name),
                bucket,
                name: found.name,
                size: found.size,
            };
            match name.split_once('*') {
                None => {
                    has_no_generation(uri, name)?;
                    let found = self
                        .files
                        .find(bucket, name)
                        .map_err(|why| self.refused(&why, uri))?;
                    sources.push(source(found));
                }
                Some((prefix, suffix)) => {
                    let all = self
                        .files
                        .list(bucket, prefix)
                        .map_err(|why| self.refused(&why, uri))?;
                    let fits = |found: &Found| {
                        found.name.len() >= prefix.len() + suffix.len()
                            && found.name.ends_with(suffix)
                    };
                    let before = sources.len();
                    sources.extend(all.into_iter().filter(fits).map(source));
                    if sources.len() == before {
                        return Err(JobError::new("notFound", format!("Not found: Uris {uri}")));
                    }
                }
            }
        }
        let bytes: u64 = sources.iter().map(|source| source.size).sum();
        if bytes > self.quotas.bytes_a_job {
            return Err(JobError::invalid(format!(
                "The job's files have {bytes} bytes; a load job takes {}",
                self.quotas.bytes_a_job
            )));
        }
        Ok(sources)
    }

    fn refused(&self, why: &Refused, uri: &str) -> JobError {
        match why {
            Refused::NotFound => JobError::new("notFound", format!("Not found: URI {uri}")),
            Refused::Denied(permission) => JobError::new(
                "accessDenied",
                format!(
                    "Access Denied: File {uri}: {} does not have {permission} access to the Google Cloud Storage object.",
                    self.user
                ),
            ),
        }
    }

    fn partitioning(&self) -> Result<Option<Partitioning>, JobError> {
        let asked = self.load.partitioning.clone();
        match self.table {
            Some(table) => match asked {
                Some(asked) if Some(&asked) != table.partitioning.as_ref() => {
                    Err(JobError::invalid(format!(
                        "Incompatible table partitioning specification. Destination table {} is partitioned otherwise",
                        self.load.table
                    )))
                }
                _ => Ok(table.partitioning.clone()),
            },
            None => {
                Ok(asked.or_else(|| Partitioning::for_decorator(self.load.decorator.as_deref()?)))
            }
        }
    }

    /// The schema that the files are read with, and the one that the table has then.
    fn schemas(&self, sources: &[SourceFile<'_>]) -> Result<(Schema, Schema), Failure> {
        let load = self.load;
        let table = self
            .table
            .map(|table| &table.schema)
            .filter(|schema| !schema.0.is_empty());
        let kept = table.filter(|_| !load.replaces_schema());
        let mismatch = |why: String| {
            failed(JobError::invalid(format!(
                "Provided Schema does not match Table {}. {why}.",
                load.target()
            )))
        };
        let format = load.reading.format;
        if let Some(given) = &load.schema {
            let table = match kept {
                None => given.clone(),
                Some(kept) => kept.changed(given, load.update, false).map_err(mismatch)?,
            };
            if !format.has_schema() {
                return Ok((given.clone(), table));
            }
            let own = self.own_schema(sources, given)?;
            let relax = SchemaChange {
                add: false,
                relax: true,
            };
            given.changed(&own, relax, true).map_err(mismatch)?;
            return Ok((own, table));
        }
        if !format.has_schema() {
            let detects = load.reading.autodetect
                && (kept.is_none() || load.update != SchemaChange::default());
            if !detects {
                let schema = table.ok_or_else(|| {
                    failed(JobError::invalid("No schema specified on job or table."))
                })?;
                return Ok((schema.clone(), schema.clone()));
            }
        }
        let Some(kept) = kept else {
            let own = self.files_schema(sources)?;
            return Ok((own.clone(), own));
        };
        let mut own = self.own_schema(sources, kept)?;
        if format == Format::Csv || format == Format::Json {
            as_in_table(&mut own, kept);
        }
        let table = kept.changed(&own, load.update, true).map_err(mismatch)?;
        Ok((own, table))
    }

    /// The schema that the files have, as far as `target` says what becomes of it.
    fn own_schema(&self, sources: &[SourceFile<'_>], target: &Schema) -> Result<Schema, Failure> {
        let mut own = self.files_schema(sources)?;
        adapt(&mut own.0, &target.0);
        if self.load.reading.ignore_unknown && !self.load.update.add {
            own.0.retain(|field| target.position(&field.name).is_some());
        }
        Ok(own)
    }

    /// The schema that the files have, taken together.
    fn files_schema(&self, sources: &[SourceFile<'_>]) -> Result<Schema, Failure> {
        let mut all: Option<Schema> = None;
        for source in sources {
            let own = self
                .files
                .schema(source.bucket, &source.name, &self.load.reading);
            let own = own.map_err(|BadFile(why)| failed(JobError::reading(&source.uri, &why)))?;
            all = Some(match all {
                None => own,
                Some(all) => {
                    let change = SchemaChange {
                        add: true,
                        relax: true,
                    };
                    let relaxed = Schema(
                        own.0
                            .into_iter()
                            .map(|field| match field.mode {
                                Mode::Required if all.position(&field.name).is_none() => {
                                    field.with_mode(Mode::Nullable)
                                }
                                _ => field,
                            })
                            .collect(),
                    );
                    let both = all.changed(&relaxed, change, true);
                    both.map_err(|why| {
                        failed(JobError::reading(
                            &source.uri,
                            &format!("The files have different schemas: {why}"),
                        ))
                    })?
                }
            });
            // Automatic detection looks at one file.
            if !self.load.reading.format.has_schema() {
                break;
            }
        }
        Ok(all.unwrap_or_default())
    }

    /// The rows of all files, and those that were left out.
    fn rows(
        &self,
        sources: &[SourceFile<'_>],
        reading: &Schema,
        schema: &Schema,
    ) -> Result<(Vec<Row>, Vec<JobError>, u64), Failure> {
        let format = self.load.reading.format;
        let allowed = if format.has_schema() {
            0
        } else {
            self.load.max_bad_records
        };
        let (mut rows, mut bad) = (Vec::new(), Vec::new());
        let (mut seen, mut count) = (0_u64, 0_u64);
        for source in sources {
            let read = self
                .files
                .rows(source.bucket, &source.name, &self.load.reading, reading);
            for row in read.map_err(|BadFile(why)| failed(JobError::reading(&source.uri, &why)))? {
                seen += 1;
                let row = row.and_then(|row| reshape(row, &reading.0, &schema.0));
                let why = match row {
                    Ok(row) => {
                        rows.push(row);
                        continue;
                    }
                    Err(why) => why,
                };
                count += 1;
                if bad.len() < TOLD_ERRORS {
                    let why = if format == Format::Csv {
                        format!("{why} File: {}", source.uri)
                    } else {
                        why
                    };
                    bad.push(JobError::reading(&source.uri, &why));
                }
                if count > allowed {
                    return Err(too_many(&source.uri, format, seen, count, allowed, bad));
                }
            }
        }
        Ok((rows, bad, count))
    }

    /// Each row in its partition, which is the one that the job names, if it names one.
    fn placed(
        &self,
        rows: Vec<Row>,
        schema: &Schema,
        partitioning: Option<&Partitioning>,
        decorator: Option<&str>,
    ) -> Result<Vec<StoredRow>, JobError> {
        let mut known: HashMap<String, Arc<str>> = HashMap::new();
        let mut place = |row: Row| {
            let Some(partitioning) = partitioning else {
                return Ok(StoredRow {
                    partition: None,
                    cells: row,
                });
            };
            let partition = match (decorator, partitioning.field()) {
                // The job says when its rows came.
                (Some(decorator), None) => decorator.to_owned(),
                _ => partitioning.of_row(&row, schema, self.now),
            };
            if decorator.is_some_and(|decorator| decorator != partition) {
                let decorator = decorator.unwrap_or_default();
                return Err(JobError::invalid(format!(
                    "Some rows belong to different partitions rather than destination partition {decorator}"
                )));
            }
            let shared = known
                .entry(partition)
                .or_insert_with_key(|name| name.as_str().into());
            Ok(StoredRow {
                partition: Some(Arc::clone(shared)),
                cells: row,
            })
        };
        rows.into_iter().map(&mut place).collect()
    }
}

/// What was detected in texts gives way to what the table says.
fn as_in_table(own: &mut Schema, table: &Schema) {
    for field in &mut own.0 {
        if let Some(at) = table.position(&field.name) {
            let rest = std::mem::take(&mut field.fields);
            let mut inner = Schema(rest);
            as_in_table(&mut inner, &Schema(table.0[at].fields.clone()));
            *field = table.0[at].clone();
            if !inner.0.is_empty() {
                field.fields = inner.0;
            }
        }
    }
}

/// A generation in a URI makes a load fail
/// (<https://cloud.google.com/bigquery/docs/batch-loading-data#limitations>).
fn has_no_generation(uri: &str, name: &str) -> Result<(), JobError> {
    let generation = name.rsplit_once('#').map(|(_, generation)| generation);
    let is_one = generation
        .is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    if is_one {
        return Err(JobError::invalid(format!(
            "Cloud Storage object versioning is not supported: {uri} has a generation number"
        )));
    }
    Ok(())
}

/// In the service's words, and in its order: the file, the whole, the rows.
fn too_many(
    uri: &str,
    format: Format,
    rows: u64,
    errors: u64,
    allowed: u64,
    told: Vec<JobError>,
) -> Failure {
    let name = format.name();
    let whole = format!(
        "{name} processing encountered too many errors, giving up. Rows: {rows}; errors: {errors}; max bad: {allowed}; error percent: 0"
    );
    let table = format!(
        "{name} table encountered too many errors, giving up. Rows: {rows}; errors: {errors}. Please look into the errors[] collection for more details."
    );
    let mut all = vec![
        JobError::reading(uri, &table),
        JobError::invalid(format!("Error while reading data, error message: {whole}")),
    ];
    all.extend(told);
    all
}

impl Loaded {
    /// How many partitions it writes to, and whether a column says which; nothing of a table that is not
    /// partitioned.
    pub(super) fn partitions(&self) -> Option<(usize, bool)> {
        let partitioning = self.partitioning.as_ref()?;
        let names: std::collections::HashSet<_> = self
            .rows
            .iter()
            .filter_map(|row| row.partition.as_deref())
            .collect();
        Some((names.len().max(1), partitioning.field().is_some()))
    }

    /// Changes `table`, which may be another one than when the files were read.
    pub(super) fn commit(self, load: &Load, table: &mut Table) -> Result<Statistics, JobError> {
        let in_place = |row: &StoredRow| match &load.decorator {
            None => true,
            Some(decorator) => row.partition.as_deref() == Some(decorator),
        };
        if load.write == Write::Empty && table.rows.iter().any(in_place) {
            return Err(JobError::new(
                "duplicate",
                format!("Already Exists: Table {}", load.target()),
            ));
        }
        let schema = if load.replaces_schema() || table.schema.0.is_empty() {
            self.schema.clone()
        } else {
            let both = SchemaChange {
                add: true,
                relax: true,
            };
            let changed = table.schema.changed(&self.schema, both, true);
            changed.map_err(|why| {
                JobError::invalid(format!(
                    "Provided Schema does not match Table {}. {why}.",
                    load.target()
                ))
            })?
        };
        let mut rows = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            let cells = reshape(row.cells, &self.schema.0, &schema.0).map_err(JobError::invalid)?;
            rows.push(StoredRow { cells, ..row });
        }
        if matches!(load.write, Write::Truncate | Write::TruncateData) {
            table.rows.retain(|row| !in_place(row));
        }
        table.rows.append(&mut rows);
        table.schema = schema;
        Ok(self.statistics)
    }
}
