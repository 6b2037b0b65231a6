//! What runs that are over have left at the destination, until it is deleted.
//!
//! When, not how: `sweep.rs` deletes it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::TransferError;
use crate::retry::unreplayable;
use crate::time::later;

/// A part that was being copied when its run ended may appear until then: a consumer has 15 minutes.
const LATE: Duration = Duration::from_mins(16);

/// The places that are to be swept, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Leftovers(Vec<Leftover>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Leftover {
    bucket: String,
    prefix: String,
    #[serde(deserialize_with = "crate::time::read")]
    at: Timestamp,
    /// It was swept once; this is for what came late.
    late: bool,
    attempts: u32,
}

impl Leftovers {
    /// Has what is under `prefix` swept from `now` on.
    pub(crate) fn add(&mut self, bucket: &str, prefix: String, now: Timestamp) {
        self.0.retain(|leftover| leftover.prefix != prefix);
        self.0.push(Leftover {
            bucket: bucket.to_owned(),
            prefix,
            at: now,
            late: false,
            attempts: 0,
        });
    }

    /// Bucket and prefix of what is to be swept at `now`.
    pub(crate) fn due(&self, now: Timestamp) -> Option<(&str, &str)> {
        let due = self.0.iter().find(|leftover| leftover.at <= now)?;
        Some((&due.bucket, &due.prefix))
    }

    /// When there is something to do next.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.0.iter().map(|leftover| leftover.at).min()
    }

    /// What came of sweeping `prefix`. The error comes back when it is given up.
    pub(crate) fn swept(
        &mut self,
        prefix: &str,
        result: Result<(), TransferError>,
        now: Timestamp,
        seed: u64,
    ) -> Option<TransferError> {
        let place = self.0.iter().position(|found| found.prefix == prefix)?;
        let leftover = &mut self.0[place];
        let given_up = match result {
            Ok(()) if leftover.late => None,
            Ok(()) => {
                leftover.late = true;
                leftover.at = later(now, LATE);
                return None;
            }
            Err(error) => {
                leftover.attempts += 1;
                if let Some(wait) = unreplayable(&error, leftover.attempts, seed) {
                    leftover.at = later(now, wait);
                    return None;
                }
                Some(error)
            }
        };
        self.0.remove(place);
        given_up
    }
}
