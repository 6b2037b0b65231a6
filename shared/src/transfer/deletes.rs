//! What follows when the source has no such key; and, where deletes propagate, the look at the source
//! that follows a write over nothing and a delete.
//!
//! A generation is a lock, and "nothing" has none: two handlers who both see it cannot tell whether
//! it is the same nothing. An object of somebody else's is as good as nothing here: who finds the
//! source gone leaves it alone, and its generation as it is. Whoever makes something of either, or
//! nothing of something, therefore asks the source once more before the hint is done with.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::upload::{is_unclear, unavailable};
use super::{Destination, Next, Outcome, State, Step, Transfer};
use crate::brake::DeletePermit;
use crate::error::{ErrorKind, TransferError};
use crate::exchange::Authority;
use crate::gcs::{Generation, Object, Provenance, is_absent, is_lost_race, is_page};
use crate::s3::{may_be_same, read_head};

impl Transfer {
    /// Whether `object` is a copy of the very key that this is about.
    pub(super) fn is_ours(&self, object: &Object) -> bool {
        let hint = &self.message.hint;
        Provenance::of(&object.metadata, &hint.bucket, &hint.key).is_some()
    }

    /// The source has no such key. A delete goes by what was seen before the source was asked.
    pub(super) fn source_gone(&mut self) -> Next {
        if !self.route.propagates_deletes() {
            return Ok(Self::done(self.gone()));
        }
        let object = match &self.destination {
            Destination::Unknown => return self.look(),
            Destination::Seen(None) => return self.both_gone(),
            Destination::Seen(Some(object)) => object,
        };
        let generation = object.generation();
        if !self.is_ours(object) {
            return Ok(Self::done(Outcome::Kept { generation }));
        }
        if self.effects.granted || self.message.released {
            return self.delete(generation);
        }
        self.state = State::Permitting(generation);
        Ok(Step::MayDelete(Arc::clone(&self.route)))
    }

    fn both_gone(&self) -> Next {
        match self.effects.deleted {
            Some(generation) => Ok(Self::done(Outcome::Deleted { generation })),
            // It would stand there for good, with no event left to take it away.
            None if self.effects.ambiguous => Err(unavailable(
                "An upload whose reply was lost may still arrive, and its source is gone.",
            )),
            None => Ok(Self::done(self.gone())),
        }
    }

    fn gone(&self) -> Outcome {
        if self.message.is_listed() {
            Outcome::ListedGone
        } else {
            Outcome::SourceGone
        }
    }

    pub(super) fn leave_given(
        &mut self,
        leave: Result<DeletePermit, String>,
        generation: Generation,
    ) -> Next {
        match leave {
            Ok(DeletePermit::Granted) => {
                self.effects.granted = true;
                self.delete(generation)
            }
            Ok(DeletePermit::Braked { deletes, limit }) => Err(self.braked(deletes, limit)),
            Err(reason) => Err(TransferError::new(
                ErrorKind::LedgerUnavailable,
                format!(
                    "The ledger of the route {} does not say whether a delete may go: {}.",
                    self.route.name,
                    reason.trim_end_matches('.')
                ),
                "Nothing to do: it is tried again.",
            )),
        }
    }

    fn braked(&self, deletes: u64, limit: u64) -> TransferError {
        let window = self.route.brake.window;
        TransferError::new(
            ErrorKind::DeletesBraked,
            format!(
                "gs://{}/{} is not deleted: the route {} has had {deletes} deletes within {window} s, and lets {limit} through.",
                self.address.bucket, self.address.name, self.route.name
            ),
            "If these deletes are meant, release them from quarantine; if their number is usual, raise the route's brake_deletes or brake_percent. If not, find out who deletes at the source.",
        )
    }

    fn delete(&mut self, generation: Generation) -> Next {
        let request = self.address.delete(generation)?;
        self.state = State::Deleting(generation);
        Ok(Step::Send(Authority::Google, request))
    }

    pub(super) fn deleted(&mut self, reply: &Response<Bytes>, generation: Generation) -> Next {
        match reply.status() {
            StatusCode::OK | StatusCode::NO_CONTENT if !is_page(reply) => {
                self.effects.deleted = Some(generation);
                // They were for this one.
                self.effects.granted = false;
                self.message.released = false;
                self.recheck(Outcome::Deleted { generation }, None)
            }
            _ if is_absent(reply) || is_lost_race(reply) => self.look_again(),
            _ => {
                let error = self.refused(reply);
                if is_unclear(&error) {
                    self.effects.deleted = Some(generation);
                }
                Err(error)
            }
        }
    }

    /// A copy of the source with the validator `etag` was committed where no copy of ours stood, or may not have.
    pub(super) fn created(
        &mut self,
        generation: Generation,
        outcome: Outcome,
        etag: String,
    ) -> Next {
        if !self.route.propagates_deletes() {
            return Ok(Self::done(outcome));
        }
        self.effects.created = Some(generation);
        self.recheck(outcome, Some(etag))
    }

    /// Looks whether the source still has `etag`, or still nothing.
    fn recheck(&mut self, outcome: Outcome, etag: Option<String>) -> Next {
        let hint = &self.message.hint;
        let request = self.access.s3.head_object(&hint.bucket, &hint.key)?;
        self.state = State::Rechecking { outcome, etag };
        Ok(Step::Send(Authority::Aws, request))
    }

    pub(super) fn rechecked(
        &mut self,
        reply: &Response<Bytes>,
        outcome: Outcome,
        etag: Option<&String>,
    ) -> Next {
        let found = read_head(reply, &self.message.hint.bucket)?;
        let is_as_before = match (&found, etag) {
            (Some(found), Some(etag)) => may_be_same(found, etag),
            (found, etag) => found.is_none() && etag.is_none(),
        };
        if is_as_before {
            return Ok(Self::done(outcome));
        }
        self.look_again()
    }
}
