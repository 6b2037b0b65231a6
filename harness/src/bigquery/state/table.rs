//! Tables (<https://cloud.google.com/bigquery/docs/reference/rest/v2/tables>).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::job::millis;
use super::partition::Partitioning;
use super::{Inner, State, TableId, lock, page};
use crate::bigquery::types::{Row, Schema, SchemaChange, TimestampFormat, row_bytes, shown_row};

/// A row and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredRow {
    /// Absent in a table that is not partitioned.
    pub(super) partition: Option<Arc<str>>,
    pub(super) cells: Row,
}

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// What clients say of it, but for what follows.
    pub(super) resource: Map<String, Value>,
    pub(super) schema: Schema,
    pub(super) partitioning: Option<Partitioning>,
    pub(super) rows: Vec<StoredRow>,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    pub(super) etag: u64,
}

/// What `tabledata.list` is to give.
#[derive(Debug, Clone, Default)]
pub struct RowQuery {
    /// The first row, from 0 on.
    pub start: usize,
    /// At most this many rows.
    pub limit: Option<usize>,
    /// Only these fields; empty: all.
    pub fields: Vec<String>,
    /// How a TIMESTAMP is shown.
    pub timestamps: TimestampFormat,
}

/// Rows of an answer, where a client asks for no number of them.
const ROWS_A_PAGE: usize = 10_000;
/// What this server has no tables of.
const OTHER_KINDS: [&str; 6] = [
    "view",
    "materializedView",
    "externalDataConfiguration",
    "snapshotDefinition",
    "cloneDefinition",
    "biglakeConfiguration",
];
/// What a client cannot set.
const OWN: [&str; 14] = [
    "kind",
    "etag",
    "id",
    "selfLink",
    "type",
    "location",
    "numRows",
    "numBytes",
    "numLongTermBytes",
    "creationTime",
    "lastModifiedTime",
    "schema",
    "tableReference",
    "numTimeTravelPhysicalBytes",
];

impl Table {
    pub(super) fn new(
        resource: Map<String, Value>,
        schema: Schema,
        partitioning: Option<Partitioning>,
        now: Timestamp,
    ) -> Self {
        Self {
            resource,
            schema,
            partitioning,
            rows: Vec::new(),
            created: now,
            modified: now,
            etag: 0,
        }
    }

    fn read(said: &Map<String, Value>, now: Timestamp) -> Result<Self, ApiError> {
        if let Some(kind) = OTHER_KINDS.iter().find(|kind| said.contains_key(**kind)) {
            return Err(ApiError::invalid(format!(
                "This server has tables only, none with {kind}."
            )));
        }
        let schema = said
            .get("schema")
            .map_or(Ok(Schema::default()), Schema::read);
        let schema = schema.map_err(ApiError::invalid)?;
        let partitioning =
            Partitioning::read(said.get("timePartitioning"), said.get("rangePartitioning"));
        let partitioning = partitioning.map_err(ApiError::invalid)?;
        if let Some(partitioning) = &partitioning {
            partitioning.check(&schema).map_err(ApiError::invalid)?;
        }
        Ok(Self::new(settable(said), schema, partitioning, now))
    }

    fn in_partition(&self, decorator: Option<&str>) -> impl Iterator<Item = &StoredRow> {
        self.rows
            .iter()
            .filter(move |row| decorator.is_none() || row.partition.as_deref() == decorator)
    }

    fn shown(&self, id: &TableId, decorator: Option<&str>, location: &str) -> Value {
        let rows = self.in_partition(decorator);
        let (count, bytes) = rows.fold((0_u64, 0_u64), |(count, bytes), row| {
            (count + 1, bytes + row_bytes(&row.cells, &self.schema.0))
        });
        let name = decorator.map_or(id.table.clone(), |decorator| {
            format!("{}${decorator}", id.table)
        });
        let mut shown = self.resource.clone();
        let own = json!({
            "kind": "bigquery#table",
            "etag": self.etag.to_string(),
            "id": format!("{}:{}.{name}", id.project, id.dataset),
            "selfLink": format!("/bigquery/v2/projects/{}/datasets/{}/tables/{name}", id.project, id.dataset),
            "tableReference": { "projectId": id.project, "datasetId": id.dataset, "tableId": name },
            "schema": self.schema.shown(),
            "numRows": count.to_string(),
            "numBytes": bytes.to_string(),
            "numLongTermBytes": "0",
            "creationTime": millis(self.created),
            "lastModifiedTime": millis(self.modified),
            "type": "TABLE",
            "location": location,
        });
        if let Value::Object(own) = own {
            shown.extend(own);
        }
        Value::Object(shown)
    }

    /// The names of the partitions that have rows.
    fn partitions(&self) -> BTreeSet<Arc<str>> {
        self.rows
            .iter()
            .filter_map(|row| row.partition.clone())
            .collect()
    }
}

