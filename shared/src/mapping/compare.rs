//! Whether a copy says what its source says; and a copy that says less, for what GCS does not take.

use super::custom::{
    add_omitted, custom_metadata_beside, is_of_source, proof_without_md5, take_entries,
};
use crate::gcs::{Object, Provenance};
use crate::integrity::Checksum;
use crate::s3::{Origin, SourceObject};

/// What GCS makes of an object that is said to have no type.
const NO_TYPE: &str = "application/octet-stream";

/// What of the source's metadata a copy does without, because GCS refused it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Less {
    headers: bool,
    entries: bool,
}

impl Less {
    const ALL: [Self; 4] = [
        Self::of(false, false),
        Self::of(true, false),
        Self::of(false, true),
        Self::of(true, true),
    ];

    const fn of(headers: bool, entries: bool) -> Self {
        Self { headers, entries }
    }

    /// What is to be tried after `self` was refused for `whole`, which has all that there is to say.
    #[must_use]
    pub fn next(self, whole: &Object) -> Option<Self> {
        let has_headers =
            whole.custom_time.is_some() || headers(whole).iter().any(|(_, value)| value.is_some());
        let has_entries = !take_entries(&mut whole.metadata.clone()).is_empty();
        let tried = Self::ALL.iter().position(|less| *less == self)?;
        let left = Self::ALL.into_iter().skip(tried + 1);
        left.into_iter()
            .find(|less| less.headers <= has_headers && less.entries <= has_entries)
    }

    /// `whole` without what is to be left out, which it then names; `customTime` goes with the headers, and
    /// the provenance still says it.
    #[must_use]
    pub fn of_object(self, whole: &Object) -> Object {
        let mut object = whole.clone();
        let mut missing = Vec::new();
        if self.headers {
            let said = headers(whole).into_iter();
            missing.extend(said.filter_map(|(name, value)| value.map(|_| name.to_owned())));
            object.content_type = None;
            object.content_encoding = None;
            object.content_disposition = None;
            object.content_language = None;
            object.cache_control = None;
            object.custom_time = None;
        }
        if self.entries {
            missing.extend(take_entries(&mut object.metadata));
        }
        add_omitted(&mut object.metadata, missing);
        object
    }
}

