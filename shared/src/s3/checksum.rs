//! Which checksums of the whole object S3 has, and who can check them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::object::text;
use crate::error::{ErrorKind, TransferError};
use crate::integrity::{
    Algorithm, Checksum, Digest, Digests, PartCrc, PartSums, Proof, SourceChecksum,
};

/// What S3 has of an object's checksums, as far as it is one of the whole object.
///
/// A header `x-amz-checksum-…` counts when `x-amz-checksum-type` is FULL_OBJECT. Stores from before
/// there was such a header leave it out: then the value must have no `-N` behind it, and the object
/// must have been written in one piece (its ETag has no `-N` either), unless it is a CRC64NVME,
/// which never is one of parts. A value of another length than its algorithm's, and an algorithm
/// that is not known here, are as good as none.
/// [Checking object integrity](https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html)
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredChecksums {
    /// One that GCS checks: a CRC32C, or an MD5. The ETag is an MD5 when it has 32 hexadecimal
    /// digits and the object was not encrypted with a KMS or customer key
    /// ([Object](https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html), ETag).
    pub shared: Option<Checksum>,
    /// One that GCS does not know.
    pub full: Option<SourceChecksum>,
    /// Where `shared` comes from.
    #[serde(default, skip_serializing_if = "Origin::is_stored")]
    pub from: Origin,
}

/// Where a checksum that GCS checks comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// S3 says that it is one.
    #[default]
    Stored,
    /// It is the ETag, which looks like an MD5. Not every store's is one.
    Etag,
    /// It was computed over the bytes as S3 sent them once.
    Computed,
}

impl Origin {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_stored(&self) -> bool {
        *self == Self::Stored
    }
}

/// The most parts that S3 makes an object of.
const MOST_PARTS: u32 = 10_000;

/// A checksum of an object's parts' checksums (COMPOSITE): `<base64>-<parts>`. It proves what S3 says of the parts,
/// and they prove the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Composite {
    /// Of which kind it and those of the parts are.
    pub crc: PartCrc,
    value: u32,
    parts: u32,
}

impl Composite {
    /// Reads the headers of a reply that carries the whole object; none where the checksum is no CRC of 32 bits.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let kind = text(headers, "x-amz-checksum-type");
        if kind.is_some_and(|kind| kind != "COMPOSITE") {
            return None;
        }
        [PartCrc::Crc32c, PartCrc::Crc32]
            .into_iter()
            .find_map(|crc| {
                let header = match crc {
                    PartCrc::Crc32c => "x-amz-checksum-crc32c",
                    PartCrc::Crc32 => "x-amz-checksum-crc32",
                };
                let shown = text(headers, header)?;
                let (value, parts) = shown.split_once('-')?;
                let parts = parts.parse().ok()?;
                let value = crc_of(value.as_bytes())?;
                (parts <= MOST_PARTS).then_some(Self { crc, value, parts })
            })
    }

    /// Whether it is the composite of the parts of `sums`.
    #[must_use]
    pub fn is_of(&self, sums: &PartSums) -> bool {
        (sums.count, sums.composite()) == (self.parts, self.value)
    }
}

/// A CRC of 32 bits in base64.
pub(super) fn crc_of(text: &[u8]) -> Option<u32> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

impl StoredChecksums {
    /// Takes the CRC of the whole that was put together from those of the object's parts.
    pub fn add_whole(&mut self, parts: &PartSums) {
        match parts.crc {
            PartCrc::Crc32c => self.shared = Some(Checksum::Crc32c(parts.whole)),
            PartCrc::Crc32 => {
                self.full = Some(SourceChecksum {
                    algorithm: Algorithm::Crc32,
                    value: parts.whole.to_be_bytes().to_vec(),
                });
            }
        }
    }

    /// Reads the headers of a reply that carries the whole object, whose ETag is `etag`.
    #[must_use]
    pub fn read(headers: &HeaderMap, etag: &str) -> Self {
        let stored = crc32c(headers, etag).or_else(|| stored_md5(headers, etag));
        let of_etag = match stored {
            None => etag_md5(headers, etag),
            Some(_) => None,
        };
        Self {
            shared: stored.or(of_etag),
            from: match of_etag {
                Some(_) => Origin::Etag,
                None => Origin::Stored,
            },
            full: Algorithm::ALL.into_iter().find_map(|algorithm| {
                let value = full_object(headers, etag, algorithm.as_str())?;
                (value.len() == algorithm.length()).then_some(SourceChecksum { algorithm, value })
            }),
        }
    }

