//! The Durable Object behind a large object: stores what `causeway_shared::parts::Coordinator` says,
//! carries its tasks out in its alarm, and takes the reports on parts.
//!
//! One a route and key. It is told things by [`Handle`], from the queue's consumer alone: no request
//! from outside reaches it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use causeway_shared::error::TransferError;
use causeway_shared::message::{DeadLetter, PartMessage};
use causeway_shared::order::Order;
use causeway_shared::parts::{
    Coordinator, PartCopy, Started, Task, Verdict, assemble, may_delete, sweep,
};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use worker::durable::{ListOptions, State};
use worker::{DurableObject, Env, Request, Response, durable_object};

use crate::config::Config;
use crate::platform::{self, Queue, to_json};
use crate::{object, outcome};

/// Where the state is stored, all but the copies.
const STATE: &str = "coordinator";
/// The alarm that goes off if this isolate dies in the middle of a task.
const NET: Duration = Duration::from_mins(16);
/// How long to wait where the platform refused something.
const PAUSE: Duration = Duration::from_secs(15);

/// What the consumer tells it.
#[derive(Debug, Serialize, Deserialize)]
enum Report {
    Start(Box<Order>),
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
enum Answer {
    New,
    Underway,
    Busy,
    Yes,
    No,
}

/// The Durable Object. Its name at the platform is this type's.
#[durable_object(alarm)]
pub struct PartsCoordinator {
    state: State,
    env: Env,
    /// None until it is read.
    coordinator: RefCell<Option<Coordinator>>,
}

impl DurableObject for PartsCoordinator {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            coordinator: RefCell::new(None),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let report = serde_json::from_slice(&request.bytes().await?)?;
        self.load().await?;
        let answer = self.take(report).await;
        if answer.is_err() {
            // What is stored is the truth.
            self.coordinator.replace(None);
        }
        Response::ok(to_json(&answer?))
    }

    async fn alarm(&self) -> worker::Result<Response> {
        if let Err(error) = self.work().await {
            outcome::log_error(
                &serde_json::json!({"event": "coordinator-failed", "message": error.to_string()}),
            );
            self.coordinator.replace(None);
            self.state.storage().set_alarm(PAUSE).await?;
        }
        Response::empty()
    }
}

