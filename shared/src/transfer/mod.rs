//! One object's copy, as a state machine: events in, steps out.
//!
//! The order of looking is what makes it right. What stands at the destination is read before the
//! source is, and the write commits only over what was read (`ifGenerationMatch`); a 412 means that
//! somebody else moved, so everything is looked at again. Only a small object may be tried at once
//! as if nothing stood there, because a 412 then costs little.
//!
//! `source` asks what there is, `upload` and `session` (with `underway` and `progress`) write it, `deletes`
//! takes it away, `etag` doubts an MD5 that is none; `step` is what goes between them and the runtime, and
//! this file holds what they share. Nothing here does I/O: [`crate::drive`] carries the steps out.

mod deletes;
mod etag;
mod progress;
mod session;
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
use crate::message::HintMessage;
use crate::retry::Attempts;
use crate::route::Route;
use crate::s3::SourceObject;

pub use step::{Ending, Event, LISTED_GONE, Outcome, Step};

use etag::{EtagMd5, Measure};
use progress::Progress;
use underway::{Piece, Underway};
use upload::Upload;

/// A session goes on with another message once checksums have run over so much here, too: an invocation has CPU
/// for some 130 GiB (`cpu_ms` in wrangler.toml), and may have several such transfers under way.
const DIGESTED: u64 = 16 << 30;

/// Looks at a destination that others keep writing, before the message goes back to the queue.
const LOOKS: u32 = 8;

/// One hint on its way along one route.
#[derive(Debug)]
pub struct Transfer {
    access: Arc<Access>,
    route: Arc<Route>,
    message: HintMessage,
    address: ObjectAddress,
    seed: u128,
    state: State,
    destination: Destination,
    upload: Option<Upload>,
    session: Option<Underway>,
    progress: Progress,
    /// How many bytes checksums have run over here.
    digested: u64,
    /// When a session is to go on with another message.
    until: Option<Timestamp>,
    /// From when on what failed is not begun once more here, but in another delivery.
    again_until: Option<Timestamp>,
    /// Those that failed; none when there is progress.
    attempts: Attempts,
    /// 412s so far.
    looks: u32,
    /// A write was sent whose reply never came: the object found later may be our own.
    ambiguous: bool,
    /// What this transfer wrote where nothing had stood, or may have.
    created: Option<Generation>,
    /// What this transfer deleted, or may have.
    deleted: Option<Generation>,
    /// The brake lets this delete go.
    granted: bool,
    /// A refused credential was got anew, or could not be.
    renewed: bool,
    reading: Reading,
    /// What GCS refused to take of the metadata.
    less: Less,
    /// Whether an ETag that looks like an MD5 is one.
    etag_md5: EtagMd5,
}

/// How the source is being read.
#[derive(Debug, Default)]
struct Reading {
    /// It refused an `If-Match`; whether rightly, the replies without it tell.
    is_match_refused: bool,
    /// The body under way was not read in one go.
    is_broken_off: bool,
}

