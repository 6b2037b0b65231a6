//! One object's copy, as a state machine: events in, steps out.
//!
//! The order of looking is what makes it right. What stands at the destination is read before the
//! source is, and the write commits only over what was read (`ifGenerationMatch`); a 412 means that
//! somebody else moved, so everything is looked at again. Only a small object may be tried at once
//! as if nothing stood there, because a 412 then costs little.
//!
//! `source` asks what there is, `upload` and `session` write it; this file holds what they share.
//! Nothing here does I/O: [`crate::drive`] carries the steps out.

mod session;
mod source;
#[cfg(test)]
mod tests;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::access::{Access, authorize, cannot_sign_token, check_reachable};
use crate::error::{ErrorKind, TransferError};
use crate::exchange::{Lost, Side, Sink};
use crate::gcs::{Assertion, Generation, Object, ObjectAddress};
use crate::integrity::{Digest, Digests, Proof};
use crate::message::{CarriedSession, HintMessage};
use crate::order::Order;
use crate::retry;
use crate::route::Route;
use crate::s3::SourceObject;

use session::{Piece, Underway};
use upload::Upload;

/// What the runtime is to do next. Each is answered by exactly one [`Event`].
#[derive(Debug)]
pub enum Step {
    /// [`crate::port::Port::send`]; answered by `Reply` or `Lost`.
    Send(Request<Bytes>),
    /// [`crate::port::Port::open`]; answered by `Reply` or `Lost`.
    Open(Request<Bytes>),
    /// [`crate::port::Port::pipe`]; answered by `Reply` or `Lost`.
    Pipe {
        /// Where the open body goes.
        sink: Sink,
        /// How many of its bytes.
        length: u64,
        /// Which checksums run over them, if any.
        digest: Option<Digest>,
    },
    /// [`crate::port::Port::hold`]; answered by `Digested` or `Lost`.
    Hold {
        /// How many bytes are left.
        length: u64,
        /// Which checksums run over them.
        digest: Digest,
    },
    /// [`crate::port::Port::sign_rs256`]; answered by `Signed`.
    SignRs256(Vec<u8>),
    /// [`crate::port::Port::wait_until`]; answered by `Woken`.
    WaitUntil(Timestamp),
    /// [`crate::port::Port::digest`]; answered by `Digested` or `Lost`.
    Digest {
        /// How many bytes are left.
        length: u64,
        /// Which checksums run over them.
        digest: Digest,
    },
    /// The end; nothing answers it.
    Done(Ending),
    /// The end; [`crate::retry::after_delivery`] says what follows.
    Failed(TransferError),
}

/// What came of the last step.
#[derive(Debug)]
pub enum Event {
    /// Nothing yet: the first call.
    Start,
    /// A reply, whatever its status.
    Reply(Response<Bytes>),
    /// No reply, or a body that broke.
    Lost(Lost),
    /// What the checksums of the open body came to.
    Digested(Digests),
    /// The signature, or why there is none.
    Signed(Result<Vec<u8>, String>),
    /// The time has come.
    Woken,
}

impl Event {
    /// The variant's name. `Debug` would show a reply's headers, and a session's URI with them.
    fn name(&self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Reply(_) => "Reply",
            Self::Lost(_) => "Lost",
            Self::Digested(_) => "Digested",
            Self::Signed(_) => "Signed",
            Self::Woken => "Woken",
        }
    }
}

impl From<Result<Digests, Lost>> for Event {
    fn from(result: Result<Digests, Lost>) -> Self {
        result.map_or_else(Self::Lost, Self::Digested)
    }
}

impl From<Result<Response<Bytes>, Lost>> for Event {
    fn from(result: Result<Response<Bytes>, Lost>) -> Self {
        result.map_or_else(Self::Lost, Self::Reply)
    }
}

/// How a transfer ended well, as far as its message is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Nothing is left to do.
    Settled(Outcome),
    /// The object is to be made of parts.
    Parts(Box<Order>),
    /// Its upload goes on with another message, which carries the session.
    Carry {
        /// The session.
        session: Box<CarriedSession>,
        /// How long to wait before.
        delay: Duration,
    },
}

/// How an object's copy ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The object was written and GCS checked its bytes.
    Copied {
        /// What stands there now.
        generation: Generation,
        /// Its size in bytes.
        size: u64,
        /// How its bytes were proven.
        proof: Proof,
        /// What of its metadata did not fit or could not be read, as `causeway-omitted` names it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        omitted: Option<String>,
    },
    /// The same object stood there already; no bytes moved.
    Identical {
        /// What stands there.
        generation: Generation,
    },
    /// The source has no such key now.
    SourceGone,
}

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
    /// The most bytes that any session of this transfer was seen to have.
    persisted: u64,
    /// How many the session had when it was taken up: none, unless it came with the message.
    found: Option<u64>,
    /// When a session is to go on with another message.
    until: Option<Timestamp>,
    /// From when on what failed is not begun once more here, but in another delivery.
    again_until: Option<Timestamp>,
    /// The attempt under way, from 1; set back when there is progress.
    attempt: u32,
    /// 412s so far.
    looks: u32,
    /// A write was sent whose reply never came: the object found later may be our own.
    ambiguous: bool,
    token_renewed: bool,
    /// The step that waits for a token.
    held: Option<(Ask, Assertion)>,
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
    /// The session is being given up because of an error.
    Cancelling(TransferError),
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

/// A step, and whether it needs Google's token.
#[derive(Debug)]
struct Ask {
    step: Step,
    bearer: bool,
}

impl Ask {
    fn plain(step: Step) -> Self {
        Self {
            step,
            bearer: false,
        }
    }

