//! The JSON resource of an object (<https://cloud.google.com/storage/docs/json_api/v1/objects#resource>),
//! written, and what a client says of one, read.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::error::{Fail, invalid};
use super::fields::Fields;
use crate::gcs::state::{Expected, Object, ObjectMetadata};

/// What a path segment may hold unescaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An object as the API shows it; `base` is the server's scheme and host. What `fields` leave out need not be
/// there.
pub(super) fn object(object: &Object, base: &str, fields: Option<&Fields>) -> Value {
    let Object {
        bucket,
        name,
        generation,
        metageneration,
        metadata,
        content,
        ..
    } = object;
    let path = || {
        let name = utf8_percent_encode(name, SEGMENT);
        format!("storage/v1/b/{bucket}/o/{name}")
    };
    let media = || {
        let path = path();
        format!("{base}/download/{path}?generation={generation}&alt=media")
    };
    let always: [(&str, &dyn Fn() -> String); 16] = [
        ("kind", &|| "storage#object".into()),
        ("id", &|| format!("{bucket}/{name}/{generation}")),
        ("selfLink", &|| format!("{base}/{}", path())),
        ("mediaLink", &media),
        ("name", &|| name.clone()),
        ("bucket", &|| bucket.clone()),
        ("generation", &|| generation.to_string()),
        ("metageneration", &|| metageneration.to_string()),
        ("storageClass", &|| metadata.storage_class().to_owned()),
        ("size", &|| object.size().to_string()),
        ("crc32c", &|| crc32c(content.crc32c)),
        ("etag", &|| etag(object)),
        ("timeCreated", &|| time(object.created)),
        ("updated", &|| time(object.updated)),
        ("timeStorageClassUpdated", &|| time(object.created)),
        ("timeFinalized", &|| time(object.created)),
    ];
    let mut value = Value::Object(Map::new());
    for (key, text) in always {
        if fields.is_none_or(|fields| fields.selects(key)) {
            value[key] = text().into();
        }
    }
    let optional = [
        ("contentType", metadata.content_type.clone()),
        ("contentEncoding", metadata.content_encoding.clone()),
        ("contentDisposition", metadata.content_disposition.clone()),
        ("contentLanguage", metadata.content_language.clone()),
        ("cacheControl", metadata.cache_control.clone()),
        // The key is shown with the version that was its primary one.
        (
            "kmsKeyName",
            metadata
                .kms_key_name
                .as_ref()
                .map(|key| format!("{key}/cryptoKeyVersions/1")),
        ),
        ("customTime", metadata.custom_time.map(time)),
        (
            "md5Hash",
            content.md5.map(|md5| BASE64_STANDARD.encode(md5)),
        ),
    ];
    for (key, text) in optional {
        if let Some(text) = text {
            value[key] = text.into();
        }
    }
    if let Some(count) = object.component_count {
        value["componentCount"] = count.into();
    }
    for (key, held) in [
        ("temporaryHold", metadata.temporary_hold),
        ("eventBasedHold", metadata.event_based_hold),
    ] {
        if let Some(held) = held {
            value[key] = held.into();
        }
    }
    if !metadata.custom.is_empty() {
        value["metadata"] = json!(metadata.custom);
    }
    value
}

/// An object as a listing shows it: the hashes of an object under a customer's key are encrypted with
/// that key, and a listing does not ask for it.
pub(super) fn listed(object: &Object, base: &str, fields: Option<&Fields>) -> Value {
    let mut value = self::object(object, base, fields);
    if let (true, Some(fields)) = (
        object.metadata.kms_key_name.is_some(),
        value.as_object_mut(),
    ) {
        fields.remove("crc32c");
        fields.remove("md5Hash");
    }
    value
}

/// CRC32C as the API writes it: base64 of the four bytes, most significant first.
pub(super) fn crc32c(crc: u32) -> String {
    BASE64_STANDARD.encode(crc.to_be_bytes())
}

/// Changes with generation and metageneration.
pub(super) fn etag(object: &Object) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{}/{}", object.generation, object.metageneration))
}

pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Lays the writable fields of a resource over `metadata`: a string sets, `null` clears, what is
/// not there stays. Fields that only the server writes are ignored, as the service does.
pub(super) fn apply(
    resource: &Map<String, Value>,
    metadata: &mut ObjectMetadata,
) -> Result<(), Fail> {
    let fields = [
        ("contentType", &mut metadata.content_type),
        ("contentEncoding", &mut metadata.content_encoding),
        ("contentDisposition", &mut metadata.content_disposition),
        ("contentLanguage", &mut metadata.content_language),
        ("cacheControl", &mut metadata.cache_control),
        ("storageClass", &mut metadata.storage_class),
        ("kmsKeyName", &mut metadata.kms_key_name),
    ];
    for (key, field) in fields {
        if let Some(value) = resource.get(key) {
            *field = string(key, value)?;
        }
    }
    for (key, field) in [
        ("temporaryHold", &mut metadata.temporary_hold),
        ("eventBasedHold", &mut metadata.event_based_hold),
    ] {
        if let Some(value) = resource.get(key) {
            *field = boolean(key, value)?;
        }
    }
    if let Some(value) = resource.get("customTime") {
        let parse = |text: String| {
            text.parse().map_err(|error| {
                invalid(format!(
                    "customTime '{text}' is not an RFC 3339 time: {error}"
                ))
            })
        };
        metadata.custom_time = string("customTime", value)?.map(parse).transpose()?;
    }
    match resource.get("metadata") {
        None => {}
        Some(Value::Null) => metadata.custom.clear(),
        Some(Value::Object(pairs)) => {
            for (key, value) in pairs {
                match string(key, value)? {
                    Some(text) => metadata.custom.insert(key.clone(), text),
                    None => metadata.custom.remove(key),
                };
            }
        }
        Some(_) => return Err(invalid("metadata is not an object of strings.")),
    }
    Ok(())
}

/// The checksums a resource declares for the bytes it comes with.
pub(super) fn expected(resource: &Map<String, Value>) -> Result<Expected, Fail> {
    let declared = |key: &str| {
        resource
            .get(key)
            .map(|value| string(key, value))
            .transpose()
            .map(Option::flatten)
    };
    Ok(Expected {
        crc32c: declared("crc32c")?
            .map(|text| parse_crc32c(&text))
            .transpose()?,
        md5: declared("md5Hash")?
            .map(|text| parse_hash("md5Hash", &text))
            .transpose()?,
    })
}

/// The checksums of `X-Goog-Hash` headers: `crc32c=...` and `md5=...`, with commas or repeated.
pub(super) fn hash_header(headers: &http::HeaderMap) -> Result<Expected, Fail> {
    let mut all = Expected::default();
    for value in headers.get_all("x-goog-hash") {
        let text = value
            .to_str()
            .map_err(|_| invalid("X-Goog-Hash is not text."))?;
        for item in text.split(',').map(str::trim) {
            let one = match item.split_once('=') {
                Some(("crc32c", hash)) => Expected {
                    crc32c: Some(parse_crc32c(hash)?),
                    md5: None,
                },
                Some(("md5", hash)) => Expected {
                    crc32c: None,
                    md5: Some(parse_hash("md5", hash)?),
                },
                _ => {
                    return Err(invalid(format!(
                        "X-Goog-Hash has '{item}', neither crc32c= nor md5=."
                    )));
                }
            };
            all = all.merge(&one)?;
        }
    }
    Ok(all)
}

fn parse_crc32c(text: &str) -> Result<u32, Fail> {
    parse_hash("crc32c", text).map(u32::from_be_bytes)
}

fn parse_hash<const N: usize>(name: &str, text: &str) -> Result<[u8; N], Fail> {
    let bytes = BASE64_STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| {
        invalid(format!(
            "Invalid {name} '{text}': expected base64 of {N} bytes."
        ))
    })
}

pub(super) fn boolean(key: &str, value: &Value) -> Result<Option<bool>, Fail> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        _ => Err(invalid(format!(
            "The value of '{key}' is neither true nor false."
        ))),
    }
}

/// A 64-bit number, which the API writes as a string and takes as either.
pub(super) fn number(key: &str, value: Option<&Value>) -> Result<Option<u64>, Fail> {
    let number = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
    };
    number
        .map(Some)
        .ok_or_else(|| invalid(format!("The value of '{key}' is not a number.")))
}

pub(super) fn string(key: &str, value: &Value) -> Result<Option<String>, Fail> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(invalid(format!("The value of '{key}' is not a string."))),
    }
}
