//! S3 as a model: one bucket, strongly consistent, with or without versions. Requests come in its own
//! dialect and are answered in it.
//!
//! What ever stood under a key is kept: it is what the judge compares with.

mod http;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::body::Body;

pub(super) use http::{error, event};

/// The bucket's name.
pub(super) const BUCKET: &str = "source";
/// A request may be signed this long before or after it arrives, in milliseconds.
const SKEW: u64 = 15 * 60 * 1000;

/// Which checksums S3 has of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksums {
    /// An MD5 as ETag, and the CRC64NVME that S3 adds by itself.
    Md5,
    /// The writer's CRC32C of the whole, and an MD5 as ETag.
    Crc32c,
    /// A CRC64NVME, under an ETag that is no MD5 (KMS).
    Crc64,
    /// A SHA-256, under an ETag that is no MD5.
    Sha256,
    /// Uploaded in parts, with a CRC32C of the parts' CRC32Cs.
    Composite,
    /// Uploaded in parts, with a CRC64NVME of the whole.
    PartsCrc64,
    /// Uploaded in parts, with a CRC32C of the whole.
    PartsCrc32c,
    /// None at all.
    Nothing,
}

impl Checksums {
    const ALL: [Self; 8] = [
        Self::Md5,
        Self::Crc32c,
        Self::Crc64,
        Self::Sha256,
        Self::Composite,
        Self::PartsCrc64,
        Self::PartsCrc32c,
        Self::Nothing,
    ];

    /// Those that an object of `size` bytes can have: above 5 GiB it was uploaded in parts.
    pub(super) fn of(size: u64) -> &'static [Self] {
        if size > 5 << 30 {
            &Self::ALL[4..]
        } else {
            &Self::ALL
        }
    }

    fn is_in_parts(self) -> bool {
        matches!(
            self,
            Self::Composite | Self::PartsCrc64 | Self::PartsCrc32c | Self::Nothing
        )
    }
}

/// The event of a change of tags.
pub(super) const TAGGED: &str = "ObjectTagging:Put";

/// Keys a page of a listing.
pub(super) const LISTED: usize = 2;

/// What a writer puts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) content: u64,
    pub(super) size: u64,
    pub(super) checksums: Checksums,
    /// Stands in `Content-Type` and in user metadata.
    pub(super) label: u32,
}

/// What stands, or stood, under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) put: Put,
    pub(super) body: Body,
    /// With its quotes.
    pub(super) etag: String,
    pub(super) id: String,
    pub(super) modified: u64,
    pub(super) tag: Option<u32>,
}

/// A key's past: `None` is a deletion.
type History = Vec<Option<Version>>;

/// What may be read by version, where the bucket has versions.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readable {
    #[default]
    All,
    /// The credential lacks the permission to.
    Nothing,
    /// What is not current is deleted at once.
    Current,
}

/// How the store answers who asks for the parts of an object.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// Part by part, each with its checksum.
    #[default]
    Told,
    /// The credential lacks the permission to.
    Denied,
    /// The question is not implemented.
    Unknown,
    /// The question is not understood: it answers with the object.
    Ignored,
}

#[derive(Debug, Default)]
pub(super) struct S3 {
    versioned: bool,
    readable: Readable,
    pub(super) parts: Parts,
    keys: BTreeMap<String, History>,
    /// When each key last changed, tags included.
    changed: BTreeMap<String, u64>,
    sequence: u64,
}

/// A change that is to be notified.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) key: String,
    pub(super) event: &'static str,
    pub(super) size: Option<u64>,
    pub(super) version: Option<String>,
    pub(super) sequence: u64,
    pub(super) time: u64,
}

/// Milliseconds of the simulation's clock as a time of day.
pub(super) fn timestamp(milliseconds: u64) -> Timestamp {
    let begin = Timestamp::constant(1_767_225_600, 0);
    begin + SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX / 2))
}

impl S3 {
    pub(super) fn new(versioned: bool, readable: Readable, parts: Parts) -> Self {
        Self {
            versioned,
            readable,
            parts,
            ..Self::default()
        }
    }

