//! The Durable Object behind a walk of a route, a backfill or a reconcile: it stores what
//! [`crate::walk`] says and takes some pages an alarm, so that it goes on after any crash.
//!
//! Two a route, one of each kind. They are told things by [`tell`], from the API and from the
//! cron.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::held::{Held, Stored};
use super::{
    Class, Platform, Queue, RouteAccess, Storage, from_json, ledger, log, put, route_of, seed,
    tables, to_json,
};
use crate::error::TransferError;
use crate::event::ObjectHint;
use crate::message::{HintMessage, RECONCILE};
use crate::tables::Landed;
use crate::walk::{Kind, Page, Request as WalkRequest, Walk, next_page};

/// Where it is stored.
pub const WALK: &str = "walk";
/// The alarm that goes off if this isolate dies with a page in hand.
const NET: Duration = Duration::from_mins(2);
/// How many copies a loader compares at once.
const COMPARED: usize = 100;
/// How many pages an alarm takes: each is some two dozen requests, of the 1,000 that it may make.
const PAGES: usize = 20;

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// One is to begin, unless another is under way.
    Start {
        /// Of which kind.
        kind: Kind,
        /// Of which route.
        route: String,
        /// What is asked for.
        wish: WalkRequest,
    },
    /// How far is it?
    Look,
    /// It is to end.
    Cancel,
}

/// What it answers, beside the last walk that there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// What was asked for was done.
    Done,
    /// Another is under way.
    Underway,
}

/// The last walk, if there was one.
type Last = Option<Walk>;

/// The Durable Object.
#[derive(Debug)]
pub struct RouteWalk<P, S> {
    platform: P,
    storage: S,
    last: Held<Last>,
}

impl Stored for Last {
    async fn read(storage: &impl Storage) -> Result<Self, String> {
        let text = storage.get(WALK).await?;
        text.map(|text| from_json(&text)).transpose()
    }
}

impl<P: Platform, S: Storage> RouteWalk<P, S> {
    /// One that keeps itself in `storage`.
    pub fn new(platform: P, storage: S) -> Self {
        Self {
            platform,
            storage,
            last: Held::default(),
        }
    }

    /// Answers a report of [`tell`].
    ///
    /// # Errors
    /// The platform's error, or why the report cannot be read.
    pub async fn answer(&self, report: &str) -> Result<String, String> {
        let taken = self.take(from_json(report)?);
        let answer = self.last.attempt(&self.storage, taken).await?;
        self.last.with(|last| to_json(&(answer, last)))
    }

    /// Takes some pages.
    ///
    /// # Errors
    /// The platform's words where not even another alarm can be set.
    pub async fn alarm(&self) -> Result<(), String> {
        let worked = self.last.attempt(&self.storage, self.work()).await;
        let (platform, storage) = (&self.platform, &self.storage);
        self.last
            .end_alarm(platform, storage, "walk-failed", worked)
            .await
    }

    async fn take(&self, report: Report) -> Result<Answer, String> {
        match report {
            Report::Start { kind, route, wish } => self.start(kind, &route, wish).await,
            Report::Look => Ok(Answer::Done),
            Report::Cancel => self.cancel().await,
        }
    }

    async fn store(&self, text: String) -> Result<(), String> {
        self.storage.put(vec![(WALK.to_owned(), text)]).await
    }

    /// Begins one, unless another is under way.
    async fn start(&self, kind: Kind, route: &str, wish: WalkRequest) -> Result<Answer, String> {
        // What it is compared with; an estimate is no reason to fail.
        let objects = ledger::objects(&self.platform, route).await;
        let objects = objects.ok().flatten();
        let new = Walk::new(kind, route, wish, objects, self.platform.now());
        let begun = self.last.with(|last| {
            let is_underway = last.as_ref().is_some_and(|walk| walk.end.is_none());
            (!is_underway).then(|| to_json(last.insert(new)))
        });
        let Some(text) = begun? else {
            // The platform drops an alarm that has failed six times.
            if !self.storage.has_alarm().await? {
                self.storage.set_alarm(Some(Duration::ZERO)).await?;
            }
            return Ok(Answer::Underway);
        };
        // The alarm first: without one, what is stored would wait for ever.
        self.storage.set_alarm(Some(Duration::ZERO)).await?;
        self.store(text).await?;
        Ok(Answer::Done)
    }

    async fn cancel(&self) -> Result<Answer, String> {
        if let Some(mut walk) = self.underway()? {
            walk.cancel(self.platform.now());
            self.finish(walk).await?;
        }
        Ok(Answer::Done)
    }

    /// Stores what has ended, unless it was ended by somebody else meanwhile. The ledger first: it is
    /// told again if the isolate dies in between. Until it is stored, it is under way.
    async fn finish(&self, walk: Walk) -> Result<(), String> {
        ledger::walked(&self.platform, walk.clone()).await?;
        if self.last.with(|last| is_underway(last.as_ref(), &walk))? {
            // Where storage gives no answer, it may have the end all the same.
            log::walk(&self.platform, &walk);
            self.replace(&walk).await?;
        }
        Ok(())
    }

