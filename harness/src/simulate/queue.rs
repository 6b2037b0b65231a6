//! The queues as a model: at least once, in any order, with delays, redelivery and, after too many
//! deliveries, dead letters; and the invocations that batches are delivered to.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use causeway_shared::error::ErrorKind;
use causeway_shared::host::{Queue, batch, quarantine};
use causeway_shared::message::{DeadLetter, Message};
use serde_json::{Value, json};

use super::circumstances::HOUR;
use super::delivered::SimulatedMessage;
use super::fault::Fault;
use super::mutant::Mutant;
use super::platform::{SimulatedPlatform, session_of};
use super::world::{ISOLATES, Owner, World};
use crate::rng::Rng;

/// A message is delivered once more than this at most, as wrangler.toml says.
const MAX_RETRIES: u32 = 100;
/// A consumer has this long for a batch, as an object has for an alarm, in milliseconds.
pub(super) const INVOCATION_TIME: u64 = 15 * 60 * 1000;
/// How long queues keep a message, as the README creates them.
const RETENTION: u64 = 14 * 24 * HOUR;

#[derive(Debug, Default)]
pub(super) struct Queues {
    messages: BTreeMap<u64, Stored>,
    next: u64,
    pub(super) dead: Vec<Dead>,
}

#[derive(Debug, Clone)]
struct Stored {
    queue: Queue,
    text: Rc<str>,
    deliveries: u32,
    /// When it was put there, and since when it may be delivered.
    born: u64,
    visible: u64,
    is_leased: bool,
    is_copy: bool,
}

/// Something in quarantine.
#[derive(Debug)]
pub(super) struct Dead {
    /// The key of the hint; `None` for a part.
    pub(super) key: Option<String>,
    /// `None` where the platform gave it up.
    pub(super) kind: Option<ErrorKind>,
    pub(super) reason: String,
    pub(super) at: u64,
}

/// A consumer at work on a batch.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) isolate: usize,
    pub(super) queue: Queue,
    messages: BTreeMap<u64, Verdict>,
}

/// What was said of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Open,
    Acknowledged,
    /// To come again after so many seconds.
    Again(u32),
}

/// A message as it was delivered.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) invocation: u64,
    pub(super) id: u64,
    pub(super) text: Rc<str>,
    /// Which delivery this is, from 1.
    pub(super) count: u32,
}

impl Queues {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

fn key_of(text: &str) -> Option<String> {
    match Message::read(text.as_bytes()) {
        Ok(Message::Hint(hint)) => Some(hint.hint.key),
        _ => None,
    }
}

impl World {
    /// The queue has `text`, to be delivered after `delay`.
    pub(super) fn put(&self, queue: Queue, text: &str, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX / 4);
        let mut queues = self.queues.borrow_mut();
        queues.next += 1;
        let id = queues.next;
        let stored = Stored {
            queue,
            text: text.into(),
            deliveries: 0,
            born: self.now(),
            visible: self.now() + delay,
            is_leased: false,
            is_copy: false,
        };
        queues.messages.insert(id, stored);
        drop(queues);
        self.tell(
            id,
            format_args!("message {id} is in the queue of {queue:?}"),
        );
        match queue {
            Queue::Hints => self.judge.borrow_mut().takes_in(text),
            Queue::DeadLetters => self.note_dead(text),
            Queue::Parts => {}
        }
        self.deliver_after(queue, delay);
    }

    /// Puts `messages` into a queue from within a task.
    ///
    /// # Errors
    /// The platform's words. The queue may have them all the same.
    pub(super) async fn send(
        self: &Rc<Self>,
        queue: Queue,
        messages: &[String],
        delay: Duration,
    ) -> Result<(), String> {
        self.sleep(2).await;
        self.crash_point().await;
        let refused = self.strike(&[Fault::QueueRefused]).is_some();
        self.judge.borrow_mut().excused += u32::from(refused);
        if !refused || self.rng.borrow_mut().chance(1, 2) {
            for text in messages {
                self.put(queue, text, delay);
            }
        }
        self.sleep(2).await;
        self.crash_point().await;
        if refused {
            return Err("the queue gave no answer".to_owned());
        }
        Ok(())
    }

    /// Notes what is on its way into quarantine.
    fn note_dead(&self, text: &str) {
        let letter = serde_json::from_str::<DeadLetter>(text);
        let (key, kind, reason) = match letter {
            Ok(letter) => (
                key_of(&letter.message.to_string()),
                Some(letter.error.kind),
                letter.error.to_string(),
            ),
            Err(_) => (key_of(text), None, "delivered too often".to_owned()),
        };
        let code = kind.map_or(0, |kind| kind as u64);
        self.tell(code, format_args!("dead letter for {key:?}: {reason}"));
        let at = self.now();
        let dead = &mut self.queues.borrow_mut().dead;
        if let Some(&deed) = self.scenario.circumstances.deeds.get(dead.len()) {
            self.do_after(deed);
        }
        dead.push(Dead {
            key,
            kind,
            reason,
            at,
        });
    }

