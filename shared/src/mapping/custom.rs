//! An object's custom metadata: what stands in it, and what gives way where not all of it fits.
//!
//! Names that begin with `causeway-` are Causeway's own. GCS takes [`CUSTOM_METADATA_LIMIT`] bytes, with
//! names of at most [`CUSTOM_NAME_LIMIT`] and values of at most [`CUSTOM_VALUE_LIMIT`];
//! S3's own limits stay below them but for many long tags, other stores' do not. What Causeway says
//! of the object always stands. Then comes what the source says, entry by entry as long as there is
//! room: user metadata by name, headers that GCS has no field for, tags by key. An entry that does
//! not fit is left out whole, a smaller one behind it may fit. [`OMITTED`] then names what is missing.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::gcs::{
    CUSTOM_METADATA_LIMIT, CUSTOM_NAME_LIMIT, CUSTOM_VALUE_LIMIT, Object, Provenance,
};
use crate::integrity::{Checksum, Proof};
use crate::s3::{Origin, SourceObject, StoredChecksums};

/// What of the source is missing, for people to read.
pub const OMITTED: &str = "causeway-omitted";

/// How the bytes were proven: the word of [`Proof::as_str`].
const PROOF: &str = "causeway-proof";
/// S3's own checksums of the whole object.
const CHECKSUM: &str = "causeway-source-checksum";
const OWN: &str = "causeway-";
const EXPIRES: &str = "causeway-source-expires";
const WEBSITE_REDIRECT_LOCATION: &str = "causeway-source-website-redirect-location";
const TAG: &str = "causeway-source-tag-";

/// The most bytes that the value of [`OMITTED`] takes.
const OMITTED_LIMIT: usize = 512;

/// What a tag's key may hold as it is in a name: whatever may stand in a header's name as well, so
/// that the XML API can show it.
const TAG_KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+');

/// Something that the source says.
struct Entry {
    /// What it is called at the source.
    field: String,
    name: String,
    value: String,
}

/// The custom metadata of a copy of `source` whose bytes are proven by `proof`.
#[must_use]
pub fn custom_metadata(
    source: &SourceObject,
    provenance: &Provenance,
    proof: Proof,
) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::from([(PROOF.to_owned(), proof.as_str().to_owned())]);
    metadata.extend(checksums(&source.checksums).map(|values| (CHECKSUM.to_owned(), values)));
    with_entries(metadata, source, provenance)
}

/// The same for a copy that says of its proof what `found` says: that takes of the room for the rest.
pub(super) fn custom_metadata_beside(
    found: &BTreeMap<String, String>,
    source: &SourceObject,
    provenance: &Provenance,
) -> BTreeMap<String, String> {
    let said = [PROOF, CHECKSUM].into_iter();
    let said = said.filter_map(|name| Some((name.to_owned(), found.get(name)?.clone())));
    with_entries(said.collect(), source, provenance)
}

fn with_entries(
    mut metadata: BTreeMap<String, String>,
    source: &SourceObject,
    provenance: &Provenance,
) -> BTreeMap<String, String> {
    provenance.write(&mut metadata);
    let mut omitted = source.unreadable.clone();
    if source.missing_metadata > 0 {
        omitted.push(format!("x-amz-missing-meta: {}", source.missing_metadata));
    }
    let (ours, entries): (Vec<_>, Vec<_>) =
        user_metadata(source).partition(|entry| entry.name.starts_with(OWN));
    omitted.extend(ours.into_iter().map(|entry| entry.field));
    fill(
        &mut metadata,
        entries
            .into_iter()
            .chain(fields(source))
            .chain(tags(source))
            .collect(),
        omitted,
    );
    metadata
}

/// Whether a copy with `metadata` that was not proven by an MD5 says that the source had one; nothing where
/// it was, or says no proof.
pub(super) fn proof_without_md5(metadata: &BTreeMap<String, String>) -> Option<bool> {
    let proof = metadata.get(PROOF)?;
    let says_md5 = metadata
        .get(CHECKSUM)
        .is_some_and(|values| values.contains("md5="));
    (!proof.contains("md5")).then_some(says_md5)
}

