//! An upload in a session: begun, asked after every doubt how far it is, and in the end committed, handed
//! on to another message, left to a later delivery, or given up.
//!
//! What GCS has is never remembered, only asked. An error that ends the transfer while it has a session goes to
//! `leave`, which sees to the session; without one it goes to `conclude`.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::underway::{Phase, Underway};
use super::upload::{Upload, is_unclear, unavailable};
use super::{
    DIGESTED, Ending, Event, Next, Outcome, State, Step, Transfer, broken_off, out_of_turn,
};
use crate::error::{ErrorKind, TransferError};
use crate::exchange::{Authority, TransportError};
use crate::gcs::{Object, ResumableSession, ResumableUploadStatus, is_lost_race, upload_status};
use crate::integrity::Checksum;
use crate::mapping;
use crate::message::{CarriedSession, Running};
use crate::plan::Session;
use crate::retry::{Attempts, Disposition, after_delivery};

impl Transfer {
    /// The session that was asked for is there; the open body is the object's beginning.
    pub(super) fn started(
        &mut self,
        upload: Upload,
        plan: Session,
        reply: &Response<Bytes>,
    ) -> Next {
        let read = match reply.status() {
            StatusCode::OK | StatusCode::CREATED => ResumableSession::read(reply),
            _ if is_lost_race(reply) => return self.look_again(),
            _ => Err(self.refused(reply)),
        };
        let uri = match read {
            Ok(uri) => uri,
            Err(error) => return self.refuse(&upload, error),
        };
        let size = upload.source.size;
        let etag = upload.source.validator();
        self.progress.begin(&etag);
        let carried = CarriedSession {
            uri,
            etag,
            version: upload.source.version_id.clone(),
            size,
            furthest: 0,
            place: format!("{}/{}", self.address.bucket, self.address.name),
            plan,
            stored: upload.source.checksums,
            running: plan.digest.map(|_| Running::default()),
        };
        let session = Box::new(Underway::begun(carried, self.progress.furthest()));
        Ok(if size <= plan.slice {
            self.send_from(session, 0)
        } else {
            self.reopen(session, 0)
        })
    }

    /// What came of the last step of `session`.
    pub(super) fn in_session(
        &mut self,
        session: Box<Underway>,
        phase: Phase,
        event: Event,
    ) -> Step {
        match (phase, event) {
            (Phase::Sending { .. } | Phase::Finishing | Phase::Querying, Event::Reply(reply)) => {
                self.replied(session, phase, &reply)
            }
            (Phase::Holding { end, rest }, Event::Digested(digests)) => {
                self.held(session, digests, end, rest)
            }
            (Phase::Pausing, Event::Woken) => self.query(session),
            (Phase::Reopening(piece), Event::Reply(reply)) => self.reopened(session, &reply, piece),
            (Phase::CatchingUp(piece), Event::Digested(digests)) => {
                self.caught_up(session, digests, piece)
            }
            (phase, Event::TransportError(lost)) => self.session_lost(session, phase, &lost),
            (_, Event::Unauthorized(error)) => {
                let error = self.unauthorized(error);
                self.interrupted(session, error)
            }
            (_, event) => self.leave(session, out_of_turn(&event)),
        }
    }

    /// A broken request or body.
    fn session_lost(
        &mut self,
        session: Box<Underway>,
        phase: Phase,
        lost: &TransportError,
    ) -> Step {
        let of_source = match phase {
            Phase::Reopening(_) => Some(ErrorKind::SourceUnavailable),
            Phase::Holding { .. } | Phase::CatchingUp(_) => Some(ErrorKind::SourceBroken),
            _ => None,
        };
        self.effects.ambiguous |= matches!(
            phase,
            Phase::Sending { .. } | Phase::Finishing | Phase::Querying
        );
        self.interrupted(session, broken_off(lost, of_source))
    }

    pub(super) fn query(&mut self, session: Box<Underway>) -> Step {
        let CarriedSession { uri, size, .. } = &session.carried;
        let request = upload_status(uri, *size);
        self.state = State::InSession(session, Phase::Querying);
        Step::Send(Authority::None, request)
    }

    /// GCS answered bytes or the question how far the session is.
    fn replied(&mut self, session: Box<Underway>, phase: Phase, reply: &Response<Bytes>) -> Step {
        if is_lost_race(reply) {
            let next = self.look_again();
            return next.unwrap_or_else(|error| self.leave(session, error));
        }
        let is_last = matches!(phase, Phase::Finishing);
        let read = ResumableUploadStatus::read(reply, &self.address.bucket);
        if matches!(&read, Err(error) if error.kind == ErrorKind::DestinationDenied) {
            // The URI alone allows sending bytes, so it is the commit that is denied. If the session is lost with it, a
            // later delivery sends all of them again.
            self.again_until = self.now;
        }
        match read {
            Ok(ResumableUploadStatus::Finalized(object)) => {
                let next = self.session_committed(*session, &object);
                next.unwrap_or_else(|error| self.conclude(error))
            }
            Ok(ResumableUploadStatus::Persisted(count)) => self.persisted(session, phase, count),
            Ok(ResumableUploadStatus::Gone) => {
                let gone = || unavailable("GCS no longer knows the upload's session.");
                let error = session.refusal.unwrap_or_else(gone);
                self.effects.ambiguous |= is_last && is_unclear(&error);
                self.conclude(error)
            }
            Err(error) if is_last && !is_unclear(&error) => self.leave(session, error),
            Err(error) => {
                self.effects.ambiguous |= is_last;
                self.interrupted(session, error)
            }
        }
    }

