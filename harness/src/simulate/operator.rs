//! Who sits before a terminal: reconciles are begun, and begun again until they have been carried out.

use std::collections::BTreeSet;
use std::rc::Rc;

use causeway_shared::api::{Entries, Taken};
use causeway_shared::host::ledger::{self, QUARANTINE, Query};
use causeway_shared::host::walk::{Answer, Report, tell};
use causeway_shared::host::{Class, from_json};
use causeway_shared::ledger::Selector;
use causeway_shared::walk::{Kind, Request};
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
                    Ok((Answer::Done, _)) => operator.tell(4, || "a reconcile begins".to_owned()),
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
        self.reconcile_after(self.calm().saturating_sub(self.now()) + LATER);
    }

    /// When nothing of what the seed has drawn goes wrong any more.
    pub(super) fn calm(&self) -> u64 {
        let refused = self.scenario.circumstances.refused.as_ref();
        let refused = refused.map_or(0, |(span, ..)| span.end);
        let changed = self.scenario.circumstances.change.as_ref();
        let changed = changed.map_or(0, Change::end);
        let backlog = self.scenario.circumstances.backlog.as_ref();
        let backlog = backlog.map_or(0, |span| span.end);
        self.faults
            .borrow()
            .until()
            .max(refused)
            .max(changed)
            .max(backlog)
    }

    /// Nothing moves any more: somebody replays what is in quarantine, once. Whether there is something.
    pub(super) fn mend(self: &Rc<Self>) -> bool {
        let is_due = self.scenario.circumstances.is_mended && !self.judge.borrow().is_mended;
        if !is_due || self.selector(By::All).is_none() {
            return false;
        }
        self.judge.borrow_mut().is_mended = true;
        self.after(self.calm().saturating_sub(self.now()), |world| {
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
            let platform = SimulatedPlatform::of_isolate(&world, 0, Owner::Operator);
            let mut after = None;
            loop {
                let query = Query {
                    after: after.clone(),
                    limit: 1,
                    ..Query::default()
                };
                let report = ledger::Report::List(query);
                let told = ledger::tell(&platform, &world.route.name, &report).await;
                match told.and_then(|told| from_json::<Entries>(&told)) {
                    Ok(Entries { entries, next }) => {
                        let ids = entries.into_iter().map(|entry| entry.id);
                        world
                            .judge
                            .borrow_mut()
                            .seen
                            .get_or_insert_default()
                            .extend(ids);
                        if next.is_none() {
                            break;
                        }
                        after = next;
                    }
                    Err(_) => world.sleep(LATER).await,
                }
            }
        });
        true
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
            let platform = SimulatedPlatform::of_isolate(&world, 0, Owner::Operator);
            world.tell(5, || {
                format!("an operator: {selector:?}, drops: {drops}, releases: {release}")
            });
            let mut after = None;
            loop {
                let (selector, after_it) = (selector.clone(), after.clone());
                let report = if drops {
                    ledger::Report::Drop(selector, after_it)
                } else {
                    ledger::Report::Replay(selector, release, after_it)
                };
                let told = ledger::tell(&platform, &world.route.name, &report).await;
                match told.and_then(|taken| from_json::<Taken>(&taken)) {
                    Ok(Taken { next: None, .. }) => break,
                    Ok(taken) => after = taken.next,
                    Err(_) => {
                        let calm = world.calm().saturating_sub(world.now());
                        world.sleep(calm.max(LATER)).await;
                    }
                }
            }
            world.judge.borrow_mut().has_dropped(drops);
        });
    }
}
