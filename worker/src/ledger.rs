//! The Durable Object behind a route's ledger: its counts, its brake and its quarantine, stored as
//! `causeway_shared::ledger` has them.
//!
//! One a route, written once a batch. It is told things by [`Handle`], from the queue's consumer, the
//! coordinators, the walks and the API.

use std::cell::RefCell;

use causeway_shared::api::{Entries, Entry, RouteStatus, Taken, Transfer, Transfers, metrics};
use causeway_shared::brake::{Brake, Leave};
use causeway_shared::error::{ErrorKind, cut};
use causeway_shared::ledger::{Ledger, Quarantined, Record, Selector};
use causeway_shared::message::{DeadLetter, HintMessage};
use causeway_shared::route::Routes;
use causeway_shared::walk::Walk;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use worker::durable::{ListOptions, State};
use worker::{DurableObject, Env, Request, Response, durable_object};

use crate::config::Config;
use crate::object;
use crate::platform::{self, Queue, set, to_json};
use crate::quarantine::UNROUTED;

/// Where all but the quarantine is stored.
const LEDGER: &str = "ledger";
/// What the names of quarantine's entries begin with.
const QUARANTINE: &str = "quarantine/";
/// What stands before the names of ledgers that have something in quarantine, or had: a route may be renamed
/// or removed, and what it has left is found by its name.
const NAMES: &str = "ledger/";
/// How many of them are listed.
const MOST_NAMES: usize = 1000;
/// How many entries are read from storage, given to a page at most, or replayed at once.
pub(crate) const PAGE: usize = 100;
/// The longest value of a parameter, in characters: an id has a bucket and a key.
pub(crate) const LONGEST: usize = 1280;

/// What it is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// These were done.
    Record(Vec<Record>),
    /// Somebody wants to delete once.
    MayDelete(Brake),
    /// These are for quarantine.
    Quarantine(Vec<DeadLetter>),
    /// This walk has ended.
    Walked(Box<Walk>),
    /// How many objects had the source, when all were last counted?
    Objects,
    /// Answered with a [`RouteStatus`] of the route of that name.
    Status(String),
    /// Answered with the [`metrics::samples`] of the route of that name, which are no JSON.
    Metrics(String),
    /// Answered with [`Transfers`].
    Transfers {
        /// How many, at most.
        limit: usize,
        /// The number of the record that they are older than.
        after: Option<u64>,
    },
    /// Answered with the last [`Transfer`] of that id, or null.
    Transfer(String),
    /// Answered with [`Entries`].
    List(Query),
    /// These are to be sent back to the queue; answered with [`Taken`].
    Replay(Selector),
    /// These are to be forgotten; answered with [`Taken`].
    Drop(Selector),
    /// The ledger of this name has something in quarantine. Told to the ledger of what belongs to no route.
    Register(String),
    /// Answered by that one with the names that it was told.
    Ledgers,
}

/// Which items of a list are looked at, in the quarantine or elsewhere.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Query {
    /// Only those with this reason.
    pub(crate) kind: Option<ErrorKind>,
    /// Only keys that begin with this.
    pub(crate) key: Option<String>,
    /// Only what stands after this.
    pub(crate) after: Option<String>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// The Durable Object. Its name at the platform is this type's.
#[durable_object(fetch)]
pub struct RouteLedger {
    state: State,
    env: Env,
    /// None until it is read.
    ledger: RefCell<Option<Ledger>>,
}

impl DurableObject for RouteLedger {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            ledger: RefCell::new(None),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let report = serde_json::from_slice(&request.bytes().await?)?;
        self.load().await?;
        let answer = self.take(report).await;
        if answer.is_err() {
            // What is stored is the truth.
            self.ledger.replace(None);
        }
        Response::ok(answer?)
    }
}