    /// GCS has the first `count` bytes, and has not committed them.
    fn persisted(&mut self, mut session: Box<Underway>, phase: Phase, count: u64) -> Step {
        session.refusal = None;
        let CarriedSession { size, plan, .. } = session.carried;
        let incomplete = || {
            unavailable(format!(
                "GCS has {count} of {size} bytes and has not committed them."
            ))
        };
        match phase {
            Phase::Sending { end, rest } if count == end => {
                self.note(count);
                if plan.digest.is_some() {
                    return self.hold_rest(session, end, rest);
                }
                self.go_on(session, count)
            }
            Phase::Querying if count >= size => self.leave(session, incomplete()),
            Phase::Querying => {
                if std::mem::replace(&mut session.is_asked, true) {
                    self.note(count);
                } else {
                    session.from = count;
                    self.progress.find(count);
                }
                self.go_on(session, count)
            }
            _ => {
                self.effects.ambiguous |= matches!(phase, Phase::Finishing);
                self.interrupted(session, incomplete())
            }
        }
    }

    /// GCS has the first `offset` bytes: the rest follows here, or with another message.
    pub(super) fn go_on(&mut self, session: Box<Underway>, offset: u64) -> Step {
        if self.now < self.until && self.digested < DIGESTED {
            return self.reopen(session, offset);
        }
        // One that was begun anew here may carry on below what another had reached before it was lost.
        if offset <= session.from && !self.has_progressed(&session) {
            let error = unavailable(format!(
                "GCS took no byte of the upload beyond the first {offset} for {} s.",
                self.route.carry_after
            ));
            return self.leave(session, error);
        }
        self.carry(*session, Duration::ZERO)
    }

    /// A session's request broke or was refused: GCS is asked what it has, if that can help.
    pub(super) fn interrupted(&mut self, mut session: Box<Underway>, error: TransferError) -> Step {
        if !session.is_resumable() || error.kind == ErrorKind::ChecksumRefused {
            return self.leave(session, error);
        }
        if self.access.forget_refused(&error, &mut self.renewed) {
            return self.query(session);
        }
        let Some(wait) = self.backoff(&error) else {
            return self.leave(session, error);
        };
        if error.kind.is_doubtful() {
            session.refusal = Some(error);
        }
        self.reading.is_broken_off = true;
        self.state = State::InSession(session, Phase::Pausing);
        self.wait(wait)
    }

    /// What becomes of the session when the transfer ends in `error`: it goes on with another
    /// message if it came further here, is left to a later delivery if it came with this one, and is
    /// given up otherwise.
    pub(super) fn leave(&mut self, session: Box<Underway>, error: TransferError) -> Step {
        let error = self.learn(error, session.carried.stored.from);
        let passes = matches!(
            error.kind,
            ErrorKind::SourceUnavailable
                | ErrorKind::SourceBroken
                | ErrorKind::DestinationUnavailable
        ) || error.kind.is_doubtful();
        if passes && session.is_resumable() {
            #[expect(clippy::cast_possible_truncation, reason = "half of a seed is a seed")]
            let disposition = after_delivery(&error, 1, self.seed as u64);
            // A denial counts, however far the upload had come. Carried on by a new message, it would count from 1 again.
            if let Disposition::RetryAfter(delay) = disposition
                && error.kind != ErrorKind::DestinationDenied
                && self.has_progressed(&session)
            {
                return self.carry(*session, delay);
            }
            if session.came {
                return Step::Failed(error);
            }
        }
        self.give_up(&session, error)
    }

    /// Ends the session because of `error`: nothing of it can be used.
    pub(super) fn give_up(&mut self, session: &Underway, error: TransferError) -> Step {
        self.state = State::Cancelling(error);
        Step::Send(Authority::None, session.carried.uri.cancel())
    }

    /// GCS has committed; what it says of the object must be what was sent. A session does not
    /// remember over what it was begun: it may have been over nothing.
    fn session_committed(&mut self, session: Underway, object: &Object) -> Next {
        let CarriedSession {
            size, stored, etag, ..
        } = session.carried;
        let computed = session.whole.map(|whole| Checksum::Crc32c(whole.crc32c));
        if let Some(checksum) = computed.or(stored.shared) {
            object
                .verify(size, checksum)
                .map_err(|error| self.learn(error, stored.from))?;
        }
        let generation = object.generation();
        let outcome = Outcome::Copied {
            generation,
            size,
            proof: stored.proof(),
            omitted: mapping::omitted(object),
        };
        // Once: what came before has then been seen.
        if std::mem::take(&mut self.message.followed) {
            self.effects.created = Some(generation);
            return self.look();
        }
        self.created(generation, outcome, etag)
    }

    /// GCS has `count` bytes; with progress the attempts begin anew.
    fn note(&mut self, count: u64) {
        if self.progress.note(count) {
            self.attempts = Attempts::default();
        }
    }

    /// Whether GCS has more than when the message came, or the checksums of `session` go further.
    fn has_progressed(&self, session: &Underway) -> bool {
        self.progress.is_made() || session.covered().unwrap_or_default() > session.began_at
    }

    /// Has `session` go on with another message after `delay`.
    fn carry(&self, session: Underway, delay: Duration) -> Step {
        let session = Box::new(CarriedSession {
            furthest: self.progress.furthest(),
            ..session.carried
        });
        Step::Done(Ending::Carry { session, delay })
    }
}
