//! Resumable upload sessions: which bytes are persisted, and when an object may come of them.
//!
//! <https://cloud.google.com/storage/docs/performing-resumable-uploads>. Stricter than the service:
//! a piece that is neither last nor a multiple of 256 KiB is refused, and a total size may be said
//! only once. Persisted bytes are a count, and only whole multiples of 256 KiB count until the
//! object is complete.

use std::sync::{Arc, Mutex};

use super::object::validate_size;
use super::{BodyWriter, Chunk, Expected, NewObject, Object, Refusal, State, lock};

/// Pieces are multiples of this many bytes, but for the last.
pub const QUANTUM: u64 = 256 << 10;

/// One resumable upload.
pub struct Session {
    target: NewObject,
    progress: Mutex<Progress>,
}

struct Progress {
    phase: Phase,
    /// The object's size, once anybody has said it.
    total: Option<u64>,
    /// Counts the requests that appended; the newest owns the session.
    ticket: u64,
    /// Received, but short of a multiple of [`QUANTUM`].
    tail: Vec<Chunk>,
    tail_length: u64,
}

enum Phase {
    Open(Box<BodyWriter>),
    Complete(Arc<Object>),
    /// The completion was refused, or the upload was cancelled.
    Dead,
    Expired,
}

/// What a session answers when asked.
pub enum Status {
    /// More bytes are awaited.
    Incomplete {
        /// How many bytes the session holds.
        persisted: u64,
    },
    /// The upload is complete; this came of it.
    Complete(Arc<Object>),
}

/// Where a piece of the object belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Offset of its first byte.
    pub first: u64,
    /// How many bytes it has; `None`: up to the end of the object.
    pub length: Option<u64>,
    /// The object's size, if the sender knows it.
    pub total: Option<u64>,
}

impl Session {
    /// A session that will write `target`, of `total` bytes if known.
    pub(super) fn new(target: NewObject, total: Option<u64>, discard: bool) -> Self {
        Self {
            target,
            progress: Mutex::new(Progress {
                phase: Phase::Open(Box::new(BodyWriter::new(discard))),
                total,
                ticket: 0,
                tail: Vec::new(),
                tail_length: 0,
            }),
        }
    }

    /// What this session will write.
    #[must_use]
    pub fn target(&self) -> &NewObject {
        &self.target
    }

    /// Lets it expire, as a week without a completion would.
    pub fn expire(&self) {
        lock(&self.progress).phase = Phase::Expired;
    }

    pub(super) fn kill(&self) {
        lock(&self.progress).phase = Phase::Dead;
    }

    /// Asks how far the upload is. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal::SessionNotFound`] or [`Refusal::SessionGone`] for a session that is over without
    /// an object.
    pub fn status(&self) -> Result<Status, Refusal> {
        lock(&self.progress).status()
    }

    /// Says that the object ends where the session stands, at `total` bytes, if nobody had said a
    /// size before; else only asks. This is how a client that did not know the size concludes after
    /// its last full piece.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when `total` contradicts the size known, or is less than what is
    /// persisted; else as [`Append::finish`].
    pub fn conclude(
        &self,
        state: &State,
        total: u64,
        expected: &Expected,
    ) -> Result<Status, Refusal> {
        let mut progress = lock(&self.progress);
        let Status::Incomplete { persisted } = progress.status()? else {
            return progress.status();
        };
        if total < persisted {
            return Err(Refusal::Invalid(format!(
                "The object is said to have {total} bytes, the session holds {persisted}."
            )));
        }
        let unknown = progress.total.is_none();
        agree(progress.total, Some(total))?;
        if unknown && total == persisted {
            progress.ticket += 1;
            return progress.complete(state, &self.target, expected);
        }
        progress.status()
    }

    /// Starts to append `piece`; a request still appending is pushed aside.
    ///
    /// # Errors
    ///
    /// [`Refusal::Gap`] when the piece starts after what is persisted, [`Refusal::Invalid`] when it
    /// contradicts the known total or the 256 KiB rule or is of an object of more than 5 TiB, and as
    /// [`Self::status`].
    pub fn begin(self: &Arc<Self>, piece: Piece) -> Result<Begun, Refusal> {
        let mut progress = lock(&self.progress);
        let persisted = match progress.status()? {
            Status::Incomplete { persisted } => persisted,
            Status::Complete(object) => return Ok(Begun::Complete(object)),
        };
        let total = agree(progress.total, piece.total)?;
        total.map_or(Ok(()), validate_size)?;
        let end = piece
            .length
            .map(|length| piece.first.saturating_add(length));
        let last = match (end, total) {
            (Some(end), Some(total)) if end > total => {
                return Err(Refusal::Invalid(format!(
                    "The piece ends at byte {end}, after the object's declared size of {total} bytes."
                )));
            }
            (Some(end), Some(total)) => end == total,
            (None, _) => true,
            (Some(_), None) => false,
        };
        if !last
            && piece
                .length
                .is_some_and(|length| length == 0 || length % QUANTUM != 0)
        {
            return Err(Refusal::Invalid(format!(
                "A piece that is not the last must have a multiple of {QUANTUM} bytes; this has {}.",
                piece.length.unwrap_or_default()
            )));
        }
        if piece.first > persisted {
            return Err(Refusal::Gap {
                offset: piece.first,
                persisted,
            });
        }
        progress.total = total;
        progress.ticket += 1;
        progress.tail.clear();
        progress.tail_length = 0;
        Ok(Begun::Append(Append {
            ticket: progress.ticket,
            skip: persisted - piece.first,
            missing: piece
                .length
                .or(total.map(|total| total.saturating_sub(piece.first))),
            last,
            session: Arc::clone(self),
        }))
    }
}

