//! The object resource of the JSON API, as far as Causeway writes and reads it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Response;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::{ErrorKind, TransferError};
use crate::integrity::Checksum;

/// An object's generation: which write made what stands there.
/// [Generations and preconditions](https://cloud.google.com/storage/docs/metadata#generation-number)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// What must stand at the destination when the write commits (`ifGenerationMatch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precondition {
    /// Nothing.
    DoesNotExist,
    /// This generation.
    Is(Generation),
}

impl Precondition {
    /// The parameter's value: 0 says "does not exist".
    #[must_use]
    pub fn generation(self) -> u64 {
        match self {
            Self::DoesNotExist => 0,
            Self::Is(Generation(generation)) => generation,
        }
    }
}

/// Custom metadata may take this many bytes in all, names and values together
/// ([Quotas and limits](https://cloud.google.com/storage/quotas#objects)).
pub const CUSTOM_METADATA_LIMIT: usize = 8192;

/// The most bytes of one entry's name
/// ([ServiceConstants](https://cloud.google.com/storage/docs/reference/rpc/google.storage.v1#serviceconstants)).
pub const CUSTOM_NAME_LIMIT: usize = 1024;

/// The most bytes of one entry's value.
pub const CUSTOM_VALUE_LIMIT: usize = 4096;

/// [Objects resource](https://cloud.google.com/storage/docs/json_api/v1/objects#resource).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Object {
    /// The object's name.
    pub name: String,
    /// Decimal; empty in an upload.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "text")]
    pub generation: String,
    /// Bytes, decimal; empty in an upload. See [`Object::size`].
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "text")]
    pub size: String,
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// Base64 of the big-endian CRC32C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<String>,
    /// Base64 of the MD5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5_hash: Option<String>,
    /// RFC 3339. A new generation may have an earlier one than the last; an update may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_time: Option<String>,
    /// One of Google's storage classes; the bucket's own where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// The Cloud KMS key that encrypts it. A write says it in its URL, and not in its body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_name: Option<String>,
    /// User metadata and, under `causeway-…`, what Causeway says of it.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "or_default"
    )]
    pub metadata: BTreeMap<String, String>,
}

/// A number as JSON has it or, where it has 64 bits, as a string: both are JSON's form of protobuf
/// ([JSON format](https://protobuf.dev/programming-guides/json/)).
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
}

/// Nothing for `null`.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The `fields` parameter of every request: what [`Object`] reads of a reply.
#[must_use]
pub fn object_fields() -> &'static str {
    "name,generation,size,crc32c,md5Hash,metadata"
}

/// What else is read where headers are compared.
pub const HEADER_FIELDS: &str =
    "contentType,contentEncoding,contentDisposition,contentLanguage,cacheControl";

impl Object {
    /// Reads the resource in a 2xx reply.
    ///
    /// # Errors
    /// [`ErrorKind::DestinationUnexpected`] when it is none.
    pub fn read(reply: &Response<Bytes>) -> Result<Self, TransferError> {
        serde_json::from_slice::<Self>(reply.body())
            .map_err(|error| error.to_string())
            .and_then(|object| match object.generation.parse::<u64>() {
                Ok(1..) => Ok(object),
                _ => Err("it has no generation".to_owned()),
            })
            .map_err(|reason| {
                TransferError::new(
                    ErrorKind::DestinationUnexpected,
                    format!(
                        "GCS answered {} without an object resource: {reason}.",
                        reply.status().as_u16()
                    ),
                    "It is looked into and tried again; if it stays so, check the GCS endpoint.",
                )
            })
    }