/// Whether an entry is what the source says, and not what Causeway does; a tag only if `tags`.
pub(super) fn is_of_source(name: &str, tags: bool) -> bool {
    if name.starts_with(TAG) {
        return tags;
    }
    !name.starts_with(OWN) || matches!(name, EXPIRES | WEBSITE_REDIRECT_LOCATION | OMITTED)
}

/// Takes what the source says out of `metadata`; gives what each was called there.
pub(super) fn take_entries(metadata: &mut BTreeMap<String, String>) -> Vec<String> {
    let mut taken = Vec::new();
    metadata.retain(|name, _| {
        let is_taken = name != OMITTED && is_of_source(name, true);
        if is_taken {
            taken.push(match (name.as_str(), name.strip_prefix(TAG)) {
                (_, Some(key)) => format!("tag {key}"),
                (EXPIRES, _) => "expires".to_owned(),
                (WEBSITE_REDIRECT_LOCATION, _) => "x-amz-website-redirect-location".to_owned(),
                _ => format!("x-amz-meta-{name}"),
            });
        }
        !is_taken
    });
    taken
}

/// Adds `names` to what is said to be missing.
pub(super) fn add_omitted(metadata: &mut BTreeMap<String, String>, names: Vec<String>) {
    let known = metadata.remove(OMITTED);
    let all: Vec<_> = known.into_iter().chain(names).collect();
    if !all.is_empty() {
        metadata.insert(OMITTED.to_owned(), list(&all));
    }
}

/// The entries of `metadata` that are the source's tags.
#[cfg(test)]
fn tags_of(metadata: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    metadata
        .range(TAG.to_owned()..)
        .take_while(|(name, _)| name.starts_with(TAG))
}

/// What is missing on `object`, if anything is.
#[must_use]
pub fn omitted(object: &Object) -> Option<String> {
    object.metadata.get(OMITTED).cloned()
}

/// `md5=…, crc64nvme=…`: values as S3 writes them.
fn checksums(stored: &StoredChecksums) -> Option<String> {
    let shared = stored.shared.filter(|_| stored.from != Origin::Computed);
    let shared = shared.map(|checksum| {
        let name = match checksum {
            Checksum::Crc32c(_) => "crc32c",
            Checksum::Md5(_) => "md5",
        };
        format!("{name}={}", checksum.to_base64())
    });
    let full = stored
        .full
        .as_ref()
        .map(|full| format!("{}={}", full.algorithm.as_str(), full.to_base64()));
    let values: Vec<_> = shared.into_iter().chain(full).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn user_metadata(source: &SourceObject) -> impl Iterator<Item = Entry> {
    source.metadata.iter().map(|(name, value)| Entry {
        field: format!("x-amz-meta-{name}"),
        name: name.clone(),
        value: value.clone(),
    })
}

fn fields(source: &SourceObject) -> impl Iterator<Item = Entry> {
    [
        ("expires", EXPIRES, &source.expires),
        (
            "x-amz-website-redirect-location",
            WEBSITE_REDIRECT_LOCATION,
            &source.website_redirect_location,
        ),
    ]
    .into_iter()
    .filter_map(|(field, name, value)| {
        Some(Entry {
            field: field.to_owned(),
            name: name.to_owned(),
            value: value.clone()?,
        })
    })
}

fn tags(source: &SourceObject) -> impl Iterator<Item = Entry> {
    source.tags.iter().map(|(key, value)| {
        let key = utf8_percent_encode(key, TAG_KEY);
        Entry {
            field: format!("tag {key}"),
            name: format!("{TAG}{key}"),
            value: value.clone(),
        }
    })
}

/// Adds what of `entries` fits, and under [`OMITTED`] what does not beside what is missing already.
fn fill(metadata: &mut BTreeMap<String, String>, entries: Vec<Entry>, mut omitted: Vec<String>) {
    let size_of = |name: &str, value: &str| name.len() + value.len();
    let taken: usize = metadata
        .iter()
        .map(|(name, value)| size_of(name, value))
        .sum();
    let (entries, too_long): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| {
        entry.name.len() <= CUSTOM_NAME_LIMIT && entry.value.len() <= CUSTOM_VALUE_LIMIT
    });
    omitted.extend(too_long.into_iter().map(|entry| entry.field));
    let wanted: usize = entries
        .iter()
        .map(|entry| size_of(&entry.name, &entry.value))
        .sum();
    let mut room = CUSTOM_METADATA_LIMIT.saturating_sub(taken);
    if !omitted.is_empty() || wanted > room {
        room = room.saturating_sub(OMITTED.len() + OMITTED_LIMIT);
    }
    for Entry { field, name, value } in entries {
        match room.checked_sub(size_of(&name, &value)) {
            Some(left) => {
                room = left;
                metadata.insert(name, value);
            }
            None => omitted.push(field),
        }
    }
    if !omitted.is_empty() {
        metadata.insert(OMITTED.to_owned(), list(&omitted));
    }
}