impl RouteLedger {
    async fn load(&self) -> worker::Result<()> {
        if self.ledger.borrow().is_some() {
            return Ok(());
        }
        let ledger = match self.state.storage().get::<String>(LEDGER).await? {
            Some(text) => {
                let mut ledger: Ledger = platform::from_json(&text)?;
                ledger.bound();
                ledger
            }
            None => Ledger::default(),
        };
        // Another request may have read it meanwhile, and changed it.
        self.ledger.borrow_mut().get_or_insert(ledger);
        Ok(())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Ledger) -> T) -> T {
        act(self.ledger.borrow_mut().get_or_insert_default())
    }

    async fn store(&self) -> worker::Result<()> {
        let text = self.with(|ledger| to_json(ledger));
        let storage = self.state.storage();
        storage.put_raw(LEDGER, JsValue::from_str(&text)).await
    }

    async fn take(&self, report: Report) -> worker::Result<String> {
        Ok(match report {
            Report::Record(records) => {
                self.mend(&records).await?;
                self.with(|ledger| ledger.record(records));
                self.store().await?;
                to_json(&())
            }
            Report::MayDelete(brake) => {
                let leave = self.with(|ledger| ledger.ask(&brake, platform::now()));
                if leave == Leave::Granted {
                    self.store().await?;
                }
                to_json(&leave)
            }
            Report::Quarantine(letters) => {
                self.quarantine(letters).await?;
                to_json(&())
            }
            Report::Walked(walk) => {
                self.with(|ledger| ledger.walked(*walk));
                self.store().await?;
                to_json(&())
            }
            Report::Objects => self.with(|ledger| to_json(&ledger.objects)),
            Report::Status(name) => self.status(&name),
            Report::Metrics(name) => self.with(|ledger| metrics::samples(&name, ledger)),
            Report::Transfers { limit, after } => {
                self.with(|ledger| to_json(&Transfers::of(ledger, limit, after)))
            }
            Report::Transfer(id) => {
                let entry = self
                    .entry(&id)
                    .await?
                    .map(|entry| Entry::new(id.clone(), entry));
                self.with(|ledger| to_json(&Transfer::last(ledger, &id, entry)))
            }
            Report::List(query) => to_json(&self.list(&query).await?),
            Report::Replay(selector) => to_json(&self.replay(&selector).await?),
            Report::Drop(selector) => {
                let (taken, more) = self.select(&selector).await?;
                let ids = taken.into_iter().map(|(id, _)| id).collect();
                let count = self.remove(ids).await?;
                to_json(&Taken { count, more })
            }
            Report::Register(name) => {
                let (storage, name) = (self.state.storage(), format!("{NAMES}{name}"));
                if storage.get::<String>(&name).await?.is_none() {
                    storage.put_raw(&name, JsValue::from_str("")).await?;
                }
                to_json(&())
            }
            Report::Ledgers => {
                let options = ListOptions::new().prefix(NAMES).limit(MOST_NAMES);
                let stored = self.state.storage().list_with_options(options).await?;
                let names = stored.keys().into_iter().filter_map(|name| {
                    let name = name.ok()?.as_string()?;
                    Some(name.strip_prefix(NAMES)?.to_owned())
                });
                to_json(&names.collect::<Vec<_>>())
            }
        })
    }

    /// What there is to be seen of the route `name`, as JSON.
    fn status(&self, name: &str) -> String {
        let config = Config::of(&self.env).ok();
        let route = config.as_ref().and_then(|config| config.route(name).ok());
        let route = route.map(|route| &**route);
        self.with(|ledger| to_json(&RouteStatus::new(name, route, ledger, platform::now())))
    }

    /// Takes out of quarantine what has been mended by another way than a replay.
    async fn mend(&self, records: &[Record]) -> worker::Result<()> {
        if self.with(|ledger| ledger.quarantined) == 0 {
            return Ok(());
        }
        let settled = records.iter().filter(|record| record.settles());
        let ids = settled.map(|record| format!("{}/{}", record.bucket, record.key));
        self.remove(ids.collect()).await.map(drop)
    }

    /// Puts `letters` into quarantine; they are there when this returns.
    async fn quarantine(&self, letters: Vec<DeadLetter>) -> worker::Result<()> {
        let storage = self.state.storage();
        for letter in letters {
            let mut id = letter.id();
            let mut before = self.entry(&id).await?;
            // Two that are no hints may have come at one time, and are two.
            while id.starts_with('?')
                && before
                    .as_ref()
                    .is_some_and(|before| before.message != letter.message)
            {
                id.push('+');
                before = self.entry(&id).await?;
            }
            let entry = Quarantined::new(letter, before.as_ref());
            let text = JsValue::from_str(&to_json(&entry));
            // One write to storage: the entry and the count of entries belong together.
            let both = js_sys::Object::new();
            set(&both, &format!("{QUARANTINE}{id}"), &text);
            let ledger = self.with(|ledger| {
                ledger.quarantined += u64::from(before.is_none());
                to_json(ledger)
            });
            set(&both, LEDGER, &JsValue::from_str(&ledger));
            storage.put_multiple_raw(both).await?;
        }
        Ok(())
    }

    /// Entries after `after`, at least one more than a page where there are as many.
    async fn read(&self, after: Option<&str>) -> worker::Result<Vec<(String, Quarantined)>> {
        let start = after.map(|after| format!("{QUARANTINE}{after}"));
        // One for `after` itself, if it is still there.
        let mut options = ListOptions::new().prefix(QUARANTINE).limit(PAGE + 2);
        if let Some(start) = &start {
            options = options.start(start);
        }
        let stored = self.state.storage().list_with_options(options).await?;
        let mut entries = Vec::new();
        for entry in stored.entries() {
            let pair = js_sys::Array::from(&entry?);
            let name = pair.get(0).as_string().unwrap_or_default();
            let text = pair.get(1).as_string().unwrap_or_default();
            let id = name.strip_prefix(QUARANTINE).unwrap_or_default().to_owned();
            if after != Some(id.as_str()) {
                entries.push((id, platform::from_json(&text)?));
            }
        }
        Ok(entries)
    }

    /// A page of what `query` means. It may be short, or empty, and still not be the last.
    async fn list(&self, query: &Query) -> worker::Result<Entries> {
        let mut entries = self.read(query.after.as_deref()).await?;
        let more = entries.len() > query.limit;
        entries.truncate(query.limit);
        let next = entries.last().filter(|_| more).map(|(id, _)| after(id));
        entries.retain(|(_, entry)| {
            let key = entry.object().map_or("", |(_, key)| key);
            query.kind.is_none_or(|kind| entry.error.kind == kind)
                && query
                    .key
                    .as_ref()
                    .is_none_or(|prefix| key.starts_with(prefix))
        });
        let entries = entries.into_iter().map(|(id, entry)| Entry::new(id, entry));
        Ok(Entries {
            entries: entries.collect(),
            next,
        })
    }

    /// The first page of entries that `selector` means, and whether there may be more.
    async fn select(
        &self,
        selector: &Selector,
    ) -> worker::Result<(Vec<(String, Quarantined)>, bool)> {
        if let Selector::Id(id) = selector {
            let entry = self.entry(id).await?;
            return Ok((
                entry.map(|entry| (id.clone(), entry)).into_iter().collect(),
                false,
            ));
        }
        let mut after = None;
        loop {
            let mut entries = self.read(after.as_deref()).await?;
            let more = entries.len() > PAGE;
            entries.truncate(PAGE);
            after = entries.last().map(|(id, _)| id.clone());
            entries.retain(|(id, entry)| selector.takes(id, entry));
            if !(entries.is_empty() && more) {
                return Ok((entries, more));
            }
        }
    }

    /// Sends hints back to their queue and forgets them once it has them. What is no hint stays.
    async fn replay(&self, selector: &Selector) -> worker::Result<Taken> {
        let (entries, more) = self.select(selector).await?;
        let config = Config::of(&self.env).map_err(|error| error.to_string())?;
        let (mut replayed, mut messages) = (Vec::new(), Vec::new());
        for (id, entry) in entries {
            if let Some(message) = entry.replayed() {
                messages.extend(rerouted(&message, &config.routes));
                replayed.push((id, entry));
            }
        }
        let queue = Queue::bound(&self.env, "HINTS")?;
        for batch in platform::batches(&messages) {
            queue.put_all(&messages[batch]).await?;
        }
        // A page of nothing but what cannot be replayed would come again and again.
        let more = more && !replayed.is_empty();
        let count = replayed.len() as u64;
        // Meanwhile a key may have failed once more: that stays.
        let mut unchanged = Vec::new();
        for (id, entry) in replayed {
            if self.entry(&id).await? == Some(entry) {
                unchanged.push(id);
            }
        }
        self.remove(unchanged).await?;
        Ok(Taken { count, more })
    }

    async fn entry(&self, id: &str) -> worker::Result<Option<Quarantined>> {
        let name = format!("{QUARANTINE}{id}");
        let text = self.state.storage().get::<String>(&name).await?;
        Ok(text.map(|text| platform::from_json(&text)).transpose()?)
    }

    /// Forgets the entries `ids`; gives how many there were.
    async fn remove(&self, ids: Vec<String>) -> worker::Result<u64> {
        let names: Vec<_> = ids.iter().map(|id| format!("{QUARANTINE}{id}")).collect();
        let storage = self.state.storage();
        let mut removed = 0;
        for names in names.chunks(PAGE) {
            removed += storage.delete_multiple(names.to_vec()).await? as u64;
        }
        if removed > 0 {
            self.with(|ledger| {
                ledger.quarantined = ledger.quarantined.saturating_sub(removed);
            });
            self.store().await?;
        }
        Ok(removed)
    }
}

