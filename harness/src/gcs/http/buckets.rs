//! Buckets: insert, list, get, patch, delete
//! (<https://cloud.google.com/storage/docs/json_api/v1/buckets>).

use axum::body::Body;
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::error::{Fail, bare, invalid};
use super::request::{Call, RequestBody};
use super::resource::{boolean, number, string, time};
use crate::gcs::state::{Bucket, BucketSettings, Refusal};

/// Where every bucket is.
const LOCATION: &str = "US";
const LOCATION_TYPE: &str = "multi-region";

/// `/b`: insert and list.
pub(super) async fn collection(
    call: &Call<'_>,
    method: &Method,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    if call.query.get("project").is_none() {
        return Err(Refusal::Required("project").into());
    }
    let state = &call.server.state;
    match *method {
        Method::POST => {
            let said = body.json().await?;
            let name = said
                .get("name")
                .and_then(Value::as_str)
                .ok_or(Refusal::Required("name"))?;
            let mut settings = BucketSettings::default();
            apply(&said, &mut settings)?;
            let bucket = state.create_bucket_with(name, settings)?;
            Ok(call.answer(resource(&bucket, &call.base)))
        }
        Method::GET => {
            let buckets = state.buckets(call.query.get("prefix").unwrap_or_default());
            let items: Vec<_> = buckets
                .iter()
                .map(|bucket| resource(bucket, &call.base))
                .collect();
            Ok(call.answer(json!({ "kind": "storage#buckets", "items": items })))
        }
        _ => Err(Fail::NoRoute),
    }
}

/// `/b/{bucket}`: get, patch and delete.
pub(super) async fn one(
    call: &Call<'_>,
    method: &Method,
    name: &str,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let state = &call.server.state;
    let bucket = match *method {
        Method::GET => state.bucket(name)?,
        Method::PATCH => {
            let said = body.json().await?;
            let mut settings = state.bucket(name)?.settings;
            apply(&said, &mut settings)?;
            state.configure_bucket(name, |current| *current = settings)?
        }
        Method::DELETE => {
            state.delete_bucket(name)?;
            return Ok(bare(StatusCode::NO_CONTENT));
        }
        _ => return Err(Fail::NoRoute),
    };
    Ok(call.answer(resource(&bucket, &call.base)))
}

/// `/b/{bucket}/storageLayout`: a flat namespace.
pub(super) fn layout(call: &Call<'_>, name: &str) -> Result<Response<Body>, Fail> {
    let bucket = call.server.state.bucket(name)?;
    Ok(call.answer(json!({
        "kind": "storage#storageLayout",
        "bucket": bucket.name,
        "location": LOCATION,
        "locationType": LOCATION_TYPE,
        "hierarchicalNamespace": { "enabled": false },
    })))
}

/// A bucket as the API shows it.
fn resource(bucket: &Bucket, base: &str) -> Value {
    let settings = &bucket.settings;
    let mut value = json!({
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": format!("{base}/storage/v1/b/{}", bucket.name),
        "name": bucket.name,
        "projectNumber": "0",
        "metageneration": bucket.metageneration.to_string(),
        "location": LOCATION,
        "locationType": LOCATION_TYPE,
        "storageClass": settings.storage_class.as_deref().unwrap_or("STANDARD"),
        "defaultEventBasedHold": settings.event_based_hold,
        "etag": "CAE=",
        "timeCreated": time(bucket.created),
        "updated": time(bucket.created),
        "iamConfiguration": { "uniformBucketLevelAccess": { "enabled": true } },
    });
    if let Some(key) = &settings.kms_key_name {
        value["encryption"] = json!({ "defaultKmsKeyName": key });
    }
    if let Some(seconds) = settings.retention_seconds {
        value["retentionPolicy"] = json!({ "retentionPeriod": seconds.to_string() });
    }
    value
}

/// Lays what a resource says over `settings`: `null` clears, what is not there stays.
fn apply(said: &Map<String, Value>, settings: &mut BucketSettings) -> Result<(), Fail> {
    if let Some(class) = said.get("storageClass") {
        settings.storage_class = string("storageClass", class)?;
    }
    if let Some(held) = said.get("defaultEventBasedHold") {
        settings.event_based_hold = boolean("defaultEventBasedHold", held)?.unwrap_or_default();
    }
    if let Some(encryption) = said.get("encryption") {
        let key = encryption.get("defaultKmsKeyName").unwrap_or(&Value::Null);
        settings.kms_key_name = string("encryption.defaultKmsKeyName", key)?;
    }
    match said.get("retentionPolicy") {
        None => {}
        Some(Value::Null) => settings.retention_seconds = None,
        Some(policy) => {
            let seconds = number("retentionPeriod", policy.get("retentionPeriod"))?;
            let missing = || invalid("A retention policy has a retentionPeriod in seconds.");
            settings.retention_seconds = Some(seconds.ok_or_else(missing)?);
        }
    }
    Ok(())
}