fn settable(said: &Map<String, Value>) -> Map<String, Value> {
    let settable = said
        .iter()
        .filter(|(name, value)| !OWN.contains(&name.as_str()) && !value.is_null());
    settable
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

impl Inner {
    pub(super) fn table(&self, id: &TableId) -> Result<&Table, ApiError> {
        let dataset = self.dataset(&id.project, &id.dataset)?;
        dataset
            .tables
            .get(&id.table)
            .ok_or_else(|| ApiError::not_found(&format!("Table {id}")))
    }

    pub(super) fn table_mut(&mut self, id: &TableId) -> Result<&mut Table, ApiError> {
        let dataset = self.dataset_mut(&id.project, &id.dataset)?;
        dataset
            .tables
            .get_mut(&id.table)
            .ok_or_else(|| ApiError::not_found(&format!("Table {id}")))
    }

    fn shown_table(&self, id: &TableId, decorator: Option<&str>) -> Result<Value, ApiError> {
        let location = &self.dataset(&id.project, &id.dataset)?.location;
        Ok(self.table(id)?.shown(id, decorator, location))
    }

    /// Puts a table where there was none, or another one.
    pub(super) fn put_table(&mut self, id: &TableId, mut table: Table) -> Result<(), ApiError> {
        self.changes += 1;
        table.etag = self.changes;
        let dataset = self.dataset_mut(&id.project, &id.dataset)?;
        dataset.tables.insert(id.table.clone(), table);
        Ok(())
    }
}

impl State {
    /// `tables.insert`
    ///
    /// # Errors
    /// [`ApiError`]: 400 for what is no table, 404 for its dataset, 409 for a known one.
    pub fn insert_table(
        &self,
        project: &str,
        dataset: &str,
        said: &Map<String, Value>,
    ) -> Result<Value, ApiError> {
        let mut inner = self.ready();
        let now = inner.now();
        inner.dataset(project, dataset)?;
        let name = said
            .get("tableReference")
            .and_then(|reference| reference["tableId"].as_str())
            .unwrap_or_default();
        let (id, decorator) = TableId::decorated(project, dataset, name)?;
        if decorator.is_some() {
            return Err(ApiError::invalid(format!("Invalid table ID \"{name}\".")));
        }
        if inner.table(&id).is_ok() {
            return Err(ApiError::duplicate(&format!("Table {id}")));
        }
        inner.put_table(&id, Table::read(said, now)?)?;
        inner.shown_table(&id, None)
    }

    /// `tables.get`; of a table's name with a decorator: of the partition.
    ///
    /// # Errors
    /// [`ApiError`]: 404.
    pub fn get_table(&self, project: &str, dataset: &str, name: &str) -> Result<Value, ApiError> {
        let (id, decorator) = TableId::decorated(project, dataset, name)?;
        self.ready().shown_table(&id, decorator.as_deref())
    }

    /// `tables.list`, from the table behind `after` on.
    ///
    /// # Errors
    /// [`ApiError`]: 404 for the dataset.
    pub fn list_tables(
        &self,
        project: &str,
        dataset: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Value, ApiError> {
        let inner = self.ready();
        let known = inner.dataset(project, dataset)?;
        let entries = known.tables.iter().map(|(name, table)| {
            let shown = table.shown(&TableId::new(project, dataset, name), None, &known.location);
            let listed = [
                "kind",
                "id",
                "tableReference",
                "type",
                "creationTime",
                "timePartitioning",
                "rangePartitioning",
                "clustering",
                "labels",
                "friendlyName",
            ];
            let listed = listed
                .iter()
                .filter_map(|field| Some(((*field).to_owned(), shown.get(field)?.clone())));
            (name.as_str(), Value::Object(listed.collect()))
        });
        let total = known.tables.len();
        let mut list = page("bigquery#tableList", "tables", entries, after, limit);
        list["totalItems"] = total.into();
        Ok(list)
    }

    /// `tables.patch`, or with `whole` `tables.update`. A schema may get fields and lose demands.
    ///
    /// # Errors
    /// [`ApiError`]: 400 for another schema or partitioning, 404, 412 where the table is not the one of
    /// `if_match`.
    pub fn change_table(
        &self,
        project: &str,
        dataset: &str,
        name: &str,
        said: &Map<String, Value>,
        whole: bool,
        if_match: Option<&str>,
    ) -> Result<Value, ApiError> {
        let mut inner = self.ready();
        let id = TableId::new(project, dataset, name);
        let mut table = inner.table(&id)?.clone();
        if if_match.is_some_and(|wanted| {
            wanted != "*" && wanted.trim_matches('"') != table.etag.to_string()
        }) {
            return Err(ApiError::new(
                412,
                "conditionNotMet",
                "Precondition check failed.",
            ));
        }
        if let Some(schema) = said.get("schema").filter(|schema| !schema.is_null()) {
            let next = Schema::read(schema).map_err(ApiError::invalid)?;
            let may = SchemaChange {
                add: true,
                relax: true,
            };
            let changed = table.schema.changed(&next, may, false);
            table.schema = changed.map_err(|why| {
                ApiError::invalid(format!("Provided Schema does not match Table {id}. {why}."))
            })?;
        }
        for name in ["timePartitioning", "rangePartitioning"] {
            let differs = |key: &str| {
                said.get(name).is_some_and(|said| {
                    said.get(key) != table.resource.get(name).and_then(|known| known.get(key))
                })
            };
            if ["type", "field", "range"].iter().any(|key| differs(key)) {
                return Err(ApiError::invalid(format!(
                    "Cannot change partitioning spec for table {id}."
                )));
            }
        }
        if whole {
            table.resource.clear();
        }
        for (name, value) in said
            .iter()
            .filter(|(name, _)| !OWN.contains(&name.as_str()))
        {
            match value {
                Value::Null => table.resource.remove(name),
                value => table.resource.insert(name.clone(), value.clone()),
            };
        }
        table.modified = inner.now();
        inner.put_table(&id, table)?;
        inner.shown_table(&id, None)
    }

    /// `tables.delete`; of a name with a decorator: of the partition, which must have rows.
    ///
    /// # Errors
    /// [`ApiError`]: 404.
    pub fn delete_table(&self, project: &str, dataset: &str, name: &str) -> Result<(), ApiError> {
        let mut inner = self.ready();
        let (id, decorator) = TableId::decorated(project, dataset, name)?;
        let mut table = inner.table(&id)?.clone();
        let Some(decorator) = decorator else {
            inner
                .dataset_mut(project, dataset)?
                .tables
                .remove(&id.table);
            return Ok(());
        };
        let Some(partitioning) = &table.partitioning else {
            return Err(ApiError::invalid(format!(
                "Cannot read partition information from a table that is not partitioned: {id}${decorator}"
            )));
        };
        let partition = partitioning
            .decorated(&decorator)
            .map_err(ApiError::invalid)?;
        let before = table.rows.len();
        table
            .rows
            .retain(|row| row.partition.as_deref() != Some(partition.as_str()));
        if table.rows.len() == before {
            return Err(ApiError::not_found(&format!("Table {id}${decorator}")));
        }
        table.modified = inner.now();
        inner.put_table(&id, table)
    }

    /// `tabledata.list`
    ///
    /// # Errors
    /// [`ApiError`]: 400 for an unknown field, 404.
    pub fn table_data(
        &self,
        project: &str,
        dataset: &str,
        name: &str,
        query: &RowQuery,
    ) -> Result<Value, ApiError> {
        let (id, decorator) = TableId::decorated(project, dataset, name)?;
        let inner = self.ready();
        let table = inner.table(&id)?;
        let chosen = query.fields.iter().map(|name| {
            let top = name.split('.').next().unwrap_or_default();
            table
                .schema
                .position(top)
                .ok_or_else(|| ApiError::invalid(format!("No such field: {name}")))
        });
        let chosen: Vec<usize> = chosen.collect::<Result<_, _>>()?;
        let all: Vec<&StoredRow> = table.in_partition(decorator.as_deref()).collect();
        let limit = query.limit.unwrap_or(ROWS_A_PAGE).min(ROWS_A_PAGE);
        let rows = all.iter().skip(query.start).take(limit).map(|row| {
            let mut shown = shown_row(&row.cells, &table.schema.0, query.timestamps);
            if let (Value::Array(cells), false) = (&mut shown, chosen.is_empty()) {
                let mut at = 0;
                cells.retain(|_| {
                    at += 1;
                    chosen.contains(&(at - 1))
                });
            }
            json!({ "f": shown })
        });
        let rows: Vec<Value> = rows.collect();
        let next = query.start + rows.len();
        let mut shown = json!({ "kind": "bigquery#tableDataList", "etag": table.etag.to_string(), "totalRows": all.len().to_string() });
        if !rows.is_empty() {
            shown["rows"] = rows.into();
        }
        if next < all.len() && limit > 0 {
            shown["pageToken"] = next.to_string().into();
        }
        Ok(shown)
    }

    /// All rows of a table, and its schema, for whoever checks what came of everything.
    #[must_use]
    pub fn rows(&self, table: &TableId) -> Option<(Schema, Vec<Row>)> {
        let inner = self.ready();
        let table = inner.table(table).ok()?;
        let rows = table.rows.iter().map(|row| row.cells.clone());
        Some((table.schema.clone(), rows.collect()))
    }

    /// The partitions of a table that have rows, by name.
    #[must_use]
    pub fn partitions(&self, table: &TableId) -> Vec<String> {
        let inner = lock(&self.inner);
        let partitions = inner
            .table(table)
            .map(Table::partitions)
            .unwrap_or_default();
        partitions.iter().map(ToString::to_string).collect()
    }
}
