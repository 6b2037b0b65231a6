//! What the store tells about each change, in the order in which the changes were made.

use jiff::Timestamp;

use super::object::VersionId;

/// What happened to a key, as event names call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Written by one PUT.
    Put,
    /// Written by a browser's form.
    Post,
    /// Written as a copy.
    Copy,
    /// Written in parts.
    CompleteMultipartUpload,
    /// A version removed for good.
    Delete,
    /// A delete marker put on top.
    DeleteMarkerCreated,
    /// Tags set.
    TaggingPut,
    /// Tags removed.
    TaggingDelete,
}

impl ChangeKind {
    /// The event's name as notifications carry it, without `s3:`.
    #[must_use]
    pub fn event_name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Post => "ObjectCreated:Post",
            Self::Copy => "ObjectCreated:Copy",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::Delete => "ObjectRemoved:Delete",
            Self::DeleteMarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
            Self::TaggingPut => "ObjectTagging:Put",
            Self::TaggingDelete => "ObjectTagging:Delete",
        }
    }

    pub(crate) fn is_removal(self) -> bool {
        matches!(self, Self::Delete | Self::DeleteMarkerCreated)
    }
}

/// One change of one key.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// In which bucket.
    pub bucket: String,
    /// That bucket's region.
    pub region: String,
    /// That bucket's owner: an account id.
    pub owner: String,
    /// To which key.
    pub key: String,
    /// The size of what is there now, in bytes; none for a removal.
    pub size: Option<u64>,
    /// The ETag of what is there now, without quotes; none for a removal.
    pub etag: Option<String>,
    /// The version concerned.
    pub version_id: VersionId,
    /// Ascends with every change of the store.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
}

impl Change {
    /// The sequencer as events carry it: hexadecimal, always of the same length.
    #[must_use]
    pub fn sequencer(&self) -> String {
        format!("{:018X}", self.sequence)
    }
}
