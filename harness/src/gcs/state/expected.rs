//! What the sender of an object says its bytes hash to.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{HashedBody, Refusal};

/// Checksums that the sender says the bytes have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// CRC32C.
    pub crc32c: Option<u32>,
    /// MD5.
    pub md5: Option<[u8; 16]>,
}

impl Expected {
    /// Both expectations at once.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when they contradict each other.
    pub fn merge(&self, other: &Self) -> Result<Self, Refusal> {
        let contradiction = |a: bool, name: &str| {
            if a {
                Err(Refusal::Invalid(format!(
                    "Two different {name} values were provided."
                )))
            } else {
                Ok(())
            }
        };
        contradiction(
            self.crc32c
                .is_some_and(|a| other.crc32c.is_some_and(|b| a != b)),
            "CRC32C",
        )?;
        contradiction(
            self.md5.is_some_and(|a| other.md5.is_some_and(|b| a != b)),
            "MD5",
        )?;
        Ok(Self {
            crc32c: self.crc32c.or(other.crc32c),
            md5: self.md5.or(other.md5),
        })
    }

    /// Compares with what was received. An MD5 that was not computed (discarded body) is not
    /// compared.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] with both values.
    pub fn check(&self, content: &HashedBody) -> Result<(), Refusal> {
        let mismatch = |name: &str, expected: &[u8], found: &[u8]| {
            let (expected, found) = (
                BASE64_STANDARD.encode(expected),
                BASE64_STANDARD.encode(found),
            );
            Err(Refusal::Invalid(format!(
                "Provided {name} \"{expected}\" doesn't match calculated {name} \"{found}\"."
            )))
        };
        if let Some(crc32c) = self.crc32c.filter(|crc32c| *crc32c != content.crc32c) {
            return mismatch(
                "CRC32C",
                &crc32c.to_be_bytes(),
                &content.crc32c.to_be_bytes(),
            );
        }
        match (self.md5, content.md5) {
            (Some(expected), Some(found)) if expected != found => {
                mismatch("MD5 hash", &expected, &found)
            }
            _ => Ok(()),
        }
    }
}
