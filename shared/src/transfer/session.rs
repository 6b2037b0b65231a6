//! An upload in a session: slice by slice, asked after every doubt how far it is, and handed on to
//! another message where one is not enough.
//!
//! What GCS has is never remembered, only asked. A checksum that has to be computed runs over each
//! slice by itself and is put together; what GCS has beyond the last of them is read once more for
//! it, and not sent again.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;

use super::underway::{Piece, Underway};
use super::upload::{is_unclear, no_upload, unavailable};
use super::{DIGESTED, Ending, Next, Outcome, State, Step, Transfer, wait_until};
use crate::access::Read;
use crate::error::{ErrorKind, TransferError};
use crate::exchange::Authority;
use crate::gcs::{
    ContentRange, Object, ResumableSession, ResumableUploadStatus, finish, is_lost_race, resume,
    upload_status,
};
use crate::integrity::{Checksum, Digests};
use crate::mapping;
use crate::message::{CarriedSession, Running};
use crate::plan::Plan;
use crate::retry::{Attempts, Disposition, after_delivery};
use crate::s3::{Span, if_match};

impl Transfer {
    /// The session that was asked for is there; the open body is the object's beginning.
    pub(super) fn started(&mut self, reply: &Response<Bytes>) -> Next {
        match reply.status() {
            StatusCode::OK | StatusCode::CREATED => {}
            _ if is_lost_race(reply) => return self.look_again(),
            _ => return Err(self.refused(reply)),
        }
        let uri = ResumableSession::read(reply)?;
        let upload = self.upload.take().ok_or_else(no_upload)?;
        let Plan::Session(plan) = upload.plan else {
            return Err(no_upload());
        };
        let size = upload.source.size;
        let etag = upload.source.validator();
        self.progress.begin(&etag);
        let carried = CarriedSession {
            uri,
            etag,
            size,
            furthest: 0,
            plan,
            stored: upload.source.checksums,
            running: plan.digest.map(|_| Running::default()),
        };
        self.session = Some(Underway::begun(carried, self.progress.furthest()));
        if size <= plan.slice {
            self.send_from(0)
        } else {
            self.reopen(0)
        }
    }

    /// Sends the beginning of the open body, a slice from `start` on.
    fn send_from(&mut self, start: u64) -> Next {
        let session = &self.session()?.carried;
        let (plan, total) = (session.plan, session.size);
        let (length, rest) = plan.slice_at(start, total);
        if length == 0 {
            return self.hold_rest(start, rest);
        }
        let range = ContentRange::Bytes {
            start,
            length,
            total,
        };
        let sink = resume(&session.uri, range);
        self.state = State::Sending {
            end: start + length,
            rest,
        };
        Ok(Step::Pipe {
            pass: Authority::None,
            sink,
            length,
            digest: plan.digest,
        })
    }

    pub(super) fn sent(
        &mut self,
        reply: &Response<Bytes>,
        (end, rest): (u64, u64),
        now: Timestamp,
    ) -> Next {
        match self.status(reply)? {
            Status::Ended(ask) => Ok(*ask),
            Status::Failed(error) => self.interrupted(error, now),
            Status::Persisted(count) if count == end => {
                self.note(count);
                match self.session()?.carried.plan.digest {
                    Some(_) => self.hold_rest(end, rest),
                    None => self.go_on(count, now),
                }
            }
            Status::Persisted(count) => self.interrupted(self.incomplete(count)?, now),
        }
    }

    /// Reads what is left of the open body behind `end`: nothing, or the object's last piece.
    fn hold_rest(&mut self, end: u64, rest: u64) -> Next {
        let digest = self.session()?.carried.plan.digest.unwrap_or_default();
        self.state = State::Holding { end, rest };
        Ok(Step::Hold {
            length: rest,
            digest,
        })
    }

    pub(super) fn held(
        &mut self,
        digests: Digests,
        (end, length): (u64, u64),
        now: Timestamp,
    ) -> Next {
        let session = self.session.as_mut().ok_or_else(no_upload)?;
        let more = end + length - session.covered().unwrap_or_default();
        self.digested += more;
        if length == 0 {
            session.add(digests, more);
            return self.go_on(end, now);
        }
        // The last piece may get lost: what is remembered ends before it.
        let digests = session.with(digests, more).digests;
        if let Err(error) = session.carried.stored.check(&digests) {
            return self.give_up(error);
        }
        let range = ContentRange::Bytes {
            start: end,
            length,
            total: session.carried.size,
        };
        let sink = finish(&session.carried.uri, range, digests.crc32c);
        session.whole = Some(digests);
        self.state = State::Finishing;
        Ok(Step::Pipe {
            pass: Authority::None,
            sink,
            length,
            digest: None,
        })
    }

