//! The JSON API's object resource, its listings and its errors.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use reqwest::Response;
use serde::{Deserialize, Serialize};

use super::LONGEST_DOCUMENT;
use crate::client::checksum::Crc32c;
use crate::client::transport::read_text;
use crate::client::{Attributes, ClientError, ErrorKind, ListPage, ObjectInfo};

/// An object's resource: <https://cloud.google.com/storage/docs/json_api/v1/objects#resource>.
/// Numbers of 64 bits are strings.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Resource {
    name: String,
    #[serde(skip_serializing)]
    size: String,
    #[serde(skip_serializing)]
    updated: Option<Timestamp>,
    #[serde(skip_serializing)]
    etag: Option<String>,
    #[serde(skip_serializing)]
    generation: Option<String>,
    #[serde(skip_serializing)]
    metageneration: Option<String>,
    #[serde(skip_serializing)]
    storage_class: Option<String>,
    #[serde(skip_serializing)]
    md5_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crc32c: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_language: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

impl Resource {
    /// What an upload says about the object to be.
    pub(super) fn to_write(key: &str, attributes: &Attributes, crc32c: Option<Crc32c>) -> Self {
        let attributes = attributes.clone();
        Self {
            name: key.to_owned(),
            crc32c: crc32c.map(Crc32c::encoded),
            content_type: attributes.content_type,
            cache_control: attributes.cache_control,
            content_encoding: attributes.content_encoding,
            content_disposition: attributes.content_disposition,
            content_language: attributes.content_language,
            metadata: attributes.metadata,
            ..Self::default()
        }
    }

    pub(super) fn json(&self) -> Result<String, ClientError> {
        serde_json::to_string(self)
            .map_err(|error| ClientError::failed(format!("cannot write the metadata: {error}")))
    }

    /// Reads the resource that a reply holds.
    pub(super) async fn read(response: Response) -> Result<Self, ClientError> {
        let document = read_text(response, LONGEST_DOCUMENT).await?;
        serde_json::from_str(&document)
            .map_err(|error| ClientError::failed(format!("GCS's reply cannot be read: {error}")))
    }

    pub(super) fn into_info(self) -> Result<ObjectInfo, ClientError> {
        // The JSON form of protobuf leaves a zero out.
        let size = Some(&*self.size).filter(|size| !size.is_empty());
        let size = size.unwrap_or("0").parse().map_err(|_| {
            ClientError::failed(format!(
                "GCS gives {:?} as the size of {:?}",
                self.size, self.name
            ))
        })?;
        let checksums = [("crc32c", self.crc32c), ("md5", self.md5_hash)];
        Ok(ObjectInfo {
            key: self.name,
            size,
            last_modified: self.updated,
            etag: self.etag,
            version_id: None,
            generation: self.generation.and_then(|number| number.parse().ok()),
            metageneration: self.metageneration.and_then(|number| number.parse().ok()),
            storage_class: self.storage_class,
            checksums: checksums
                .into_iter()
                .filter_map(|(name, value)| {
                    Some((name.to_owned(), value.filter(|v| !v.is_empty())?))
                })
                .collect(),
            attributes: Attributes {
                content_type: self.content_type,
                cache_control: self.cache_control,
                content_encoding: self.content_encoding,
                content_disposition: self.content_disposition,
                content_language: self.content_language,
                metadata: self.metadata,
            },
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Listing {
    items: Vec<Resource>,
    prefixes: Vec<String>,
    next_page_token: Option<String>,
}

pub(super) fn list_page(document: &str) -> Result<ListPage, ClientError> {
    let listing: Listing = serde_json::from_str(document)
        .map_err(|error| ClientError::failed(format!("GCS's listing cannot be read: {error}")))?;
    let objects: Result<_, _> = listing.items.into_iter().map(Resource::into_info).collect();
    Ok(ListPage {
        objects: objects?,
        prefixes: listing.prefixes,
        next: listing.next_page_token.filter(|token| !token.is_empty()),
    })
}

/// Passes success on and makes an error of everything else.
pub(super) async fn accepted(
    response: Response,
    bucket: &str,
    key: Option<&str>,
) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let document = read_text(response, LONGEST_DOCUMENT)
        .await
        .unwrap_or_default();
    Err(explain(
        status,
        &document,
        &format!("gs://{bucket}/{}", key.unwrap_or_default()),
    ))
}

#[derive(Deserialize)]
struct ErrorDocument {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: String,
}

fn explain(status: StatusCode, document: &str, name: &str) -> ClientError {
    // Media requests are answered in plain text.
    let message = match serde_json::from_str::<ErrorDocument>(document) {
        Ok(document) => document.error.message,
        Err(_) => document
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(200)
            .collect(),
    };
    let kind = ClientError::kind_of(status);
    let what = match kind {
        ErrorKind::NotFound => format!("there is no {name}"),
        _ if message.is_empty() => format!("GCS answered {status} for {name}"),
        _ => format!("GCS answered {status} for {name}: {message}"),
    };
    let advice = match status.as_u16() {
        401 => {
            "check GOOGLE_APPLICATION_CREDENTIALS (or GOOGLE_CREDENTIALS) and this machine's clock"
        }
        403 => "give the service account a role on the bucket, such as roles/storage.objectAdmin",
        404 => "check the name; `causeway ls` shows what is there",
        500.. => "the service has trouble: try again later",
        _ => "",
    };
    ClientError::new(kind, what, advice).status(status)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_whose_size_is_left_out_has_none() {
        let read = |json: &str| serde_json::from_str::<Resource>(json).unwrap().into_info();
        assert_eq!(read(r#"{"name": "k"}"#).unwrap().size, 0);
        assert_eq!(read(r#"{"size": "7"}"#).unwrap().size, 7);
        assert!(read(r#"{"size": "many"}"#).is_err());
    }
}
