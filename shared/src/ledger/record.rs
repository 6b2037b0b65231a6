//! What came of one hint, as the ledger keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, TransferError, cut, read_kind_option};
use crate::event::KEY_BYTES;
use crate::message::HintMessage;
use crate::time::milliseconds;
use crate::transfer::{LISTED_GONE, Outcome};

/// The longest name of a bucket that is kept, in bytes.
const BUCKET_BYTES: usize = 255;

/// The outcome of what a table has the rows of.
const LOADED: &str = "loaded";

/// What came of one hint, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    #[serde(deserialize_with = "crate::time::read")]
    pub at: Timestamp,
    /// When the transfer began, which looked at both sides after that.
    #[serde(
        default,
        deserialize_with = "crate::time::read_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub began_at: Option<Timestamp>,
    /// The source's bucket.
    pub bucket: String,
    /// The source's key.
    pub key: String,
    /// `copied`, `identical`, `deleted`, `kept`, `source-gone`, `listed-gone`, `folder-marker`, `loaded`,
    /// `load-refused`, `retried` or `quarantined`.
    pub outcome: String,
    /// How many bytes were copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Milliseconds since the worker took the event in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// Milliseconds since the time that the event itself tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_ms: Option<u64>,
    /// What went wrong.
    #[serde(
        default,
        deserialize_with = "read_kind_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<ErrorKind>,
}

impl Record {
    /// That `message` ended well at `now`.
    #[must_use]
    pub fn succeeded(message: &HintMessage, outcome: &Outcome, now: Timestamp) -> Self {
        let bytes = match outcome {
            Outcome::Copied { size, .. } => Some(*size),
            _ => None,
        };
        Self {
            bytes,
            ms: Some(milliseconds(message.accepted_at, now)),
            event_ms: message.hint.time.map(|time| milliseconds(time, now)),
            ..Self::of(message, outcome.name(), now)
        }
    }

    /// That `message` failed with `error`, and is now `retried` or `quarantined`.
    #[must_use]
    pub fn failed(
        message: &HintMessage,
        error: &TransferError,
        then: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            kind: Some(error.kind),
            ..Self::of(message, then, now)
        }
    }

    /// That what `message` led to was loaded into a table at `now`.
    #[must_use]
    pub fn loaded(message: &HintMessage, now: Timestamp) -> Self {
        Self {
            ms: Some(milliseconds(message.accepted_at, now)),
            event_ms: message.hint.time.map(|time| milliseconds(time, now)),
            ..Self::of(message, LOADED, now)
        }
    }

    fn of(message: &HintMessage, outcome: &str, now: Timestamp) -> Self {
        Self {
            at: now,
            began_at: None,
            bucket: message.hint.bucket.clone(),
            key: message.hint.key.clone(),
            outcome: outcome.to_owned(),
            bytes: None,
            ms: None,
            event_ms: None,
            kind: None,
        }
    }

    /// The same, of a transfer that began at `began_at`.
    #[must_use]
    pub fn since(self, began_at: Timestamp) -> Self {
        Self {
            began_at: Some(began_at),
            ..self
        }
    }

    /// When the transfer began, as far as it is known.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.began_at.unwrap_or(self.at)
    }

    /// Cuts what is longer than any name at a store.
    pub(super) fn bound(&mut self) {
        cut(&mut self.bucket, BUCKET_BYTES);
        cut(&mut self.key, KEY_BYTES);
    }

    /// Whether both stores let the worker do what it has to do at them. To find a copy identical it only reads.
    #[must_use]
    pub fn passed(&self) -> bool {
        matches!(&*self.outcome, "copied" | "deleted")
    }

    /// Whether the destination is now as it should be: an older failure of the key is mended.
    #[must_use]
    pub fn settles(&self) -> bool {
        self.kind.is_none() && self.outcome != LISTED_GONE
    }

    /// Whether it mends a failure of `kind` of the same key: that a copy stands does not mend that it was not loaded.
    #[must_use]
    pub fn mends(&self, kind: ErrorKind) -> bool {
        let is_of_table = matches!(kind, ErrorKind::LoadRefused | ErrorKind::OverwriteRefused);
        self.settles() && (!is_of_table || self.is_loaded())
    }

    /// Whether the table has the rows.
    pub(super) fn is_loaded(&self) -> bool {
        self.outcome == LOADED
    }
}
