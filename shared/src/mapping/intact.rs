//! Whether a copy still has the bytes that it was committed with: somebody else may have written others under
//! the same metadata.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::custom::{CHECKSUM, COPIED_CRC32C, PROOF};
use crate::gcs::Object;
use crate::integrity::{Checksum, Proof};

/// Notes the CRC32C that GCS has checked, on a copy whose source has none.
pub fn note_crc32c(copy: &mut Object, crc32c: u32) {
    let of_source = copy.metadata.get(CHECKSUM);
    if of_source.is_none_or(|said| !said.contains("crc32c=")) {
        let value = Checksum::Crc32c(crc32c).to_base64();
        copy.metadata.insert(COPIED_CRC32C.to_owned(), value);
    }
}

/// Whether what GCS says of the bytes of `copy` is what its metadata says that they were proven by. A copy
/// that names no checksum that GCS keeps is taken for what it says.
#[must_use]
pub fn is_intact(copy: &Object) -> bool {
    let said = |name: &str| copy.metadata.get(name).map(String::as_str);
    let of_source = |algorithm: &str| {
        let mut values = said(CHECKSUM)?.split(", ");
        values.find_map(|value| value.strip_prefix(algorithm)?.strip_prefix('='))
    };
    let proof = said(PROOF).unwrap_or_default();
    let (written, stored) = if proof == Proof::StoredMd5.as_str() {
        (of_source("md5"), &copy.md5_hash)
    } else {
        (of_source("crc32c").or(said(COPIED_CRC32C)), &copy.crc32c)
    };
    written.is_none_or(|written| {
        let bytes = |text: &str| BASE64_STANDARD.decode(text).ok();
        bytes(written) == stored.as_deref().and_then(bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "kAFQmDzST7DWlj99KOF/cg==";
    const OTHER: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

    fn copy(entries: &[(&str, &str)], md5: Option<&str>, crc32c: Option<&str>) -> Object {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Object {
            md5_hash: md5.map(str::to_owned),
            crc32c: crc32c.map(str::to_owned),
            metadata: entries.iter().map(owned).collect(),
            ..Object::default()
        }
    }

    #[test]
    fn other_bytes_under_the_same_metadata_are_told_by_what_proved_them() {
        let md5 = format!("md5={ONE}");
        let md5 = [
            ("causeway-proof", "stored-md5"),
            ("causeway-source-checksum", &*md5),
        ];
        let crc32c = [
            ("causeway-proof", "stored-crc32c"),
            (
                "causeway-source-checksum",
                "crc32c=4waSgw==, crc64nvme=AAAAAAAAAAE=",
            ),
        ];
        let computed = [
            ("causeway-proof", "computed-crc32c"),
            ("causeway-crc32c", "4waSgw=="),
        ];
        for (entries, md5, checksum, is_same) in [
            (&md5[..], Some(ONE), Some("4waSgw=="), true),
            (&md5, Some(OTHER), Some("4waSgw=="), false),
            // What was composed has no MD5, and ours was not composed.
            (&md5, None, Some("4waSgw=="), false),
            (&crc32c, None, Some("4waSgw=="), true),
            (&crc32c, Some(ONE), Some("AAAAAQ=="), false),
            (&computed, Some(ONE), Some("4waSgw=="), true),
            (&computed, Some(ONE), Some("AAAAAQ=="), false),
            (&computed, Some(ONE), None, false),
            // Written before it was noted.
            (&computed[..1], Some(ONE), Some("AAAAAQ=="), true),
            (&md5[..1], None, None, true),
            (&[], None, None, true),
        ] {
            let copy = copy(entries, md5, checksum);
            assert_eq!(is_intact(&copy), is_same, "{copy:?}");
        }
    }

    #[test]
    fn a_checksum_is_noted_where_the_source_has_none_that_gcs_keeps() {
        let mut of_parts = copy(&[("causeway-source-checksum", "md5=x")], None, None);
        note_crc32c(&mut of_parts, 0xe306_9283);
        assert_eq!(of_parts.metadata["causeway-crc32c"], "4waSgw==");
        let mut known = copy(
            &[("causeway-source-checksum", "crc32c=4waSgw==")],
            None,
            None,
        );
        note_crc32c(&mut known, 0xe306_9283);
        assert_eq!(known.metadata.len(), 1);
    }
}
