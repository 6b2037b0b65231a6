//! The checksums that S3 keeps beside an object: computing them while the bytes arrive, and putting
//! those of a multipart upload together.
//!
//! Not here: headers. [`Algorithm::header`] only says which one is meant.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use md5::Digest as _;

/// An algorithm that S3 takes in `x-amz-checksum-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME: what S3 computes when nobody asks for anything else.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// Every algorithm, in the order in which S3's documentation lists them.
    pub const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The name in `x-amz-checksum-algorithm`, such as `CRC64NVME`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header (or trailer) that carries a value, in lower case.
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The algorithm of that name, in whatever case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// How a multipart upload combines its parts' checksums when nobody says.
    #[must_use]
    pub fn default_kind(self) -> Kind {
        match self {
            Self::Crc64Nvme => Kind::FullObject,
            _ => Kind::Composite,
        }
    }

    /// Whether S3 can make a multipart object's checksum of that kind with this algorithm.
    #[must_use]
    pub fn allows(self, kind: Kind) -> bool {
        match self {
            Self::Crc32 | Self::Crc32c => true,
            Self::Crc64Nvme => kind == Kind::FullObject,
            Self::Sha1 | Self::Sha256 => kind == Kind::Composite,
        }
    }

    fn crc(self) -> Option<(CrcAlgorithm, usize)> {
        match self {
            Self::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
            Self::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
            Self::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

/// What a stored checksum covers (`x-amz-checksum-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The object's bytes.
    FullObject,
    /// The checksums of its parts, one after the other.
    Composite,
}

impl Kind {
    /// The name in `x-amz-checksum-type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// The kind of that name, in whatever case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite]
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

/// A checksum as S3 stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What it covers.
    pub kind: Kind,
    /// Base64 of the big-endian value; a composite ends in `-` and the number of parts.
    pub value: String,
}

/// The value of one algorithm over one run of bytes, big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawChecksum {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// The value, big-endian.
    pub value: Vec<u8>,
}

impl RawChecksum {
    /// Base64 of the value, as in the headers.
    #[must_use]
    pub fn base64(&self) -> String {
        BASE64.encode(&self.value)
    }

    /// This value as the checksum of a whole object.
    #[must_use]
    pub fn full_object(&self) -> Checksum {
        Checksum {
            algorithm: self.algorithm,
            kind: Kind::FullObject,
            value: self.base64(),
        }
    }
}

enum State {
    Crc(crc_fast::Digest, usize),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

/// MD5 and the wanted checksums of bytes as they pass.
pub(crate) struct Hashers {
    md5: md5::Md5,
    checksums: Vec<(Algorithm, State)>,
}

/// What [`Hashers`] found.
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    pub(crate) checksums: Vec<RawChecksum>,
}

impl Digests {
    pub(crate) fn of(&self, algorithm: Algorithm) -> Option<&RawChecksum> {
        self.checksums
            .iter()
            .find(|checksum| checksum.algorithm == algorithm)
    }
}