    fn gcs(step: Step) -> Self {
        Self { step, bearer: true }
    }
}

type Next = Result<Ask, TransferError>;

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
        if matches!(name.as_str(), "" | "." | "..") {
            return Err(TransferError::new(
                ErrorKind::DestinationRefused,
                format!(
                    "The key {:?} would be called {name:?} at the destination of the route {}, which GCS does not take.",
                    key, route.name
                ),
                "Change the route's prefixes, or rename the object at the source.",
            ));
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
            found: session.is_none().then_some(0),
            session: session.map(Underway::taken_up),
            persisted: 0,
            until: None,
            again_until: None,
            attempt: 1,
            looks: 0,
            ambiguous: false,
            token_renewed: false,
            held: None,
        })
    }

    /// Takes what came of the last step and gives the next. `now` is the time of the call. To be
    /// called with [`Event::Start`] first, and again after each step until `Done` or `Failed`.
    pub fn advance(&mut self, event: Event, now: Timestamp) -> Step {
        let ask = match event {
            Event::Signed(signature) => self.signed(signature),
            event => self.next(event, now).or_else(|error| self.fail(error, now)),
        };
        match ask {
            Ok(ask) => self.authorized(ask, now),
            Err(error) => {
                self.state = State::Ended;
                Step::Failed(error)
            }
        }
    }

    fn next(&mut self, event: Event, now: Timestamp) -> Next {
        let state = std::mem::replace(&mut self.state, State::Ended);
        match (state, event) {
            (State::Idle, Event::Start) => self.begin(now),
            (State::Looking, Event::Reply(reply)) => self.looked(&reply, now),
            (State::Opening, Event::Reply(reply)) => self.opened(&reply, now),
            (State::Tagging(source), Event::Reply(reply)) => self.tagged(*source, &reply),
            (State::Buffering, Event::Digested(digests)) => self.buffered(&digests),
            (State::Uploading, Event::Reply(reply)) => self.uploaded(&reply),
            (State::Starting, Event::Reply(reply)) => self.started(&reply, now),
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
            (State::Cancelling(error), Event::Reply(_) | Event::Lost(_)) => {
                self.conclude(error, now)
            }
            (State::Waiting, Event::Woken) => self.look(),
            (state, Event::Lost(lost)) => self.lost(&state, &lost, now),
            (state, event) => Err(TransferError::new(
                ErrorKind::OutOfTurn,
                format!("{} does not answer {state:?}.", event.name()),
                "This is a bug of the runtime's port; please report it.",
            )),
        }
    }

    /// Adds the token, or first asks for it to be signed.
    fn authorized(&mut self, ask: Ask, now: Timestamp) -> Step {
        if !ask.bearer {
            return ask.step;
        }
        match self.access.gcs.bearer(now) {
            Ok(bearer) => {
                let mut step = ask.step;
                match &mut step {
                    Step::Send(request) => authorize(request, bearer.as_ref()),
                    Step::Pipe { sink, .. } => authorize(&mut sink.request, bearer.as_ref()),
                    _ => {}
                }
                step
            }
            Err(assertion) => {
                let input = assertion.signing_input().to_vec();
                self.held = Some((ask, assertion));
                Step::SignRs256(input)
            }
        }
    }

    fn signed(&mut self, signature: Result<Vec<u8>, String>) -> Next {
        let out_of_turn =
            || TransferError::new(ErrorKind::OutOfTurn, "No signature was asked for.", "");
        let (ask, assertion) = self.held.take().ok_or_else(out_of_turn)?;
        let signature = signature.map_err(|reason| cannot_sign_token(&reason))?;
        self.access.gcs.accept(assertion.signed(&signature));
        Ok(ask)
    }

    /// A broken request or body, in a state where that is an error.
    fn lost(&mut self, state: &State, lost: &Lost, now: Timestamp) -> Next {
        let opening = matches!(
            state,
            State::Opening | State::Tagging(_) | State::Reopening(_)
        );
        let reading = matches!(
            state,
            State::Buffering | State::Holding { .. } | State::CatchingUp(_)
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
        if self.session.is_some() {
            return self.interrupted(error, now);
        }
        Err(error)
    }

    /// An error: first it is seen what becomes of a session, then the error is weighed.
    fn fail(&mut self, error: TransferError, now: Timestamp) -> Next {
        match self.session.take() {
            Some(session) => self.leave(session, error),
            None => self.conclude(error, now),
        }
    }

    /// Starts over if the error is one that passes, and ends otherwise.
    fn conclude(&mut self, error: TransferError, now: Timestamp) -> Next {
        self.upload = None;
        if error.kind == ErrorKind::DestinationCredentialRefused && !self.token_renewed {
            self.token_renewed = true;
            self.access.gcs.forget();
            return self.look();
        }
        let wait = self.backoff(&error);
        let Some(wait) = wait.filter(|_| self.again_until.is_none_or(|until| now < until)) else {
            return Err(error);
        };
        self.state = State::Waiting;
        Ok(Ask::plain(wait_until(now, wait)))
    }

    /// Counts an attempt that ended in `error`; gives the wait before the next, if there is one.
    fn backoff(&mut self, error: &TransferError) -> Option<Duration> {
        #[expect(clippy::cast_possible_truncation, reason = "half of a seed is a seed")]
        let wait = retry::in_hand(error, self.attempt, self.seed as u64);
        self.attempt += 1;
        wait
    }
}

fn wait_until(now: Timestamp, wait: Duration) -> Step {
    let time = SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| now.checked_add(wait).ok());
    Step::WaitUntil(time.unwrap_or(Timestamp::MAX))
}
