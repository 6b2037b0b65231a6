//! The one state of a large object that outlives a message: which run is under way, which parts it
//! has, and what is to be done next.
//!
//! Pure: whoever holds it stores it after each call, carries out what [`Coordinator::wake`] says, and
//! reports what came of it. Every task may be carried out twice; a crash between two of them costs no
//! more than that.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::PartCopy;
use super::leftovers::Leftovers;
use super::reason::{not_deletable, parts_lost, replaced_another};
use super::run::{Phase, Run, missing, settling};
use super::sweep::probe;
use crate::composite::CompositeCopy;
use crate::error::{ErrorKind, TransferError};
use crate::message::{HintMessage, PartMessage};
use crate::transfer::Outcome;

/// How often parts, or one of them, are sent before their object is given up.
const ROUNDS: u32 = 8;

/// One key's large copies, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinator {
    /// Whose credentials what is left behind is swept with.
    #[serde(default)]
    route: String,
    run: Option<Run>,
    leftovers: Leftovers,
    /// Stored apart, part by part.
    #[serde(skip)]
    copies: BTreeMap<u32, PartCopy>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The object is committed.
    Done(Outcome),
    /// The hint goes back to the queue: both sides are to be looked at again.
    Again {
        /// What goes back.
        message: Box<HintMessage>,
        /// After how long.
        delay: Duration,
        /// Why.
        error: TransferError,
    },
    /// Nothing more can be done without somebody.
    Quarantine(TransferError),
}

/// What came of [`Coordinator::start`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// The run is on, and the hint is its.
    New,
    /// A run of the very same object, metadata included, is on: the hint is answered by it.
    Underway,
    /// The same, and it has been quiet: what it misses is sent again.
    Hurried,
    /// A run of another version is on, and is finished first: after it the hint goes back to the queue.
    Followed,
    /// A run is just ending; ask again in a moment.
    Busy,
}

/// What is to be done next. Each is reported back, by the method that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// [`super::may_delete`]; [`Coordinator::probed`].
    Probe {
        /// The run.
        run: String,
        /// The bucket.
        bucket: String,
        /// Where it is tried.
        folder: String,
    },
    /// Put into the queue of parts; [`Coordinator::sent`].
    Send {
        /// The run.
        run: String,
        /// What.
        parts: Vec<PartMessage>,
    },
    /// [`super::assemble`]; [`Coordinator::assembled`].
    Assemble {
        /// The run.
        run: String,
        /// What.
        order: Box<CompositeCopy>,
        /// Of what.
        parts: Vec<PartCopy>,
        /// Where intermediate objects go.
        prefix: String,
    },
    /// The verdict is to be logged, and its message to be put where it belongs;
    /// [`Coordinator::settled`].
    Settle {
        /// The run.
        run: String,
        /// What it was to answer.
        message: Box<HintMessage>,
        /// What goes back to the queue beside that.
        next: Option<Box<HintMessage>>,
        /// How it ended.
        verdict: Box<Verdict>,
        /// How many parts there were.
        parts: u32,
        /// When it began.
        started_at: Timestamp,
    },
    /// [`super::sweep`]; [`Coordinator::swept`].
    Sweep {
        /// The bucket.
        bucket: String,
        /// What is to go.
        prefix: String,
    },
    /// Nothing before then.
    Wait(Timestamp),
    /// Nothing any more: what is stored can go.
    Rest,
}

impl Coordinator {
    /// What was stored: this without its copies, and these. A crash may have come between the last
    /// copy and the state after it.
    #[must_use]
    pub fn with_copies(mut self, copies: BTreeMap<u32, PartCopy>) -> Self {
        self.copies = copies;
        if let Some(run) = &mut self.run
            && matches!(
                run.phase,
                Phase::Sending | Phase::Asking | Phase::Copying { .. }
            )
            && run.has_all(&self.copies)
        {
            run.phase = Phase::Assembling { at: run.started_at };
        }
        self
    }

