//! Checksums of what is sent and received, in the form that both stores write them: base64 of the
//! big-endian value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest, checksum_combine};

use super::{ClientError, ObjectInfo};

/// A CRC32C (Castagnoli), as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crc32c(u32);

impl Crc32c {
    /// The checksum of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(crc_fast::crc32_iscsi(bytes))
    }

    /// The checksum of this followed by `length` bytes whose checksum is `next`.
    pub(crate) fn followed_by(self, next: Self, length: u64) -> Self {
        let combined = checksum_combine(
            CrcAlgorithm::Crc32Iscsi,
            self.0.into(),
            next.0.into(),
            length,
        );
        Self(narrow(combined))
    }

    /// Base64 of the four big-endian bytes.
    pub(crate) fn encoded(self) -> String {
        STANDARD.encode(self.0.to_be_bytes())
    }
}

/// A 32-bit checksum, which `crc_fast` gives in 64 bits.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).expect("a 32-bit CRC fits 32 bits")
}

/// Compares a stream with what its store says about it.
pub(crate) struct Verifier {
    expected: Option<(&'static str, String, Digest)>,
    size: u64,
    seen: u64,
}

impl Verifier {
    /// Takes the best checksum over the whole object that `info` has. Without one, only the size is
    /// compared.
    pub(crate) fn new(info: &ObjectInfo) -> Self {
        let known = [
            ("crc32c", CrcAlgorithm::Crc32Iscsi),
            ("crc64nvme", CrcAlgorithm::Crc64Nvme),
            ("crc32", CrcAlgorithm::Crc32IsoHdlc),
        ];
        let expected = known.into_iter().find_map(|(name, algorithm)| {
            // A composite checksum ("...-3") is a checksum of the parts' checksums.
            let value = info
                .checksums
                .get(name)
                .filter(|value| !value.contains('-'))?;
            Some((name, value.clone(), Digest::new(algorithm)))
        });
        Self {
            expected,
            size: info.size,
            seen: 0,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        if let Some((_, _, digest)) = &mut self.expected {
            digest.update(bytes);
        }
    }

    /// # Errors
    /// `Failed` (and worth repeating) when the size or the checksum differs.
    pub(crate) fn finish(self) -> Result<(), ClientError> {
        if self.seen != self.size {
            return Err(ClientError::failed(format!(
                "the store announced {} bytes and sent {}",
                self.size, self.seen
            ))
            .transient());
        }
        let Some((name, expected, digest)) = self.expected else {
            return Ok(());
        };
        let value = digest.finalize().to_be_bytes();
        let found = STANDARD.encode(if name == "crc64nvme" {
            &value[..]
        } else {
            &value[4..]
        });
        if found == expected {
            return Ok(());
        }
        Err(ClientError::failed(format!(
            "the bytes received do not match the store's {name}: expected {expected}, found {found}"
        )))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn info(name: &str, value: &str) -> ObjectInfo {
        ObjectInfo {
            size: 9,
            checksums: [(name.to_owned(), value.to_owned())].into(),
            ..ObjectInfo::default()
        }
    }

    fn verify(info: &ObjectInfo, bytes: &[u8]) -> Result<(), ClientError> {
        let mut verifier = Verifier::new(info);
        verifier.update(bytes);
        verifier.finish()
    }

    #[test]
    fn check_values_of_the_crc_catalogue() {
        assert_eq!(Crc32c::of(b"123456789").encoded(), "4waSgw==");
        verify(&info("crc32c", "4waSgw=="), b"123456789").unwrap();
        verify(&info("crc32", "y/Q5Jg=="), b"123456789").unwrap();
        verify(&info("crc64nvme", "rosUhgp5mIg="), b"123456789").unwrap();
    }

    #[test]
    fn other_bytes_and_other_lengths_are_found() {
        let stored = info("crc32c", "4waSgw==");
        assert!(
            verify(&stored, b"123456788")
                .unwrap_err()
                .what
                .contains("crc32c")
        );
        assert!(
            verify(&stored, b"12345678")
                .unwrap_err()
                .what
                .contains("announced 9")
        );
        // A composite value says nothing about the bytes themselves.
        verify(&info("crc32c", "AAAAAA==-2"), b"123456789").unwrap();
    }

    #[test]
    fn combined_is_the_whole() {
        let whole = Crc32c::of(b"123456789");
        assert_eq!(
            Crc32c::of(b"1234").followed_by(Crc32c::of(b"56789"), 5),
            whole
        );
        assert_eq!(Crc32c::of(b"").followed_by(whole, 9), whole);
    }
}
