//! Which operation a request means (<https://cloud.google.com/bigquery/docs/reference/rest>).

use axum::extract::Query as AxumQuery;
use http::Method;
use http::header::IF_MATCH;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::bigquery::state::{ApiError, JobFault, JobFilter, RowQuery, State};
use crate::bigquery::types::TimestampFormat;
use crate::gcs::{Caller, Fields};

/// A request's query.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(parts: &Parts) -> Result<Self, ApiError> {
        let query = AxumQuery::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        query
            .map(|AxumQuery(pairs)| Self(pairs))
            .map_err(|error| ApiError::invalid(error.to_string()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn all(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(key, _)| key == name);
        values.map(|(_, value)| value.clone()).collect()
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, ApiError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| ApiError::invalid(format!("Invalid value for {name}: {text}")))
        };
        self.get(name).map(parse).transpose()
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true") || self.get(name) == Some("True")
    }
}

/// Carries out a request; gives the body of its answer, if that has one.
///
/// # Errors
/// [`ApiError`]
pub(super) fn serve(
    state: &State,
    caller: &Caller,
    parts: &Parts,
    body: &[u8],
    fault: Option<JobFault>,
) -> Result<Option<Value>, ApiError> {
    let query = Query::of(parts)?;
    let segments = parts
        .uri
        .path()
        .trim_start_matches('/')
        .split('/')
        .map(|segment| {
            let decoded = percent_decode_str(segment).decode_utf8();
            decoded
                .map(String::from)
                .map_err(|_| ApiError::invalid("The path is not UTF-8 when decoded."))
        });
    let segments: Vec<String> = segments.collect::<Result<_, _>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let answer = match segments[..] {
        ["bigquery", "v2", "projects"] if parts.method == Method::GET => {
            Ok(Some(state.list_projects()))
        }
        [
            "bigquery",
            "v2",
            "projects",
            project,
            "datasets",
            ref rest @ ..,
        ] => datasets(state, parts, &query, body, project, rest),
        ["bigquery", "v2", "projects", project, "jobs", ref rest @ ..] => {
            jobs(state, caller, parts, &query, body, (project, rest), fault)
        }
        ["bigquery", "v2", "projects", _, "queries", ..] => Err(ApiError::new(
            501,
            "notImplemented",
            "This server runs no queries.",
        )),
        ["upload", ..] | ["resumable", "upload", ..] => Err(ApiError::new(
            501,
            "notImplemented",
            "This server loads objects of Cloud Storage, not uploads.",
        )),
        _ => Err(no_route(parts)),
    }?;
    match query.get("fields") {
        None => Ok(answer),
        Some(text) => {
            let fields = Fields::read(text)
                .ok_or_else(|| ApiError::invalid(format!("Invalid field selection {text}")))?;
            Ok(answer.map(|answer| fields.cut(answer)))
        }
    }
}

fn no_route(parts: &Parts) -> ApiError {
    ApiError::new(
        404,
        "notFound",
        format!(
            "Not Found. Nothing is served at {} {}.",
            parts.method,
            parts.uri.path()
        ),
    )
}

fn object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::new(
            400,
            "parseError",
            format!("Parse Error: not a JSON object: {error}"),
        )
    })
}