    /// Stores `walk` as what has become of the one that is under way; `false` if that is another.
    async fn replace(&self, walk: &Walk) -> Result<bool, String> {
        let replaced = self.last.with(|last| {
            let is_it = is_underway(last.as_ref(), walk);
            is_it.then(|| to_json(last.insert(walk.clone())))
        });
        let Some(text) = replaced? else {
            return Ok(false);
        };
        self.store(text).await?;
        Ok(true)
    }

    /// The one that is under way.
    fn underway(&self) -> Result<Last, String> {
        self.last
            .with(|last| last.clone().filter(|walk| walk.end.is_none()))
    }

    /// Takes pages until there is a wait or an end. The alarm is never taken away, because it may be
    /// another's by then: one for nothing does no harm.
    async fn work(&self) -> Result<(), String> {
        for page in 0..PAGES {
            let Some(walk) = self.underway()? else {
                return Ok(());
            };
            if page == 0 {
                self.storage.set_alarm(Some(NET)).await?;
            }
            let wait = self.take_page(walk).await?;
            if wait > Duration::ZERO {
                return self.storage.set_alarm(Some(wait)).await;
            }
        }
        self.storage.set_alarm(Some(Duration::ZERO)).await
    }

    /// Takes one page of `walk` and sends its hints. Gives the wait before the next; none where it has
    /// ended, or was ended or followed by another.
    async fn take_page(&self, mut walk: Walk) -> Result<Duration, String> {
        let platform = &self.platform;
        // Nobody's fault at either side: it waits until that is mended.
        platform.routes().map_err(|error| error.to_string())?;
        let wait = match self.next_page(&mut walk).await {
            Ok((mut page, found)) => {
                self.compare_table(&walk, &mut page).await?;
                let messages: Vec<String> = found.iter().map(to_json).collect();
                put(platform, Queue::Hints, &messages).await?;
                walk.took(page, messages.len() as u64, platform.now())
            }
            Err(error) => walk.failed(error, platform.now(), seed(platform)),
        };
        if !self.last.with(|last| is_underway(last.as_ref(), &walk))? {
            return Ok(Duration::ZERO);
        }
        if wait.is_none() {
            self.finish(walk).await?;
        } else if self.replace(&walk).await? {
            return Ok(wait.unwrap_or_default());
        }
        Ok(Duration::ZERO)
    }

    /// Has the loader of the route's table look for what it has not loaded of `page`, and load it.
    async fn compare_table(&self, walk: &Walk, page: &mut Page) -> Result<(), String> {
        let landed = std::mem::take(&mut page.landed);
        let routes = self.platform.routes().map_err(|error| error.to_string())?;
        let route = routes.get(&walk.route);
        let Some((route, table)) = route.and_then(|route| Some((route, route.table.as_ref()?)))
        else {
            return Ok(());
        };
        let now = self.platform.now();
        let name = table.id.to_string();
        for landed in landed.chunks(COMPARED) {
            let told = landed.iter().map(|(name, generation, _)| {
                let key = route.source_key(name).unwrap_or_default();
                let hint = ObjectHint::of(&route.source.bucket, key, RECONCILE);
                let message = HintMessage::new(&route.name, hint, now);
                Landed::new(name.clone(), *generation, message)
            });
            let is_dry = walk.request.dry_run;
            let not_loaded = tables::compare(&self.platform, &name, told.collect(), is_dry).await;
            for place in not_loaded? {
                page.parity.not_loaded.add(landed[place].2);
            }
        }
        Ok(())
    }

    async fn next_page(&self, walk: &mut Walk) -> Result<(Page, Vec<HintMessage>), TransferError> {
        let platform = &self.platform;
        let (route, RouteAccess { access, mut port }) = route_of(platform, &walk.route)?;
        let page = next_page(&mut port, &access, &route, walk, platform.random()).await?;
        let hints = walk.hints(&page, &route, platform.now());
        Ok((page, hints))
    }
}

/// Whether `walk` is the one that is under way.
fn is_underway(last: Option<&Walk>, walk: &Walk) -> bool {
    let underway = last.filter(|last| last.end.is_none());
    underway.is_some_and(|underway| underway.started_at == walk.started_at)
}

/// Begins a reconcile of every route, as the cron asks for it; one that is still under way goes on.
pub async fn reconcile_all(platform: &impl Platform) {
    let routes = match platform.routes() {
        Ok(routes) => routes,
        Err(error) => return log::not_begun(platform, "", &error.to_string()),
    };
    for route in routes.iter() {
        let kind = Kind::Reconcile;
        let report = Report::Start {
            kind,
            route: route.name.clone(),
            wish: WalkRequest::default(),
        };
        if let Err(reason) = tell(platform, kind, &route.name, &report).await {
            log::not_begun(platform, &route.name, &reason);
        }
    }
}

/// What was answered, and the last walk, as JSON, if there was one.
pub type Seen = (Answer, Option<Box<RawValue>>);

/// Tells the walk of `kind` and `route` something; gives what it answers.
///
/// # Errors
/// The platform's words.
pub async fn tell(
    platform: &impl Platform,
    kind: Kind,
    route: &str,
    report: &Report,
) -> Result<Seen, String> {
    let (name, report) = (name(kind, route), to_json(report));
    from_json(&platform.call(Class::RouteWalk, &name, report).await?)
}

/// What the walk of `kind` and `route` is called.
#[must_use]
pub fn name(kind: Kind, route: &str) -> String {
    format!("{}/{route}", kind.name())
}
