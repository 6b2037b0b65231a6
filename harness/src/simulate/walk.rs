//! The Durable Object of a reconcile, as `worker/src/walk.rs` has it, and the cron that begins it.

use std::rc::Rc;
use std::time::Duration;

use causeway_shared::walk::{Kind, Outcome, Request, Walk, next_page};

use super::consumer::to_json;
use super::durable::isolate_of;
use super::mutant::Mutant;
use super::port::SimulatedPort;
use super::queue::Name;
use super::world::World;

/// The object's name.
pub(super) const NAME: &str = "reconcile";
/// Where it is stored.
const WALK: &str = "walk";
/// The alarm that goes off if the isolate dies with a page in hand, in milliseconds.
const NET: u64 = 2 * 60 * 1000;
/// The cron comes again after this long where a reconcile is under way, in milliseconds.
const LATER: u64 = 60_000;
const PAGES: usize = 20;

impl World {
    /// A reconcile is begun after `delay` milliseconds, or, if one is under way then, when it has
    /// ended.
    pub(super) fn reconcile_after(&self, delay: u64) {
        self.after(delay, Self::begin_reconcile);
    }

    fn begin_reconcile(self: &Rc<Self>) {
        let name: Rc<str> = NAME.into();
        if self.walked(&name).is_some_and(|walk| walk.end.is_none()) {
            return self.reconcile_after(LATER);
        }
        let now = self.time_at(isolate_of(NAME));
        let walk = Walk::new(
            Kind::Reconcile,
            &self.route.name,
            Request::default(),
            None,
            now,
        );
        self.tell(4, || "a reconcile begins".to_owned());
        self.with_object(&name, |object| {
            object.storage.insert(WALK.to_owned(), to_json(&walk))
        });
        self.set_alarm(&name, Some(self.now()));
    }

    fn walked(&self, name: &Rc<str>) -> Option<Walk> {
        self.with_object(name, |object| {
            let text = object.storage.get(WALK)?;
            Some(serde_json::from_str(text).expect("what was stored"))
        })
    }

    /// Takes pages until there is a wait or an end.
    ///
    /// # Errors
    /// The platform's words.
    pub(super) async fn walk(self: &Rc<Self>, name: &Rc<str>) -> Result<(), String> {
        for page in 0..PAGES {
            let Some(walk) = self.walked(name).filter(|walk| walk.end.is_none()) else {
                return Ok(());
            };
            if page == 0 {
                self.set_alarm(name, Some(self.now() + NET));
                self.crash_point().await;
            }
            let wait = self.take_page(name, walk).await?;
            if wait > Duration::ZERO {
                let wait = u64::try_from(wait.as_millis()).unwrap_or_default();
                self.set_alarm(name, Some(self.now() + wait));
                return Ok(());
            }
        }
        self.set_alarm(name, Some(self.now()));
        Ok(())
    }

    async fn take_page(
        self: &Rc<Self>,
        name: &Rc<str>,
        mut walk: Walk,
    ) -> Result<Duration, String> {
        let isolate = isolate_of(name);
        let (access, random) = (self.access(isolate), self.random());
        let mut port = SimulatedPort::new(self, isolate);
        let page = next_page(&mut port, &access, &self.route, &mut walk, random).await;
        let now = self.time_at(isolate);
        let wait = match page {
            Ok(page) => {
                let hints = walk.hints(&page, &self.route, now);
                self.tell(5, || {
                    format!("a page of {}: {:?}", hints.len(), page.parity)
                });
                let wait = walk.took(page, hints.len() as u64, now);
                if self.is(Mutant::WalkedBefore) {
                    self.keep(name, WALK, to_json(&walk)).await;
                }
                for hint in &hints {
                    self.send(Name::Hints, &to_json(hint), Duration::ZERO)
                        .await?;
                }
                wait
            }
            Err(error) => {
                self.tell(6, || format!("no page: {error}"));
                walk.failed(error, now, self.seed())
            }
        };
        let end = walk.end.as_ref();
        if end.is_some_and(|end| end.outcome == Outcome::Failed) {
            // A person looks, mends what it is, and begins another.
            let mended = self.faults.borrow().until().saturating_sub(self.now());
            self.reconcile_after(mended + LATER);
        }
        self.keep(name, WALK, to_json(&walk)).await;
        Ok(wait.unwrap_or_default())
    }
}
