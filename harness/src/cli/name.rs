//! Objects' names as people write them: `s3://bucket/key` and `gs://bucket/key`.

use std::fmt;
use std::str::FromStr;

/// Which store a name is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `s3://`
    S3,
    /// `gs://`
    Gs,
}

/// A bucket and a key, or a prefix of keys. The key is taken literally, byte for byte: nothing in it
/// is decoded or normalised.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// The store
    pub scheme: Scheme,
    /// The bucket, never empty
    pub bucket: String,
    /// All that follows the bucket's `/`; may be empty
    pub key: String,
}

impl ObjectName {
    /// Another key in the same bucket.
    #[must_use]
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            ..self.clone()
        }
    }

    /// The key as a folder: with a `/` at its end, unless it is empty.
    #[must_use]
    pub fn folder(&self) -> Self {
        match self.key.as_str() {
            "" => self.clone(),
            key if key.ends_with('/') => self.clone(),
            key => self.with_key(format!("{key}/")),
        }
    }
}

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let (scheme, rest) = if let Some(rest) = name.strip_prefix("s3://") {
            (Scheme::S3, rest)
        } else if let Some(rest) = name.strip_prefix("gs://") {
            (Scheme::Gs, rest)
        } else {
            return Err("expected s3://bucket/key or gs://bucket/key".to_owned());
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(
                "the bucket is missing: expected s3://bucket/key or gs://bucket/key".to_owned(),
            );
        }
        Ok(Self {
            scheme,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::S3 => "s3",
            Scheme::Gs => "gs",
        };
        write!(f, "{scheme}://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_literally() {
        for key in ["", "a", "/a", "//", "a b+c%2F?x#y", "ü/ß", "a/../b", "dir/"] {
            let text = format!("gs://bucket.name/{key}");
            let name: ObjectName = text.parse().unwrap();
            assert_eq!(
                (name.bucket.as_str(), name.key.as_str()),
                ("bucket.name", key)
            );
            assert_eq!(name.to_string(), text);
        }
        assert_eq!("s3://bucket".parse::<ObjectName>().unwrap().key, "");
    }

    #[test]
    fn what_names_no_bucket_is_refused() {
        for text in [
            "bucket/key",
            "s3:/bucket/key",
            "s3://",
            "gs:///key",
            "https://bucket/key",
            "S3://b/k",
        ] {
            assert!(text.parse::<ObjectName>().is_err(), "{text}");
        }
    }

    #[test]
    fn folders_end_in_one_slash() {
        let folder = |text: &str| text.parse::<ObjectName>().unwrap().folder().key;
        assert_eq!(folder("s3://b/a"), "a/");
        assert_eq!(folder("s3://b/a/"), "a/");
        assert_eq!(folder("s3://b"), "");
        assert_eq!(folder("s3://b//"), "/");
    }
}
