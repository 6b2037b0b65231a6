//! The checksums that prove that the bytes at GCS are the bytes at S3, and what each proves.
//!
//! Computing them is the runtime's work; which one S3 already has is read in [`crate::s3`].

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// A checksum of the whole object that GCS checks before it commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// CRC32C (Castagnoli), [RFC 4960, appendix B](https://www.rfc-editor.org/rfc/rfc4960#appendix-B).
    Crc32c(u32),
    /// MD5.
    Md5([u8; 16]),
}

/// How it was proven that source and destination hold the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// S3's stored CRC32C, checked by GCS.
    StoredCrc32c,
    /// S3's ETag, which is an MD5, checked by GCS.
    EtagMd5,
    /// S3 has neither: a CRC32C computed over the bytes as S3 sent them, checked by GCS.
    ComputedCrc32c,
}

impl Checksum {
    /// As the JSON API writes it: base64, CRC32C in big-endian byte order.
    #[must_use]
    pub fn to_base64(self) -> String {
        match self {
            Self::Crc32c(value) => BASE64_STANDARD.encode(value.to_be_bytes()),
            Self::Md5(value) => BASE64_STANDARD.encode(value),
        }
    }

    /// How a copy under this checksum, as S3 stores it, is proven.
    #[must_use]
    pub fn proof(self) -> Proof {
        match self {
            Self::Crc32c(_) => Proof::StoredCrc32c,
            Self::Md5(_) => Proof::EtagMd5,
        }
    }
}
