//! Objects: get, list, patch, update, delete, rewrite and copy
//! (<https://cloud.google.com/storage/docs/json_api/v1/objects>). Uploads, media and composing are
//! apart.

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use http::header::ETAG;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use super::error::{Fail, bare, invalid};
use super::media;
use super::request::{Call, RequestBody};
use super::resource;
use super::upload::created;
use crate::gcs::state::{
    ListQuery, NewObject, Object, ObjectMetadata, Permission, Preconditions, Refusal,
};

/// A page holds at most this many entries.
pub(super) const PAGE_LIMIT: u64 = 1000;

/// `/b/{bucket}/o`: list.
pub(super) fn list(call: &Call<'_>, bucket: &str) -> Result<Response<Body>, Fail> {
    call.server.state.require(bucket, Permission::List)?;
    let query = &call.query;
    if query.get("matchGlob").is_some() {
        return Err(invalid("matchGlob is not supported by this server."));
    }
    if query.get("softDeleted") == Some("true") {
        // What is deleted is gone.
        call.server.state.bucket(bucket)?;
        return Ok(call.answer(json!({ "kind": "storage#objects" })));
    }
    let limit = query
        .number("maxResults")?
        .filter(|limit| *limit > 0)
        .unwrap_or(PAGE_LIMIT)
        .min(call.server.page_limit);
    let listing = call.server.state.list(
        bucket,
        &ListQuery {
            prefix: query.owned("prefix").unwrap_or_default(),
            delimiter: query.owned("delimiter").unwrap_or_default(),
            after: query
                .get("pageToken")
                .filter(|token| !token.is_empty())
                .map(from_token)
                .transpose()?,
            start: query.owned("startOffset"),
            end: query.owned("endOffset"),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            include_trailing_delimiter: query.get("includeTrailingDelimiter") == Some("true"),
        },
    )?;
    let mut answer = json!({ "kind": "storage#objects" });
    let fields = call.fields.as_ref();
    let fields = fields.and_then(|fields| fields.below("items"));
    if !listing.items.is_empty() {
        answer["items"] = listing
            .items
            .iter()
            .map(|object| resource::listed(object, &call.base, fields))
            .collect();
    }
    if !listing.prefixes.is_empty() {
        answer["prefixes"] = json!(listing.prefixes);
    }
    if let Some(next) = listing.next {
        answer["nextPageToken"] = BASE64_URL_SAFE.encode(next).into();
    }
    Ok(call.answer(answer))
}

fn from_token(token: &str) -> Result<String, Fail> {
    let decoded = BASE64_URL_SAFE
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| invalid("Invalid pageToken."))
}

/// `/b/{bucket}/o/{object}`: get, patch, update, delete.
pub(super) async fn one(
    call: &Call<'_>,
    method: &Method,
    bucket: &str,
    name: &str,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let state = &call.server.state;
    let generation = call.query.number("generation")?;
    let preconditions = call.query.preconditions("if")?;
    match *method {
        Method::GET if call.query.get("alt") == Some("media") => media::read(call, bucket, name),
        Method::GET => {
            state.require(bucket, Permission::Get)?;
            let object = state.object(bucket, name, generation)?;
            preconditions.check_read(&object)?;
            let mut response = created(call, &object);
            if let Ok(etag) = HeaderValue::try_from(resource::etag(&object)) {
                response.headers_mut().insert(ETAG, etag);
            }
            Ok(response)
        }
        Method::DELETE => {
            state.delete(bucket, name, generation, &preconditions)?;
            Ok(bare(StatusCode::NO_CONTENT))
        }
        Method::PATCH | Method::PUT => {
            let resource = body.json().await?;
            let replace = *method == Method::PUT;
            let object = state.update(bucket, name, generation, &preconditions, |current| {
                let mut next = if replace {
                    emptied(current)
                } else {
                    current.clone()
                };
                resource::apply(&resource, &mut next).map_err(|fail| match fail {
                    Fail::Refused(refusal) => refusal,
                    _ => Refusal::Invalid("The resource cannot be read.".into()),
                })?;
                // Changed by rewriting only; clients send back what they were shown.
                next.kms_key_name.clone_from(&current.kms_key_name);
                Ok(next)
            })?;
            Ok(created(call, &object))
        }
        _ => Err(Fail::NoRoute),
    }
}

/// What an update starts from: all is replaced but what an update cannot change.
fn emptied(current: &ObjectMetadata) -> ObjectMetadata {
    ObjectMetadata {
        storage_class: current.storage_class.clone(),
        kms_key_name: current.kms_key_name.clone(),
        ..ObjectMetadata::default()
    }
}

/// `/b/../o/../rewriteTo/b/../o/..` and `copyTo`: always done in one step.
pub(super) async fn copy(
    call: &Call<'_>,
    from: (&str, &str),
    to: (&str, &str),
    rewrite: bool,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let state = &call.server.state;
    let resource = body.json().await?;
    state.require(from.0, Permission::Get)?;
    let source = state.object(from.0, from.1, call.query.number("sourceGeneration")?)?;
    source_preconditions(call, &source)?;
    let mut metadata = ObjectMetadata::default();
    resource::apply(&resource, &mut metadata)?;
    let mut new = NewObject {
        bucket: to.0.to_owned(),
        name: to.1.to_owned(),
        preconditions: call.query.preconditions("if")?,
        ..NewObject::default()
    };
    let key = call.query.owned("destinationKmsKeyName");
    metadata.kms_key_name = key.or(metadata.kms_key_name);
    new.metadata.kms_key_name.clone_from(&metadata.kms_key_name);
    let object = state.copy(&source, new, (!resource.is_empty()).then_some(metadata))?;
    if !rewrite {
        return Ok(created(call, &object));
    }
    let size = object.size().to_string();
    let answer = json!({
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": size,
        "objectSize": size,
        "done": true,
        "resource": resource::object(&object, &call.base, None),
    });
    Ok(call.answer(answer))
}

/// `/b/../o/../moveTo/o/..`: another name for what is there, in one step.
pub(super) fn rename(
    call: &Call<'_>,
    bucket: &str,
    from: &str,
    to: &str,
) -> Result<Response<Body>, Fail> {
    let state = &call.server.state;
    let source = state.object(bucket, from, call.query.number("sourceGeneration")?)?;
    source_preconditions(call, &source)?;
    let preconditions = call.query.preconditions("if")?;
    Ok(created(call, &*state.rename(&source, to, preconditions)?))
}

fn source_preconditions(call: &Call<'_>, source: &Object) -> Result<(), Fail> {
    let preconditions: Preconditions = call.query.preconditions("ifSource")?;
    Ok(preconditions.check_write(Some(source))?)
}