fn datasets(
    state: &State,
    parts: &Parts,
    query: &Query,
    body: &[u8],
    project: &str,
    rest: &[&str],
) -> Result<Option<Value>, ApiError> {
    let if_match = parts
        .headers
        .get(IF_MATCH)
        .and_then(|value| value.to_str().ok());
    let (after, limit) = (query.get("pageToken"), query.number("maxResults")?);
    let whole = parts.method == Method::PUT;
    match (&parts.method, rest) {
        (&Method::GET, []) => Ok(Some(state.list_datasets(project, after, limit))),
        (&Method::POST, []) => state.insert_dataset(project, &object(body)?).map(Some),
        (&Method::GET, [dataset]) => state.get_dataset(project, dataset).map(Some),
        (&Method::PATCH | &Method::PUT, [dataset]) => state
            .change_dataset(project, dataset, &object(body)?, whole, if_match)
            .map(Some),
        (&Method::DELETE, [dataset]) => state
            .delete_dataset(project, dataset, query.flag("deleteContents"))
            .map(|()| None),
        (&Method::GET, [dataset, "tables"]) => {
            state.list_tables(project, dataset, after, limit).map(Some)
        }
        (&Method::POST, [dataset, "tables"]) => state
            .insert_table(project, dataset, &object(body)?)
            .map(Some),
        (&Method::GET, [dataset, "tables", table]) => {
            state.get_table(project, dataset, table).map(Some)
        }
        (&Method::PATCH | &Method::PUT, [dataset, "tables", table]) => state
            .change_table(project, dataset, table, &object(body)?, whole, if_match)
            .map(Some),
        (&Method::DELETE, [dataset, "tables", table]) => {
            state.delete_table(project, dataset, table).map(|()| None)
        }
        (&Method::GET, [dataset, "tables", table, "data"]) => state
            .table_data(project, dataset, table, &rows(query)?)
            .map(Some),
        // bq asks for these beside a table. This server has no policies, models or routines.
        (&Method::GET, [_, "tables", _, "rowAccessPolicies"]) => Ok(Some(json!({}))),
        (&Method::GET, [_, kind @ ("models" | "routines")]) => Ok(Some(json!({ *kind: [] }))),
        _ => Err(no_route(parts)),
    }
}

fn rows(query: &Query) -> Result<RowQuery, ApiError> {
    let timestamps = match query.get("formatOptions.timestampOutputFormat") {
        Some("ISO8601_STRING") => TimestampFormat::Iso,
        Some("INT64") => TimestampFormat::Micros,
        Some("FLOAT64") => TimestampFormat::Seconds,
        _ if query.flag("formatOptions.useInt64Timestamp") => TimestampFormat::Micros,
        _ => TimestampFormat::Seconds,
    };
    let fields = query.get("selectedFields").unwrap_or_default();
    let fields = fields.split(',').filter(|name| !name.is_empty());
    let start = match query.number("pageToken")? {
        Some(token) => token,
        None => query.number("startIndex")?.unwrap_or_default(),
    };
    Ok(RowQuery {
        start,
        limit: query.number("maxResults")?,
        fields: fields.map(str::to_owned).collect(),
        timestamps,
    })
}

fn jobs(
    state: &State,
    caller: &Caller,
    parts: &Parts,
    query: &Query,
    body: &[u8],
    (project, rest): (&str, &[&str]),
    fault: Option<JobFault>,
) -> Result<Option<Value>, ApiError> {
    let location = query.get("location");
    match (&parts.method, rest) {
        (&Method::POST, []) => {
            let said = object(body)?;
            state
                .insert_job(
                    project,
                    &said,
                    &caller.principal,
                    caller.reads_storage(),
                    fault,
                )
                .map(Some)
        }
        (&Method::GET, []) => {
            let filter = JobFilter {
                states: query.all("stateFilter"),
                min_created: query.number("minCreationTime")?,
                max_created: query.number("maxCreationTime")?,
                full: query
                    .get("projection")
                    .is_some_and(|projection| projection.eq_ignore_ascii_case("full")),
                limit: query.number("maxResults")?,
                after: query.get("pageToken").map(str::to_owned),
            };
            Ok(Some(state.list_jobs(project, &filter)))
        }
        (&Method::GET, [job]) => state.get_job(project, job, location).map(Some),
        (&Method::POST, [job, "cancel"]) => state.cancel_job(project, job, location).map(Some),
        (&Method::DELETE, [job, "delete"]) => {
            state.delete_job(project, job, location).map(|()| None)
        }
        _ => Err(no_route(parts)),
    }
}
