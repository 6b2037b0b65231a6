//! The Durable Object behind a walk of a route, a backfill or a reconcile: it stores what
//! `causeway_shared::walk` says and takes some pages an alarm, so that it goes on after any crash.
//!
//! Two a route, one of each kind. They are told things by [`Handle`], from the operator's API and from
//! the cron.

use std::cell::RefCell;
use std::time::Duration;

use causeway_shared::walk::{Kind, Request as Wish, Walk, next_page};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use wasm_bindgen::JsValue;
use worker::durable::State;
use worker::{DurableObject, Env, Request, Response, durable_object};

use crate::config::Config;
use crate::platform::{self, Queue, to_json};
use crate::port::WorkerdPort;
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
enum Report {
    Start {
        kind: Kind,
        route: String,
        wish: Wish,
    },
    Look,
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
        let is_underway = |walk: &Walk| walk.end.is_none();
        if self.walk.borrow().as_ref().is_some_and(is_underway) {
            return Ok(Answer::Underway);
        }
        let new = Walk::new(kind, route, wish, objects, platform::now());
        // At once, so that whoever asks in the meantime finds it under way.
        self.walk.replace(Some(new.clone()));
        // The alarm first: what is stored without one would wait for ever.
        self.state.storage().set_alarm(Duration::ZERO).await?;
        self.store(new).await?;
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

    /// Stores what has ended. The ledger first: it is told again if the isolate dies in between.
    async fn finish(&self, walk: Walk) -> worker::Result<()> {
        // At once, so that a page that is under way finds it ended.
        self.walk.replace(Some(walk.clone()));
        let ledger = ledger::Handle::new(&self.env, &walk.route)?;
        ledger.walked(walk.clone()).await?;
        self.store(walk.clone()).await?;
        outcome::log_walk(&walk);
        Ok(())
    }

    async fn store(&self, walk: Walk) -> worker::Result<()> {
        let text = JsValue::from_str(&to_json(&walk));
        self.walk.replace(Some(walk));
        self.state.storage().put_raw(WALK, text).await
    }

    /// Takes pages until there is a wait or an end.
    async fn work(&self) -> worker::Result<()> {
        let storage = self.state.storage();
        storage.set_alarm(NET).await?;
        self.load().await?;
        for _ in 0..PAGES {
            match self.take_page().await? {
                Some(Duration::ZERO) => {}
                Some(wait) => return storage.set_alarm(wait).await,
                None => return storage.delete_alarm().await,
            }
        }
        storage.set_alarm(Duration::ZERO).await
    }

    /// Takes one page and sends its hints. Gives the wait before the next, if there is one.
    async fn take_page(&self) -> worker::Result<Option<Duration>> {
        let Some(mut walk) = self.walk.borrow().clone() else {
            return Ok(None);
        };
        if walk.end.is_some() {
            return Ok(None);
        }
        let config = Config::of(&self.env).map_err(|error| error.to_string())?;
        let route = match config.route(&walk.route) {
            Ok(route) => route,
            Err(error) => {
                return self
                    .noted(walk, |walk| walk.failed(error, platform::now(), 0))
                    .await;
            }
        };
        let mut port = WorkerdPort::new(&self.env, config.signing_key.clone());
        let random = platform::random();
        let page = next_page(&mut port, &config.access, route, &mut walk, random).await;
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let failed =
                    |walk: &mut Walk| walk.failed(error, platform::now(), platform::seed());
                return self.noted(walk, failed).await;
            }
        };
        let hints = walk.hints(&page, route, platform::now());
        let messages: Vec<String> = hints.iter().map(to_json).collect();
        let queue = Queue::bound(&self.env, "HINTS")?;
        for batch in platform::batches(&messages) {
            queue.put_all(&messages[batch]).await?;
        }
        self.noted(walk, |walk| {
            walk.took(page, messages.len() as u64, platform::now())
        })
        .await
    }

    /// Notes with `note` what came of a page, unless `walk` was ended or followed by another meanwhile.
    async fn noted(
        &self,
        mut walk: Walk,
        note: impl FnOnce(&mut Walk) -> Option<Duration>,
    ) -> worker::Result<Option<Duration>> {
        let is_current =
            |stored: &Walk| stored.started_at == walk.started_at && stored.end.is_none();
        if !self.walk.borrow().as_ref().is_some_and(is_current) {
            // Another one's alarm is due, or there is nothing to do.
            return Ok(Some(Duration::from_millis(1)));
        }
        let wait = note(&mut walk);
        if walk.end.is_some() {
            self.finish(walk).await?;
        } else {
            self.store(walk).await?;
        }
        Ok(wait)
    }
}

/// Begins a reconcile of every route, as the cron asks for it; one that is still under way goes on.
pub(crate) async fn reconcile_all(env: &Env) {
    let config = match Config::of(env) {
        Ok(config) => config,
        Err(error) => return outcome::log_not_begun("", &error.to_string()),
    };
    for route in config.routes.iter() {
        let begun = async {
            let handle = Handle::new(env, Kind::Reconcile, &route.name)?;
            handle.start(Wish::default()).await
        };
        if let Err(reason) = begun.await {
            outcome::log_not_begun(&route.name, &reason);
        }
    }
}

/// What was answered, and the last walk, as JSON, if there was one.
pub(crate) type Seen = (Answer, Option<Box<RawValue>>);

/// A route's walk, as the operator's API and the cron see it.
pub(crate) struct Handle {
    object: object::Handle,
    kind: Kind,
    route: String,
}

impl Handle {
    /// That of `kind` and `route`.
    ///
    /// # Errors
    /// What is missing in wrangler.toml.
    pub(crate) fn new(env: &Env, kind: Kind, route: &str) -> Result<Self, String> {
        let class = object::Class {
            binding: "WALKS",
            class: "RouteWalk",
        };
        let object = class.named(env, &format!("{}/{route}", kind.name()))?;
        let route = route.to_owned();
        Ok(Self {
            object,
            kind,
            route,
        })
    }

    /// Begins one, unless another is under way.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn start(self, wish: Wish) -> Result<Seen, String> {
        let Self {
            object,
            kind,
            route,
        } = self;
        object.ask(&Report::Start { kind, route, wish }).await
    }

    /// How far it is.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn look(self) -> Result<Seen, String> {
        self.object.ask(&Report::Look).await
    }

    /// Ends it.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn cancel(self) -> Result<Seen, String> {
        self.object.ask(&Report::Cancel).await
    }
}
