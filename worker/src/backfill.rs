//! The Durable Object behind a route's backfill: it stores what `causeway_shared::backfill` says and
//! lists a page an alarm, so that it goes on after any crash.
//!
//! One a route. It is told things by [`Handle`], from the operator's API alone.

use std::cell::RefCell;
use std::time::Duration;

use causeway_shared::backfill::{Backfill, Request as Wish, list};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use worker::durable::{State, Stub};
use worker::{DurableObject, Env, Method, Request, RequestInit, Response, durable_object};

use crate::config::Config;
use crate::outcome;
use crate::platform::{self, Queue, to_json};
use crate::port::WorkerdPort;

/// Where it is stored.
const BACKFILL: &str = "backfill";
/// The alarm that goes off if this isolate dies with a page in hand.
const NET: Duration = Duration::from_mins(2);
/// How long to wait where the platform refused something.
const PAUSE: Duration = Duration::from_secs(15);

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
enum Report {
    Start { route: String, wish: Wish },
    Look,
    Cancel,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The last that there was.
    pub(crate) backfill: Option<Backfill>,
    /// Whether what was asked for was done.
    pub(crate) done: bool,
}

/// The Durable Object. Its name at the platform is this type's.
#[durable_object(alarm)]
pub struct RouteBackfill {
    state: State,
    env: Env,
    /// None until it is read.
    backfill: RefCell<Option<Backfill>>,
}

impl DurableObject for RouteBackfill {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            backfill: RefCell::new(None),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let report = serde_json::from_slice(&request.bytes().await?)?;
        self.load().await?;
        let done = match report {
            Report::Start { route, wish } => self.start(&route, wish).await?,
            Report::Look => true,
            Report::Cancel => self.cancel().await?,
        };
        let backfill = self.backfill.borrow().clone();
        Response::ok(to_json(&Answer { backfill, done }))
    }

    async fn alarm(&self) -> worker::Result<Response> {
        if let Err(error) = self.work().await {
            outcome::log_error(
                &serde_json::json!({"event": "backfill-failed", "message": error.to_string()}),
            );
            // What is stored is the truth.
            self.backfill.replace(None);
            self.state.storage().set_alarm(PAUSE).await?;
        }
        Response::empty()
    }
}

impl RouteBackfill {
    async fn load(&self) -> worker::Result<()> {
        if self.backfill.borrow().is_none() {
            let text = self.state.storage().get::<String>(BACKFILL).await?;
            let stored = text.map(|text| serde_json::from_str(&text)).transpose()?;
            let mut backfill = self.backfill.borrow_mut();
            if backfill.is_none() {
                *backfill = stored;
            }
        }
        Ok(())
    }

    /// Begins one, unless another is under way.
    async fn start(&self, route: &str, wish: Wish) -> worker::Result<bool> {
        let is_underway = |backfill: &Backfill| backfill.end.is_none();
        if self.backfill.borrow().as_ref().is_some_and(is_underway) {
            return Ok(false);
        }
        // The alarm first: what is stored without one would wait for ever.
        self.state.storage().set_alarm(Duration::ZERO).await?;
        let new = Backfill::new(route, wish, platform::now());
        self.store(new).await?;
        Ok(true)
    }

    async fn cancel(&self) -> worker::Result<bool> {
        let Some(mut backfill) = self.backfill.borrow().clone() else {
            return Ok(false);
        };
        backfill.cancel(platform::now());
        self.store(backfill).await?;
        Ok(true)
    }

    async fn store(&self, backfill: Backfill) -> worker::Result<()> {
        let text = JsValue::from_str(&to_json(&backfill));
        self.backfill.replace(Some(backfill));
        self.state.storage().put_raw(BACKFILL, text).await
    }

    /// Lists one page and sends its hints.
    async fn work(&self) -> worker::Result<()> {
        self.load().await?;
        let Some(mut backfill) = self.backfill.borrow().clone() else {
            return Ok(());
        };
        if backfill.end.is_some() {
            return Ok(());
        }
        let storage = self.state.storage();
        storage.set_alarm(NET).await?;
        let config = Config::of(&self.env).map_err(|error| error.to_string())?;
        let route = config
            .route(&backfill.route)
            .map_err(|error| error.to_string())?;
        let mut port = WorkerdPort::new(&self.env, config.signing_key.clone());
        let wait = match list(&mut port, &config.access, route, &mut backfill).await {
            Ok(listing) => {
                let hints = backfill.hints(&listing, &route.source.bucket, platform::now());
                let messages: Vec<String> = hints.iter().map(to_json).collect();
                let queue = Queue::bound(&self.env, "HINTS")?;
                for batch in platform::batches(&messages) {
                    queue.put_all(&messages[batch]).await?;
                }
                if !self.is_current(&mut backfill) {
                    return Ok(());
                }
                backfill.took(&listing, platform::now())
            }
            Err(error) => {
                if !self.is_current(&mut backfill) {
                    return Ok(());
                }
                backfill.failed(error, platform::seed())
            }
        };
        let ended = backfill.end.is_some();
        self.store(backfill.clone()).await?;
        match wait {
            Some(wait) => storage.set_alarm(wait).await?,
            None => storage.delete_alarm().await?,
        }
        if ended {
            outcome::log_backfill(&backfill);
        }
        Ok(())
    }

    /// Whether `backfill` was not followed by another while a page was under way. It may have been
    /// cancelled, and is then told.
    fn is_current(&self, backfill: &mut Backfill) -> bool {
        match &*self.backfill.borrow() {
            Some(stored) if stored.started_at == backfill.started_at => {
                backfill.end.clone_from(&stored.end);
                true
            }
            _ => false,
        }
    }
}

/// A route's backfill, as the operator's API sees it.
pub(crate) struct Handle(Stub);

impl Handle {
    /// That of the route `name`.
    ///
    /// # Errors
    /// The platform's words, if there is no such class.
    pub(crate) fn new(env: &Env, name: &str) -> Result<Self, String> {
        let stub = env
            .durable_object("BACKFILLS")
            .and_then(|namespace| namespace.get_by_name(name));
        stub.map(Self).map_err(|error| {
            format!("BACKFILLS is not bound to the class RouteBackfill ({error}). Add its [[durable_objects.bindings]] and [[migrations]] to wrangler.toml.")
        })
    }

    /// Begins one, unless another is under way.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn start(&self, route: &str, wish: Wish) -> Result<Answer, String> {
        let route = route.to_owned();
        self.tell(&Report::Start { route, wish }).await
    }

    /// How far it is.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn look(&self) -> Result<Answer, String> {
        self.tell(&Report::Look).await
    }

    /// Ends it.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn cancel(&self) -> Result<Answer, String> {
        self.tell(&Report::Cancel).await
    }

    async fn tell(&self, report: &Report) -> Result<Answer, String> {
        let told = async {
            let mut init = RequestInit::new();
            init.with_method(Method::Post)
                .with_body(Some(JsValue::from_str(&to_json(report))));
            // An object has no address; only the path of this URL is its.
            let request = Request::new_with_init("http://backfill/", &init)?;
            let mut response = self.0.fetch_with_request(request).await?;
            let body = response.bytes().await?;
            Ok(serde_json::from_slice(&body)?)
        };
        told.await.map_err(|error: worker::Error| error.to_string())
    }
}