impl PartsCoordinator {
    /// Reads what is stored, unless that was done.
    async fn load(&self) -> worker::Result<()> {
        if self.coordinator.borrow().is_some() {
            return Ok(());
        }
        let storage = self.state.storage();
        let coordinator = match storage.get::<String>(STATE).await? {
            Some(text) => platform::from_json(&text)?,
            None => Coordinator::default(),
        };
        let mut copies = BTreeMap::new();
        if let Some(run) = coordinator.run() {
            let prefix = format!("{run}/");
            let stored = storage
                .list_with_options(ListOptions::new().prefix(&prefix))
                .await?;
            for entry in stored.entries() {
                let pair = js_sys::Array::from(&entry?);
                let key = pair.get(0).as_string().unwrap_or_default();
                let copy = pair.get(1).as_string().unwrap_or_default();
                if let Some(number) = key.strip_prefix(&prefix).and_then(|n| n.parse().ok()) {
                    copies.insert(number, platform::from_json(&copy)?);
                }
            }
        }
        self.coordinator
            .replace(Some(coordinator.with_copies(copies)));
        Ok(())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Coordinator) -> T) -> T {
        act(self.coordinator.borrow_mut().get_or_insert_default())
    }

    async fn store(&self) -> worker::Result<()> {
        let text = self.with(|coordinator| to_json(coordinator));
        self.state
            .storage()
            .put_raw(STATE, JsValue::from_str(&text))
            .await
    }

    /// Always before what it is for is stored: an alarm for nothing does no harm, but what is stored
    /// without one is forgotten if the isolate dies in between.
    async fn wake_now(&self) -> worker::Result<()> {
        self.state.storage().set_alarm(Duration::ZERO).await
    }

    async fn take(&self, report: Report) -> worker::Result<Answer> {
        let now = platform::now();
        match report {
            Report::Start(order) => {
                let run = format!("{:016x}", platform::random() >> 64);
                match self.with(|coordinator| coordinator.start(*order, &run, now)) {
                    Started::Underway => return Ok(Answer::Underway),
                    Started::Busy => return Ok(Answer::Busy),
                    Started::New | Started::Hurried => {}
                }
                self.wake_now().await?;
                self.store().await?;
                Ok(Answer::New)
            }
            Report::Wants { run, part } => {
                Ok(if self.with(|coordinator| coordinator.wants(&run, part)) {
                    Answer::Yes
                } else {
                    Answer::No
                })
            }
            Report::Copied { run, part, copy } => {
                let text = to_json(&copy);
                if !self.with(|coordinator| coordinator.copied(&run, part, copy, now)) {
                    return Ok(Answer::No);
                }
                let is_complete = self.with(|coordinator| coordinator.is_complete());
                if is_complete {
                    self.wake_now().await?;
                }
                let key = format!("{run}/{part}");
                let storage = self.state.storage();
                storage.put_raw(&key, JsValue::from_str(&text)).await?;
                if is_complete {
                    self.store().await?;
                }
                Ok(Answer::Yes)
            }
            Report::Failed { run, error } => {
                self.with(|coordinator| coordinator.failed(&run, error, platform::seed()));
                self.wake_now().await?;
                self.store().await?;
                Ok(Answer::Yes)
            }
        }
    }

    /// Carries tasks out until there is none for now.
    async fn work(&self) -> worker::Result<()> {
        let storage = self.state.storage();
        storage.set_alarm(NET).await?;
        self.load().await?;
        let config = Config::of(&self.env).map_err(|error| error.to_string())?;
        loop {
            match self.with(|coordinator| coordinator.wake(platform::now())) {
                Task::Wait(time) => {
                    let wait = time.duration_since(platform::now());
                    let wait = Duration::try_from(wait).unwrap_or_default();
                    return storage.set_alarm(wait).await;
                }
                Task::Rest => {
                    storage.delete_alarm().await?;
                    return storage.delete_all().await;
                }
                task => self.carry_out(task, &config).await?,
            }
            self.store().await?;
        }
    }

    async fn carry_out(&self, task: Task, config: &Config) -> worker::Result<()> {
        let reach = self.with(|coordinator| config.reach(coordinator.route()).clone());
        let mut port = reach.port(&self.env);
        let (access, random) = (&*reach.access, platform::random());
        match task {
            Task::Probe {
                run,
                bucket,
                folder,
            } => {
                let may = may_delete(&mut port, access, &bucket, &folder, random).await;
                self.with(|coordinator| {
                    coordinator.probed(&run, may, platform::now(), platform::seed());
                });
            }
            Task::Send { run, parts } => {
                send(&self.env, &parts).await?;
                self.with(|coordinator| coordinator.sent(&run, platform::now()));
            }
            Task::Assemble {
                run,
                order,
                parts,
                prefix,
            } => {
                let made = match config.route(&order.message.route) {
                    Ok(route) => {
                        assemble(&mut port, access, route, &order, &parts, &prefix, random).await
                    }
                    Err(error) => Err(error),
                };
                self.with(|coordinator| {
                    coordinator.assembled(&run, made, platform::now(), platform::seed());
                });
            }
            Task::Settle {
                run,
                message,
                verdict,
                parts,
                started_at,
            } => {
                let ended = outcome::Run {
                    message: &message,
                    parts,
                    elapsed: outcome::milliseconds_since(started_at),
                };
                self.settle(&ended, &verdict).await?;
                self.with(|coordinator| coordinator.settled(&run, platform::now()));
            }
            Task::Sweep { bucket, prefix } => {
                let swept = sweep(&mut port, access, &bucket, &prefix, random).await;
                let given_up = self.with(|coordinator| {
                    coordinator.swept(&prefix, swept.map(drop), platform::now(), platform::seed())
                });
                if let Some(error) = given_up {
                    outcome::log_parts_left(&bucket, &prefix, &error);
                }
            }
            Task::Wait(_) | Task::Rest => {}
        }
        Ok(())
    }

    /// Puts what has ended where it belongs; it is there when this returns.
    async fn settle(&self, run: &outcome::Run<'_>, verdict: &Verdict) -> worker::Result<()> {
        match verdict {
            Verdict::Done(_) => {}
            Verdict::Again { message, delay, .. } => {
                let queue = Queue::bound(&self.env, "HINTS")?;
                queue.put_after(&**message, *delay).await?;
            }
            Verdict::Quarantine(error) => {
                let (text, deliveries) = (to_json(run.message), run.message.returns + 1);
                let letter = DeadLetter::new(&text, error.clone(), deliveries, platform::now());
                Queue::bound(&self.env, "DEAD_LETTERS")?
                    .put_after(&letter, Duration::ZERO)
                    .await?;
            }
        }
        run.log(verdict);
        let record = run.record(verdict);
        outcome::record(&run.message.route, vec![record], &self.env).await;
        Ok(())
    }
}

async fn send(env: &Env, parts: &[PartMessage]) -> worker::Result<()> {
    let queue = Queue::bound(env, "PARTS")?;
    let messages: Vec<String> = parts.iter().map(to_json).collect();
    for batch in platform::batches(&messages) {
        queue.put_all(&messages[batch]).await?;
    }
    Ok(())
}

/// A coordinator, as the consumer of a queue sees it.
pub(crate) struct Handle(object::Handle);

impl Handle {
    /// The coordinator called `name`.
    ///
    /// # Errors
    /// What is missing in wrangler.toml.
    pub(crate) fn new(env: &Env, name: &str) -> Result<Self, String> {
        let class = object::Class {
            binding: "PARTS_COORDINATORS",
            class: "PartsCoordinator",
        };
        class.named(env, name).map(Self)
    }

    /// Hands an object over. Once this returns, the coordinator answers for the hint; `false` when
    /// it has to be asked again in a moment.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn start(&self, order: Order) -> Result<bool, String> {
        let answer = self.0.ask(&Report::Start(Box::new(order))).await?;
        Ok(!matches!(answer, Answer::Busy))
    }

    /// Whether `part` is still to be copied.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn wants(&self, part: &PartMessage) -> Result<bool, String> {
        let (run, part) = (part.run.clone(), part.part);
        let answer = self.0.ask(&Report::Wants { run, part }).await?;
        Ok(matches!(answer, Answer::Yes))
    }

    /// `part` stands at the destination as `copy`. Whether it is kept; one that is not is used by nobody.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn copied(&self, part: &PartMessage, copy: PartCopy) -> Result<bool, String> {
        let (run, part) = (part.run.clone(), part.part);
        let report = Report::Copied { run, part, copy };
        let answer = self.0.ask(&report).await?;
        Ok(matches!(answer, Answer::Yes))
    }

    /// `part` cannot be copied.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn failed(
        &self,
        part: &PartMessage,
        error: TransferError,
    ) -> Result<(), String> {
        let run = part.run.clone();
        self.0
            .ask::<Answer>(&Report::Failed { run, error })
            .await
            .map(drop)
    }
}