/// What to give for the page behind the entry `id`. An older version kept longer ones than can be asked for.
fn after(id: &str) -> String {
    let mut after = id.to_owned();
    if id.len() > LONGEST {
        cut(&mut after, LONGEST - 4);
        after.push(char::MAX);
    }
    after
}

/// A replayed message as it goes into the queue: where its route is gone, for each that takes the key now.
fn rerouted(message: &HintMessage, routes: &Routes) -> Vec<String> {
    let others = || routes.matching(&message.hint.bucket, &message.hint.key);
    if routes.get(&message.route).is_some() || others().next().is_none() {
        return vec![to_json(message)];
    }
    let others = others().map(|other| HintMessage {
        route: other.name.clone(),
        ..message.clone()
    });
    others.map(|message| to_json(&message)).collect()
}

/// A ledger, as the rest of the worker sees it.
pub(crate) struct Handle(object::Handle);

impl Handle {
    /// The ledger of the route `name`.
    ///
    /// # Errors
    /// What is missing in wrangler.toml.
    pub(crate) fn new(env: &Env, name: &str) -> Result<Self, String> {
        let class = object::Class {
            binding: "LEDGERS",
            class: "RouteLedger",
        };
        class.named(env, name).map(Self)
    }

    /// Writes `records` down.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn record(&self, records: Vec<Record>) -> Result<(), String> {
        self.0.ask(&Report::Record(records)).await
    }

    /// Asks the brake for one delete.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn may_delete(&self, brake: Brake) -> Result<Leave, String> {
        self.0.ask(&Report::MayDelete(brake)).await
    }

    /// Puts `letters` into quarantine; they are there when this returns.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn quarantine(&self, letters: Vec<DeadLetter>) -> Result<(), String> {
        self.0.ask(&Report::Quarantine(letters)).await
    }

    /// Tells the ledger of what belongs to no route that the one called `name` has something in quarantine.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn register(env: &Env, name: &str) -> Result<(), String> {
        let unrouted = Self::new(env, UNROUTED)?;
        unrouted.0.ask(&Report::Register(name.to_owned())).await
    }

    /// Tells it `report`; gives its answer as it is.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn tell(&self, report: &Report) -> Result<String, String> {
        self.0.tell(report).await
    }

    /// How many objects the source had when all were last counted.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn objects(&self) -> Result<Option<u64>, String> {
        self.0.ask(&Report::Objects).await
    }

    /// Writes down a walk that has ended, and what it counted.
    ///
    /// # Errors
    /// The platform's words.
    pub(crate) async fn walked(&self, walk: Walk) -> Result<(), String> {
        self.0.ask(&Report::Walked(Box::new(walk))).await
    }
}
