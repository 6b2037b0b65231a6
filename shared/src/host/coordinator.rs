//! The Durable Object behind a large object: stores what [`crate::parts::Coordinator`] says, carries its
//! tasks out in its alarm, and takes the reports on parts.
//!
//! One a route and key. It is told things by `Handle`, from the queue's consumer alone: no request
//! from outside reaches it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::held::{Held, Stored};
use super::{
    Class, Platform, Queue, RouteAccess, Storage, from_json, ledger, log, put, put_after, seed,
    tables, to_json,
};
use crate::composite::CompositeCopy;
use crate::error::TransferError;
use crate::ledger::Record;
use crate::message::{DeadLetter, PartMessage};
use crate::parts::{Coordinator, PartCopy, Started, Task, Verdict, assemble, may_delete, sweep};

/// Where the state is stored, all but the copies.
pub const STATE: &str = "coordinator";
/// The alarm that goes off if this isolate dies in the middle of a task.
const NET: Duration = Duration::from_mins(16);
/// A run that is older, in seconds, says that it goes on whenever its alarm goes off.
const YOUNG: i64 = 15 * 60;

/// What the consumer tells it.
#[derive(Debug, Serialize, Deserialize)]
enum Report {
    Start(Box<CompositeCopy>),
    Wants {
        run: String,
        part: u32,
    },
    Copied {
        run: String,
        part: u32,
        copy: PartCopy,
    },
    Failed {
        run: String,
        error: TransferError,
    },
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It answers for the hint, and so it does when its run is `Underway`.
    New,
    Underway,
    /// It is to be asked again in a moment.
    Busy,
    /// Its route has as many runs as it may.
    Full,
    Yes,
    No,
}

/// The Durable Object.
#[derive(Debug)]
pub struct PartsCoordinator<P, S> {
    platform: P,
    storage: S,
    state: Held<Coordinator>,
}

impl Stored for Coordinator {
    async fn read(storage: &impl Storage) -> Result<Self, String> {
        let coordinator = match storage.get(STATE).await? {
            Some(text) => from_json(&text)?,
            None => Self::default(),
        };
        let mut copies = BTreeMap::new();
        if let Some(run) = coordinator.run() {
            let prefix = format!("{run}/");
            for (key, copy) in storage.list(&prefix, None, None).await? {
                if let Some(number) = key.strip_prefix(&prefix).and_then(|n| n.parse().ok()) {
                    copies.insert(number, from_json(&copy)?);
                }
            }
        }
        Ok(coordinator.with_copies(copies))
    }
}

impl<P: Platform, S: Storage> PartsCoordinator<P, S> {
    /// One that keeps itself in `storage`.
    pub fn new(platform: P, storage: S) -> Self {
        Self {
            platform,
            storage,
            state: Held::default(),
        }
    }

    /// Answers a report of the consumer's.
    ///
    /// # Errors
    /// The platform's error, or why the report cannot be read.
    pub async fn answer(&self, report: &str) -> Result<String, String> {
        if self.state.load(&self.storage).await? {
            let woken = self.wake_if_forgotten();
            self.state.attempt(&self.storage, woken).await?;
        }
        let taken = self.take(from_json(report)?);
        let answer = self.state.attempt(&self.storage, taken).await?;
        Ok(to_json(&answer))
    }

    /// Does what is to be done now.
    ///
    /// # Errors
    /// The platform's words where not even another alarm can be set.
    pub async fn alarm(&self) -> Result<(), String> {
        let worked = async {
            // Before anything that may fail: the platform drops an alarm after six failures.
            self.storage.set_alarm(Some(NET)).await?;
            self.state.attempt(&self.storage, self.work()).await
        };
        let worked = worked.await;
        let (platform, storage) = (&self.platform, &self.storage);
        self.state
            .end_alarm(platform, storage, "coordinator-failed", worked)
            .await
    }

    async fn store(&self) -> Result<(), String> {
        let text = self.state.with(|coordinator| to_json(coordinator))?;
        self.storage.put(vec![(STATE.to_owned(), text)]).await
    }

    /// Always before what it is for is stored: an alarm for nothing does no harm, but what is stored
    /// without one is forgotten if the isolate dies in between.
    async fn wake_now(&self) -> Result<(), String> {
        self.storage.set_alarm(Some(Duration::ZERO)).await
    }

    /// The platform drops an alarm that has failed six times: the next report wakes a coordinator that needs one.
    async fn wake_if_forgotten(&self) -> Result<(), String> {
        let has_work = self.state.with(|coordinator| coordinator.has_work())?;
        if has_work && !self.storage.has_alarm().await? {
            self.wake_now().await?;
        }
        Ok(())
    }