    fn deliver_after(&self, queue: Queue, delay: u64) {
        let wait = self.rng.borrow_mut().between(1, 40) + self.scenario.circumstances.gathers;
        self.after(delay + wait, move |world| world.deliver(queue));
    }

    /// Delivers a batch of what is visible, in any order.
    fn deliver(self: &Rc<Self>, queue: Queue) {
        let now = self.now();
        let backlog = self.scenario.circumstances.backlog.as_ref();
        if let Some(span) = backlog.filter(|span| span.contains(&now) && queue == Queue::Hints) {
            return self.deliver_after(queue, span.end - now);
        }
        let is_short = self.is(Mutant::ShortRetention);
        let kept = if is_short { HOUR } else { RETENTION };
        let is_kept = |message: &Stored| message.is_leased || now - message.born < kept;
        self.queues
            .borrow_mut()
            .messages
            .retain(|_, message| is_kept(message));
        let most = match queue {
            Queue::Hints | Queue::DeadLetters => 100,
            Queue::Parts => 6,
        };
        let mut visible: Vec<u64> = {
            let queues = self.queues.borrow();
            let is_visible = |message: &Stored| {
                message.queue == queue && !message.is_leased && message.visible <= now
            };
            let messages = queues.messages.iter();
            messages
                .filter(|(_, message)| is_visible(message))
                .map(|(&id, _)| id)
                .collect()
        };
        if visible.is_empty() {
            return;
        }
        let mut batch = Vec::new();
        {
            let mut rng = self.rng.borrow_mut();
            let take = rng.between(1, most.min(visible.len() as u64));
            for _ in 0..take {
                let place = rng.place(visible.len());
                batch.push(visible.swap_remove(place));
            }
        }
        if !visible.is_empty() {
            self.deliver_after(queue, 0);
        }
        self.lease(queue, &batch);
    }

    fn lease(self: &Rc<Self>, queue: Queue, batch: &[u64]) {
        let invocation = self.steps.get();
        let isolate = self.rng.borrow_mut().place(ISOLATES);
        let mut deliveries = Vec::new();
        for &id in batch {
            let may_be = self.rng.borrow_mut().chance(1, 4);
            if may_be && self.strike(&[Fault::MessageDuplicated]).is_some() {
                self.duplicate(id);
            }
            let mut queues = self.queues.borrow_mut();
            let Some(message) = queues.messages.get_mut(&id) else {
                continue;
            };
            message.is_leased = true;
            message.deliveries += 1;
            if queue == Queue::Hints {
                self.judge
                    .borrow_mut()
                    .delivered(&message.text, message.deliveries);
            }
            deliveries.push(Delivery {
                invocation,
                id,
                text: Rc::clone(&message.text),
                count: message.deliveries,
            });
        }
        let words = format_args!("messages {batch:?} are delivered to isolate {isolate}");
        self.tell(invocation, words);
        let messages = deliveries
            .iter()
            .map(|delivery| (delivery.id, Verdict::Open))
            .collect();
        self.invocations.borrow_mut().insert(
            invocation,
            Invocation {
                isolate,
                queue,
                messages,
            },
        );
        self.after(INVOCATION_TIME, move |world| {
            if world.invocations.borrow().contains_key(&invocation) {
                world.tell(invocation, format_args!("the consumer's time is up"));
                world.kill(&Owner::Invocation(invocation));
            }
        });
        self.consume(queue, invocation, isolate, deliveries);
    }

    fn duplicate(&self, id: u64) {
        let mut queues = self.queues.borrow_mut();
        let message = queues.messages.get(&id).filter(|message| !message.is_copy);
        let Some(mut copy) = message.cloned() else {
            return;
        };
        copy.is_copy = true;
        queues.next += 1;
        let new = queues.next;
        let queue = copy.queue;
        queues.messages.insert(new, copy);
        drop(queues);
        self.deliver_after(queue, 0);
    }

    /// Carries a batch out, as the worker does.
    fn consume(self: &Rc<Self>, queue: Queue, id: u64, isolate: usize, batch: Vec<Delivery>) {
        let (world, owner) = (Rc::clone(self), Owner::Invocation(id));
        let platform = SimulatedPlatform::of_isolate(self, isolate, owner.clone());
        self.let_go_of_sessions(&batch);
        self.spawn(owner, 1, async move {
            let messages = SimulatedMessage::all(&world, queue, batch);
            match queue {
                Queue::DeadLetters => quarantine::consume(&platform, messages).await,
                Queue::Hints | Queue::Parts => batch::consume(&platform, messages).await,
            }
            world.batch_done(id);
        });
    }

    /// Of the sessions that messages of one key carry, one goes on; the others expire by themselves.
    fn let_go_of_sessions(&self, batch: &[Delivery]) {
        let mut sessions = BTreeMap::<_, Vec<u64>>::new();
        for delivery in batch {
            if let Some(id) = session_of(&delivery.text) {
                sessions.entry(key_of(&delivery.text)).or_default().push(id);
            }
        }
        for sessions in sessions.values().filter(|sessions| sessions.len() > 1) {
            for &id in sessions {
                self.orphan(id);
            }
        }
    }

