//! What travels with an object beside its bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Headers that are stored with an object and given back with it, and the user's own metadata.
///
/// S3 carries all of them as HTTP headers, so values going there must be visible ASCII; GCS carries
/// them as JSON and takes any text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// `Content-Type`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Cache-Control`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Content-Encoding`; the bytes are stored as they are given, never encoded or decoded here
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Content-Disposition`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Content-Language`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// User metadata: names without `x-amz-meta-` or `x-goog-meta-`
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Attributes {
    /// The attributes that are HTTP headers, as (lower-case header name, value), those that are set.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("content-type", &self.content_type),
            ("cache-control", &self.cache_control),
            ("content-encoding", &self.content_encoding),
            ("content-disposition", &self.content_disposition),
            ("content-language", &self.content_language),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
    }
}