    /// The checksums of bytes that GCS had already.
    pub(super) fn caught_up(&mut self, digests: Digests, piece: Piece, now: Timestamp) -> Next {
        let session = self.session.as_mut().ok_or_else(no_upload)?;
        session.add(digests, piece.length);
        self.digested += piece.length;
        self.go_on(piece.start + piece.length, now)
    }

    pub(super) fn finished(&mut self, reply: &Response<Bytes>, now: Timestamp) -> Next {
        match self.status(reply)? {
            Status::Ended(ask) => Ok(*ask),
            Status::Failed(error) if is_unclear(&error) => {
                self.ambiguous = true;
                self.interrupted(error, now)
            }
            Status::Failed(error) => Err(error),
            Status::Persisted(count) => {
                self.ambiguous = true;
                self.interrupted(self.incomplete(count)?, now)
            }
        }
    }

    pub(super) fn query(&mut self) -> Next {
        let session = &self.session()?.carried;
        let request = upload_status(&session.uri, session.size);
        self.state = State::Querying;
        Ok(Step::Send(Authority::None, request))
    }

    pub(super) fn queried(&mut self, reply: &Response<Bytes>, now: Timestamp) -> Next {
        let count = match self.status(reply)? {
            Status::Ended(ask) => return Ok(*ask),
            Status::Failed(error) => return self.interrupted(error, now),
            Status::Persisted(count) => count,
        };
        if count >= self.session()?.carried.size {
            return Err(self.incomplete(count)?);
        }
        let session = self.session.as_mut().ok_or_else(no_upload)?;
        if std::mem::replace(&mut session.is_asked, true) {
            self.note(count);
        } else {
            session.from = count;
            self.progress.find(count);
        }
        self.go_on(count, now)
    }

    /// GCS has the first `offset` bytes: the rest follows here, or with another message.
    fn go_on(&mut self, offset: u64, now: Timestamp) -> Next {
        let has_time = self.until.is_none_or(|until| now < until);
        if has_time && self.digested < DIGESTED {
            return self.reopen(offset);
        }
        // One that was begun anew here may carry on below what another had reached before it was lost.
        let session = self.session()?;
        if offset <= session.from && !self.has_progressed(session) {
            return Err(unavailable(format!(
                "GCS took no byte of the upload beyond the first {offset} for {} s.",
                self.route.carry_after
            )));
        }
        let session = self.session.take().ok_or_else(no_upload)?;
        Ok(self.carry(session, Duration::ZERO))
    }

    /// Reads the source from `offset` on, if it is still the same object.
    fn reopen(&mut self, offset: u64) -> Next {
        let session = self.session()?;
        let (plan, size) = (session.carried.plan, session.carried.size);
        let piece = match session.covered() {
            Some(covered) if covered > offset => {
                // It expires by itself.
                self.session = None;
                return Err(unavailable(format!(
                    "GCS has {offset} bytes of an upload of which it had acknowledged {covered}."
                )));
            }
            Some(covered) if covered < offset => Piece {
                start: covered,
                length: offset - covered,
                is_known: true,
            },
            _ => Piece {
                start: offset,
                length: plan.slice.min(size - offset),
                is_known: false,
            },
        };
        self.read_piece(piece)
    }

    fn read_piece(&mut self, piece: Piece) -> Next {
        let CarriedSession { size, etag, .. } = &self.session()?.carried;
        let is_all = piece.start == 0 && piece.length == *size;
        let span = (!is_all).then_some((piece.start, piece.length));
        let step = self.read_span(span, etag)?;
        self.state = State::Reopening(piece);
        Ok(step)
    }

    /// Reads the bytes of `span` from the source, of the object with this validator.
    pub(super) fn read_span(&self, span: Option<(u64, u64)>, etag: &str) -> Next {
        self.read_source(&Read {
            span,
            if_match: if_match(etag).filter(|_| !self.reading.is_match_refused),
        })
    }

    /// Whether `reply`, to a read of some bytes, says that the object is another, and may be wrong about
    /// it: some stores refuse their own ETags. Without `If-Match` the reply's own then tells.
    pub(super) fn doubts_match(&mut self, reply: &Response<Bytes>) -> bool {
        let is_new =
            reply.status() == StatusCode::PRECONDITION_FAILED && !self.reading.is_match_refused;
        self.reading.is_match_refused |= is_new;
        is_new
    }

