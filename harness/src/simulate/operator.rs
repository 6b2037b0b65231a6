//! Who sits before a terminal: reconciles are begun, and begun again until they have been carried out.

use std::collections::BTreeSet;
use std::rc::Rc;

use causeway_shared::api::{Entries, Taken};
use causeway_shared::host::ledger::{self, QUARANTINE, Query};
use causeway_shared::host::walk::{Answer, Report, tell};
use causeway_shared::host::{Class, from_json};
use causeway_shared::ledger::Selector;
use causeway_shared::walk::{Kind, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::circumstances::{By, Change, Deed};
use super::durable::object_name;
use super::platform::SimulatedPlatform;
use super::world::{Owner, World};

/// A reconcile that could not begin is tried again after this long, in milliseconds.
pub(super) const LATER: u64 = 60_000;

impl World {
    /// A reconcile is begun after `delay` milliseconds, or, if one is under way then, when it has
    /// ended.
    pub(super) fn reconcile_after(&self, delay: u64) {
        self.after(delay, |world| {
            let operator = Rc::clone(world);
            world.spawn(Owner::Operator, 0, async move {
                let platform = SimulatedPlatform::of_isolate(&operator, 0, Owner::Operator);
                let (kind, route) = (Kind::Reconcile, operator.route.name.clone());
                let report = Report::Start {
                    kind,
                    route: route.clone(),
                    wish: Request::default(),
                };
                let told = tell(&platform, kind, &route, &report).await;
                match told {
                    Ok((Answer::Done, _)) => operator.tell(4, format_args!("a reconcile begins")),
                    Ok((Answer::Underway, _)) | Err(_) => operator.reconcile_after(LATER),
                }
            });
        });
    }

    /// What the route's ledger is called among all objects.
    pub(super) fn ledger(&self) -> Rc<str> {
        object_name(Class::RouteLedger, &self.route.name)
    }

    /// A reconcile has failed: somebody looks, mends what it is, and begins another.
    pub(super) fn reconcile_later(&self) {
        self.reconcile_after(self.until_calm() + LATER);
    }

    /// For how many more milliseconds something of what the seed has drawn goes wrong.
    fn until_calm(&self) -> u64 {
        let drawn = &self.scenario.circumstances;
        let ends = [
            drawn.refused.as_ref().map(|(span, ..)| span.end),
            drawn.change.as_ref().map(Change::end),
            drawn.backlog.as_ref().map(|span| span.end),
        ];
        let until = self.faults.borrow().until();
        let calm = ends.into_iter().flatten().fold(until, u64::max);
        calm.saturating_sub(self.now())
    }

    /// Nothing moves any more: somebody replays what is in quarantine, once. Whether there is something.
    pub(super) fn mend(self: &Rc<Self>) -> bool {
        let is_due = self.scenario.circumstances.is_mended && !self.judge.borrow().is_mended;
        if !is_due || self.selector(By::All).is_none() {
            return false;
        }
        self.judge.borrow_mut().is_mended = true;
        self.after(self.until_calm(), |world| {
            world.act(Selector::All(true), false, false);
        });
        true
    }
}

impl World {
    /// Nothing moves any more: somebody goes through the quarantine, an entry a page. Whether there is something.
    pub(super) fn survey(self: &Rc<Self>) -> bool {
        if self.judge.borrow().seen.is_some() || self.entries().is_empty() {
            return false;
        }
        self.judge.borrow_mut().seen = Some(BTreeSet::new());
        let world = Rc::clone(self);
        self.spawn(Owner::Operator, 0, async move {
            let list = |after| {
                ledger::Report::List(Query {
                    after,
                    limit: 1,
                    ..Query::default()
                })
            };
            let see = |Entries { entries, next }| {
                let ids = entries.into_iter().map(|entry| entry.id);
                let mut judge = world.judge.borrow_mut();
                judge.seen.get_or_insert_default().extend(ids);
                next
            };
            world.page_after_page(list, see).await;
        });
        true
    }

    /// Tells the ledger `report` until no page is left, and again after a while where it gives no answer; `take` says
    /// after what the next page begins.
    async fn page_after_page<T: DeserializeOwned>(
        self: &Rc<Self>,
        report: impl Fn(Option<String>) -> ledger::Report,
        take: impl Fn(T) -> Option<String>,
    ) {
        let platform = SimulatedPlatform::of_isolate(self, 0, Owner::Operator);
        let mut after = None;
        loop {
            let report = report(after.clone());
            let told = ledger::tell(&platform, &self.route.name, &report).await;
            match told.and_then(|told| from_json(&told)).map(&take) {
                Ok(None) => break,
                Ok(next) => after = next,
                Err(_) => self.sleep(self.until_calm().max(LATER)).await,
            }
        }
    }

    /// Somebody does as `deed` says, in a while.
    pub(super) fn do_after(&self, deed: Deed) {
        self.after(deed.after, move |world| {
            for _ in 0..=u8::from(deed.is_double) {
                if let Some(selector) = world.selector(deed.by) {
                    world.act(selector, deed.drops, deed.releases);
                }
            }
        });
    }

    /// Some entry of the quarantine by its id or its kind, or all.
    fn selector(&self, by: By) -> Option<Selector> {
        let entries = self.entries();
        let place = self.rng.borrow_mut().place(entries.len());
        let (id, entry) = entries.get(place)?;
        Some(match by {
            By::Id => Selector::Id(id.clone()),
            By::Kind => {
                Selector::Kind(serde_json::from_value(entry["error"]["kind"].clone()).ok()?)
            }
            By::All => Selector::All(true),
        })
    }

    /// All that is in the ledger's quarantine.
    pub(super) fn entries(&self) -> Vec<(String, Value)> {
        let read = |(name, text): (&String, &String)| {
            let id = name.strip_prefix(QUARANTINE)?.to_owned();
            Some((id, serde_json::from_str(text).unwrap_or_default()))
        };
        self.with_object(&self.ledger(), |object| {
            object.storage.iter().filter_map(read).collect()
        })
    }

    /// Replays or drops what `selector` means, until it is done.
    pub(super) fn act(self: &Rc<Self>, selector: Selector, drops: bool, release: bool) {
        let world = Rc::clone(self);
        self.judge.borrow_mut().acts(&selector, drops, release);
        self.spawn(Owner::Operator, 0, async move {
            let deed =
                format_args!("an operator: {selector:?}, drops: {drops}, releases: {release}");
            world.tell(5, deed);
            let report = |after| match selector.clone() {
                selector if drops => ledger::Report::Drop(selector, after),
                selector => ledger::Report::Replay(selector, release, after),
            };
            world
                .page_after_page(report, |taken: Taken| taken.next)
                .await;
            world.judge.borrow_mut().has_dropped(drops);
        });
    }
}