/// `names` in at most [`OMITTED_LIMIT`] bytes: as many as fit, and how many more there are.
fn list(names: &[String]) -> String {
    const MORE: usize = " and 18446744073709551615 more".len();
    let whole = names.join(", ");
    if whole.len() <= OMITTED_LIMIT {
        return whole;
    }
    let mut length = 0;
    let fitting = names
        .iter()
        .take_while(|name| {
            length += name.len() + ", ".len();
            length + MORE <= OMITTED_LIMIT
        })
        .count();
    let more = names.len() - fitting;
    match fitting {
        0 => format!("{more} with long names"),
        _ => format!("{} and {more} more", names[..fitting].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::integrity::{Algorithm, SourceChecksum};

    fn provenance() -> Provenance {
        Provenance {
            bucket: "src".into(),
            key: "k".into(),
            etag: "\"e\"".into(),
            version_id: None,
            last_modified: None,
            size: 3,
        }
    }

    fn written(source: &SourceObject) -> BTreeMap<String, String> {
        custom_metadata(source, &provenance(), Proof::StoredMd5)
    }

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        entries.iter().map(owned).collect()
    }

    fn size(metadata: &BTreeMap<String, String>) -> usize {
        metadata
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }

    #[test]
    fn each_kind_of_entry_has_its_name() {
        let source = SourceObject {
            expires: Some("0".into()),
            website_redirect_location: Some("/x".into()),
            metadata: map(&[("author", "Zoë")]),
            tags: map(&[("cost center", "A/B"), ("Zoë", ""), ("a:b=c/d@e", "x")]),
            checksums: StoredChecksums {
                shared: Some(Checksum::Md5([0; 16])),
                full: Some(SourceChecksum {
                    algorithm: Algorithm::Crc32,
                    value: vec![0, 0, 0, 1],
                }),
                ..StoredChecksums::default()
            },
            ..SourceObject::default()
        };
        let mut expected = map(&[
            ("author", "Zoë"),
            ("causeway-source-expires", "0"),
            ("causeway-source-website-redirect-location", "/x"),
            ("causeway-source-tag-cost%20center", "A/B"),
            ("causeway-source-tag-Zo%C3%AB", ""),
            ("causeway-source-tag-a%3Ab%3Dc%2Fd%40e", "x"),
            ("causeway-proof", "stored-md5"),
            (
                "causeway-source-checksum",
                "md5=AAAAAAAAAAAAAAAAAAAAAA==, crc32=AAAAAQ==",
            ),
        ]);
        provenance().write(&mut expected);
        let metadata = written(&source);
        assert_eq!(metadata, expected);
        assert_eq!(tags_of(&metadata).count(), 3);
    }

    #[test]
    fn what_the_source_says_under_our_names_is_not_ours() {
        let source = SourceObject {
            metadata: map(&[
                ("causeway-source-version-id", "forged"),
                ("causeway-source-tag-x", "forged"),
                ("causeway", "kept"),
            ]),
            ..SourceObject::default()
        };
        let metadata = written(&source);
        assert_eq!(Provenance::read(&metadata), Some(provenance()));
        assert_eq!(metadata["causeway"], "kept");
        assert_eq!(tags_of(&metadata).count(), 0);
        assert_eq!(
            metadata[OMITTED],
            "x-amz-meta-causeway-source-tag-x, x-amz-meta-causeway-source-version-id"
        );
    }

    #[test]
    fn what_s3_cannot_show_is_said_to_be_missing() {
        let source = SourceObject {
            missing_metadata: 2,
            unreadable: vec!["content-disposition".into()],
            ..SourceObject::default()
        };
        let metadata = written(&source);
        assert_eq!(
            metadata[OMITTED],
            "content-disposition, x-amz-missing-meta: 2"
        );
    }

    /// A source whose metadata takes `size` bytes beside what Causeway says.
    fn sized(size: usize) -> SourceObject {
        let half = size / 2;
        SourceObject {
            metadata: map(&[
                ("a", &"x".repeat(half - 1)),
                ("b", &"x".repeat(size - half - 1)),
            ]),
            ..SourceObject::default()
        }
    }

    #[test]
    fn an_entry_that_is_too_long_for_gcs_is_left_out_alone() {
        let name = |length: usize| "n".repeat(length);
        let value = |length: usize| "v".repeat(length);
        let source = SourceObject {
            metadata: map(&[
                (&name(CUSTOM_NAME_LIMIT), "fits"),
                (&name(CUSTOM_NAME_LIMIT + 1), ""),
                ("fits", &value(CUSTOM_VALUE_LIMIT)),
                ("long", &value(CUSTOM_VALUE_LIMIT + 1)),
                ("small", "kept"),
            ]),
            tags: map(&[(&"日".repeat(128), "long"), ("stage", "raw")]),
            ..SourceObject::default()
        };
        let metadata = written(&source);
        for kept in [
            &*name(CUSTOM_NAME_LIMIT),
            "fits",
            "small",
            "causeway-source-tag-stage",
        ] {
            assert!(metadata.contains_key(kept), "{kept}");
        }
        assert_eq!(metadata.len(), written(&SourceObject::default()).len() + 5);
        assert_eq!(metadata[OMITTED], "x-amz-meta-long and 2 more");
    }

    #[test]
    fn the_last_byte_of_the_limit_is_used() {
        let ours = size(&written(&SourceObject::default()));
        let full = written(&sized(CUSTOM_METADATA_LIMIT - ours));
        assert_eq!(size(&full), CUSTOM_METADATA_LIMIT);
        assert!(!full.contains_key(OMITTED));
        let over = written(&sized(CUSTOM_METADATA_LIMIT - ours + 1));
        assert_eq!(over[OMITTED], "x-amz-meta-b");
        assert!(over.contains_key("a") && !over.contains_key("b"));
    }

    #[test]
    fn tags_give_way_before_user_metadata_and_large_entries_before_small_ones() {
        let source = SourceObject {
            metadata: map(&[
                ("a", &"x".repeat(4000)),
                ("b", &"é".repeat(2000)),
                ("c", "small"),
            ]),
            tags: map(&[("t", "small"), ("u", &"x".repeat(3900))]),
            ..SourceObject::default()
        };
        let metadata = written(&source);
        let kept: Vec<_> = [
            "a",
            "b",
            "c",
            "causeway-source-tag-t",
            "causeway-source-tag-u",
        ]
        .into_iter()
        .filter(|name| metadata.contains_key(*name))
        .collect();
        assert_eq!(kept, ["a", "c", "causeway-source-tag-t"]);
        assert_eq!(metadata[OMITTED], "x-amz-meta-b, tag u");
        assert!(size(&metadata) <= CUSTOM_METADATA_LIMIT);
    }

    #[test]
    fn many_missing_names_are_counted() {
        let names: Vec<_> = (0..100).map(|n| format!("x-amz-meta-{n:03}")).collect();
        let list = list(&names);
        assert!(list.len() <= OMITTED_LIMIT, "{list}");
        assert!(
            list.starts_with("x-amz-meta-000, x-amz-meta-001, "),
            "{list}"
        );
        let shown = list.matches("x-amz-meta-").count();
        assert!(
            list.ends_with(&format!(" and {} more", 100 - shown)),
            "{list}"
        );
        assert!(shown > 25, "{shown}");
        assert_eq!(super::list(&["n".repeat(600)]), "1 with long names");
    }
}