    async fn take(&self, report: Report) -> Result<Answer, String> {
        let now = self.platform.now();
        match report {
            Report::Start(order) => {
                let is_idle = self.state.with(|coordinator| coordinator.run().is_none())?;
                let (route, name) = (&order.message.route, order.coordinator());
                if is_idle && !ledger::may_run(&self.platform, route, &name).await {
                    return Ok(Answer::Full);
                }
                let run = format!("{:016x}", self.platform.random() >> 64);
                let started = self
                    .state
                    .with(|coordinator| coordinator.start(*order, &run, now));
                match started? {
                    Started::Underway => {
                        self.wake_if_forgotten().await?;
                        return Ok(Answer::Underway);
                    }
                    Started::Busy => return Ok(Answer::Busy),
                    Started::New | Started::Hurried | Started::Followed => {}
                }
                self.wake_now().await?;
                self.store().await?;
                Ok(Answer::New)
            }
            Report::Wants { run, part } => {
                let wants = self.state.with(|coordinator| coordinator.wants(&run, part));
                Ok(yes_or_no(wants?))
            }
            Report::Copied { run, part, copy } => {
                let entry = (format!("{run}/{part}"), to_json(&copy));
                let taken = self.state.with(|coordinator| {
                    let is_kept = coordinator.copied(&run, part, copy, now);
                    is_kept.then(|| coordinator.is_complete())
                });
                let Some(is_complete) = taken? else {
                    return Ok(Answer::No);
                };
                if is_complete {
                    self.wake_now().await?;
                }
                self.storage.put(vec![entry]).await?;
                if is_complete {
                    self.store().await?;
                }
                Ok(Answer::Yes)
            }
            Report::Failed { run, error } => {
                let seed = seed(&self.platform);
                self.state
                    .with(|coordinator| coordinator.failed(&run, error, seed))?;
                self.wake_now().await?;
                self.store().await?;
                Ok(Answer::Yes)
            }
        }
    }

    /// Runs tasks until none is due.
    async fn work(&self) -> Result<(), String> {
        // Not before the alarm is set for later: who reports meanwhile may want it at once.
        self.goes_on().await?;
        loop {
            let now = self.platform.now();
            match self.state.with(|coordinator| coordinator.wake(now))? {
                Task::Wait(time) => {
                    let wait = time.duration_since(self.platform.now());
                    let wait = Duration::try_from(wait).unwrap_or_default();
                    return self.storage.set_alarm(Some(wait)).await;
                }
                Task::Rest => {
                    self.storage.set_alarm(None).await?;
                    return self.storage.clear().await;
                }
                task => self.carry_out(task).await?,
            }
            self.store().await?;
        }
    }

    /// Has its run counted for some time more.
    async fn goes_on(&self) -> Result<(), String> {
        let under_way = |coordinator: &mut Coordinator| {
            let (name, since) = coordinator.under_way()?;
            Some((coordinator.route().to_owned(), name, since))
        };
        let now = self.platform.now().as_second();
        if let Some((route, name, since)) = self.state.with(under_way)?
            && now - since.as_second() > YOUNG
        {
            ledger::may_run(&self.platform, &route, &name).await;
        }
        Ok(())
    }

    async fn carry_out(&self, task: Task) -> Result<(), String> {
        let platform = &self.platform;
        let name = self
            .state
            .with(|coordinator| coordinator.route().to_owned())?;
        let reach = platform.reach(&name);
        let RouteAccess { access, mut port } = reach.map_err(|error| error.to_string())?;
        let random = platform.random();
        let state = &self.state;
        match task {
            Task::Probe {
                run,
                bucket,
                folder,
            } => {
                let place = format!("{bucket}/{folder}");
                let may = if ledger::is_deletable(platform, &name, &place).await {
                    Ok(true)
                } else {
                    let may = may_delete(&mut port, &access, &bucket, &folder, random).await;
                    if may == Ok(true) {
                        ledger::note_deletable(platform, &name, place).await;
                    }
                    may
                };
                let (now, seed) = (platform.now(), seed(platform));
                state.with(|coordinator| coordinator.probed(&run, may, now, seed))
            }
            Task::Send { run, parts } => {
                let messages: Vec<String> = parts.iter().map(to_json).collect();
                put(platform, Queue::Parts, &messages).await?;
                let now = platform.now();
                state.with(|coordinator| coordinator.sent(&run, now))
            }
            Task::Assemble {
                run,
                order,
                parts,
                prefix,
            } => {
                let routes = platform.routes().map_err(|error| error.to_string())?;
                let made = match routes.named(&order.message.route) {
                    Ok(route) => {
                        assemble(&mut port, &access, route, &order, &parts, &prefix, random).await
                    }
                    Err(error) => Err(error),
                };
                let (now, seed) = (platform.now(), seed(platform));
                state.with(|coordinator| coordinator.assembled(&run, made, now, seed))
            }
            Task::Settle {
                run,
                message,
                next,
                verdict,
                parts,
                started_at,
            } => {
                if let Some(next) = next {
                    put_after(platform, Queue::Hints, &*next, Duration::ZERO).await?;
                }
                let ended = log::Run {
                    message: &message,
                    parts,
                    started_at,
                };
                self.settle(&ended, &verdict).await?;
                let under_way = state.with(|coordinator| coordinator.under_way())?;
                if let Some((coordinator, _)) = under_way {
                    ledger::run_ended(platform, &name, &coordinator).await;
                }
                let now = platform.now();
                state.with(|coordinator| coordinator.settled(&run, now))
            }
            Task::Sweep { bucket, prefix } => {
                let swept = sweep(&mut port, &access, &bucket, &prefix, random).await;
                let (now, seed) = (platform.now(), seed(platform));
                let given_up = state
                    .with(|coordinator| coordinator.swept(&prefix, swept.map(drop), now, seed));
                if let Some(error) = given_up? {
                    log::parts_left(platform, &bucket, &prefix, &error);
                }
                Ok(())
            }
            Task::Wait(_) | Task::Rest => Ok(()),
        }
    }

