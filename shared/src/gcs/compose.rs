//! Composing: one object made of up to 32 others of its bucket, without a byte being moved.
//!
//! Follows [Objects: compose](https://cloud.google.com/storage/docs/json_api/v1/objects/compose) and
//! [Composite objects](https://cloud.google.com/storage/docs/composite-objects).

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Generation, Object, ObjectAddress, Precondition, request};
use crate::error::TransferError;

/// The most objects that one request composes.
pub const COMPOSE_LIMIT: usize = 32;

/// An object that becomes a piece of another: this generation of it and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Its name, in the bucket of the result.
    pub name: String,
    /// Its generation.
    pub generation: Generation,
}

impl ObjectAddress {
    /// Makes `object` at this address out of `components`, in their order: 1 to
    /// [`COMPOSE_LIMIT`] of them. The checksum of the result follows from theirs.
    ///
    /// # Errors
    /// See [`ObjectAddress::get`].
    pub fn compose<'a>(
        &self,
        components: impl IntoIterator<Item = &'a Component>,
        object: &Object,
        precondition: Precondition,
    ) -> Result<Request<Bytes>, TransferError> {
        let sources: Vec<_> = components
            .into_iter()
            .map(|Component { name, generation }| {
                let generation = generation.0.to_string();
                json!({
                    "name": name,
                    "generation": generation,
                    "objectPreconditions": {"ifGenerationMatch": generation},
                })
            })
            .collect();
        let body = json!({
            "kind": "storage#composeRequest",
            "sourceObjects": sources,
            "destination": object.as_body(),
        });
        let url = format!(
            "{}/compose?{}",
            self.object_url(),
            Self::write_parameters(object, precondition)
        );
        let mut compose = request(Method::POST, &url, Bytes::from(body.to_string()))?;
        compose.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=UTF-8"),
        );
        Ok(compose)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_component_is_named_with_its_generation() {
        let address = ObjectAddress {
            endpoint: "http://gcs".into(),
            bucket: "b".into(),
            name: "a/b".into(),
        };
        let components = [("p/0", 3), ("p/1", 4)].map(|(name, generation)| Component {
            name: name.into(),
            generation: Generation(generation),
        });
        let object = Object {
            name: "a/b".into(),
            content_type: Some("text/plain".into()),
            ..Object::default()
        };
        let request = address
            .compose(&components, &object, Precondition::Is(Generation(7)))
            .unwrap();
        let uri = request.uri().to_string();
        assert!(
            uri.starts_with("http://gcs/storage/v1/b/b/o/a%2Fb/compose?ifGenerationMatch=7&"),
            "{uri}"
        );
        let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(
            body["sourceObjects"][1],
            json!({"name": "p/1", "generation": "4", "objectPreconditions": {"ifGenerationMatch": "4"}})
        );
        assert_eq!(body["destination"]["contentType"], "text/plain");
    }
}
