//! What of the API is here, as a discovery document: `bq --api` learns from one which requests there are
//! (<https://developers.google.com/discovery/v1/reference/apis>).

use serde_json::{Map, Value, json};

/// Where it is.
pub(super) const PATH: &str = "/$discovery/rest";

const LIST: &[&str] = &["maxResults", "pageToken"];
const DATASET: &[&str] = &["projectId", "datasetId"];
const TABLE: &[&str] = &["projectId", "datasetId", "tableId"];
const JOB: &[&str] = &["projectId", "jobId"];

/// Resource, method and its verb; the parameters in its path; the path; those in its query.
type Method = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
);

const METHODS: [Method; 21] = [
    ("projects", "list", "GET", &[], "projects", LIST),
    (
        "datasets",
        "list",
        "GET",
        &["projectId"],
        "projects/{+projectId}/datasets",
        &["all", "filter", "maxResults", "pageToken"],
    ),
    (
        "datasets",
        "insert",
        "POST",
        &["projectId"],
        "projects/{+projectId}/datasets",
        &["accessPolicyVersion"],
    ),
    (
        "datasets",
        "get",
        "GET",
        DATASET,
        "projects/{+projectId}/datasets/{+datasetId}",
        &["datasetView", "accessPolicyVersion"],
    ),
    (
        "datasets",
        "patch",
        "PATCH",
        DATASET,
        "projects/{+projectId}/datasets/{+datasetId}",
        &["updateMode", "accessPolicyVersion"],
    ),
    (
        "datasets",
        "update",
        "PUT",
        DATASET,
        "projects/{+projectId}/datasets/{+datasetId}",
        &["updateMode", "accessPolicyVersion"],
    ),
    (
        "datasets",
        "delete",
        "DELETE",
        DATASET,
        "projects/{+projectId}/datasets/{+datasetId}",
        &["deleteContents"],
    ),
    (
        "tables",
        "list",
        "GET",
        DATASET,
        "projects/{+projectId}/datasets/{+datasetId}/tables",
        LIST,
    ),
    (
        "tables",
        "insert",
        "POST",
        DATASET,
        "projects/{+projectId}/datasets/{+datasetId}/tables",
        &[],
    ),
    (
        "tables",
        "get",
        "GET",
        TABLE,
        "projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}",
        &["selectedFields", "view"],
    ),
    (
        "tables",
        "patch",
        "PATCH",
        TABLE,
        "projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}",
        &["autodetect_schema"],
    ),
    (
        "tables",
        "update",
        "PUT",
        TABLE,
        "projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}",
        &["autodetect_schema"],
    ),
    (
        "tables",
        "delete",
        "DELETE",
        TABLE,
        "projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}",
        &[],
    ),
    (
        "tabledata",
        "list",
        "GET",
        TABLE,
        "projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}/data",
        &[
            "maxResults",
            "pageToken",
            "startIndex",
            "selectedFields",
            "formatOptions.useInt64Timestamp",
            "formatOptions.timestampOutputFormat",
        ],
    ),
    (
        "rowAccessPolicies",
        "list",
        "GET",
        TABLE,
        "projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}/rowAccessPolicies",
        &["pageSize", "pageToken"],
    ),
    (
        "jobs",
        "list",
        "GET",
        &["projectId"],
        "projects/{+projectId}/jobs",
        &[
            "allUsers",
            "maxCreationTime",
            "maxResults",
            "minCreationTime",
            "pageToken",
            "parentJobId",
            "projection",
            "stateFilter",
        ],
    ),
    (
        "jobs",
        "insert",
        "POST",
        &["projectId"],
        "projects/{+projectId}/jobs",
        &[],
    ),
    (
        "jobs",
        "get",
        "GET",
        JOB,
        "projects/{+projectId}/jobs/{+jobId}",
        &["location"],
    ),
    (
        "jobs",
        "cancel",
        "POST",
        JOB,
        "projects/{+projectId}/jobs/{+jobId}/cancel",
        &["location"],
    ),
    (
        "jobs",
        "delete",
        "DELETE",
        JOB,
        "projects/{+projectId}/jobs/{+jobId}/delete",
        &["location"],
    ),
    (
        "jobs",
        "query",
        "POST",
        &["projectId"],
        "projects/{+projectId}/queries",
        &[],
    ),
];

/// The document.
pub(super) fn document() -> Value {
    let mut resources = Map::new();
    for (resource, method, verb, in_path, path, in_query) in METHODS {
        let parameters = in_path
            .iter()
            .map(|name| (*name, "path"))
            .chain(in_query.iter().map(|name| (*name, "query")));
        let parameters = parameters.map(|(name, place)| {
            let said = json!({ "type": "string", "location": place, "required": place == "path", "repeated": name == "stateFilter" });
            (name.to_owned(), said)
        });
        let mut said = json!({
            "id": format!("bigquery.{resource}.{method}"),
            "path": path,
            "httpMethod": verb,
            "parameters": parameters.collect::<Map<_, _>>(),
            "parameterOrder": in_path,
        });
        if ["POST", "PATCH", "PUT"].contains(&verb) && method != "cancel" {
            said["request"] = json!({ "$ref": "Any" });
        }
        if verb != "DELETE" {
            said["response"] = json!({ "$ref": "Any" });
        }
        if (resource, method) == ("jobs", "insert") {
            // bq names the place of uploads with every load.
            let upload = json!({ "multipart": true, "path": "/upload/bigquery/v2/projects/{+projectId}/jobs" });
            said["supportsMediaUpload"] = true.into();
            said["mediaUpload"] = json!({ "accept": ["*/*"], "protocols": { "simple": upload, "resumable": upload } });
        }
        let known = resources
            .entry(resource)
            .or_insert_with(|| json!({ "methods": {} }));
        known["methods"][method] = said;
    }
    let global = [
        "alt",
        "fields",
        "key",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "userIp",
    ];
    let global = global.map(|name| {
        (
            name.to_owned(),
            json!({ "type": "string", "location": "query" }),
        )
    });
    json!({
        "kind": "discovery#restDescription",
        "name": "bigquery",
        "version": "v2",
        "id": "bigquery:v2",
        "protocol": "rest",
        "rootUrl": "https://bigquery.googleapis.com/",
        "basePath": "/bigquery/v2/",
        "baseUrl": "https://bigquery.googleapis.com/bigquery/v2/",
        "servicePath": "bigquery/v2/",
        "batchPath": "batch/bigquery/v2",
        "parameters": Map::from_iter(global),
        "schemas": { "Any": { "id": "Any", "type": "object", "properties": {} } },
        "resources": resources,
    })
}
