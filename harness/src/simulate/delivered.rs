//! Messages as a batch has them, and the mutants that answer for more than they were given.

use std::rc::Rc;

use causeway_shared::host::{Delivered, Queue};

use super::mutant::Mutant;
use super::queue::{Delivery, Verdict};
use super::world::World;

/// A message of a batch.
pub(super) struct SimulatedMessage {
    world: Rc<World>,
    shown: Delivery,
    /// What a mutant has it answer for as well.
    others: Vec<Delivery>,
}

impl SimulatedMessage {
    /// The messages of `batch`, which came from `queue`.
    pub(super) fn all(world: &Rc<World>, queue: Queue, batch: Vec<Delivery>) -> Vec<Self> {
        if world.is(Mutant::AcknowledgedBefore) {
            for delivery in &batch {
                world.conclude(delivery.id, Verdict::Acknowledged);
            }
        }
        let one = |shown| Self {
            world: Rc::clone(world),
            shown,
            others: Vec::new(),
        };
        let mut messages: Vec<_> = batch.into_iter().map(one).collect();
        if world.is(Mutant::FoldsAcrossKeys) && queue == Queue::Hints && !messages.is_empty() {
            let others = messages.split_off(1).into_iter();
            messages[0].others = others.map(|message| message.shown).collect();
        }
        messages
    }

    fn say(&self, verdict: Verdict) {
        for delivery in self.others.iter().chain([&self.shown]) {
            self.world.say(delivery, verdict);
        }
    }
}

impl Delivered for SimulatedMessage {
    fn text(&self) -> String {
        self.shown.text.to_string()
    }

    fn id(&self) -> String {
        self.shown.id.to_string()
    }

    fn count(&self) -> u32 {
        self.shown.count
    }

    fn acknowledge(&self) {
        self.say(Verdict::Acknowledged);
    }

    fn again_after(&self, delay: u32) {
        if !self.world.is(Mutant::RetryForgotten) {
            self.say(Verdict::Again(delay));
        }
    }
}
