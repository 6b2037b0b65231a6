//! The Durable Object behind a walk of a route, a backfill or a reconcile: it stores what
//! `causeway_shared::walk` says and takes some pages an alarm, so that it goes on after any crash.
//!
//! Two a route, one of each kind. They are told things by [`tell`], from the API and from the
//! cron.

use std::cell::RefCell;
use std::time::Duration;

use causeway_shared::error::TransferError;
use causeway_shared::message::HintMessage;
use causeway_shared::walk::{Kind, Page, Request as Wish, Walk, next_page};
use futures::future::join;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wasm_bindgen::JsValue;
use worker::durable::State;
use worker::{DurableObject, Env, Request, Response, durable_object};

use crate::config::Config;
use crate::ingress::hints;
use crate::platform::{self, to_json};
use crate::{ledger, object, outcome};

/// Where it is stored.
const WALK: &str = "walk";
/// The alarm that goes off if this isolate dies with a page in hand.
const NET: Duration = Duration::from_mins(2);
/// How long to wait where the platform refused something.
const PAUSE: Duration = Duration::from_secs(15);
/// How many pages an alarm takes: each is some two dozen requests, of the 1,000 that it may make.
const PAGES: usize = 20;

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// One is to begin, unless another is under way.
    Start {
        /// Of which kind.
        kind: Kind,
        /// Of which route.
        route: String,
        /// What is asked for.
        wish: Wish,
    },
    /// How far is it?
    Look,
    /// It is to end.
    Cancel,
}

/// What it answers, beside the last walk that there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// What was asked for was done.
    Done,
    /// Another is under way.
    Underway,
}

/// The Durable Object. Its name at the platform is this type's.
#[durable_object(alarm)]
pub struct RouteWalk {
    state: State,
    env: Env,
    /// None until it is read.
    walk: RefCell<Option<Walk>>,
}

impl DurableObject for RouteWalk {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            walk: RefCell::new(None),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let report = serde_json::from_slice(&request.bytes().await?)?;
        self.load().await?;
        let answer = match report {
            Report::Start { kind, route, wish } => self.start(kind, &route, wish).await,
            Report::Look => Ok(Answer::Done),
            Report::Cancel => self.cancel().await,
        };
        if answer.is_err() {
            // What is stored is the truth.
            self.walk.replace(None);
        }
        let both = to_json(&(answer?, &*self.walk.borrow()));
        Response::ok(both)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        if let Err(error) = self.work().await {
            outcome::log_error(
                &serde_json::json!({"event": "walk-failed", "message": error.to_string()}),
            );
            self.walk.replace(None);
            self.state.storage().set_alarm(PAUSE).await?;
        }
        Response::empty()
    }
}

impl RouteWalk {
    async fn load(&self) -> worker::Result<()> {
        if self.walk.borrow().is_none() {
            let text = self.state.storage().get::<String>(WALK).await?;
            let stored = text.map(|text| platform::from_json(&text)).transpose()?;
            let mut walk = self.walk.borrow_mut();
            if walk.is_none() {
                *walk = stored;
            }
        }
        Ok(())
    }

    /// Begins one, unless another is under way.
    async fn start(&self, kind: Kind, route: &str, wish: Wish) -> worker::Result<Answer> {
        // What it is compared with; an estimate is no reason to fail.
        let objects = async { ledger::Handle::new(&self.env, route)?.objects().await };
        let objects = objects.await.ok().flatten();
        let last = self.walk.borrow().clone();
        if last.is_some_and(|walk| walk.end.is_none()) {
            return Ok(Answer::Underway);
        }
        let new = Walk::new(kind, route, wish, objects, platform::now());
        let storage = self.state.storage();
        // Together: what is stored without an alarm would wait for ever.
        let (alarm, stored) = join(storage.set_alarm(Duration::ZERO), self.store(new)).await;
        alarm.and(stored)?;
        Ok(Answer::Done)
    }

    async fn cancel(&self) -> worker::Result<Answer> {
        let walk = self.walk.borrow().clone();
        if let Some(mut walk) = walk.filter(|walk| walk.end.is_none()) {
            walk.cancel(platform::now());
            self.finish(walk).await?;
        }
        Ok(Answer::Done)
    }

