//! Uploads in one request (`uploadType=media` and `multipart`) and the start of resumable ones
//! (<https://cloud.google.com/storage/docs/uploads-downloads#uploads>).

use axum::body::Body;
use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::error::{Fail, bare, invalid};
use super::multipart::Related;
use super::request::{Call, RequestBody, upload_name};
use super::resource;
use crate::gcs::account::hex;
use crate::gcs::state::{NewObject, Object, ObjectMetadata, Permission, Refusal};

pub(super) async fn upload(
    call: &Call<'_>,
    bucket: &str,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    call.server.state.require(bucket, Permission::Create)?;
    match call.query.get("uploadType") {
        Some("media") => media(call, bucket, body).await,
        Some("multipart") => multipart(call, bucket, body).await,
        Some("resumable") => start(call, bucket, body).await,
        Some(other) => Err(invalid(format!("Invalid uploadType '{other}'."))),
        None => Err(Refusal::Required("uploadType").into()),
    }
}

async fn media(
    call: &Call<'_>,
    bucket: &str,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let new = new_object(call, bucket, &Map::new(), call.header("content-type"))?;
    let mut writer = call.server.state.body_writer();
    while let Some(chunk) = body.next().await? {
        writer.push(&chunk)?;
    }
    Ok(created(
        call,
        &*call.server.state.insert(new, writer.finish())?,
    ))
}

async fn multipart(
    call: &Call<'_>,
    bucket: &str,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let related = Related::open(body, call.header("content-type").unwrap_or_default()).await?;
    let mut new = new_object(
        call,
        bucket,
        &related.metadata,
        related.media_type.as_deref(),
    )?;
    let mut writer = call.server.state.body_writer();
    let trailer = related.media(&mut writer).await?;
    new.expected = new.expected.merge(&resource::expected(&trailer)?)?;
    Ok(created(
        call,
        &*call.server.state.insert(new, writer.finish())?,
    ))
}

async fn start(
    call: &Call<'_>,
    bucket: &str,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let metadata = body.json().await?;
    let new = new_object(
        call,
        bucket,
        &metadata,
        call.header("x-upload-content-type"),
    )?;
    let total = match call.header("x-upload-content-length") {
        None => None,
        Some(text) => Some(
            text.parse()
                .map_err(|_| invalid(format!("Invalid X-Upload-Content-Length '{text}'.")))?,
        ),
    };
    let id = call.server.session_id()?;
    call.server.state.open_session(id.clone(), new, total)?;
    let fields = call.query.get("fields").map_or_else(String::new, |fields| {
        format!("&fields={}", utf8_percent_encode(fields, NON_ALPHANUMERIC))
    });
    let location = format!(
        "{}/upload/storage/v1/b/{bucket}/o?uploadType=resumable{fields}&upload_id={id}",
        call.base
    );
    let mut response = bare(StatusCode::OK);
    let location =
        HeaderValue::try_from(location).map_err(|_| invalid("The Host header is not a host."))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// The answer to a write: the object's resource.
pub(super) fn created(call: &Call<'_>, object: &Object) -> Response<Body> {
    let mut value = resource::object(object, &call.base, call.fields.as_ref());
    let bucket = call.server.state.bucket(&object.bucket).ok();
    if let Some(until) = bucket.and_then(|bucket| bucket.retained_until(object)) {
        value["retentionExpirationTime"] = resource::time(until).into();
    }
    call.answer(value)
}

/// What the request says of the object to be written; `media_type` is the Content-Type that came
/// with the media, which may not contradict the metadata's.
fn new_object(
    call: &Call<'_>,
    bucket: &str,
    resource: &Map<String, Value>,
    media_type: Option<&str>,
) -> Result<NewObject, Fail> {
    let mut metadata = ObjectMetadata::default();
    resource::apply(resource, &mut metadata)?;
    match (metadata.content_type.as_deref(), media_type) {
        (Some(said), Some(sent)) if said != sent => {
            return Err(invalid(format!(
                "Content-Type specified in the upload ({sent}) does not match Content-Type specified in metadata ({said})."
            )));
        }
        (None, Some(sent)) => metadata.content_type = Some(sent.to_owned()),
        _ => {}
    }
    if let Some(encoding) = call.query.owned("contentEncoding") {
        metadata.content_encoding = Some(encoding);
    }
    if let Some(key) = call.query.owned("kmsKeyName") {
        metadata.kms_key_name = Some(key);
    }
    let new = NewObject {
        bucket: bucket.to_owned(),
        name: upload_name(&call.query, resource)?,
        metadata,
        preconditions: call.query.preconditions("if")?,
        expected: resource::expected(resource)?.merge(&resource::hash_header(call.headers)?)?,
    };
    new.validate()?;
    Ok(new)
}

/// 32 random bytes in hexadecimal. Whoever holds a session's may upload without further proof.
pub(super) fn random_id() -> Result<String, Fail> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Fail::from(Refusal::Storage("no randomness".into())))?;
    Ok(hex(&bytes))
}