/// The headers that GCS has fields for, by their names at the source; none where a value is empty.
fn headers(object: &Object) -> [(&'static str, Option<&str>); 5] {
    [
        ("content-type", &object.content_type),
        ("content-encoding", &object.content_encoding),
        ("content-disposition", &object.content_disposition),
        ("content-language", &object.content_language),
        ("cache-control", &object.cache_control),
    ]
    .map(|(name, value)| (name, value.as_deref().filter(|value| !value.is_empty())))
}

/// Whether `found`, which has the provenance `provenance`, has the headers and the metadata that a copy
/// of `source` has, or what GCS takes of them. Tags are compared if `tags`.
#[must_use]
pub fn describes(
    found: &Object,
    source: &SourceObject,
    provenance: &Provenance,
    tags: bool,
) -> bool {
    let whole = Object {
        content_type: source.content_type.clone(),
        content_encoding: source.content_encoding.clone(),
        content_disposition: source.content_disposition.clone(),
        content_language: source.content_language.clone(),
        cache_control: source.cache_control.clone(),
        metadata: custom_metadata_beside(&found.metadata, source, provenance),
        ..Object::default()
    };
    Less::ALL
        .into_iter()
        .any(|less| says_the_same(&less.of_object(&whole), found, tags))
}

/// Whether `found` has the headers and the metadata of `expected`.
fn says_the_same(expected: &Object, found: &Object, tags: bool) -> bool {
    let typed = |object| {
        headers(object).map(|(name, value)| match (name, value) {
            ("content-type", None) => Some(NO_TYPE),
            _ => value,
        })
    };
    let entries = |object: &Object| {
        let entries = object.metadata.iter();
        entries
            .filter(|(name, _)| is_of_source(name, tags))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Vec<_>>()
    };
    typed(expected) == typed(found) && entries(expected) == entries(found)
}

/// Whether `found` has the bytes of `source`, as far as a checksum that both have or the size tells. Where a
/// copy was proven otherwise, an MD5 is not compared with what was composed, of which GCS has none; nor is an
/// ETag that looked like one and that the copy does not say to be one.
#[must_use]
pub fn has_same_bytes(found: &Object, source: &SourceObject) -> bool {
    let checksum = source.checksums.shared.filter(|checksum| match checksum {
        Checksum::Crc32c(_) => true,
        Checksum::Md5(_) => match proof_without_md5(&found.metadata) {
            None => true,
            Some(says_md5) => {
                found.md5_hash.is_some() && (says_md5 || source.checksums.from != Origin::Etag)
            }
        },
    });
    match checksum {
        Some(checksum) => found.verify(source.size, checksum).is_ok(),
        None => found.size() == Some(source.size),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::integrity::Proof;
    use crate::mapping::{self, OMITTED};
    use crate::route::Route;
    use serde_json::json;

    fn source() -> SourceObject {
        let text = |value: &str| Some(value.to_owned());
        SourceObject {
            size: 3,
            etag: "\"e\"".into(),
            content_type: text("text/plain"),
            cache_control: text("no-store"),
            expires: text("0"),
            metadata: [("author".into(), "Ada".into())].into(),
            tags: [("stage".into(), "raw".into())].into(),
            ..SourceObject::default()
        }
    }

    fn copy_of(source: &SourceObject) -> Object {
        let table = json!({"source": "s3://src", "destination": "gs://dst"});
        let route = Route::parse("ROUTE_R", table).unwrap();
        let provenance = mapping::provenance(source, "src", "k");
        mapping::object(&route, source, "k", &provenance, None, Proof::StoredMd5)
    }

    fn is_described(found: &Object, source: &SourceObject, tags: bool) -> bool {
        describes(
            found,
            source,
            &mapping::provenance(source, "src", "k"),
            tags,
        )
    }

    #[test]
    fn whatever_the_source_says_is_compared_and_nothing_else() {
        type Change = fn(&mut SourceObject);
        let copy = copy_of(&source());
        assert!(is_described(&copy, &source(), true));
        let changes: [Change; 6] = [
            |source| source.content_type = Some("text/html".into()),
            |source| source.cache_control = None,
            |source| source.content_language = Some("de".into()),
            |source| source.expires = Some("1".into()),
            |source| drop(source.metadata.insert("author".into(), "Eve".into())),
            |source| source.missing_metadata = 1,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = source();
            change(&mut changed);
            assert!(!is_described(&copy, &changed, false), "{number}");
        }
        let mut untagged = source();
        untagged.tags.clear();
        assert!(!is_described(&copy, &untagged, true));
        assert!(is_described(&copy, &untagged, false));
        let mut proven = copy.clone();
        proven
            .metadata
            .insert("causeway-proof".into(), "sha1".into());
        proven.generation = "7".into();
        proven.storage_class = Some("ARCHIVE".into());
        assert!(is_described(&proven, &source(), true));
        let mut touched = copy;
        touched.metadata.insert("by".into(), "somebody".into());
        assert!(!is_described(&touched, &source(), true));
    }

    #[test]
    fn what_gcs_makes_of_nothing_is_nothing() {
        let source = SourceObject::default();
        let mut copy = copy_of(&source);
        for content_type in [None, Some(""), Some(NO_TYPE)] {
            copy.content_type = content_type.map(str::to_owned);
            assert!(is_described(&copy, &source, true), "{content_type:?}");
        }
        copy.content_encoding = Some(String::new());
        assert!(is_described(&copy, &source, true));
        copy.content_type = Some("text/plain".into());
        assert!(!is_described(&copy, &source, true));
    }

    #[test]
    fn what_is_refused_gives_way_headers_first_and_is_named() {
        let whole = copy_of(&source());
        let mut less = Less::default();
        let mut tried = Vec::new();
        while let Some(next) = less.next(&whole) {
            less = next;
            let object = less.of_object(&whole);
            assert!(is_described(&object, &source(), true));
            tried.push(object.metadata[OMITTED].clone());
        }
        let (headers, entries) = (
            "content-type, cache-control",
            "x-amz-meta-author, expires, tag stage",
        );
        let both = format!("{headers}, {entries}");
        assert_eq!(tried, [headers, entries, &both]);
        let mut timed = copy_of(&SourceObject::default());
        timed.custom_time = Some("0001-01-01T00:00:00Z".into());
        let less = Less::default().next(&timed).unwrap();
        assert_eq!(less.of_object(&timed), copy_of(&SourceObject::default()));
        assert_eq!(less.next(&timed), None);
        let nothing = copy_of(&SourceObject::default());
        assert_eq!(Less::default().next(&nothing), None);
        assert_eq!(Less::default().of_object(&whole), whole);
    }

    #[test]
    fn a_name_that_is_missing_already_stays_named() {
        let missing = SourceObject {
            missing_metadata: 2,
            ..source()
        };
        let less = Less::of(true, false).of_object(&copy_of(&missing));
        assert_eq!(
            less.metadata[OMITTED],
            "x-amz-missing-meta: 2, content-type, cache-control"
        );
    }

    #[test]
    fn an_md5_is_compared_where_both_sides_have_one() {
        let mut source = source();
        source.checksums.shared = Some(Checksum::Md5([0; 16]));
        source.checksums.from = Origin::Etag;
        let mut copy = copy_of(&source);
        copy.size = "3".into();
        assert!(!has_same_bytes(&copy, &source));
        let mut composed = copy.clone();
        let proof = || Proof::ComputedCrc32c.as_str().to_owned();
        composed.metadata.insert("causeway-proof".into(), proof());
        assert!(has_same_bytes(&composed, &source));
        copy.md5_hash = Some("AAAAAAAAAAAAAAAAAAAAAA==".into());
        assert!(has_same_bytes(&copy, &source));
        copy.md5_hash = Some("kAFQmDzST7DWlj99KOF/cg==".into());
        assert!(!has_same_bytes(&copy, &source));
        // Its bytes were proven otherwise: the ETag is no MD5.
        copy.metadata.remove("causeway-source-checksum");
        assert!(!has_same_bytes(&copy, &source));
        copy.metadata.insert("causeway-proof".into(), proof());
        assert!(has_same_bytes(&copy, &source));
        copy.size = "4".into();
        assert!(!has_same_bytes(&copy, &source));
    }
}
