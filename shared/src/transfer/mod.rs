//! One object's copy, as a state machine: events in, steps out.
//!
//! The order of looking is what makes it right. What stands at the destination is read before the
//! source is, and the write commits only over what was read (`ifGenerationMatch`); a 412 means that
//! somebody else moved, so everything is looked at again. Only a small object may be tried at once
//! as if nothing stood there, because a 412 then costs little.
//!
//! `source` asks what there is, `upload` and `session` (with `slices`, `underway` and `progress`) write it,
//! `deletes` takes it away, `composite` puts the parts' checksums at the source together, `etag` finds out whether an
//! ETag that looks like an MD5 is one. `step` is what the runtime is told and answers; this file holds what all share.
//! Nothing here does I/O: [`crate::drive`] carries the steps out.

mod composite;
mod deletes;
mod etag;
mod progress;
mod session;
mod slices;
mod source;
mod step;
#[cfg(test)]
mod tests;
mod underway;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::access::{Access, check_reachable};
use crate::error::{ErrorKind, TransferError};
use crate::exchange::{Side, TransportError};
use crate::gcs::{Generation, Object, ObjectAddress, check_name};
use crate::mapping::Less;
use crate::message::{CarriedSession, HintMessage};
use crate::plan::Session;
use crate::retry::Attempts;
use crate::route::Route;
use crate::s3::SourceObject;

pub use step::{Ending, Event, LISTED_GONE, Outcome, Step};

use composite::Asked;
use etag::{EtagMd5, Measure};
use progress::Progress;
use underway::{Phase, Underway};
use upload::Upload;

/// A session goes on with another message once checksums have run over so much here, too: an invocation has CPU
/// for some 130 GiB (`cpu_ms` in wrangler.toml), and may have several such transfers under way.
const DIGESTED: u64 = 16 << 30;

/// Looks at a destination that others keep writing, before the message goes back to the queue.
const LOOKS: u32 = 8;

/// One hint on its way along one route. What only some states have is in `State`.
#[derive(Debug)]
pub struct Transfer {
    access: Arc<Access>,
    route: Arc<Route>,
    message: HintMessage,
    address: ObjectAddress,
    seed: u128,
    /// The time of the last event.
    now: Timestamp,
    state: State,
    destination: Destination,
    progress: Progress,
    /// How many bytes checksums have run over here.
    digested: u64,
    /// When a session is to go on with another message.
    until: Timestamp,
    /// From when on what failed is not begun once more here, but in another delivery.
    again_until: Timestamp,
    /// Those that failed; none when there is progress.
    attempts: Attempts,
    /// 412s so far.
    looks: u32,
    effects: Effects,
    /// A refused credential was got anew, or could not be.
    renewed: bool,
    reading: Reading,
    /// What GCS refused to take of the metadata.
    less: Less,
    /// Whether an ETag that looks like an MD5 is one.
    etag_md5: EtagMd5,
}

/// What this transfer did at the destination, or may have done: what it finds there later may be its own work.
#[derive(Debug, Default)]
struct Effects {
    /// A write was sent whose reply never came.
    ambiguous: bool,
    /// What was written where nothing had stood.
    created: Option<Generation>,
    deleted: Option<Generation>,
    /// The brake counted a delete that was not made yet.
    granted: bool,
}

/// How the source is being read.
#[derive(Debug, Default)]
struct Reading {
    /// It refused an `If-Match`; whether rightly, the replies without it tell.
    is_match_refused: bool,
    /// The last read of some bytes named a version.
    is_by_version: bool,
    /// The body under way was not read in one go.
    is_broken_off: bool,
}

/// What the last step asked for, and what lives until its answer.
#[derive(Debug)]
enum State {
    /// Before the start, with the session that came with the message.
    Idle(Option<Box<Underway>>),
    /// The destination's resource was asked for.
    Looking,
    /// The source was asked for.
    Opening,
    /// The source's tags were asked for, while its body is open.
    Tagging(Box<SourceObject>),
    /// The source was asked for its parts' checksums, while its body is open.
    Asking(Box<Asked>),
    /// The whole body is being read into memory.
    Buffering(Box<Upload>),
    /// The one upload request is under way.
    Uploading(Box<Upload>),
    /// A session was asked for.
    Starting(Box<Upload>, Session),
    /// The upload's session exists.
    InSession(Box<Underway>, Phase),
    /// The session is being given up because of an error.
    Cancelling(TransferError),
    /// The source was asked for half of the object's bytes.
    Measuring(Measure),
    /// That half is being read for its checksum.
    Measured(Measure),
    /// The brake was asked whether this generation may be deleted.
    Permitting(Generation),
    /// This generation is being deleted.
    Deleting(Generation),
    /// After a write over nothing, or a delete: the source was asked whether it still has `etag`,
    /// or still nothing.
    Rechecking {
        outcome: Outcome,
        etag: Option<String>,
    },
    /// Waiting before everything is looked at again.
    Waiting,
    Ended,
}

