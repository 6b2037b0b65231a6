//! Messages as a batch has them, and the mutants that answer for more than they were given.

use std::rc::Rc;

use causeway_shared::host::{Delivered, Queue};
use serde_json::Value;

use super::mutant::Mutant;
use super::platform::session_of;
use super::queue::{Delivery, OF_TOMORROW, Verdict};
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
        let text = self.shown.text.to_string();
        match self.world.mutant {
            Some(Mutant::NothingNewer) if text.contains(OF_TOMORROW) => String::new(),
            // As older versions wrote it.
            Some(Mutant::PlaceNotCompared) if session_of(&text).is_some() => {
                let mut message: Value = serde_json::from_str(&text).unwrap_or_default();
                message["session"]["bucket"] = "".into();
                message.to_string()
            }
            _ => text,
        }
    }

    fn id(&self) -> String {
        self.shown.id.to_string()
    }

    fn count(&self) -> u32 {
        let waits_in_place = self.world.is(Mutant::WaitsInPlace);
        self.shown
            .count
            .min(if waits_in_place { 7 } else { u32::MAX })
    }

    fn acknowledge(&self) {
        self.say(Verdict::Acknowledged);
    }

    fn again_after(&self, delay: u32) {
        match self.world.mutant {
            Some(Mutant::RetryForgotten) => {}
            Some(Mutant::WaitsInPlace) => self.say(Verdict::Again(delay.min(60))),
            _ => self.say(Verdict::Again(delay)),
        }
    }
}