    /// The run that is on.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        self.run.as_ref().map(|run| run.id.as_str())
    }

    /// Whether it has a run, or parts of one to delete.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.run.is_some() || self.leftovers.next().is_some()
    }

    /// Its name and when its run began, or `None` while it has no run.
    #[must_use]
    pub fn under_way(&self) -> Option<(String, Timestamp)> {
        let run = self.run.as_ref()?;
        Some((run.order.coordinator(), run.started_at))
    }

    /// The name of the route that its copies take; empty before the first.
    #[must_use]
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Whether all parts are here and nothing came of them yet.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let phase = self.run.as_ref().map(|run| &run.phase);
        matches!(phase, Some(Phase::Assembling { .. }))
    }

    /// Takes `order` on as the run `id`.
    pub fn start(&mut self, order: CompositeCopy, id: &str, now: Timestamp) -> Started {
        let mut is_doubtful = false;
        if let Some(run) = &mut self.run {
            // What it made may be gone again: whoever looked after that is to look once more.
            if matches!(run.phase, Phase::Settling(_)) {
                return Started::Busy;
            }
            if run.order.is_same(&order) {
                return run.hurry(order.quiet_after, now);
            }
            if run.order.is_before(&order) {
                run.hurry(order.quiet_after, now);
                run.next = Some(Box::new(order.message));
                return Started::Followed;
            }
            // Neither order says which of them was read first.
            is_doubtful = true;
            self.end(now);
        }
        self.copies.clear();
        self.route.clone_from(&order.message.route);
        self.run = Some(Run {
            id: id.to_owned(),
            order,
            started_at: now,
            phase: Phase::Probing { at: now },
            rounds: 0,
            attempts: 0,
            is_doubtful,
            hurried: 0,
            next: None,
        });
        Started::New
    }

    /// Whether part `number` of the run `id` is still to be copied.
    #[must_use]
    pub fn wants(&self, id: &str, number: u32) -> bool {
        let is_copying = self.run_called(id).is_some_and(|run| {
            matches!(
                run.phase,
                Phase::Sending | Phase::Asking | Phase::Copying { .. }
            )
        });
        is_copying && !self.copies.contains_key(&number)
    }

    /// Part `number` of the run `id` stands at the destination. Whether it is kept; one that is not
    /// is used by nobody.
    pub fn copied(&mut self, id: &str, number: u32, copy: PartCopy, now: Timestamp) -> bool {
        if !self.wants(id, number) {
            return false;
        }
        self.copies.insert(number, copy);
        if let Some(run) = &mut self.run {
            run.phase = match run.phase {
                _ if run.has_all(&self.copies) => Phase::Assembling { at: now },
                // It was sent after all others, and is here before them: they are lost.
                Phase::Copying { probe, .. } if probe == Some(number) => Phase::Sending,
                Phase::Copying { probe, .. } => Phase::copying(probe, now),
                _ => Phase::copying(None, now),
            };
        }
        true
    }

    /// A part of the run `id` cannot be copied: the source changed, or nothing more can be done.
    pub fn failed(&mut self, id: &str, error: TransferError, seed: u64) {
        if let Some(run) = self.run_mut(id)
            && matches!(
                run.phase,
                Phase::Sending | Phase::Asking | Phase::Copying { .. }
            )
        {
            run.phase = settling(match error.kind {
                ErrorKind::SourceChanged => run.again(error, seed),
                _ => Verdict::Quarantine(error),
            });
        }
    }

    /// What is to be done at `now`.
    #[must_use]
    pub fn wake(&mut self, now: Timestamp) -> Task {
        if let Some(task) = self.run_task(now) {
            return task;
        }
        if let Some((bucket, prefix)) = self.leftovers.due(now) {
            return Task::Sweep {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
            };
        }
        let run = self.run.as_ref().and_then(|run| match run.phase {
            Phase::Probing { at } | Phase::Assembling { at } | Phase::Copying { look: at, .. } => {
                Some(at)
            }
            Phase::Sending | Phase::Asking | Phase::Settling(_) => None,
        });
        let times = [self.leftovers.next(), run].into_iter().flatten();
        times.min().map_or(Task::Rest, Task::Wait)
    }

    fn run_task(&mut self, now: Timestamp) -> Option<Task> {
        let run = self.run.as_mut()?;
        if let Phase::Copying { look, .. } = run.phase
            && look <= now
        {
            run.phase = if run.rounds < ROUNDS {
                Phase::Asking
            } else {
                settling(Verdict::Quarantine(parts_lost(run.rounds)))
            };
        }
        let id = run.id.clone();
        match &run.phase {
            Phase::Probing { at } if *at <= now => Some(Task::Probe {
                run: id,
                bucket: run.order.bucket.clone(),
                folder: run.order.folder.clone(),
            }),
            Phase::Sending | Phase::Asking => {
                let most = if run.phase == Phase::Asking {
                    1
                } else {
                    usize::MAX
                };
                let missing = missing(run, &self.copies).take(most);
                Some(Task::Send {
                    parts: missing.map(|number| run.order.part(number, &id)).collect(),
                    run: id,
                })
            }
            Phase::Assembling { at } if *at <= now => Some(Task::Assemble {
                prefix: run.order.prefix(&id),
                run: id,
                order: Box::new(run.order.clone()),
                parts: self.copies.values().cloned().collect(),
            }),
            Phase::Settling(verdict) => Some(Task::Settle {
                run: id,
                message: Box::new(run.order.message.clone()),
                next: run.next.clone(),
                verdict: verdict.clone(),
                parts: run.order.parts.count(),
                started_at: run.started_at,
            }),
            _ => None,
        }
    }

    /// Whether parts may be deleted where the run `id` would put them.
    pub fn probed(
        &mut self,
        id: &str,
        may_delete: Result<bool, TransferError>,
        now: Timestamp,
        seed: u64,
    ) {
        let Some(run) = self.run_mut(id) else { return };
        run.phase = match may_delete {
            Ok(true) => Phase::Sending,
            Ok(false) => {
                let mut message = Box::new(run.order.message.clone());
                message.one_stream = true;
                settling(Verdict::Again {
                    message,
                    delay: Duration::ZERO,
                    error: not_deletable(&run.order.bucket),
                })
            }
            Err(error) => match run.wait(error, now, seed) {
                Ok(at) => Phase::Probing { at },
                Err(error) => {
                    let (bucket, tried) = (run.order.bucket.clone(), probe(&run.order.folder));
                    run.phase = settling(Verdict::Quarantine(error));
                    return self.leftovers.add(&bucket, tried, now);
                }
            },
        };
    }

    /// The queue has the parts of the run `id`.
    pub fn sent(&mut self, id: &str, now: Timestamp) {
        let Some(run) = self.run.as_mut().filter(|run| run.id == id) else {
            return;
        };
        let probe = match run.phase {
            Phase::Sending => None,
            Phase::Asking => missing(run, &self.copies).next(),
            _ => return,
        };
        run.rounds += 1;
        run.phase = Phase::copying(probe, now);
    }

    /// What came of composing the run `id`.
    pub fn assembled(
        &mut self,
        id: &str,
        result: Result<Outcome, TransferError>,
        now: Timestamp,
        seed: u64,
    ) {
        let Some(run) = self.run_mut(id) else { return };
        run.phase = match result {
            Ok(_) if run.is_doubtful => settling(run.again(replaced_another(), seed)),
            Ok(outcome) => settling(Verdict::Done(outcome)),
            Err(error) if is_of_destination(&error) => match run.wait(error, now, seed) {
                Ok(at) => Phase::Assembling { at },
                Err(error) => settling(Verdict::Quarantine(error)),
            },
            Err(error) => settling(run.again(error, seed)),
        };
    }

    /// The verdict on the run `id` is where it belongs.
    pub fn settled(&mut self, id: &str, now: Timestamp) {
        if self.run_called(id).is_some() {
            self.end(now);
        }
    }

    /// What came of deleting what is under `prefix`. The error comes back when it is given up.
    pub fn swept(
        &mut self,
        prefix: &str,
        result: Result<(), TransferError>,
        now: Timestamp,
        seed: u64,
    ) -> Option<TransferError> {
        self.leftovers.swept(prefix, result, now, seed)
    }

    fn run_called(&self, id: &str) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.id == id)
    }

    fn run_mut(&mut self, id: &str) -> Option<&mut Run> {
        self.run.as_mut().filter(|run| run.id == id)
    }

    fn end(&mut self, now: Timestamp) {
        self.copies.clear();
        if let Some(run) = self.run.take() {
            let prefix = run.order.prefix(&run.id);
            self.leftovers.add(&run.order.bucket, prefix, now);
        }
    }
}

/// Whether composing may do later, with the same parts, what it did not now.
fn is_of_destination(error: &TransferError) -> bool {
    matches!(
        error.kind,
        ErrorKind::DestinationUnavailable
            | ErrorKind::DestinationUnexpected
            | ErrorKind::DestinationDenied
            | ErrorKind::DestinationCredentialRefused
    )
}
