//! What is handed to the coordinator of a large object.

use serde::{Deserialize, Serialize};

use crate::gcs::{Object, Precondition};
use crate::message::{HintMessage, PartMessage};
use crate::plan::Parts;
use crate::route::Place;
use crate::s3::StoredChecksums;

/// What the names of all parts begin with, under a route's destination: nothing of the source's is
/// expected there.
pub const PARTS_FOLDER: &str = ".causeway-parts/";

/// A large object to be made of parts: what was seen of both sides, the destination first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
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

impl Order {
    /// The name of its coordinator: one a route and key, so that two large copies of one key are
    /// never made side by side.
    #[must_use]
    pub fn coordinator(&self) -> String {
        let HintMessage { route, hint, .. } = &self.message;
        format!("{route}/{}/{}", hint.bucket, hint.key)
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
            part: number,
            first,
            length,
            total: self.parts.total,
            digest: self.parts.digest,
            prefix: self.prefix(run),
        }
    }
}