#[derive(Debug)]
enum State {
    Idle,
    /// The destination's resource was asked for.
    Looking,
    /// The source was asked for.
    Opening,
    /// The source's tags were asked for, while its body is open.
    Tagging(Box<SourceObject>),
    /// The whole body is being read into memory.
    Buffering,
    /// The one upload request is under way.
    Uploading,
    /// A session was asked for.
    Starting,
    /// Bytes are on their way to the session, up to `end`; `rest` of the open body follow by
    /// themselves.
    Sending {
        end: u64,
        rest: u64,
    },
    /// What is left of the open body behind `end` is being read into memory.
    Holding {
        end: u64,
        rest: u64,
    },
    /// The last piece is on its way.
    Finishing,
    /// After a break: waiting before the session's status is asked.
    Pausing,
    /// The session's status was asked.
    Querying,
    /// The source was asked for some bytes of the same object.
    Reopening(Piece),
    /// Bytes that GCS has are being read for their checksum.
    CatchingUp(Piece),
    /// The source was asked for half of its bytes.
    Measuring(Measure),
    /// They are being read for their checksum.
    Measured(Measure),
    /// The session is being given up because of an error.
    Cancelling(TransferError),
    /// The brake was asked whether this generation may be deleted.
    Asking(Generation),
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
        let session = message.session.take().map(|session| *session);
        let key = &message.hint.key;
        check_reachable(key)?;
        let name = route.destination_name(key).unwrap_or_default();
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
            state: State::Idle,
            destination: Destination::Unknown,
            upload: None,
            progress: session.as_ref().map_or_else(Progress::default, |carried| {
                Progress::of(&carried.etag, carried.furthest)
            }),
            session: session.map(Underway::taken_up),
            digested: 0,
            until: None,
            again_until: None,
            attempts: Attempts::default(),
            looks: 0,
            ambiguous: false,
            created: None,
            deleted: None,
            granted: false,
            renewed: false,
            reading: Reading::default(),
            less: Less::default(),
            etag_md5: EtagMd5::default(),
        })
    }

    /// Takes what came of the last step and gives the next. `now` is the time of the call. To be
    /// called with [`Event::Start`] first, and again after each step until `Done` or `Failed`.
    pub fn advance(&mut self, event: Event, now: Timestamp) -> Step {
        let step = self.next(event, now).or_else(|error| self.fail(error, now));
        step.unwrap_or_else(|error| {
            self.state = State::Ended;
            Step::Failed(error)
        })
    }

    /// With what its requests get their credentials.
    #[must_use]
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    fn next(&mut self, event: Event, now: Timestamp) -> Next {
        let state = std::mem::replace(&mut self.state, State::Ended);
        match (state, event) {
            (State::Idle, Event::Start) => self.begin(now),
            (State::Looking, Event::Reply(reply)) => self.looked(&reply),
            (State::Opening, Event::Reply(reply)) => self.opened(&reply),
            (State::Tagging(source), Event::Reply(reply)) => self.tagged(*source, &reply),
            (State::Buffering, Event::Digested(digests)) => self.buffered(&digests),
            (State::Uploading, Event::Reply(reply)) => self.uploaded(&reply),
            (State::Starting, Event::Reply(reply)) => self.started(&reply),
            (State::Sending { end, rest }, Event::Reply(reply)) => {
                self.sent(&reply, (end, rest), now)
            }
            (State::Holding { end, rest }, Event::Digested(digests)) => {
                self.held(digests, (end, rest), now)
            }
            (State::Finishing, Event::Reply(reply)) => self.finished(&reply, now),
            (State::Pausing, Event::Woken) => self.query(),
            (State::Querying, Event::Reply(reply)) => self.queried(&reply, now),
            (State::Reopening(piece), Event::Reply(reply)) => self.reopened(&reply, piece, now),
            (State::CatchingUp(piece), Event::Digested(digests)) => {
                self.caught_up(digests, piece, now)
            }
            (State::Measuring(measure), Event::Reply(reply)) => self.half_opened(&reply, measure),
            (State::Measured(measure), Event::Digested(digests)) => {
                self.half_measured(&digests, measure)
            }
            (
                State::Cancelling(error),
                Event::Reply(_) | Event::TransportError(_) | Event::Unauthorized(_),
            ) => self.conclude(error, now),
            (State::Asking(generation), Event::DeletePermit(leave)) => {
                self.leave_given(leave, generation)
            }
            (State::Deleting(generation), Event::Reply(reply)) => self.deleted(&reply, generation),
            (State::Rechecking { outcome, etag }, Event::Reply(reply)) => {
                self.rechecked(&reply, outcome, etag.as_ref())
            }
            (State::Waiting, Event::Woken) => self.look(),
            (state, Event::TransportError(lost)) => self.lost(&state, &lost, now),
            (_, Event::Unauthorized(error)) => self.unauthorized(error, now),
            (state, event) => Err(TransferError::new(
                ErrorKind::OutOfTurn,
                format!("{} does not answer {state:?}.", event.name()),
                "This is a bug of the runtime's port; please report it.",
            )),
        }
    }

    /// A broken request or body, in a state where that is an error.
    fn lost(&mut self, state: &State, lost: &TransportError, now: Timestamp) -> Next {
        let opening = matches!(
            state,
            State::Opening
                | State::Tagging(_)
                | State::Reopening(_)
                | State::Measuring(_)
                | State::Rechecking { .. }
        );
        let reading = matches!(
            state,
            State::Buffering | State::Holding { .. } | State::CatchingUp(_) | State::Measured(_)
        );
        // Some of the runtime's sentences have their full stop already.
        let detail = lost.detail.trim_end_matches('.');
        let error = if opening || reading || lost.side == Side::Source {
            TransferError::new(
                if opening {
                    ErrorKind::SourceUnavailable
                } else {
                    ErrorKind::SourceBroken
                },
                format!("Reading from S3 broke off: {detail}."),
                "Nothing to do: it is tried again.",
            )
        } else {
            TransferError::new(
                ErrorKind::DestinationUnavailable,
                format!("GCS gave no answer: {detail}."),
                "Nothing to do: it is tried again.",
            )
        };
        self.ambiguous |= matches!(
            state,
            State::Uploading | State::Sending { .. } | State::Finishing | State::Querying
        );
        if let State::Deleting(generation) = state {
            self.deleted = Some(*generation);
        }
        if self.session.is_some() {
            return self.interrupted(error, now);
        }
        Err(error)
    }

    /// Nothing was sent. A session waits as it does after a break; what a token service refuses is not
    /// asked for once more.
    fn unauthorized(&mut self, error: TransferError, now: Timestamp) -> Next {
        self.renewed |= !error.kind.is_transient();
        if self.session.is_some() {
            return self.interrupted(error, now);
        }
        Err(error)
    }

    /// An error: first it is seen what becomes of a session, then the error is weighed.
    fn fail(&mut self, error: TransferError, now: Timestamp) -> Next {
        match self.session.take() {
            Some(session) => {
                let error = self.learn(error, session.checksums().from);
                self.leave(session, error)
            }
            None => self.conclude(error, now),
        }
    }

    /// Starts over if the error is one that passes, and ends otherwise.
    fn conclude(&mut self, mut error: TransferError, now: Timestamp) -> Next {
        if let Some(upload) = self.upload.take() {
            error = self.learn(error, upload.source.checksums.from);
            let less = upload.less_than(self.less, &self.route, &self.address.name);
            if let Some(less) = less.filter(|_| error.is_of_metadata()) {
                self.less = less;
                return self.look();
            }
        }
        // Once: nothing is sent as before.
        if error.kind == ErrorKind::ChecksumRefused && self.is_etag_disproved() {
            return self.look();
        }
        if self.access.forget_refused(&error, &mut self.renewed) {
            return self.look();
        }
        let wait = self.backoff(&error);
        let Some(wait) = wait.filter(|_| self.again_until.is_none_or(|until| now < until)) else {
            return Err(error);
        };
        self.state = State::Waiting;
        Ok(wait_until(now, wait))
    }

    /// Counts an attempt that ended in `error`; gives the wait before the next, if there is one.
    fn backoff(&mut self, error: &TransferError) -> Option<Duration> {
        #[expect(clippy::cast_possible_truncation, reason = "half of a seed is a seed")]
        let seed = self.seed as u64;
        self.attempts.wait(error, seed)
    }
}

fn wait_until(now: Timestamp, wait: Duration) -> Step {
    let time = SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| now.checked_add(wait).ok());
    Step::WaitUntil(time.unwrap_or(Timestamp::MAX))
}
