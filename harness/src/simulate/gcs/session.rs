//! Resumable sessions: which bytes are persisted, and when an object comes of them.
//!
//! <https://cloud.google.com/storage/docs/performing-resumable-uploads>

use std::rc::Rc;

use super::super::body::Body;
use super::{Gcs, Object, Refusal, Said, invalid};

/// Pieces are multiples of this many bytes, but for the last.
pub(in super::super) const QUANTUM: u64 = 256 << 10;

/// One upload.
#[derive(Debug)]
pub(in super::super) struct Session {
    said: Said,
    if_generation: Option<u64>,
    total: u64,
    body: Body,
    /// The newest request owns the session.
    ticket: u64,
    phase: Phase,
    /// Somebody may no longer know of it, and it was no fault of ours: a reply or an isolate was lost.
    pub(in super::super) is_orphan: bool,
}

#[derive(Debug)]
enum Phase {
    Open,
    Complete(Rc<Object>),
    /// Cancelled, or refused at its end.
    Dead,
    Expired,
}

/// What a session answers.
pub(super) enum Status {
    Incomplete(u64),
    Complete(Rc<Object>),
}

/// Which bytes a request carries, of how many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) first: u64,
    pub(super) length: u64,
    pub(super) total: u64,
}

const NOT_FOUND: Refusal = Refusal(404, "notFound", "The upload session was not found.");

impl Session {
    pub(in super::super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub(super) fn if_generation(&self) -> Option<u64> {
        self.if_generation
    }

    pub(in super::super) fn name(&self) -> &str {
        &self.said.name
    }

    pub(in super::super) fn expire(&mut self) {
        if self.is_open() {
            self.phase = Phase::Expired;
        }
    }

    fn status(&self) -> Result<Status, Refusal> {
        match &self.phase {
            Phase::Open => Ok(Status::Incomplete(self.body.length())),
            Phase::Complete(object) => Ok(Status::Complete(Rc::clone(object))),
            Phase::Dead => Err(NOT_FOUND),
            Phase::Expired => Err(Refusal(410, "gone", "The upload session has expired.")),
        }
    }
}

impl Gcs {
    pub(super) fn start_session(
        &mut self,
        said: Said,
        total: u64,
        if_generation: Option<u64>,
    ) -> Result<u64, Refusal> {
        if self.is_strict_at_start {
            self.check(&said.name, if_generation)?;
        }
        let id = self.sessions.len() as u64 + 1;
        self.sessions.insert(
            id,
            Session {
                said,
                if_generation,
                total,
                body: Body::default(),
                ticket: 0,
                phase: Phase::Open,
                is_orphan: false,
            },
        );
        Ok(id)
    }

    fn session(&mut self, id: u64) -> Result<&mut Session, Refusal> {
        self.sessions.get_mut(&id).ok_or(NOT_FOUND)
    }

    pub(super) fn session_status(&mut self, id: u64, total: u64) -> Result<Status, Refusal> {
        let session = self.session(id)?;
        let status = session.status()?;
        if session.total != total {
            return Err(invalid("The size is not the declared one."));
        }
        Ok(status)
    }

    pub(super) fn cancel_session(&mut self, id: u64) -> Result<(), Refusal> {
        let session = self.session(id)?;
        session.status()?;
        if session.is_open() {
            session.phase = Phase::Dead;
        }
        Ok(())
    }

    /// A request with bytes begins to arrive: whoever was sending before is pushed aside.
    pub(in super::super) fn begin_piece(&mut self, id: u64) -> u64 {
        let Ok(session) = self.session(id) else {
            return 0;
        };
        session.ticket += 1;
        session.ticket
    }

    /// Takes `body`, as much of `piece` as has arrived. `crc32c` is what X-Goog-Hash says.
    pub(super) fn append(
        &mut self,
        id: u64,
        piece: Piece,
        body: &Body,
        ticket: u64,
        crc32c: Option<String>,
    ) -> Result<Status, Refusal> {
        let session = self.session(id)?;
        let persisted = match session.status()? {
            Status::Incomplete(persisted) => persisted,
            complete @ Status::Complete(_) => return Ok(complete),
        };
        let end = piece.first + piece.length;
        if piece.total != session.total || end > session.total {
            return Err(invalid("The size is not the declared one."));
        }
        let is_last = end == session.total;
        if !is_last && (piece.length == 0 || !piece.length.is_multiple_of(QUANTUM)) {
            return Err(invalid(
                "A piece that is not the last must have a multiple of 262144 bytes.",
            ));
        }
        if piece.first > persisted {
            return Err(Refusal(
                503,
                "backendError",
                "The piece starts after what is persisted.",
            ));
        }
        if ticket != session.ticket {
            return Err(Refusal(503, "backendError", "A later request took over."));
        }
        let new = body.slice(persisted - piece.first, u64::MAX);
        let is_whole = body.length() == piece.length;
        if is_last && is_whole {
            let mut said = session.said.clone();
            said.crc32c = crc32c.or(said.crc32c);
            let (mut body, if_generation) = (session.body.clone(), session.if_generation);
            body.append(&new);
            let committed = self.commit(&said, body, if_generation, false);
            self.session(id)?.phase = match &committed {
                Ok(object) => Phase::Complete(Rc::clone(object)),
                Err(Refusal(429, ..)) => Phase::Open,
                Err(_) => Phase::Dead,
            };
            return committed.map(Status::Complete);
        }
        // The object's last bytes count only together with its completion.
        let whole = new.length() / QUANTUM * QUANTUM;
        let room = (session.total - 1) / QUANTUM * QUANTUM - persisted;
        session.body.append(&new.slice(0, whole.min(room)));
        if !is_whole {
            return Err(invalid("The body ended early."));
        }
        session.status()
    }
}