    /// Says what is to become of a message; the queue hears of it when the batch is done.
    pub(super) fn say(&self, delivery: &Delivery, verdict: Verdict) {
        let mut invocations = self.invocations.borrow_mut();
        let invocation = invocations.get_mut(&delivery.invocation);
        let said = invocation.and_then(|invocation| invocation.messages.get_mut(&delivery.id));
        // The first word counts, as at the platform.
        if let Some(said) = said
            && *said == Verdict::Open
        {
            *said = verdict;
        }
    }

    /// The consumer returned: what it said nothing of counts as acknowledged, as at the platform.
    fn batch_done(&self, id: u64) {
        let done = self.invocations.borrow_mut().remove(&id);
        self.spent.borrow_mut().remove(&Owner::Invocation(id));
        for (id, verdict) in done.into_iter().flat_map(|done| done.messages) {
            self.conclude(id, verdict);
        }
    }

    /// The invocation `id` died. What it had said of its messages may have reached the queue.
    pub(super) fn invocation_died(self: &Rc<Self>, id: u64) {
        let Some(dead) = self.invocations.borrow_mut().remove(&id) else {
            return;
        };
        self.judge.borrow_mut().excused += 1;
        self.tell(
            id,
            format_args!("the consumer in isolate {} died", dead.isolate),
        );
        for (message, verdict) in dead.messages {
            let was_heard = verdict != Verdict::Open && self.rng.borrow_mut().chance(1, 2);
            let verdict = match verdict {
                heard if was_heard => heard,
                _ if self.is(Mutant::NoRedelivery) => Verdict::Acknowledged,
                _ => Verdict::Again(0),
            };
            self.conclude(message, verdict);
        }
    }

    pub(super) fn conclude(&self, id: u64, verdict: Verdict) {
        let mut queues = self.queues.borrow_mut();
        let Verdict::Again(delay) = verdict else {
            queues.messages.remove(&id);
            return;
        };
        let Some(message) = queues.messages.get_mut(&id) else {
            return;
        };
        let (queue, delay) = (message.queue, u64::from(delay) * 1000);
        if message.deliveries > MAX_RETRIES {
            let text = Rc::clone(&message.text);
            queues.messages.remove(&id);
            drop(queues);
            if queue == Queue::DeadLetters {
                let mut judge = self.judge.borrow_mut();
                return judge.object("a dead letter was delivered too often, and is lost");
            }
            return self.put(Queue::DeadLetters, &text, Duration::ZERO);
        }
        message.is_leased = false;
        message.visible = self.now() + delay;
        drop(queues);
        self.deliver_after(queue, delay);
    }
}

impl World {
    /// The newer version is rolled back to this one: what it wrote is in queues and storage, with more than this one
    /// knows, and each object restarts.
    pub(super) fn roll_back(self: &Rc<Self>) {
        self.tell(6, format_args!("a newer version is rolled back"));
        for message in self.queues.borrow_mut().messages.values_mut() {
            let mut rng = self.rng.borrow_mut();
            if let Some(session) = session_of(&message.text) {
                self.orphan(session);
            }
            message.text = tomorrows(&message.text, &mut rng).into();
        }
        let names: Vec<_> = self.objects.borrow().keys().cloned().collect();
        for name in names {
            self.with_object(&name, |object| {
                for value in object.storage.values_mut() {
                    *value = tomorrows(value, &mut self.rng.borrow_mut());
                }
            });
            self.kill(&Owner::Object(name));
        }
    }
}

/// The name of a member that this version does not know.
pub(super) const OF_TOMORROW: &str = "of_tomorrow";

/// `text` as a newer version has it, if that is JSON.
fn tomorrows(text: &str, rng: &mut Rng) -> String {
    fn change(value: &mut Value, rng: &mut Rng) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| change(item, rng)),
            Value::Object(members) => {
                for (name, member) in members.iter_mut() {
                    match &**name {
                        // Names of somebody's.
                        "metadata" | "counts" => {}
                        "kind" if member.is_string() && rng.chance(1, 4) => {}
                        "session" if rng.chance(1, 4) => *member = json!({"by": "quic"}),
                        _ => change(member, rng),
                    }
                }
                // One alone may be an enumeration's variant, and numbers are keys of somebody's.
                // A duration is the standard library's.
                let is_other = |name: &String| name.starts_with(char::is_numeric) || name == "secs";
                let is_map = members.keys().any(is_other);
                if members.len() > 1 && !is_map {
                    members.insert(OF_TOMORROW.to_owned(), json!({"planet": ["mars"]}));
                }
            }
            _ => {}
        }
    }
    let Ok(mut value) = serde_json::from_str(text) else {
        return text.to_owned();
    };
    change(&mut value, rng);
    value.to_string()
}
