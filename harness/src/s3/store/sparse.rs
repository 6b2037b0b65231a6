//! Objects of any size whose bytes nobody wrote or holds: a block made from a seed, again and again.
//!
//! For tests and benchmarks. The block's length is a prime, so that no two parts of an object that
//! begin at different multiples of a power of two hold the same bytes: parts put together in the
//! wrong order are noticed.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::body::Body;
use super::checksum::{Algorithm, Checksum, Kind, PartChecksum, combine, repeated};
use super::ingest::digest;
use super::object::hex;
use super::{
    Attributes, ChangeKind, NewObject, Object, Part, Store, StoreError, WriteCondition, now,
};

/// The largest prime below 1 MiB.
const BLOCK: usize = 1_048_573;
/// The size of the parts that the ETag speaks of.
const PART: u64 = 8 << 20;
/// The size of the parts that have checksums: whole blocks, so that they can be told at once.
const SUMMED_PART: usize = 8 * BLOCK;

/// An object to be put in a store without anybody writing its bytes.
#[derive(Clone, Debug)]
pub struct SparseSpec {
    /// What a writer would have said of it.
    pub attributes: Attributes,
    /// Its ETag, without quotes. At first that of an object uploaded in parts of 8 MiB: no MD5.
    pub etag: String,
    /// The checksum that is stored with it; none at first. Need not be the right one.
    pub checksum: Option<Checksum>,
    /// Its parts, with their checksums; none at first.
    pub parts: Vec<Part>,
    block: Bytes,
    size: u64,
}