    /// Does without an MD5 that is only the ETag.
    pub fn set_etag_aside(&mut self) {
        if self.from == Origin::Etag {
            self.shared = None;
            self.from = Origin::Stored;
        }
    }

    /// What a copy is proven by: a checksum that GCS checks, or else what [`Self::check`] gives for
    /// [`Self::digest`].
    #[must_use]
    pub fn proof(&self) -> Proof {
        match (&self.shared, &self.full) {
            (Some(shared), _) if self.from != Origin::Computed => shared.proof(),
            (_, Some(full)) => full.algorithm.into(),
            (_, None) => Proof::ComputedCrc32c,
        }
    }

    /// What has to run over the bytes so that [`Self::check`] can say the most.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest {
            other: self.full.as_ref().map(|full| full.algorithm),
        }
    }

    /// Compares what S3 has with what was computed over the bytes as S3 sent them. What was not
    /// computed is not compared. Gives what is proven once GCS has checked the CRC32C.
    ///
    /// # Errors
    /// [`ErrorKind::SourceChecksumMismatch`] with both values.
    pub fn check(&self, digests: &Digests) -> Result<Proof, TransferError> {
        let mut proof = Proof::ComputedCrc32c;
        if let (Some(stored), Some(computed)) = (&self.full, &digests.other)
            && stored.algorithm == computed.algorithm
        {
            if stored != computed {
                let name = stored.algorithm.as_str();
                return Err(mismatch(name, &stored.to_base64(), &computed.to_base64()));
            }
            proof = stored.algorithm.into();
        }
        if let Some(stored @ Checksum::Crc32c(value)) = self.shared {
            if value != digests.crc32c {
                let computed = Checksum::Crc32c(digests.crc32c);
                return Err(mismatch(
                    "crc32c",
                    &stored.to_base64(),
                    &computed.to_base64(),
                ));
            }
            if self.from != Origin::Computed {
                proof = stored.proof();
            }
        }
        Ok(proof)
    }
}

fn mismatch(algorithm: &str, stored: &str, computed: &str) -> TransferError {
    TransferError::new(
        ErrorKind::SourceChecksumMismatch,
        format!(
            "S3 says that the object's {algorithm} is {stored}; the bytes that it sent have {computed}."
        ),
        "It is tried again; if it stays so, the object is damaged at the source, or something between S3 and Causeway changes bytes.",
    )
}

fn crc32c(headers: &HeaderMap, etag: &str) -> Option<Checksum> {
    let value = full_object(headers, etag, "crc32c")?.try_into().ok()?;
    Some(Checksum::Crc32c(u32::from_be_bytes(value)))
}

fn stored_md5(headers: &HeaderMap, etag: &str) -> Option<Checksum> {
    let value = full_object(headers, etag, "md5")?.try_into().ok()?;
    Some(Checksum::Md5(value))
}

/// The bytes of `x-amz-checksum-<name>`, if they are a checksum of the whole object.
fn full_object(headers: &HeaderMap, etag: &str, name: &str) -> Option<Vec<u8>> {
    let is_full = match text(headers, "x-amz-checksum-type") {
        Some(kind) => kind == "FULL_OBJECT",
        None => name == Algorithm::Crc64Nvme.as_str() || !etag.is_empty() && !etag.contains('-'),
    };
    let value = headers.get(format!("x-amz-checksum-{name}"));
    // A `-N` behind the value is no base64.
    BASE64_STANDARD
        .decode(value.filter(|_| is_full)?.as_bytes())
        .ok()
}

fn etag_md5(headers: &HeaderMap, etag: &str) -> Option<Checksum> {
    if is_encrypted_with_key(headers) {
        return None;
    }
    let hex = etag.strip_prefix('"')?.strip_suffix('"')?;
    if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let md5 = u128::from_str_radix(hex, 16).ok()?;
    Some(Checksum::Md5(md5.to_be_bytes()))
}