/// What is known of the destination.
#[derive(Debug)]
enum Destination {
    /// Nobody looked: tried as if nothing stood there.
    Unknown,
    /// What stood there before the source was read.
    Seen(Option<Box<Object>>),
}

type Next = Result<Step, TransferError>;

impl Transfer {
    /// A transfer of what `message` hints at, along `route`. `seed` is random, and new for each
    /// transfer.
    ///
    /// # Errors
    /// [`ErrorKind::KeyUnreachable`] for a key with `.` or `..` segments,
    /// [`ErrorKind::DestinationRefused`] when the key has no name at the destination.
    pub fn new(
        access: Arc<Access>,
        route: Arc<Route>,
        message: &HintMessage,
        seed: u128,
    ) -> Result<Self, TransferError> {
        let mut message = message.clone();
        let bucket = &route.destination.bucket;
        let key = &message.hint.key;
        check_reachable(key)?;
        let name = route.destination_name(key).unwrap_or_default();
        // One that leads to where the route led before ends by itself.
        let session = message.session.take().map(|session| *session);
        let session = session.filter(|CarriedSession { place, .. }| match place.split_once('/') {
            Some(known) => known == (bucket, &name),
            None => place.is_empty() || place == bucket,
        });
        let is_marker = route.is_own_folder(key) && message.hint.size.unwrap_or_default() == 0;
        if !is_marker {
            check_name(&name).map_err(|why| {
                TransferError::new(
                    ErrorKind::DestinationRefused,
                    format!(
                        "The key {key:?} would be called {name:?} at the destination of the route {}, which GCS does not take: a name {why}.",
                        route.name
                    ),
                    "Change the route's prefixes, or rename the object at the source.",
                )
            })?;
        }
        Ok(Self {
            address: access.gcs.address(&route.destination.bucket, &name),
            access,
            route,
            message,
            seed,
            now: Timestamp::MIN,
            destination: Destination::Unknown,
            progress: session.as_ref().map_or_else(Progress::default, |carried| {
                Progress::of(&carried.etag, carried.furthest)
            }),
            state: State::Idle(session.map(Underway::taken_up).map(Box::new)),
            digested: 0,
            until: Timestamp::MAX,
            again_until: Timestamp::MAX,
            attempts: Attempts::default(),
            looks: 0,
            effects: Effects::default(),
            renewed: false,
            reading: Reading::default(),
            less: Less::default(),
            etag_md5: EtagMd5::default(),
        })
    }

    /// Takes what came of the last step and gives the next. `now` is the time of the call. To be
    /// called with [`Event::Start`] first, and again after each step until `Done` or `Failed`.
    pub fn advance(&mut self, event: Event, now: Timestamp) -> Step {
        self.now = now;
        self.next(event)
            .unwrap_or_else(|error| self.conclude(error))
    }