    /// Stores what has ended, unless it was ended by somebody else meanwhile. The ledger first: it is
    /// told again if the isolate dies in between. Until it is stored, it is under way.
    async fn finish(&self, walk: Walk) -> worker::Result<()> {
        let ledger = ledger::Handle::new(&self.env, &walk.route)?;
        ledger.walked(walk.clone()).await?;
        if self.is_underway(&walk) {
            self.store(walk.clone()).await?;
            outcome::log_walk(&walk);
        }
        Ok(())
    }

    /// Whether `walk` is the one that is under way.
    fn is_underway(&self, walk: &Walk) -> bool {
        let stored = self.walk.borrow();
        let stored = stored.as_ref().filter(|stored| stored.end.is_none());
        stored.is_some_and(|stored| stored.started_at == walk.started_at)
    }

    async fn store(&self, walk: Walk) -> worker::Result<()> {
        let text = JsValue::from_str(&to_json(&walk));
        self.walk.replace(Some(walk));
        self.state.storage().put_raw(WALK, text).await
    }

    /// Takes pages until there is a wait or an end. The alarm is never taken away, because it may be
    /// another's by then: one for nothing does no harm.
    async fn work(&self) -> worker::Result<()> {
        self.load().await?;
        let storage = self.state.storage();
        for page in 0..PAGES {
            let walk = self.walk.borrow().clone();
            let Some(walk) = walk.filter(|walk| walk.end.is_none()) else {
                return Ok(());
            };
            if page == 0 {
                storage.set_alarm(NET).await?;
            }
            let wait = self.take_page(walk).await?;
            if wait > Duration::ZERO {
                return storage.set_alarm(wait).await;
            }
        }
        storage.set_alarm(Duration::ZERO).await
    }

    /// Takes one page of `walk` and sends its hints. Gives the wait before the next; none where it has
    /// ended, or was ended or followed by another.
    async fn take_page(&self, mut walk: Walk) -> worker::Result<Duration> {
        let config = Config::of(&self.env).map_err(|error| error.to_string())?;
        let wait = match self.next_page(&mut walk, &config).await {
            Ok((page, found)) => {
                let messages: Vec<String> = found.iter().map(to_json).collect();
                hints::put(&messages, &self.env).await?;
                walk.took(page, messages.len() as u64, platform::now())
            }
            Err(error) => walk.failed(error, platform::now(), platform::seed()),
        };
        if !self.is_underway(&walk) {
            return Ok(Duration::ZERO);
        }
        match wait {
            Some(_) => self.store(walk.clone()).await?,
            None => self.finish(walk.clone()).await?,
        }
        Ok(wait.filter(|_| self.is_underway(&walk)).unwrap_or_default())
    }

    async fn next_page(
        &self,
        walk: &mut Walk,
        config: &Config,
    ) -> Result<(Page, Vec<HintMessage>), TransferError> {
        let route = config.route(&walk.route)?;
        let reach = config.reach(&route.name);
        let mut port = reach.port(&self.env);
        let page = next_page(&mut port, &reach.access, route, walk, platform::random()).await?;
        let hints = walk.hints(&page, route, platform::now());
        Ok((page, hints))
    }
}

/// Begins a reconcile of every route, as the cron asks for it; one that is still under way goes on.
pub(crate) async fn reconcile_all(env: &Env) {
    let config = match Config::of(env) {
        Ok(config) => config,
        Err(error) => return outcome::log_not_begun("", &error.to_string()),
    };
    for route in config.routes.iter() {
        let kind = Kind::Reconcile;
        let report = Report::Start {
            kind,
            route: route.name.clone(),
            wish: Wish::default(),
        };
        if let Err(reason) = tell(env, kind, &route.name, &report).await {
            outcome::log_not_begun(&route.name, &reason);
        }
    }
}

/// What was answered, and the last walk, as JSON, if there was one.
pub(crate) type Seen = (Answer, Option<Box<RawValue>>);

/// Tells the walk of `kind` and `route` something; gives what it answers.
///
/// # Errors
/// What is missing in wrangler.toml, or the platform's words.
pub(crate) async fn tell(
    env: &Env,
    kind: Kind,
    route: &str,
    report: &Report,
) -> Result<Seen, String> {
    let class = object::Class {
        binding: "WALKS",
        class: "RouteWalk",
    };
    let object = class.named(env, &format!("{}/{route}", kind.name()))?;
    object.ask(report).await
}