    /// Puts what has ended where it belongs; it is there when this returns.
    async fn settle(&self, run: &log::Run<'_>, verdict: &Verdict) -> Result<(), String> {
        let (platform, message) = (&self.platform, run.message);
        match verdict {
            Verdict::Done(outcome) => tables::tell_one(platform, message, outcome).await?,
            Verdict::Again { message, delay, .. } => {
                put_after(platform, Queue::Hints, &**message, *delay).await?;
            }
            Verdict::Quarantine(error) => {
                let (text, deliveries) = (to_json(message), message.returns + 1);
                let letter = DeadLetter::new(&text, error.clone(), deliveries, platform.now());
                put_after(platform, Queue::DeadLetters, &letter, Duration::ZERO).await?;
            }
        }
        run.log(platform, verdict);
        let now = platform.now();
        let record = match verdict {
            Verdict::Done(outcome) => Record::succeeded(message, outcome, now),
            Verdict::Again { error, .. } => Record::failed(message, error, "retried", now),
            Verdict::Quarantine(error) => Record::failed(message, error, "quarantined", now),
        };
        let records = vec![record.since(run.started_at)];
        ledger::record(platform, &message.route, records).await;
        Ok(())
    }
}

fn yes_or_no(yes: bool) -> Answer {
    if yes { Answer::Yes } else { Answer::No }
}

/// A coordinator, as the consumer of a queue sees it.
pub(super) struct Handle<'a, P> {
    platform: &'a P,
    name: &'a str,
}

impl<'a, P: Platform> Handle<'a, P> {
    /// The coordinator called `name`.
    pub(super) fn new(platform: &'a P, name: &'a str) -> Self {
        Self { platform, name }
    }

    /// Hands an object over. Once this returns, the coordinator answers for the hint, unless it says otherwise.
    ///
    /// # Errors
    /// The platform's words; so for all that follow.
    pub(super) async fn start(&self, order: CompositeCopy) -> Result<Answer, String> {
        self.ask(&Report::Start(Box::new(order))).await
    }

    /// Whether `part` is still to be copied.
    pub(super) async fn wants(&self, part: &PartMessage) -> Result<bool, String> {
        let (run, part) = (part.run.clone(), part.part);
        let answer = self.ask(&Report::Wants { run, part }).await?;
        Ok(matches!(answer, Answer::Yes))
    }

    /// `part` stands at the destination as `copy`. Whether it is kept; one that is not is used by nobody.
    pub(super) async fn copied(&self, part: &PartMessage, copy: PartCopy) -> Result<bool, String> {
        let (run, part) = (part.run.clone(), part.part);
        let answer = self.ask(&Report::Copied { run, part, copy }).await?;
        Ok(matches!(answer, Answer::Yes))
    }

    /// `part` cannot be copied.
    pub(super) async fn failed(
        &self,
        part: &PartMessage,
        error: TransferError,
    ) -> Result<(), String> {
        let run = part.run.clone();
        self.ask(&Report::Failed { run, error }).await.map(drop)
    }

    async fn ask(&self, report: &Report) -> Result<Answer, String> {
        let (class, report) = (Class::PartsCoordinator, to_json(report));
        from_json(&self.platform.call(class, self.name, report).await?)
    }
}