    /// With what its requests get their credentials.
    #[must_use]
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    fn next(&mut self, event: Event) -> Next {
        let state = std::mem::replace(&mut self.state, State::Ended);
        match (state, event) {
            (State::Idle(session), Event::Start) => self.begin(session),
            (State::Looking, Event::Reply(reply)) => self.looked(&reply),
            (State::Opening, Event::Reply(reply)) => self.opened(&reply),
            (State::Tagging(source), Event::Reply(reply)) => self.tagged(*source, &reply),
            (State::Asking(asked), event) => self.parts_told(*asked, event),
            (State::Buffering(upload), Event::Digested(digests)) => self.buffered(upload, &digests),
            (State::Uploading(upload), Event::Reply(reply)) => self.uploaded(&upload, &reply),
            (State::Starting(upload, plan), Event::Reply(reply)) => {
                self.started(*upload, plan, &reply)
            }
            (State::InSession(session, phase), event) => Ok(self.in_session(session, phase, event)),
            (
                State::Cancelling(error),
                Event::Reply(_) | Event::TransportError(_) | Event::Unauthorized(_),
            ) => Err(error),
            (State::Measuring(measure), Event::Reply(reply)) => self.half_opened(&reply, measure),
            (State::Measured(measure), Event::Digested(digests)) => {
                self.half_measured(&digests, measure)
            }
            (State::Permitting(generation), Event::DeletePermit(leave)) => {
                self.leave_given(leave, generation)
            }
            (State::Deleting(generation), Event::Reply(reply)) => self.deleted(&reply, generation),
            (State::Rechecking { outcome, etag }, Event::Reply(reply)) => {
                self.rechecked(&reply, outcome, etag.as_ref())
            }
            (State::Waiting, Event::Woken) => self.look(),
            (state, Event::TransportError(lost)) => Err(self.lost(&state, &lost)),
            (_, Event::Unauthorized(error)) => Err(self.unauthorized(error)),
            (_, event) => Err(out_of_turn(&event)),
        }
    }

    /// A broken request or body, outside of a session.
    fn lost(&mut self, state: &State, lost: &TransportError) -> TransferError {
        let of_source = match state {
            State::Opening | State::Tagging(_) | State::Measuring(_) | State::Rechecking { .. } => {
                Some(ErrorKind::SourceUnavailable)
            }
            State::Buffering(_) | State::Measured(_) => Some(ErrorKind::SourceBroken),
            State::Uploading(_) => {
                self.effects.ambiguous = true;
                None
            }
            State::Deleting(generation) => {
                self.effects.deleted = Some(*generation);
                None
            }
            _ => None,
        };
        broken_off(lost, of_source)
    }

    /// Nothing was sent. What a token service refuses is not asked for once more.
    fn unauthorized(&mut self, error: TransferError) -> TransferError {
        self.renewed |= !error.kind.is_transient();
        error
    }

    /// Starts over if the error is one that passes, and ends otherwise.
    fn conclude(&mut self, error: TransferError) -> Step {
        // Once: nothing is sent as before.
        let is_doubted = error.kind == ErrorKind::ChecksumRefused && self.is_etag_disproved();
        if is_doubted || self.access.forget_refused(&error, &mut self.renewed) {
            return self.look().unwrap_or_else(Step::Failed);
        }
        let wait = self.backoff(&error);
        let Some(wait) = wait.filter(|_| self.now < self.again_until) else {
            return Step::Failed(error);
        };
        self.state = State::Waiting;
        self.wait(wait)
    }

    /// Counts an attempt that ended in `error`; gives the wait before the next, if there is one.
    fn backoff(&mut self, error: &TransferError) -> Option<Duration> {
        #[expect(clippy::cast_possible_truncation, reason = "half of a seed is a seed")]
        let seed = self.seed as u64;
        self.attempts.wait(error, seed)
    }

    fn wait(&self, wait: Duration) -> Step {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        Step::WaitUntil(self.after(wait))
    }

    fn after(&self, wait: SignedDuration) -> Timestamp {
        self.now.checked_add(wait).unwrap_or(Timestamp::MAX)
    }
}

/// The error of a broken request or body. `of_source` is its kind where nothing but the source can have broken.
fn broken_off(lost: &TransportError, of_source: Option<ErrorKind>) -> TransferError {
    // Some of the runtime's sentences have their full stop already.
    let detail = lost.detail.trim_end_matches('.');
    let is_of_source = lost.side == Side::Source;
    let (kind, message) = match of_source.or(is_of_source.then_some(ErrorKind::SourceBroken)) {
        Some(kind) => (kind, format!("Reading from S3 broke off: {detail}.")),
        None => (
            ErrorKind::DestinationUnavailable,
            format!("GCS gave no answer: {detail}."),
        ),
    };
    TransferError::new(kind, message, "Nothing to do: it is tried again.")
}

fn out_of_turn(event: &Event) -> TransferError {
    TransferError::new(
        ErrorKind::OutOfTurn,
        format!("{} does not answer the last step.", event.name()),
        "This is a bug of the runtime's port; please report it.",
    )
}
