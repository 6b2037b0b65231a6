//! The bytes of a session, slice by slice.
//!
//! A checksum that has to be computed runs over each slice by itself and is put together; what GCS has
//! beyond the last of them is read once more for it, and not sent again.

use bytes::Bytes;
use http::Response;

use super::underway::{Phase, Piece, Underway};
use super::upload::unavailable;
use super::{State, Step, Transfer};
use crate::error::ErrorKind;
use crate::exchange::Authority;
use crate::gcs::{ContentRange, finish, resume};
use crate::integrity::Digests;
use crate::message::CarriedSession;
use crate::s3::Span;

impl Transfer {
    /// Sends the beginning of the open body, a slice from `start` on.
    pub(super) fn send_from(&mut self, session: Box<Underway>, start: u64) -> Step {
        let (plan, total) = (session.carried.plan, session.carried.size);
        let (length, rest) = plan.slice_at(start, total);
        if length == 0 {
            return self.hold_rest(session, start, rest);
        }
        let range = ContentRange::Bytes {
            start,
            length,
            total,
        };
        let sink = resume(&session.carried.uri, range);
        let end = start + length;
        self.state = State::InSession(session, Phase::Sending { end, rest });
        Step::Pipe {
            pass: Authority::None,
            sink,
            length,
            digest: plan.digest,
        }
    }

    /// Reads what is left of the open body behind `end`: nothing, or the object's last piece.
    pub(super) fn hold_rest(&mut self, session: Box<Underway>, end: u64, rest: u64) -> Step {
        let digest = session.carried.plan.digest.unwrap_or_default();
        self.state = State::InSession(session, Phase::Holding { end, rest });
        Step::Hold {
            length: rest,
            digest,
        }
    }

    pub(super) fn held(
        &mut self,
        mut session: Box<Underway>,
        digests: Digests,
        end: u64,
        length: u64,
    ) -> Step {
        let more = end + length - session.covered().unwrap_or_default();
        self.digested += more;
        if length == 0 {
            session.add(digests, more);
            return self.go_on(session, end);
        }
        // The last piece may get lost: what is remembered ends before it.
        let digests = session.with(digests, more).digests;
        if let Err(error) = session.carried.stored.check(&digests) {
            return self.give_up(&session, error);
        }
        let range = ContentRange::Bytes {
            start: end,
            length,
            total: session.carried.size,
        };
        let sink = finish(&session.carried.uri, range, digests.crc32c);
        session.whole = Some(digests);
        self.state = State::InSession(session, Phase::Finishing);
        Step::Pipe {
            pass: Authority::None,
            sink,
            length,
            digest: None,
        }
    }

    /// The checksums of bytes that GCS had already.
    pub(super) fn caught_up(
        &mut self,
        mut session: Box<Underway>,
        digests: Digests,
        piece: Piece,
    ) -> Step {
        session.add(digests, piece.length);
        self.digested += piece.length;
        self.go_on(session, piece.start + piece.length)
    }

    /// Reads the source from `offset` on, if it is still the same object.
    pub(super) fn reopen(&mut self, session: Box<Underway>, offset: u64) -> Step {
        let (plan, size) = (session.carried.plan, session.carried.size);
        let piece = match session.covered() {
            // The session expires by itself.
            Some(covered) if covered > offset => {
                return self.conclude(unavailable(format!(
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
        self.read_piece(session, piece)
    }

    fn read_piece(&mut self, session: Box<Underway>, piece: Piece) -> Step {
        let CarriedSession {
            size,
            etag,
            version,
            ..
        } = &session.carried;
        let is_all = piece.start == 0 && piece.length == *size;
        let span = (!is_all).then_some((piece.start, piece.length));
        match self.read_span(span, etag, version.as_deref()) {
            Ok(step) => {
                self.state = State::InSession(session, Phase::Reopening(piece));
                step
            }
            Err(error) => self.leave(session, error),
        }
    }

    pub(super) fn reopened(
        &mut self,
        session: Box<Underway>,
        reply: &Response<Bytes>,
        piece: Piece,
    ) -> Step {
        if self.is_doubtful(reply) {
            return self.read_piece(session, piece);
        }
        let span = Span {
            start: piece.start,
            length: piece.length,
            total: session.carried.size,
            etag: &session.carried.etag,
        };
        if let Err(error) = span.check(reply, &self.message.hint.bucket) {
            if error.kind == ErrorKind::SourceUnavailable || error.kind.is_doubtful() {
                return self.interrupted(session, error);
            }
            return self.give_up(&session, error);
        }
        if !piece.is_known {
            return self.send_from(session, piece.start);
        }
        let digest = session.carried.plan.digest.unwrap_or_default();
        self.state = State::InSession(session, Phase::CatchingUp(piece));
        Step::Digest {
            length: piece.length,
            digest,
        }
    }
}
