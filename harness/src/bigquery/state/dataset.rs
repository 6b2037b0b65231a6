//! Datasets (<https://cloud.google.com/bigquery/docs/reference/rest/v2/datasets>).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::job::millis;
use super::table::Table;
use super::{Inner, State, page};

/// A dataset.
pub(super) struct Dataset {
    /// What clients say of it, but for what follows.
    resource: Map<String, Value>,
    pub(super) location: String,
    pub(super) tables: BTreeMap<String, Table>,
    created: Timestamp,
    modified: Timestamp,
    etag: u64,
}

/// What a client cannot set, or not any more.
const OWN: [&str; 9] = [
    "kind",
    "etag",
    "id",
    "selfLink",
    "location",
    "datasetReference",
    "creationTime",
    "lastModifiedTime",
    "type",
];

fn name(project: &str, dataset: &str) -> String {
    format!("Dataset {project}:{dataset}")
}

/// Letters, digits and underscores, at most 1,024.
fn is_id(text: &str) -> bool {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && (1..=1024).contains(&text.len())
}

/// A location as everybody writes it: `US` and `EU`, but `europe-west1`.
pub(super) fn location(text: &str) -> String {
    if text.eq_ignore_ascii_case("us") || text.eq_ignore_ascii_case("eu") {
        text.to_uppercase()
    } else {
        text.to_lowercase()
    }
}

impl Dataset {
    fn shown(&self, project: &str, dataset: &str) -> Value {
        let mut shown = self.resource.clone();
        let own = json!({
            "kind": "bigquery#dataset",
            "etag": self.etag.to_string(),
            "id": format!("{project}:{dataset}"),
            "selfLink": format!("/bigquery/v2/projects/{project}/datasets/{dataset}"),
            "datasetReference": { "projectId": project, "datasetId": dataset },
            "location": self.location,
            "creationTime": millis(self.created),
            "lastModifiedTime": millis(self.modified),
            "type": "DEFAULT",
        });
        if let Value::Object(own) = own {
            shown.extend(own);
        }
        Value::Object(shown)
    }
}

impl Inner {
    pub(super) fn dataset(&self, project: &str, dataset: &str) -> Result<&Dataset, ApiError> {
        let known = self.datasets.get(&(project.to_owned(), dataset.to_owned()));
        known.ok_or_else(|| ApiError::not_found(&name(project, dataset)))
    }

    pub(super) fn dataset_mut(
        &mut self,
        project: &str,
        dataset: &str,
    ) -> Result<&mut Dataset, ApiError> {
        let known = self
            .datasets
            .get_mut(&(project.to_owned(), dataset.to_owned()));
        known.ok_or_else(|| ApiError::not_found(&name(project, dataset)))
    }
}

impl State {
    /// `datasets.insert`
    ///
    /// # Errors
    /// [`ApiError`]: 400 for a name that cannot be, 409 for a known one.
    pub fn insert_dataset(
        &self,
        project: &str,
        said: &Map<String, Value>,
    ) -> Result<Value, ApiError> {
        let mut inner = self.ready();
        let id = said
            .get("datasetReference")
            .and_then(|reference| reference["datasetId"].as_str())
            .unwrap_or_default();
        if !is_id(id) {
            return Err(ApiError::invalid(format!(
                "Invalid dataset ID \"{id}\". Dataset IDs must be alphanumeric (plus underscores) and must be at most 1024 characters long."
            )));
        }
        if inner.dataset(project, id).is_ok() {
            return Err(ApiError::duplicate(&name(project, id)));
        }
        inner.changes += 1;
        let now = inner.now();
        let dataset = Dataset {
            resource: settable(said),
            location: location(said.get("location").and_then(Value::as_str).unwrap_or("US")),
            tables: BTreeMap::new(),
            created: now,
            modified: now,
            etag: inner.changes,
        };
        let shown = dataset.shown(project, id);
        inner
            .datasets
            .insert((project.to_owned(), id.to_owned()), dataset);
        Ok(shown)
    }

