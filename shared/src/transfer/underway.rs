//! A session that is under way: what is kept of it between two steps.

use crate::error::TransferError;
use crate::integrity::{Digest, Digests};
use crate::message::{CarriedSession, Running};

/// A session that is under way in this transfer.
#[derive(Debug)]
pub(super) struct Underway {
    pub(super) carried: CarriedSession,
    /// It came with the message: a later delivery can take it up again.
    pub(super) came: bool,
    /// GCS was asked how far it is.
    pub(super) is_asked: bool,
    /// How many bytes GCS had in it when this delivery took it up.
    pub(super) from: u64,
    /// What it was refused with since GCS last answered for it.
    pub(super) refusal: Option<TransferError>,
    /// How far its checksums went when it was taken up.
    pub(super) began_at: u64,
    /// What was computed over the whole, once that is known.
    pub(super) whole: Option<Digests>,
}

/// What a session waits for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    /// Bytes are on their way to it, up to `end`; `rest` of the open body follow by themselves.
    Sending { end: u64, rest: u64 },
    /// What is left of the open body behind `end` is being read into memory.
    Holding { end: u64, rest: u64 },
    /// The last piece is on its way.
    Finishing,
    /// After a break: waiting before its status is asked.
    Pausing,
    /// Its status was asked.
    Querying,
    /// The source was asked for some bytes of the same object.
    Reopening(Piece),
    /// Bytes that GCS has are being read for their checksum.
    CatchingUp(Piece),
}

/// What is read from the source next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) start: u64,
    pub(super) length: u64,
    /// GCS has these bytes; only their checksum is missing.
    pub(super) is_known: bool,
}

impl Underway {
    /// One that came with the message.
    pub(super) fn taken_up(carried: CarriedSession) -> Self {
        Self {
            began_at: carried.running.as_ref().map_or(0, |running| running.offset),
            carried,
            came: true,
            is_asked: false,
            from: 0,
            refusal: None,
            whole: None,
        }
    }

    /// One that was begun here, for an object of whose bytes `furthest` were sent before at most.
    pub(super) fn begun(carried: CarriedSession, furthest: u64) -> Self {
        Self {
            carried,
            came: false,
            is_asked: true,
            from: 0,
            refusal: None,
            began_at: furthest,
            whole: None,
        }
    }

    /// How many bytes the running checksums cover; `None` where there are none.
    pub(super) fn covered(&self) -> Option<u64> {
        let running = self.carried.running.as_ref();
        running.map(|running| running.offset)
    }

    /// What the running checksums are with what was computed over `length` more bytes.
    pub(super) fn with(&self, digests: Digests, length: u64) -> Running {
        match &self.carried.running {
            Some(running) if running.offset > 0 => Running {
                offset: running.offset + length,
                digests: running.digests.followed_by(&digests, length),
            },
            _ => Running {
                offset: length,
                digests,
            },
        }
    }

    /// Adds what was computed over `length` more bytes, which GCS has.
    pub(super) fn add(&mut self, digests: Digests, length: u64) {
        self.carried.running = Some(self.with(digests, length));
    }

    /// Whether it can go on after a break. A checksum that cannot be put together is lost with it.
    pub(super) fn is_resumable(&self) -> bool {
        let digest = self.carried.plan.digest;
        digest.is_none_or(Digest::is_combinable)
    }
}