impl Hashers {
    /// MD5 and `algorithms`; repeated ones count once.
    pub(crate) fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut checksums: Vec<(Algorithm, State)> = Vec::new();
        for algorithm in algorithms {
            if checksums.iter().all(|(seen, _)| *seen != algorithm) {
                checksums.push((algorithm, State::new(algorithm)));
            }
        }
        Self {
            md5: md5::Md5::new(),
            checksums,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        for (_, state) in &mut self.checksums {
            state.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> Digests {
        Digests {
            md5: self.md5.finalize().into(),
            checksums: self
                .checksums
                .into_iter()
                .map(|(algorithm, state)| RawChecksum {
                    algorithm,
                    value: state.finish(),
                })
                .collect(),
        }
    }
}

impl State {
    fn new(algorithm: Algorithm) -> Self {
        match (algorithm.crc(), algorithm) {
            (Some((crc, width)), _) => Self::Crc(crc_fast::Digest::new(crc), width),
            (None, Algorithm::Sha1) => Self::Sha1(sha1::Sha1::new()),
            (None, _) => Self::Sha256(sha2::Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(digest, _) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(digest, width) => digest.finalize().to_be_bytes()[8 - width..].to_vec(),
            Self::Sha1(digest) => digest.finalize().to_vec(),
            Self::Sha256(digest) => digest.finalize().to_vec(),
        }
    }
}

/// One part, as far as combining is concerned.
pub(crate) struct PartChecksum<'a> {
    pub(crate) value: &'a RawChecksum,
    pub(crate) size: u64,
}

/// The checksum of a multipart object from those of its parts, all of `algorithm`.
pub(crate) fn combine(algorithm: Algorithm, kind: Kind, parts: &[PartChecksum<'_>]) -> Checksum {
    let value = if let (Kind::FullObject, Some((crc, width))) = (kind, algorithm.crc()) {
        let combined = parts.iter().fold(None, |sum, part| {
            let value = be_value(&part.value.value);
            Some(match sum {
                None => value,
                Some(sum) => crc_fast::checksum_combine(crc, sum, value, part.size),
            })
        });
        BASE64.encode(&combined.unwrap_or(0).to_be_bytes()[8 - width..])
    } else {
        let mut state = State::new(algorithm);
        for part in parts {
            state.update(&part.value.value);
        }
        format!("{}-{}", BASE64.encode(state.finish()), parts.len())
    };
    Checksum {
        algorithm,
        kind,
        value,
    }
}

/// The checksum of `block` again and again up to `length` bytes, in time that grows with the logarithm
/// of `length`; none for an algorithm that is no CRC.
pub(crate) fn repeated(algorithm: Algorithm, block: &[u8], length: u64) -> Option<RawChecksum> {
    let (crc, width) = algorithm.crc()?;
    let join = |sum, next, size| crc_fast::checksum_combine(crc, sum, next, size);
    let rest = usize::try_from(length % block.len() as u64).ok()?;
    let mut times = length / block.len() as u64;
    // The checksum of no bytes; of 1, 2, 4, 8... blocks.
    let mut sum = 0;
    let (mut power, mut size) = (crc_fast::checksum(crc, block), block.len() as u64);
    while times > 0 {
        if times & 1 == 1 {
            sum = join(sum, power, size);
        }
        times >>= 1;
        if times > 0 {
            power = join(power, power, size);
            size *= 2;
        }
    }
    let sum = join(sum, crc_fast::checksum(crc, &block[..rest]), rest as u64);
    Some(RawChecksum {
        algorithm,
        value: sum.to_be_bytes()[8 - width..].to_vec(),
    })
}

fn be_value(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn raw(algorithm: Algorithm, bytes: &[u8]) -> RawChecksum {
        let mut hashers = Hashers::new([algorithm]);
        hashers.update(bytes);
        hashers.finish().of(algorithm).unwrap().clone()
    }

    /// The check values of the CRC catalogue and of the SHA standards, over "123456789".
    #[test]
    fn known_values() {
        let hex = |algorithm| {
            use std::fmt::Write as _;
            raw(algorithm, b"123456789")
                .value
                .iter()
                .fold(String::new(), |mut text, byte| {
                    write!(text, "{byte:02x}").unwrap();
                    text
                })
        };
        assert_eq!(hex(Algorithm::Crc32), "cbf43926");
        assert_eq!(hex(Algorithm::Crc32c), "e3069283");
        assert_eq!(hex(Algorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(
            hex(Algorithm::Sha1),
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441"
        );
    }

    #[test]
    fn full_object_crcs_of_parts_are_those_of_the_whole() {
        let whole: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let slices = [
                &whole[..33_333],
                &whole[33_333..33_334],
                &whole[33_334..],
                &[],
            ];
            let sums: Vec<_> = slices.iter().map(|slice| raw(algorithm, slice)).collect();
            let parts: Vec<_> = sums
                .iter()
                .zip(slices)
                .map(|(value, slice)| PartChecksum {
                    value,
                    size: slice.len() as u64,
                })
                .collect();
            assert_eq!(
                combine(algorithm, Kind::FullObject, &parts),
                raw(algorithm, &whole).full_object(),
                "{algorithm:?}"
            );
        }
    }

    #[test]
    fn the_crc_of_a_repeated_block_is_that_of_its_bytes() {
        let block = b"abcdefg";
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            for length in (0..100).chain([1000, 99_999]) {
                let bytes: Vec<u8> = block.iter().copied().cycle().take(length).collect();
                assert_eq!(
                    repeated(algorithm, block, length as u64),
                    Some(raw(algorithm, &bytes)),
                    "{algorithm:?} {length}"
                );
            }
        }
        assert_eq!(repeated(Algorithm::Sha1, block, 1), None);
    }

    #[test]
    fn composites_hash_the_parts_values() {
        let sums = [raw(Algorithm::Sha256, b"a"), raw(Algorithm::Sha256, b"b")];
        let parts: Vec<_> = sums
            .iter()
            .map(|value| PartChecksum { value, size: 1 })
            .collect();
        let joined = [sums[0].value.clone(), sums[1].value.clone()].concat();
        assert_eq!(
            combine(Algorithm::Sha256, Kind::Composite, &parts).value,
            format!("{}-2", raw(Algorithm::Sha256, &joined).base64())
        );
    }
}