    pub(super) fn put(&mut self, key: &str, put: Put, now: u64) -> Change {
        let digits = u128::from_be_bytes(Body::whole(put.content, put.size).md5());
        let etag = match put.checksums {
            Checksums::Md5 | Checksums::Crc32c => format!("\"{digits:032x}\""),
            kind if kind.is_in_parts() => format!("\"{digits:032x}-2\""),
            // Encrypted with KMS: 32 digits, and no MD5.
            _ => format!("\"{:032x}\"", digits ^ u128::from(self.sequence + 1)),
        };
        let put = self.told_apart(key, &etag, put, now);
        let size = Some(put.size);
        let event = if put.checksums.is_in_parts() {
            "ObjectCreated:CompleteMultipartUpload"
        } else {
            "ObjectCreated:Put"
        };
        let id = format!("v{}", self.sequence + 1);
        let version = Version {
            body: Body::whole(put.content, put.size),
            put,
            etag,
            id,
            modified: now,
            tag: None,
        };
        self.add(key, Some(version), event, size, now)
    }

    /// Without versions, what is put twice within a second under one ETag can be told apart by nothing
    /// that provenance holds: the second is then the same object again.
    fn told_apart(&self, key: &str, etag: &str, put: Put, now: u64) -> Put {
        let is_alike =
            |version: &Version| version.etag == etag && version.modified / 1000 == now / 1000;
        let mut past = self.past(key).filter(|_| !self.versioned);
        let alike = past.find(|(_, version)| is_alike(version));
        alike.map_or(put, |(_, version)| version.put.clone())
    }

    pub(super) fn delete(&mut self, key: &str, now: u64) -> Option<Change> {
        self.current(key)?;
        let event = if self.versioned {
            "ObjectRemoved:DeleteMarkerCreated"
        } else {
            "ObjectRemoved:Delete"
        };
        Some(self.add(key, None, event, None, now))
    }

    /// Gives what stands under `key` other tags.
    pub(super) fn tag(&mut self, key: &str, tag: u32, now: u64) -> Option<Change> {
        let version = self.keys.get_mut(key)?.last_mut()?.as_mut()?;
        version.tag = Some(tag);
        Some(self.changed(key, TAGGED, None, now))
    }

    fn add(
        &mut self,
        key: &str,
        version: Option<Version>,
        event: &'static str,
        size: Option<u64>,
        now: u64,
    ) -> Change {
        self.keys.entry(key.to_owned()).or_default().push(version);
        self.changed(key, event, size, now)
    }

    fn changed(&mut self, key: &str, event: &'static str, size: Option<u64>, now: u64) -> Change {
        self.sequence += 1;
        self.changed.insert(key.to_owned(), now);
        let current = self.current(key).filter(|_| self.versioned);
        Change {
            key: key.to_owned(),
            event,
            size,
            version: current.map(|version| version.id.clone()),
            sequence: self.sequence,
            time: now,
        }
    }

    pub(super) fn current(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.last()?.as_ref()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.keys.keys()
    }

    /// How many bytes the largest object ever had.
    pub(super) fn largest(&self) -> u64 {
        let versions = self.keys.values().flatten().flatten();
        versions
            .map(|version| version.put.size)
            .max()
            .unwrap_or_default()
    }

    /// When `key` last changed.
    pub(super) fn changed_at(&self, key: &str) -> u64 {
        self.changed.get(key).copied().unwrap_or_default()
    }

    /// All that ever stood under `key`, with its place in the order.
    pub(super) fn past(&self, key: &str) -> impl DoubleEndedIterator<Item = (usize, &Version)> {
        let history = self.keys.get(key).map_or(&[][..], Vec::as_slice);
        let entries = history.iter().enumerate();
        entries.filter_map(|(place, version)| Some((place, version.as_ref()?)))
    }

    /// Whether S3 has a checksum of the whole object that `body` is of.
    pub(super) fn is_proven(&self, body: &Body) -> bool {
        let mut versions = self.keys.values().flatten().flatten();
        let version = versions.find(|version| body.content() == Some(version.put.content));
        version.is_some_and(|version| {
            !matches!(
                version.put.checksums,
                Checksums::Composite | Checksums::Nothing
            )
        })
    }
}

impl Version {
    /// What was uploaded in parts was uploaded in two.
    fn parts(&self) -> [Body; 2] {
        let first = self.put.size.div_ceil(2);
        [self.body.slice(0, first), self.body.slice(first, u64::MAX)]
    }

    /// Whether a reconcile takes a copy of this one for one of `other`: the same bytes, and times that are the same
    /// but for a second, because provenance has whole seconds.
    pub(super) fn looks_as(&self, other: &Self) -> bool {
        self.etag == other.etag && (self.modified / 1000).abs_diff(other.modified / 1000) <= 1
    }
}
