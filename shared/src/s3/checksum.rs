//! Which of an object's stored checksums GCS can check.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::SourceObject;
use crate::integrity::Checksum;

/// The checksum that S3 already has and that GCS can check; `None` when one must be computed.
///
/// A CRC32C counts when it covers the whole object (`x-amz-checksum-type` is not COMPOSITE and the
/// value has no `-N`). The ETag counts when it is an MD5: 32 hexadecimal digits, of an object that
/// was not encrypted with a KMS or customer key
/// ([Object](https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html), ETag).
#[must_use]
pub fn shared_checksum(source: &SourceObject) -> Option<Checksum> {
    full_object_crc32c(source).or_else(|| etag_md5(source))
}

fn full_object_crc32c(source: &SourceObject) -> Option<Checksum> {
    if source
        .checksum_type
        .as_deref()
        .is_some_and(|kind| kind != "FULL_OBJECT")
    {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(source.crc32c.as_deref()?).ok()?;
    Some(Checksum::Crc32c(u32::from_be_bytes(
        decoded.try_into().ok()?,
    )))
}

fn etag_md5(source: &SourceObject) -> Option<Checksum> {
    if source.encrypted_with_key {
        return None;
    }
    let hex = source.etag.strip_prefix('"')?.strip_suffix('"')?;
    if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut md5 = [0; 16];
    for (byte, pair) in md5.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Checksum::Md5(md5))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn source(etag: &str) -> SourceObject {
        SourceObject {
            etag: etag.into(),
            ..SourceObject::default()
        }
    }

    #[test]
    fn an_md5_etag_is_taken_and_other_etags_are_not() {
        let md5 = "\"d41d8cd98f00b204e9800998ecf8427e\"";
        assert_eq!(
            shared_checksum(&source(md5)).unwrap().to_base64(),
            "1B2M2Y8AsgTpgAmY7PhCfg=="
        );
        for etag in [
            "\"d41d8cd98f00b204e9800998ecf8427e-3\"",
            "\"d41d8cd98f00b204e9800998ecf8427\"",
            "\"d41d8cd98f00b204e9800998ecf8427g\"",
            "\"+41d8cd98f00b204e9800998ecf8427e\"",
            "d41d8cd98f00b204e9800998ecf8427e",
            "",
            "\"ééééééééééééééééé\"",
        ] {
            assert_eq!(shared_checksum(&source(etag)), None, "{etag}");
        }
        let mut encrypted = source(md5);
        encrypted.encrypted_with_key = true;
        assert_eq!(shared_checksum(&encrypted), None);
    }

    #[test]
    fn a_crc32c_counts_only_when_it_covers_the_whole_object() {
        let mut object = source("\"x-2\"");
        object.crc32c = Some("yZRlqg==".into());
        assert_eq!(
            shared_checksum(&object),
            Some(Checksum::Crc32c(0xc994_65aa))
        );
        object.checksum_type = Some("FULL_OBJECT".into());
        assert!(shared_checksum(&object).is_some());
        object.checksum_type = Some("COMPOSITE".into());
        assert_eq!(shared_checksum(&object), None);
        object.checksum_type = None;
        object.crc32c = Some("yZRlqg==-2".into());
        assert_eq!(shared_checksum(&object), None);
    }
}
