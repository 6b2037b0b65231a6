//! Composing (<https://cloud.google.com/storage/docs/json_api/v1/objects/compose>).

use axum::body::Body;
use http::Response;
use serde_json::{Map, Value};

use super::error::{Fail, invalid};
use super::request::{Call, RequestBody};
use super::resource;
use super::upload::created;
use crate::gcs::state::{NewObject, ObjectMetadata, Refusal, Source};

/// `/b/{bucket}/o/{object}/compose`.
pub(super) async fn compose(
    call: &Call<'_>,
    bucket: &str,
    name: &str,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let request = body.json().await?;
    let empty = Map::new();
    let destination = match request.get("destination") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(destination)) => destination,
        Some(_) => return Err(invalid("destination is not an object resource.")),
    };
    for (key, wanted) in [("name", name), ("bucket", bucket)] {
        if let Some(said) = destination.get(key)
            && said != wanted
        {
            return Err(invalid(format!(
                "Value {said} of '{key}' in content does not agree with '{wanted}' in the path."
            )));
        }
    }
    let mut metadata = ObjectMetadata::default();
    resource::apply(destination, &mut metadata)?;
    metadata.kms_key_name = call.query.owned("kmsKeyName").or(metadata.kms_key_name);
    let sources = request
        .get("sourceObjects")
        .and_then(Value::as_array)
        .ok_or(Refusal::Required("sourceObjects"))?;
    let sources = sources.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let delete_sources = match request.get("deleteSourceObjects") {
        Some(value) => resource::boolean("deleteSourceObjects", value)?.unwrap_or_default(),
        None => false,
    };
    let preconditions = call.query.preconditions("if")?;
    if preconditions.generation_not_match.is_some()
        || preconditions.metageneration_not_match.is_some()
    {
        return Err(invalid(
            "Composing takes ifGenerationMatch and ifMetagenerationMatch only.",
        ));
    }
    let new = NewObject {
        bucket: bucket.to_owned(),
        name: name.to_owned(),
        metadata,
        preconditions,
        ..NewObject::default()
    };
    let composed = call.server.state.compose(new, &sources, delete_sources)?;
    Ok(created(call, &composed))
}

fn source(value: &Value) -> Result<Source, Fail> {
    let name = value
        .get("name")
        .and_then(Value::as_str)
        .ok_or(Refusal::Required("sourceObjects.name"))?;
    let generation_match = value.pointer("/objectPreconditions/ifGenerationMatch");
    Ok(Source {
        name: name.to_owned(),
        generation: resource::number("generation", value.get("generation"))?,
        generation_match: resource::number("ifGenerationMatch", generation_match)?,
    })
}
