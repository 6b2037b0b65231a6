//! The checksums that prove that the bytes at GCS are the bytes at S3, and what each proves.
//!
//! Computing them is the runtime's work, except where it is slow at it; which ones S3 already has is
//! read in [`crate::s3`].

mod combine;
mod crc64;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

pub use combine::{PartCrc, PartSums, combine_crc32c};
pub use crc64::Crc64Nvme;

/// A checksum of the whole object that GCS checks before it commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Checksum {
    /// CRC32C (Castagnoli), [RFC 4960, appendix B](https://www.rfc-editor.org/rfc/rfc4960#appendix-B).
    Crc32c(u32),
    /// MD5.
    Md5([u8; 16]),
}

/// A checksum that S3 may keep of a whole object and that GCS does not know: it is computed over
/// the bytes on their way and compared here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// CRC-32 as in gzip.
    Crc32,
    /// CRC-64/NVME, which S3 computes by itself where the writer sent nothing else.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// Which checksums run over a body: always CRC32C, which GCS checks, and perhaps one more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// What runs beside CRC32C.
    pub other: Option<Algorithm>,
}

impl Digest {
    /// Whether those of a whole follow from those of its parts.
    #[must_use]
    pub fn is_combinable(self) -> bool {
        self.other.is_none_or(Algorithm::is_combinable)
    }
}

/// What a [`Digest`] came to; by default, that of no bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// CRC32C.
    pub crc32c: u32,
    /// The value of [`Digest::other`].
    pub other: Option<SourceChecksum>,
}

/// A checksum that GCS does not know, and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceChecksum {
    /// Which.
    pub algorithm: Algorithm,
    /// Its [`Algorithm::length`] bytes; a CRC in big-endian order.
    pub value: Vec<u8>,
}

/// How it was proven that source and destination hold the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// S3's stored CRC32C, checked by GCS.
    StoredCrc32c,
    /// An MD5 that S3 keeps, as the ETag or as a checksum, checked by GCS.
    StoredMd5,
    /// S3's CRC32 was compared with the bytes as S3 sent them, and GCS checked their CRC32C.
    Crc32,
    /// The same with S3's CRC64NVME.
    #[serde(rename = "crc64nvme")]
    Crc64Nvme,
    /// The same with S3's SHA-1.
    Sha1,
    /// The same with S3's SHA-256.
    Sha256,
    /// The same with S3's SHA-512.
    Sha512,
    /// S3 has no checksum of the whole object: a CRC32C computed over the bytes as S3 sent them,
    /// checked by GCS.
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
            Self::Md5(_) => Proof::StoredMd5,
        }
    }
}

impl Algorithm {
    /// All of them, the cheapest first.
    pub const ALL: [Self; 5] = [
        Self::Crc64Nvme,
        Self::Crc32,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
    ];

    /// Its name as in S3's header `x-amz-checksum-…`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32",
            Self::Crc64Nvme => "crc64nvme",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The length of a value, in bytes.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Crc32 => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Whether the checksum of a whole follows from those of its parts.
    #[must_use]
    pub fn is_combinable(self) -> bool {
        matches!(self, Self::Crc32 | Self::Crc64Nvme)
    }
}

impl SourceChecksum {
    /// As S3 writes it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(&self.value)
    }
}

impl Digests {
    /// The digests of these bytes followed by `length` bytes whose digests are `next`. The other
    /// checksum is lost where it cannot be combined.
    #[must_use]
    pub fn followed_by(&self, next: &Self, length: u64) -> Self {
        let other = match (&self.other, &next.other) {
            (Some(first), Some(second)) if first.algorithm == second.algorithm => {
                combine::combine(first.algorithm, &first.value, &second.value, length).map(
                    |value| SourceChecksum {
                        algorithm: first.algorithm,
                        value,
                    },
                )
            }
            _ => None,
        };
        Self {
            crc32c: combine_crc32c(self.crc32c, next.crc32c, length),
            other,
        }
    }
}

impl Proof {
    /// The word for it in logs and in provenance.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StoredCrc32c => "stored-crc32c",
            Self::StoredMd5 => "stored-md5",
            Self::Crc32 => "crc32",
            Self::Crc64Nvme => "crc64nvme",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::ComputedCrc32c => "computed-crc32c",
        }
    }
}

impl From<Algorithm> for Proof {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32,
            Algorithm::Crc64Nvme => Self::Crc64Nvme,
            Algorithm::Sha1 => Self::Sha1,
            Algorithm::Sha256 => Self::Sha256,
            Algorithm::Sha512 => Self::Sha512,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_proof_and_each_algorithm_has_one_word() {
        for algorithm in Algorithm::ALL {
            assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
            assert_eq!(Proof::from(algorithm).as_str(), algorithm.as_str());
        }
        for proof in [Proof::StoredCrc32c, Proof::StoredMd5, Proof::ComputedCrc32c]
            .into_iter()
            .chain(Algorithm::ALL.map(Proof::from))
        {
            assert_eq!(serde_json::to_value(proof).unwrap(), proof.as_str());
        }
    }
}