    /// `datasets.get`
    ///
    /// # Errors
    /// [`ApiError`]: 404.
    pub fn get_dataset(&self, project: &str, dataset: &str) -> Result<Value, ApiError> {
        Ok(self
            .ready()
            .dataset(project, dataset)?
            .shown(project, dataset))
    }

    /// `datasets.list`, from the dataset behind `after` on.
    #[must_use]
    pub fn list_datasets(&self, project: &str, after: Option<&str>, limit: Option<usize>) -> Value {
        let inner = self.ready();
        let own = inner.datasets.iter().filter(|((of, _), _)| of == project);
        let entries = own.map(|((_, id), dataset)| {
            let shown = dataset.shown(project, id);
            let listed = [
                "kind",
                "id",
                "datasetReference",
                "location",
                "labels",
                "friendlyName",
                "type",
            ];
            let listed = listed
                .iter()
                .filter_map(|field| Some(((*field).to_owned(), shown.get(field)?.clone())));
            (id.as_str(), Value::Object(listed.collect()))
        });
        page("bigquery#datasetList", "datasets", entries, after, limit)
    }

    /// `projects.list`: those that have datasets.
    #[must_use]
    pub fn list_projects(&self) -> Value {
        let inner = self.ready();
        let ids: std::collections::BTreeSet<&str> = inner
            .datasets
            .keys()
            .map(|(project, _)| project.as_str())
            .collect();
        let shown = ids.iter().map(|id| {
            json!({ "kind": "bigquery#project", "id": id, "friendlyName": id, "projectReference": { "projectId": id } })
        });
        let shown: Vec<Value> = shown.collect();
        json!({ "kind": "bigquery#projectList", "etag": "list", "totalItems": shown.len(), "projects": shown })
    }

    /// `datasets.patch`, or with `whole` `datasets.update`.
    ///
    /// # Errors
    /// [`ApiError`]: 404, 412 where the dataset is not the one of `if_match`.
    pub fn change_dataset(
        &self,
        project: &str,
        dataset: &str,
        said: &Map<String, Value>,
        whole: bool,
        if_match: Option<&str>,
    ) -> Result<Value, ApiError> {
        let mut inner = self.ready();
        inner.changes += 1;
        let (now, etag) = (inner.now(), inner.changes);
        let known = inner.dataset_mut(project, dataset)?;
        if if_match.is_some_and(|wanted| {
            wanted != "*" && wanted.trim_matches('"') != known.etag.to_string()
        }) {
            return Err(ApiError::new(
                412,
                "conditionNotMet",
                "Precondition check failed.",
            ));
        }
        if whole {
            known.resource.clear();
        }
        for (name, value) in said
            .iter()
            .filter(|(name, _)| !OWN.contains(&name.as_str()))
        {
            match value {
                Value::Null => known.resource.remove(name),
                value => known.resource.insert(name.clone(), value.clone()),
            };
        }
        (known.modified, known.etag) = (now, etag);
        Ok(known.shown(project, dataset))
    }

    /// `datasets.delete`
    ///
    /// # Errors
    /// [`ApiError`]: 404, and 400 for one with tables unless `contents` go with it.
    pub fn delete_dataset(
        &self,
        project: &str,
        dataset: &str,
        contents: bool,
    ) -> Result<(), ApiError> {
        let mut inner = self.ready();
        if !contents && !inner.dataset(project, dataset)?.tables.is_empty() {
            return Err(ApiError::new(
                400,
                "resourceInUse",
                format!("{} is still in use", name(project, dataset)),
            ));
        }
        let gone = inner
            .datasets
            .remove(&(project.to_owned(), dataset.to_owned()));
        gone.map(|_| ())
            .ok_or_else(|| ApiError::not_found(&name(project, dataset)))
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
