//! The source's writers, and the notifications that follow from what they do.

use std::rc::Rc;
use std::time::Duration;

use causeway_shared::event::{Notification, parse};
use causeway_shared::host::{Queue, hints};

use super::body::Body;
use super::circumstances::Kind;
use super::fault::Fault;
use super::gcs::decoded;
use super::mutant::Mutant;
use super::operator::LATER;
use super::s3::{self, BUCKET, Change, Checksums, Put, timestamp};
use super::scenario::{Timed, Write};
use super::world::{ISOLATES, World};

/// How many bytes an object of somebody else's has.
pub(super) const FOREIGN: u64 = 100;

impl World {
    /// Everything that the scenario has will happen in its time.
    pub(super) fn begin(self: &Rc<Self>) {
        for key in &self.scenario.foreign {
            self.write_foreign(key);
        }
        for (place, timed) in self.scenario.kept() {
            let timed = timed.clone();
            self.after(timed.at, move |world| world.write(place as u64, &timed));
        }
        if let Some(time) = self.scenario.reconciled_at {
            self.reconcile_after(time);
        }
        if let Some(change) = &self.scenario.circumstances.change {
            self.reconcile_after(change.end() + LATER);
        }
        if let Some(time) = self.scenario.circumstances.rolled_back {
            self.after(time, World::roll_back);
        }
        self.begin_jobs();
        let until = self.faults.borrow().until();
        self.after(until, |world| {
            world.tell(0, format_args!("no more faults"));
            for isolate in world.isolates.borrow_mut().iter_mut() {
                isolate.skew = 0;
            }
        });
    }

    fn write(self: &Rc<Self>, place: u64, Timed { key, write, .. }: &Timed) {
        self.tell(place, format_args!("write {place}: {key:?} {write:?}"));
        for change in self.change(key, write) {
            self.notify(change);
        }
    }

    fn change(&self, key: &str, write: &Write) -> Vec<Change> {
        let (mut s3, now) = (self.s3.borrow_mut(), self.now());
        match write {
            Write::Put(put) => vec![s3.put(key, put.clone(), now)],
            Write::Delete => s3.delete(key, now).into_iter().collect(),
            Write::Tag(tag) => s3.tag(key, *tag, now).into_iter().collect(),
            Write::RenameTo(to) => {
                let put = s3.current(key).map(|version| version.put.clone());
                let Some(put) = put.filter(|_| to != key) else {
                    return Vec::new();
                };
                let written = s3.put(to, put, now);
                std::iter::once(written)
                    .chain(s3.delete(key, now))
                    .collect()
            }
            Write::Foreign(put) => {
                self.write_foreign(key);
                vec![s3.put(key, put.clone(), now)]
            }
        }
    }

    fn write_foreign(&self, key: &str) {
        let name = self.route.destination_name(key).unwrap_or_default();
        let body = Body::whole(self.seed() | 1 << 62, FOREIGN);
        // Whether it was written does not matter to anybody.
        let commit = self.gcs.borrow_mut().write_foreign(&name, body, self.now());
        if let Some(commit) = commit {
            self.judge.borrow_mut().kept(&commit);
        }
    }

    /// A writer replaces the object that is being read at `path`, if there is one.
    pub(super) fn overwrite(self: &Rc<Self>, path: &str) -> bool {
        let key = path
            .strip_prefix(&format!("/{BUCKET}/"))
            .unwrap_or_default();
        let key = decoded(key);
        let Some(old) = self
            .s3
            .borrow()
            .current(&key)
            .map(|version| version.put.clone())
        else {
            return false;
        };
        let mut rng = self.rng.borrow_mut();
        // Often of the same size, so that no length gives it away.
        let other = rng.below(old.size + 1);
        let size = if rng.chance(2, 3) { old.size } else { other };
        let put = Put {
            content: rng.word() >> 2,
            size,
            checksums: rng.pick(Checksums::of(size)),
            label: old.label + 1000,
        };
        drop(rng);
        self.tell(
            put.size,
            format_args!("{key:?} is overwritten while it is read: {put:?}"),
        );
        let change = self.s3.borrow_mut().put(&key, put, self.now());
        self.notify(change);
        true
    }

    fn notify(self: &Rc<Self>, change: Change) {
        if self.can_be_listed(&change) && self.strike(&[Fault::EventLost]).is_some() {
            let delay = self.rng.borrow_mut().between(1, 600_000);
            return self.reconcile_after(delay);
        }
        let mut copies = 1;
        while copies < 4 && self.strike(&[Fault::EventDuplicated]).is_some() {
            copies += 1;
        }
        for _ in 0..copies {
            let late = self.strike(&[Fault::EventDelayed]).is_some();
            let delay = self
                .rng
                .borrow_mut()
                .between(1, if late { 600_000 } else { 1_000 });
            let change = change.clone();
            self.after(delay, move |world| world.take_in(&change));
        }
        if self.strike(&[Fault::EventStale]).is_some() {
            self.after(3_600_000, move |world| world.take_in(&change));
        }
    }

    /// Whether a listing shows this change: not one of tags, nor an object that looks as an older one does.
    fn can_be_listed(&self, change: &Change) -> bool {
        let s3 = self.s3.borrow();
        change.event != s3::TAGGED
            && s3.current(&change.key).is_none_or(|now| {
                let mut past = s3.past(&change.key).map(|(_, old)| old);
                !past.any(|old| old.id != now.id && old.looks_as(now))
            })
    }

    /// An event arrives, and is sent again until it is acknowledged: as `worker/src/ingress` does, the
    /// sender is answered after the queue has the hints.
    fn take_in(self: &Rc<Self>, arrived: &Change) {
        let event = s3::event(arrived);
        let Ok(Notification::Records(records)) = parse(event.as_bytes()) else {
            return self.judge.borrow_mut().object("an event is none of S3's");
        };
        let broken = self.scenario.circumstances.change.as_ref();
        let broken = broken.filter(|change| change.kind == Kind::Broken);
        if let Some(change) = broken.filter(|change| change.is_seen(0, self.now())) {
            // Answered 503 until then.
            let (wait, change) = (change.end() - self.now(), arrived.clone());
            return self.after(wait, move |world| world.take_in(&change));
        }
        let failed = self
            .strike(&[Fault::QueueRefused, Fault::IsolateCrashed])
            .is_some();
        let arrives = !failed || self.rng.borrow_mut().chance(1, 2);
        let routes = self.routes(self.rng.borrow_mut().place(ISOLATES), self.now());
        let sorted = hints::sort(records, routes, None, timestamp(self.now()));
        for message in sorted.into_iter().flat_map(|sorted| sorted.messages) {
            if arrives {
                self.put(Queue::Hints, &message, Duration::ZERO);
            }
        }
        if failed && !self.is(Mutant::AnsweredBefore) {
            let change = arrived.clone();
            self.after(5_000, move |world| world.take_in(&change));
        }
    }
}
