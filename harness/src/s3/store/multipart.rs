//! Uploads in parts: what is kept of an unfinished one, and how its parts become an object.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use md5::Digest as _;

use super::body::{Body, SpillFile};
use super::checksum::{Algorithm, Checksum, Kind, PartChecksum, combine};
use super::error::StoreError;
use super::object::{Attributes, Part, hex};

/// All parts but the last have at least this many bytes.
pub(crate) const MIN_PART: u64 = 5 << 20;

/// An upload that is neither completed nor aborted.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// The key that it will write.
    pub key: String,
    /// What its writer said about the object.
    pub attributes: Attributes,
    /// The checksum that was asked for, and how parts combine.
    pub checksum: Option<(Algorithm, Kind)>,
    /// When it began.
    pub initiated: Timestamp,
    /// Its parts so far, by number.
    pub parts: BTreeMap<u16, Part>,
    /// Where its large parts lie: one file, so that many parts do not take many handles.
    pub(crate) spill: Option<Arc<SpillFile>>,
}

/// What a completion says of a part.
#[derive(Clone, Debug)]
pub struct CompletedPart {
    /// Its number.
    pub number: u16,
    /// Its ETag, with or without quotes.
    pub etag: String,
    /// Its checksum, if the client sends one along.
    pub checksum: Option<(Algorithm, String)>,
}

/// What a completion says of the whole.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    /// The parts, in ascending order; others are thrown away.
    pub parts: Vec<CompletedPart>,
    /// The checksum that the object must have: algorithm, and base64 value.
    pub checksum: Option<(Algorithm, String)>,
    /// The size in bytes that the object must have.
    pub size: Option<u64>,
}

/// A finished upload.
pub(crate) struct Assembled {
    pub(crate) body: Body,
    pub(crate) etag: String,
    pub(crate) checksum: Checksum,
    pub(crate) parts: Vec<Part>,
}

impl Upload {
    /// The file for large parts, made when the first one comes.
    pub(crate) fn spill(&mut self) -> io::Result<Arc<SpillFile>> {
        let spill = match self.spill.take() {
            Some(spill) => spill,
            None => Arc::new(SpillFile::create()?),
        };
        self.spill = Some(Arc::clone(&spill));
        Ok(spill)
    }

    /// The algorithm that each part's checksum is kept in: the one asked for, or S3's default.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.checksum
            .map_or(Algorithm::Crc64Nvme, |(algorithm, _)| algorithm)
    }

    /// Checks what the caller says of the parts and puts them together.
    pub(crate) fn assemble(&self, completion: &Completion) -> Result<Assembled, StoreError> {
        let mut parts: Vec<Part> = Vec::with_capacity(completion.parts.len());
        for said in &completion.parts {
            if parts.last().is_some_and(|last| last.number >= said.number) {
                return Err(StoreError::InvalidPartOrder);
            }
            parts.push(self.part(said)?.clone());
        }
        check_sizes(&parts)?;
        let body = Body::concat(parts.iter().map(|part| &part.body));
        if completion.size.is_some_and(|size| size != body.length()) {
            return Err(StoreError::InvalidRequest(format!(
                "x-amz-mp-object-size is not the {} bytes that the parts have",
                body.length()
            )));
        }
        let checksum = self.combined(&parts)?;
        check_value(&checksum, completion.checksum.as_ref())?;
        Ok(Assembled {
            etag: multipart_etag(&parts),
            body,
            checksum,
            parts,
        })
    }

    fn part(&self, said: &CompletedPart) -> Result<&Part, StoreError> {
        let number = said.number;
        let invalid = |reason| StoreError::InvalidPart { number, reason };
        let part = self
            .parts
            .get(&number)
            .ok_or_else(|| invalid("it was never uploaded"))?;
        if part.etag() != said.etag.trim_matches('"') {
            return Err(invalid("its ETag is another"));
        }
        if let Some((algorithm, value)) = &said.checksum
            && let Some(kept) = part
                .checksums
                .iter()
                .find(|kept| kept.algorithm == *algorithm)
            && kept.base64() != *value
        {
            return Err(invalid("its checksum is another"));
        }
        Ok(part)
    }

    fn combined(&self, parts: &[Part]) -> Result<Checksum, StoreError> {
        let (algorithm, kind) = self
            .checksum
            .unwrap_or((Algorithm::Crc64Nvme, Kind::FullObject));
        let values = parts
            .iter()
            .map(|part| {
                let value = part
                    .checksums
                    .iter()
                    .find(|kept| kept.algorithm == algorithm);
                value
                    .map(|value| PartChecksum {
                        value,
                        size: part.body.length(),
                    })
                    .ok_or(StoreError::InvalidPart {
                        number: part.number,
                        reason: "it has no checksum of the upload's algorithm",
                    })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(combine(algorithm, kind, &values))
    }
}

fn check_sizes(parts: &[Part]) -> Result<(), StoreError> {
    let Some((_, but_last)) = parts.split_last() else {
        return Err(StoreError::InvalidRequest(
            "a completion needs at least one part".to_owned(),
        ));
    };
    match but_last.iter().find(|part| part.body.length() < MIN_PART) {
        None => Ok(()),
        Some(part) => Err(StoreError::EntityTooSmall {
            number: part.number,
            size: part.body.length(),
        }),
    }
}

fn check_value(
    checksum: &Checksum,
    expected: Option<&(Algorithm, String)>,
) -> Result<(), StoreError> {
    match expected {
        Some((algorithm, value))
            if *algorithm == checksum.algorithm && *value != checksum.value =>
        {
            Err(StoreError::BadChecksum {
                algorithm: algorithm.name(),
                expected: value.clone(),
                found: checksum.value.clone(),
            })
        }
        _ => Ok(()),
    }
}

fn multipart_etag(parts: &[Part]) -> String {
    let mut md5 = md5::Md5::new();
    for part in parts {
        md5.update(part.md5);
    }
    format!("{}-{}", hex(&md5.finalize()), parts.len())
}