/// What became of [`Session::begin`].
pub enum Begun {
    /// Push the piece's bytes here.
    Append(Append),
    /// The upload was complete already; the piece is not needed.
    Complete(Arc<Object>),
}

/// One request's piece on its way into the session. Dropped unfinished, it leaves the multiples of
/// 256 KiB that arrived.
pub struct Append {
    session: Arc<Session>,
    ticket: u64,
    /// Leading bytes that are persisted already; re-sent bytes are ignored, as the service does.
    skip: u64,
    /// Bytes still to come, if known.
    missing: Option<u64>,
    last: bool,
}

impl Append {
    /// Appends bytes of the piece.
    ///
    /// # Errors
    ///
    /// [`Refusal::Superseded`] once a later request began, [`Refusal::Invalid`] for more bytes than
    /// the piece was said to have, [`Refusal::Storage`] when they cannot be kept.
    pub fn push(&mut self, chunk: impl Into<Chunk>) -> Result<(), Refusal> {
        let mut chunk = chunk.into();
        if let Some(missing) = &mut self.missing {
            *missing = missing.checked_sub(chunk.length()).ok_or_else(|| {
                Refusal::Invalid(
                    "The body has more bytes than its range or declared size says.".into(),
                )
            })?;
        }
        self.skip -= chunk.split_to(self.skip).length();
        let mut progress = lock(&self.session.progress);
        if progress.ticket != self.ticket {
            return Err(Refusal::Superseded);
        }
        progress.tail_length += chunk.length();
        progress.tail.push(chunk);
        let mut whole = progress.tail_length / QUANTUM * QUANTUM;
        if self.last && self.missing == Some(0) {
            // The object's last bytes count only together with its completion: a session that holds
            // all its bytes and no object could not be told apart from one that awaits more.
            whole = whole.min(progress.tail_length.saturating_sub(1) / QUANTUM * QUANTUM);
        }
        progress.persist(whole)
    }

    /// Ends the piece after all its bytes were pushed; commits the object if it was the last.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] when bytes are missing and [`Refusal::TooOften`] (the session stays open);
    /// whatever else [`State::insert`] refuses with, after which the session is dead.
    pub fn finish(self, state: &State, expected: &Expected) -> Result<Status, Refusal> {
        if let Some(missing) = self.missing.filter(|missing| *missing > 0) {
            return Err(Refusal::Invalid(format!(
                "The body ended {missing} bytes before its range or declared size."
            )));
        }
        let mut progress = lock(&self.session.progress);
        if progress.ticket != self.ticket {
            return Err(Refusal::Superseded);
        }
        if !self.last {
            return progress.status();
        }
        state.may_write_again(&self.session.target)?;
        let rest = progress.tail_length;
        progress.persist(rest)?;
        progress.complete(state, &self.session.target, expected)
    }
}

impl Progress {
    fn status(&self) -> Result<Status, Refusal> {
        match &self.phase {
            Phase::Open(writer) => Ok(Status::Incomplete {
                persisted: writer.length(),
            }),
            Phase::Complete(object) => Ok(Status::Complete(Arc::clone(object))),
            Phase::Dead => Err(Refusal::SessionNotFound),
            Phase::Expired => Err(Refusal::SessionGone),
        }
    }

    /// Moves the first `count` bytes of the tail into the body.
    fn persist(&mut self, mut count: u64) -> Result<(), Refusal> {
        if count == 0 {
            return Ok(());
        }
        let Phase::Open(writer) = &mut self.phase else {
            return self.status().map(drop);
        };
        self.tail_length -= count;
        let mut rest = Vec::new();
        for mut chunk in self.tail.drain(..) {
            let taken = chunk.split_to(count);
            writer.push(&taken)?;
            count -= taken.length();
            if chunk.length() > 0 {
                rest.push(chunk);
            }
        }
        self.tail = rest;
        Ok(())
    }

    fn complete(
        &mut self,
        state: &State,
        target: &NewObject,
        expected: &Expected,
    ) -> Result<Status, Refusal> {
        match std::mem::replace(&mut self.phase, Phase::Dead) {
            Phase::Open(writer) => {
                let mut target = target.clone();
                target.expected = target.expected.merge(expected)?;
                let object = state.insert(target, writer.finish())?;
                self.phase = Phase::Complete(Arc::clone(&object));
                Ok(Status::Complete(object))
            }
            over => {
                self.phase = over;
                self.status()
            }
        }
    }
}

fn agree(known: Option<u64>, said: Option<u64>) -> Result<Option<u64>, Refusal> {
    match (known, said) {
        (Some(known), Some(said)) if known != said => Err(Refusal::Invalid(format!(
            "The object's size was declared as {known} bytes and is now declared as {said}."
        ))),
        _ => Ok(known.or(said)),
    }
}
