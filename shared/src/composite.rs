//! What is handed to the coordinator of a large object.

use serde::{Deserialize, Serialize};

use crate::gcs::{Object, Precondition, Provenance};
use crate::message::{HintMessage, PartMessage};
use crate::plan::Parts;
use crate::route::{Place, Route};
use crate::s3::StoredChecksums;

/// What the names of all parts begin with, under a route's destination. The source may have keys there as
/// well: see [`is_part`].
pub const PARTS_FOLDER: &str = ".causeway-parts/";

/// The name, in that folder, of what deleting is tried with.
pub const PROBE: &str = "may-be-deleted";

/// A large object to be made of parts: what was seen of both sides, the destination first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompositeCopy {
    /// The hint that it answers.
    pub message: HintMessage,
    /// The destination's bucket.
    pub bucket: String,
    /// What the names of parts begin with there.
    pub folder: String,
    /// What shall stand there: name, headers, metadata, provenance.
    pub object: Object,
    /// What stood there before the source was read.
    pub precondition: Precondition,
    /// The source's validator.
    pub etag: String,
    /// What S3 has of its bytes.
    pub stored: StoredChecksums,
    /// How it is cut.
    pub parts: Parts,
    /// After so many seconds without a part another hint has those that are missing sent again.
    #[serde(default = "quiet_after")]
    pub quiet_after: u32,
}

fn quiet_after() -> u32 {
    300
}

/// Where parts stand at `destination`.
#[must_use]
pub fn parts_folder(destination: &Place) -> String {
    format!("{}{PARTS_FOLDER}", destination.prefix)
}

/// Whether `object` is one that a run of ours has left: a part (`<run>/0001-<nonce>-<attempt>`), several
/// composed (`<run>/c001-…`), a copy that is loaded into a table (perhaps with `.gz` behind), or what deleting is tried with. The copy of a source's key in that folder is
/// none, whatever the key is called, and neither is anything else there.
#[must_use]
pub fn is_part(object: &Object) -> bool {
    is_called_so(&object.name) && Provenance::read(&object.metadata).is_none()
}

fn is_called_so(name: &str) -> bool {
    let Some((_, rest)) = name.rsplit_once(PARTS_FOLDER) else {
        return false;
    };
    if rest == PROBE {
        return true;
    }
    let hex = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    rest.split_once('/').is_some_and(|(run, part)| {
        let part = part.strip_suffix(".gz").unwrap_or(part);
        let words: Vec<_> = part.split('-').collect();
        let [number, nonce, attempt] = words[..] else {
            return false;
        };
        let number = number.strip_prefix('c').unwrap_or(number);
        (run.len() == 16 && hex(run))
            && (number.len() >= 3 && digits(number))
            && (nonce.len() == 16 && hex(nonce))
            && digits(attempt)
    })
}

impl CompositeCopy {
    /// The name of its coordinator: one a route and key, so that two large copies of one key are
    /// never made side by side.
    #[must_use]
    pub fn coordinator(&self) -> String {
        let HintMessage { route, hint, .. } = &self.message;
        format!("{route}/{}/{}", hint.bucket, hint.key)
    }

    /// Whether `other` is to make the very same object, metadata included, at the same place.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.object, &self.bucket, &self.folder) == (&other.object, &other.bucket, &other.folder)
    }

    /// The version that its parts are read of, where the source has versions: it can be finished whatever is written
    /// meanwhile.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        Provenance::read(&self.object.metadata)?.version_id
    }

    /// Whether a run that makes this is finished though `other` is to stand there: it reads one version, and more
    /// may be written than can be copied.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        self.version().is_some()
            && (&self.bucket, &self.folder) == (&other.bucket, &other.folder)
            && self.object.name == other.object.name
    }

    /// Whether `route` still leads from where this was seen to where it is to stand.
    #[must_use]
    pub fn is_of(&self, route: &Route) -> bool {
        let hint = &self.message.hint;
        route.takes(&hint.bucket, &hint.key)
            && self.bucket == route.destination.bucket
            && self.folder == parts_folder(&route.destination)
    }

    /// What the names of the parts of the run `run` begin with.
    #[must_use]
    pub fn prefix(&self, run: &str) -> String {
        format!("{}{run}/", self.folder)
    }

    /// The message that has part `number` copied, for the run `run`.
    #[must_use]
    pub fn part(&self, number: u32, run: &str) -> PartMessage {
        let (first, length) = self.parts.span(number);
        PartMessage {
            coordinator: self.coordinator(),
            run: run.to_owned(),
            route: self.message.route.clone(),
            key: self.message.hint.key.clone(),
            etag: self.etag.clone(),
            version: self.version(),
            part: number,
            first,
            length,
            total: self.parts.total,
            digest: self.parts.digest,
            prefix: self.prefix(run),
            source: self.message.hint.bucket.clone(),
            bucket: self.bucket.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_runs_are_parts() {
        for name in [
            "in/.causeway-parts/0123456789abcdef/0000-00000000000000ff-1",
            ".causeway-parts/0123456789abcdef/1023-00000000000000ff-12",
            ".causeway-parts/0123456789abcdef/c001-00000000000000ff-1",
            ".causeway-parts/may-be-deleted",
        ] {
            assert!(is_called_so(name), "{name}");
        }
        for name in [
            "",
            ".causeway-parts/",
            ".causeway-parts/x",
            ".causeway-parts/may-be-deleted/x",
            ".causeway-parts/0123456789abcdef/",
            ".causeway-parts/0123456789abcdef/x",
            ".causeway-parts/0123456789abcdef/0000-00000000000000ff",
            ".causeway-parts/0123456789abcdef/0000-00000000000000ff-1-2",
            ".causeway-parts/0123456789abcdef/0000-00000000000000ff-",
            ".causeway-parts/0123456789abcdef/x/0000-00000000000000ff-1",
            ".causeway-parts/0123456789ABCDEF/0000-00000000000000ff-1",
            ".causeway-parts/1/0000-00000000000000ff-1",
            "causeway-parts/0123456789abcdef/0000-00000000000000ff-1",
        ] {
            assert!(!is_called_so(name), "{name}");
        }
        let mut object = Object {
            name: ".causeway-parts/may-be-deleted".into(),
            ..Object::default()
        };
        assert!(is_part(&object));
        let copied = Provenance {
            bucket: "b".into(),
            key: object.name.clone(),
            etag: "\"e\"".into(),
            version_id: None,
            last_modified: None,
            size: 0,
        };
        copied.write(&mut object.metadata);
        assert!(!is_part(&object));
    }
}