    /// As it stands in a request's body.
    pub(super) fn as_body(&self) -> Cow<'_, Self> {
        match self.kms_key_name {
            None => Cow::Borrowed(self),
            Some(_) => Cow::Owned(Self {
                kms_key_name: None,
                ..self.clone()
            }),
        }
    }

    /// The generation; 0 for a resource that was never stored.
    #[must_use]
    pub fn generation(&self) -> Generation {
        Generation(self.generation.parse().unwrap_or_default())
    }

    /// The size of this stored object; `None` if it is no number. In the JSON form of protobuf a zero is
    /// left out, and Google's own test bench does so.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match &*self.size {
            "" => Some(0),
            digits => digits.parse().ok(),
        }
    }

    /// The CRC32C that GCS has of this stored object.
    ///
    /// # Errors
    /// [`ErrorKind::DestinationUnexpected`] when it says none.
    pub fn stored_crc32c(&self) -> Result<u32, TransferError> {
        let decoded = BASE64_STANDARD.decode(self.crc32c.as_deref().unwrap_or_default());
        let value: Option<[u8; 4]> = decoded.ok().and_then(|bytes| bytes.try_into().ok());
        value.map(u32::from_be_bytes).ok_or_else(|| {
            TransferError::new(
                ErrorKind::DestinationUnexpected,
                format!("GCS stored {:?} without saying its CRC32C.", self.name),
                "Check the GCS endpoint.",
            )
        })
    }

    /// Whether this stored object has `size` bytes and the checksum `checksum`.
    ///
    /// # Errors
    /// [`ErrorKind::ChecksumRefused`] with both values.
    pub fn verify(&self, size: u64, checksum: Checksum) -> Result<(), TransferError> {
        let (name, found) = match checksum {
            Checksum::Crc32c(_) => ("crc32c", &self.crc32c),
            Checksum::Md5(_) => ("md5Hash", &self.md5_hash),
        };
        let expected = checksum.to_base64();
        let found = found.as_deref().unwrap_or("none");
        if self.size() != Some(size) || !equal_base64(found, &expected) {
            return Err(TransferError::new(
                ErrorKind::ChecksumRefused,
                format!(
                    "GCS committed {} bytes with {name} {found}; the source has {size} bytes with {expected}.",
                    if self.size.is_empty() {
                        "0"
                    } else {
                        &self.size
                    }
                ),
                "It is tried again; if it stays so, something between the two stores changes bytes.",
            ));
        }
        Ok(())
    }
}

fn equal_base64(a: &str, b: &str) -> bool {
    matches!((BASE64_STANDARD.decode(a), BASE64_STANDARD.decode(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_stored_object_must_have_the_size_and_the_checksum() {
        let object = Object {
            size: "9".into(),
            crc32c: Some("4waSgw==".into()),
            ..Object::default()
        };
        let checksum = Checksum::Crc32c(0xe306_9283);
        assert_eq!(object.verify(9, checksum), Ok(()));
        assert!(object.verify(8, checksum).is_err());
        let error = object.verify(9, Checksum::Crc32c(1)).unwrap_err();
        assert!(error.message.contains("4waSgw==") && error.message.contains("AAAAAQ=="));
        assert!(object.verify(9, Checksum::Md5([0; 16])).is_err());
    }

    #[test]
    fn a_reply_without_a_generation_is_no_object() {
        for body in [
            "{}",
            "[]",
            "",
            r#"{"generation": "0"}"#,
            r#"{"generation": "x"}"#,
        ] {
            let reply = Response::new(Bytes::from(body));
            assert!(Object::read(&reply).is_err(), "{body}");
        }
        let reply = Response::new(Bytes::from(r#"{"generation": "17", "etag": "x"}"#));
        assert_eq!(Object::read(&reply).unwrap().generation(), Generation(17));
    }

    #[test]
    fn what_protobuf_leaves_out_or_writes_as_a_number_is_read() {
        let empty = Checksum::Crc32c(0);
        for body in [
            r#"{"generation": "17", "crc32c": "AAAAAA=="}"#,
            r#"{"generation": 17, "size": 0, "crc32c": "AAAAAA==", "metadata": null}"#,
            r#"{"generation": "17", "size": null, "crc32c": "AAAAAA==", "md5Hash": null}"#,
        ] {
            let object = Object::read(&Response::new(Bytes::from(body))).unwrap();
            assert_eq!(object.generation(), Generation(17), "{body}");
            assert_eq!(object.size(), Some(0), "{body}");
            assert_eq!(object.verify(0, empty), Ok(()), "{body}");
            assert!(object.verify(1, empty).is_err());
        }
        let body = r#"{"generation": "17", "size": "many", "crc32c": "AAAAAA=="}"#;
        let object = Object::read(&Response::new(Bytes::from(body))).unwrap();
        assert!(object.verify(0, empty).is_err());
    }
}
