//! Buckets: insert, list, get, delete (<https://cloud.google.com/storage/docs/json_api/v1/buckets>).

use axum::body::Body;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::error::{Fail, bare, json_answer};
use super::request::{Call, RequestBody};
use super::resource;
use crate::gcs::state::Refusal;

/// `/b`: insert and list.
pub(super) async fn collection(
    call: &Call<'_>,
    method: &Method,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    if call.query.get("project").is_none() {
        return Err(Refusal::Required("project").into());
    }
    match *method {
        Method::POST => {
            let resource = body.json().await?;
            let name = resource
                .get("name")
                .and_then(Value::as_str)
                .ok_or(Refusal::Required("name"))?;
            let bucket = call.server.state.create_bucket(name)?;
            Ok(json_answer(
                StatusCode::OK,
                &resource::bucket(&bucket, &call.base),
            ))
        }
        Method::GET => {
            let buckets = call
                .server
                .state
                .buckets(call.query.get("prefix").unwrap_or_default());
            let items: Vec<_> = buckets
                .iter()
                .map(|bucket| resource::bucket(bucket, &call.base))
                .collect();
            Ok(json_answer(
                StatusCode::OK,
                &json!({ "kind": "storage#buckets", "items": items }),
            ))
        }
        _ => Err(Fail::NoRoute),
    }
}

/// `/b/{bucket}`: get and delete.
pub(super) fn one(call: &Call<'_>, method: &Method, name: &str) -> Result<Response<Body>, Fail> {
    match *method {
        Method::GET => {
            let bucket = call.server.state.bucket(name)?;
            Ok(json_answer(
                StatusCode::OK,
                &resource::bucket(&bucket, &call.base),
            ))
        }
        Method::DELETE => {
            call.server.state.delete_bucket(name)?;
            Ok(bare(StatusCode::NO_CONTENT))
        }
        _ => Err(Fail::NoRoute),
    }
}