impl SparseSpec {
    /// An object of `size` bytes, the same for the same `seed`.
    #[must_use]
    pub fn new(size: u64, seed: u64) -> Self {
        use md5::Digest as _;
        let digest = md5::Md5::digest(format!("{seed}/{size}"));
        Self {
            attributes: Attributes::default(),
            etag: format!("{}-{}", hex(&digest), size.div_ceil(PART).max(1)),
            checksum: None,
            parts: Vec::new(),
            block: block(seed),
            size,
        }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its bytes.
    #[must_use]
    pub fn body(&self) -> Body {
        Body::repeated(self.block.clone(), self.size)
    }

    /// The right checksum of the whole object; none for an algorithm that is no CRC. Cheap at any
    /// size.
    #[must_use]
    pub fn full_object(&self, algorithm: Algorithm) -> Option<Checksum> {
        Some(repeated(algorithm, &self.block, self.size)?.full_object())
    }

    /// The right CRC32C, as a number.
    #[must_use]
    pub fn crc32c(&self) -> u32 {
        let value = repeated(Algorithm::Crc32c, &self.block, self.size);
        let bytes = value.and_then(|crc| <[u8; 4]>::try_from(crc.value).ok());
        bytes.map_or(0, u32::from_be_bytes)
    }

    /// With the right checksum of that CRC stored; without any for another algorithm.
    #[must_use]
    pub fn with(mut self, algorithm: Algorithm) -> Self {
        self.checksum = self.full_object(algorithm);
        self
    }

    /// With the checksums of its parts stored, each of that CRC, and their composite; without any for another
    /// algorithm.
    #[must_use]
    pub fn in_parts(mut self, algorithm: Algorithm) -> Self {
        let starts = (0..self.size).step_by(SUMMED_PART);
        let parts = (1..).zip(starts).filter_map(|(number, start)| {
            let end = self.size.min(start + SUMMED_PART as u64);
            Some(Part {
                number,
                body: self.body().slice(start..end),
                md5: [0; 16],
                checksums: vec![repeated(algorithm, &self.block, end - start)?],
                last_modified: now(),
            })
        });
        self.parts = parts.collect();
        self.checksum = composite(algorithm, &self.parts);
        self
    }

    /// With the MD5 of its bytes as the ETag, as if it had been uploaded in one piece. Takes time in
    /// proportion to the size: all the bytes are hashed.
    ///
    /// # Errors
    /// Hashing was interrupted.
    pub async fn with_md5(mut self) -> io::Result<Self> {
        self.etag = hex(&digest(&self.body(), []).await?.md5);
        Ok(self)
    }
}

/// The composite of `parts`, each of which has a checksum of that algorithm.
pub(crate) fn composite(algorithm: Algorithm, parts: &[Part]) -> Option<Checksum> {
    let of_parts = parts.iter().map(|part| {
        let mut kept = part.checksums.iter();
        Some(PartChecksum {
            value: kept.find(|kept| kept.algorithm == algorithm)?,
            size: part.body.length(),
        })
    });
    let of_parts: Vec<_> = of_parts.collect::<Option<_>>()?;
    Some(combine(algorithm, Kind::Composite, &of_parts))
}

/// A block of bytes that look like nothing in particular.
fn block(seed: u64) -> Bytes {
    // Xorshift; any state but zero does.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(BLOCK + 8);
    while bytes.len() < BLOCK {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(BLOCK);
    bytes.into()
}

impl Store {
    /// Puts a sparse object in its place, as a PUT, or the completion of a multipart upload where its
    /// ETag says so, would.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn put_sparse(
        &self,
        bucket: &str,
        key: &str,
        spec: SparseSpec,
    ) -> Result<Arc<Object>, StoreError> {
        let kind = if spec.etag.contains('-') {
            ChangeKind::CompleteMultipartUpload
        } else {
            ChangeKind::Put
        };
        let new = NewObject {
            key: key.to_owned(),
            body: spec.body(),
            etag: spec.etag,
            attributes: spec.attributes,
            checksum: spec.checksum,
            parts: spec.parts,
            kind,
        };
        self.commit(bucket, new, &WriteCondition::default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::s3::store::Hashers;

    #[tokio::test]
    async fn what_is_said_of_a_sparse_object_is_true_of_its_bytes() {
        let spec = SparseSpec::new(3_000_000, 7).with(Algorithm::Crc64Nvme);
        let spec = spec.with_md5().await.unwrap();
        let store = Store::new("us-east-1");
        store.create_bucket("b").unwrap();
        let mut changes = store.subscribe();
        let object = store.put_sparse("b", "k", spec.clone()).unwrap();
        let bytes = object.body.bytes().await.unwrap();
        let mut hashers = Hashers::new([Algorithm::Crc64Nvme, Algorithm::Crc32c]);
        hashers.update(&bytes);
        let digests = hashers.finish();
        assert_eq!((object.size(), bytes.len()), (3_000_000, 3_000_000));
        assert_eq!(object.etag, hex(&digests.md5));
        assert_eq!(object.checksum, Some(digests.checksums[0].full_object()));
        assert_eq!(digests.checksums[1].value, spec.crc32c().to_be_bytes());
        let change = changes.try_recv().unwrap();
        assert_eq!(
            (change.kind, change.size),
            (ChangeKind::Put, Some(3_000_000))
        );
        assert_ne!(
            bytes,
            SparseSpec::new(3_000_000, 8).body().bytes().await.unwrap()
        );
    }

    #[tokio::test]
    async fn the_largest_object_costs_nothing_and_reads_anywhere() {
        let size = 5 << 40;
        let spec = SparseSpec::new(size, 1).with(Algorithm::Crc32c);
        let store = Store::new("us-east-1");
        store.create_bucket("b").unwrap();
        let object = store.put_sparse("b", "k", spec).unwrap();
        assert!(object.etag.ends_with("-655360"), "{}", object.etag);
        let end = object.body.slice(size - 10..size).bytes().await.unwrap();
        let at = usize::try_from((size - 10) % BLOCK as u64).unwrap();
        assert_eq!(end, block(1)[at..at + 10]);
    }

    #[tokio::test]
    async fn parts_at_different_places_differ() {
        let body = SparseSpec::new(1 << 40, 1).body();
        let mut seen = std::collections::BTreeSet::new();
        for part in 0..2000_u64 {
            let at = part * (64 << 20);
            assert!(seen.insert(body.slice(at..at + 64).bytes().await.unwrap()));
        }
    }
}