fn is_encrypted_with_key(headers: &HeaderMap) -> bool {
    text(headers, "x-amz-server-side-encryption").is_some_and(|method| method != "AES256")
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::{HeaderName, HeaderValue};

    const MD5: &str = "\"d41d8cd98f00b204e9800998ecf8427e\"";
    const CRC32C: (&str, &str) = ("x-amz-checksum-crc32c", "yZRlqg==");
    const CRC64NVME: (&str, &str) = ("x-amz-checksum-crc64nvme", "AAAAAAAAAAE=");
    const FULL: (&str, &str) = ("x-amz-checksum-type", "FULL_OBJECT");
    const COMPOSITE: (&str, &str) = ("x-amz-checksum-type", "COMPOSITE");

    fn stored(etag: &str, pairs: &[(&str, &str)]) -> StoredChecksums {
        let headers = pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::try_from(*name).unwrap(),
                    HeaderValue::try_from(*value).unwrap(),
                )
            })
            .collect();
        StoredChecksums::read(&headers, etag)
    }

    fn crc64(value: u64) -> SourceChecksum {
        SourceChecksum {
            algorithm: Algorithm::Crc64Nvme,
            value: value.to_be_bytes().to_vec(),
        }
    }

    #[test]
    fn an_md5_etag_is_taken_and_other_etags_are_not() {
        assert_eq!(
            stored(MD5, &[]).shared.unwrap().to_base64(),
            "1B2M2Y8AsgTpgAmY7PhCfg=="
        );
        for etag in [
            "\"d41d8cd98f00b204e9800998ecf8427e-3\"",
            "\"d41d8cd98f00b204e9800998ecf8427\"",
            "\"d41d8cd98f00b204e9800998ecf8427g\"",
            "\"+41d8cd98f00b204e9800998ecf8427e\"",
            "d41d8cd98f00b204e9800998ecf8427e",
            "",
            "\"",
            "\"ééééééééééééééééé\"",
        ] {
            assert_eq!(stored(etag, &[]), StoredChecksums::default(), "{etag}");
        }
    }

    #[test]
    fn an_etag_under_a_key_is_no_md5() {
        for (header, value, is_md5) in [
            ("x-amz-server-side-encryption", "AES256", true),
            ("x-amz-server-side-encryption", "aws:kms", false),
            ("x-amz-server-side-encryption", "aws:kms:dsse", false),
            (
                "x-amz-server-side-encryption-customer-algorithm",
                "AES256",
                false,
            ),
        ] {
            let shared = stored(MD5, &[(header, value)]).shared;
            assert_eq!(shared.is_some(), is_md5, "{header}: {value}");
        }
        let kms = ("x-amz-server-side-encryption", "aws:kms");
        let md5 = ("x-amz-checksum-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert!(stored("\"x\"", &[kms, md5, FULL]).shared.is_some());
    }

    #[test]
    fn a_checksum_counts_only_when_it_covers_the_whole_object() {
        let none = StoredChecksums::default();
        for pair in [CRC32C, CRC64NVME] {
            let of_parts = (pair.0, &*format!("{}-2", pair.1));
            assert_ne!(stored("\"x\"", &[pair]), none);
            assert_eq!(stored("\"x\"", &[of_parts]), none);
            for etag in ["\"x\"", "\"x-2\""] {
                assert_ne!(stored(etag, &[pair, FULL]), none);
                assert_eq!(stored(etag, &[pair, COMPOSITE]), none);
                assert_eq!(stored(etag, &[of_parts, FULL]), none);
            }
        }
        assert_eq!(stored("\"x-2\"", &[CRC32C]), none);
        assert_ne!(stored("\"x-2\"", &[CRC64NVME]), none);
        assert_eq!(
            stored("\"x\"", &[CRC32C, CRC64NVME]),
            StoredChecksums {
                shared: Some(Checksum::Crc32c(0xc994_65aa)),
                full: Some(crc64(1)),
                from: Origin::Stored,
            }
        );
    }

    #[test]
    fn a_composite_is_one_crc_of_so_many_parts() {
        let read = |pairs: &[(&str, &str)]| {
            let headers = pairs.iter().map(|(name, value)| {
                let name = HeaderName::try_from(*name).unwrap();
                (name, HeaderValue::try_from(*value).unwrap())
            });
            Composite::read(&headers.collect())
        };
        let found = Composite {
            crc: PartCrc::Crc32c,
            value: 0xc994_65aa,
            parts: 12,
        };
        let of_12 = ("x-amz-checksum-crc32c", "yZRlqg==-12");
        assert_eq!(read(&[of_12, COMPOSITE]), Some(found));
        assert_eq!(read(&[of_12]), Some(found));
        let crc32 = read(&[("x-amz-checksum-crc32", "yZRlqg==-12"), COMPOSITE]);
        assert_eq!(crc32.unwrap().crc, PartCrc::Crc32);
        assert_eq!(read(&[of_12, FULL]), None);
        for wrong in [
            ("x-amz-checksum-crc32c", "yZRlqg=="),
            ("x-amz-checksum-crc32c", "yZRlqg==-"),
            ("x-amz-checksum-crc32c", "yZRlqg==-10001"),
            ("x-amz-checksum-crc32c", "yZRl-2"),
            ("x-amz-checksum-sha1", "yZRlqg==-2"),
        ] {
            assert_eq!(read(&[wrong, COMPOSITE]), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_etag_is_told_from_a_checksum_that_is_said_to_be_one() {
        let md5 = ("x-amz-checksum-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(stored(MD5, &[]).from, Origin::Etag);
        assert_eq!(stored(MD5, &[md5, FULL]).from, Origin::Stored);
        assert_eq!(stored(MD5, &[CRC32C, FULL]).from, Origin::Stored);
        for (pairs, left) in [
            (&[][..], None),
            (&[md5, FULL], Some(Proof::StoredMd5)),
            (&[CRC32C, FULL], Some(Proof::StoredCrc32c)),
            (&[CRC64NVME, FULL], Some(Proof::Crc64Nvme)),
        ] {
            let mut checksums = stored(MD5, pairs);
            checksums.set_etag_aside();
            let expected = left.unwrap_or(Proof::ComputedCrc32c);
            assert_eq!(checksums.proof(), expected, "{pairs:?}");
        }
    }

    #[test]
    fn what_was_computed_of_one_read_proves_no_more_than_that() {
        let computed = StoredChecksums {
            shared: Some(Checksum::Crc32c(5)),
            from: Origin::Computed,
            full: None,
        };
        assert_eq!(computed.proof(), Proof::ComputedCrc32c);
        let digests = |crc32c| Digests {
            crc32c,
            other: None,
        };
        assert_eq!(computed.check(&digests(5)), Ok(Proof::ComputedCrc32c));
        assert!(computed.check(&digests(6)).is_err());
        let text = serde_json::to_string(&computed).unwrap();
        assert_eq!(
            serde_json::from_str::<StoredChecksums>(&text).unwrap(),
            computed
        );
        let before = r#"{"shared":{"Crc32c":5},"full":null}"#;
        let before: StoredChecksums = serde_json::from_str(before).unwrap();
        assert_eq!(before.from, Origin::Stored);
    }

    #[test]
    fn a_value_of_the_wrong_length_and_an_unknown_algorithm_are_none() {
        for (name, value) in [
            ("x-amz-checksum-crc32c", "yZRl"),
            ("x-amz-checksum-crc32c", "yZRlqg"),
            ("x-amz-checksum-crc64nvme", "yZRlqg=="),
            ("x-amz-checksum-md5", "yZRlqg=="),
            ("x-amz-checksum-sha256", ""),
            ("x-amz-checksum-xxhash64", "AAAAAAAAAAE="),
        ] {
            let stored = stored("\"x\"", &[(name, value), FULL]);
            assert_eq!(stored, StoredChecksums::default(), "{name}: {value}");
        }
    }

    #[test]
    fn what_was_computed_is_compared_and_a_mismatch_says_both_values() {
        let digests = |crc32c, other| Digests { crc32c, other };
        let only_s3 = stored("\"x\"", &[CRC64NVME]);
        assert_eq!(only_s3.digest().other, Some(Algorithm::Crc64Nvme));
        assert_eq!(
            only_s3.check(&digests(5, Some(crc64(1)))),
            Ok(Proof::Crc64Nvme)
        );
        assert_eq!(only_s3.check(&digests(5, None)), Ok(Proof::ComputedCrc32c));
        let error = only_s3.check(&digests(5, Some(crc64(2)))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::SourceChecksumMismatch);
        for part in ["crc64nvme", "AAAAAAAAAAE=", "AAAAAAAAAAI="] {
            assert!(error.message.contains(part), "{error}");
        }
        let both = stored("\"x\"", &[CRC32C, CRC64NVME]);
        let whole = digests(0xc994_65aa, Some(crc64(1)));
        assert_eq!(both.check(&whole), Ok(Proof::StoredCrc32c));
        assert!(both.check(&digests(1, Some(crc64(1)))).is_err());
        assert!(both.check(&digests(0xc994_65aa, Some(crc64(2)))).is_err());
    }
}