    pub(super) fn reopened(
        &mut self,
        reply: &Response<Bytes>,
        piece: Piece,
        now: Timestamp,
    ) -> Next {
        if self.doubts_match(reply) {
            return self.read_piece(piece);
        }
        let session = &self.session()?.carried;
        let digest = session.plan.digest.unwrap_or_default();
        let span = Span {
            start: piece.start,
            length: piece.length,
            total: session.size,
            etag: &session.etag,
        };
        if let Err(error) = span.check(reply, &self.message.hint.bucket) {
            if error.kind == ErrorKind::SourceUnavailable || error.kind.is_doubtful() {
                return self.interrupted(error, now);
            }
            return self.give_up(error);
        }
        if !piece.is_known {
            return self.send_from(piece.start);
        }
        self.state = State::CatchingUp(piece);
        Ok(Step::Digest {
            length: piece.length,
            digest,
        })
    }

    /// A session's request broke or was refused: GCS is asked what it has, if that can help.
    pub(super) fn interrupted(&mut self, error: TransferError, now: Timestamp) -> Next {
        let resumes = self.session.as_ref().is_some_and(Underway::is_resumable);
        if !resumes || error.kind == ErrorKind::ChecksumRefused {
            return Err(error);
        }
        if self.access.forget_refused(&error, &mut self.renewed) {
            return self.query();
        }
        let Some(wait) = self.backoff(&error) else {
            return Err(error);
        };
        if let Some(session) = self.session.as_mut().filter(|_| error.kind.is_doubtful()) {
            session.refusal = Some(error);
        }
        self.reading.is_broken_off = true;
        self.state = State::Pausing;
        Ok(wait_until(now, wait))
    }

    /// What becomes of the session when the transfer ends in `error`: it goes on with another
    /// message if it came further here, is left to a later delivery if it came with this one, and is
    /// given up otherwise.
    pub(super) fn leave(&mut self, session: Underway, error: TransferError) -> Next {
        let passes = matches!(
            error.kind,
            ErrorKind::SourceUnavailable
                | ErrorKind::SourceBroken
                | ErrorKind::DestinationUnavailable
        ) || error.kind.is_doubtful();
        if passes && session.is_resumable() {
            #[expect(clippy::cast_possible_truncation, reason = "half of a seed is a seed")]
            let disposition = after_delivery(&error, 1, self.seed as u64);
            if let Disposition::RetryAfter(delay) = disposition
                && self.has_progressed(&session)
            {
                return Ok(self.carry(session, delay));
            }
            if session.came {
                return Err(error);
            }
        }
        self.session = Some(session);
        self.give_up(error)
    }

    /// Ends the session because of `error`: nothing of it can be used.
    fn give_up(&mut self, error: TransferError) -> Next {
        let session = self.session.take().ok_or_else(no_upload)?;
        let cancel = session.carried.uri.cancel();
        self.state = State::Cancelling(error);
        Ok(Step::Send(Authority::None, cancel))
    }

    fn status(&mut self, reply: &Response<Bytes>) -> Result<Status, TransferError> {
        if is_lost_race(reply) {
            return self.look_again().map(Box::new).map(Status::Ended);
        }
        Ok(
            match ResumableUploadStatus::read(reply, &self.address.bucket) {
                Ok(ResumableUploadStatus::Finalized(object)) => {
                    Status::Ended(Box::new(self.session_committed(&object)?))
                }
                Ok(ResumableUploadStatus::Persisted(count)) => {
                    self.session.as_mut().ok_or_else(no_upload)?.refusal = None;
                    Status::Persisted(count)
                }
                Ok(ResumableUploadStatus::Gone) => {
                    let refusal = self.session.take().and_then(|session| session.refusal);
                    let gone = || unavailable("GCS no longer knows the upload's session.");
                    Status::Failed(refusal.unwrap_or_else(gone))
                }
                Err(error) => Status::Failed(error),
            },
        )
    }

    /// GCS has committed; what it says of the object must be what was sent. A session does not
    /// remember over what it was begun: it may have been over nothing.
    fn session_committed(&mut self, object: &Object) -> Next {
        let session = self.session.take().ok_or_else(no_upload)?;
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
            self.created = Some(generation);
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

    fn incomplete(&self, count: u64) -> Result<TransferError, TransferError> {
        let size = self.session()?.carried.size;
        Ok(unavailable(format!(
            "GCS has {count} of {size} bytes and has not committed them."
        )))
    }

    fn session(&self) -> Result<&Underway, TransferError> {
        self.session.as_ref().ok_or_else(no_upload)
    }
}

/// Where a session stands after a reply.
enum Status {
    /// It is over; this is what follows.
    Ended(Box<Step>),
    /// GCS has this many bytes.
    Persisted(u64),
    /// It does not say.
    Failed(TransferError),
}
