//! A batch carried out as the worker's consumer does: folded, transferred, settled message by message.
//!
//! Mirrors `worker/src/consumer.rs`, `settle.rs` and `parts.rs`; every decision in it is `shared`'s.

use std::rc::Rc;
use std::time::Duration;

use causeway_shared::drive::drive;
use causeway_shared::error::{ErrorKind, TransferError};
use causeway_shared::message::{DeadLetter, Fold, HintMessage, Message, PartMessage, fold};
use causeway_shared::order::Order;
use causeway_shared::parts::{PartCopy, copy_part, discard};
use causeway_shared::retry::{Disposition, after_delivery};
use causeway_shared::transfer::{Ending, Transfer};
use serde_json::Value;

use super::durable::{Answer, Report};
use super::mutant::Mutant;
use super::port::SimulatedPort;
use super::queue::{Delivery, Name, Verdict};
use super::world::{Owner, World};

/// Seconds, as in the worker.
const PLATFORM_DELAY: u32 = 10;
const COORDINATOR_DELAY: u32 = 10;
const DEAD_LETTER_DELAY: u32 = 30;

impl World {
    /// Begins a batch.
    pub(super) fn consume(self: &Rc<Self>, id: u64, isolate: usize, batch: Vec<Delivery>) {
        let owner = Owner::Invocation(id);
        let (mut hints, mut deliveries) = (Vec::new(), Vec::new());
        for delivery in batch {
            match Message::read(delivery.text.as_bytes()) {
                Ok(Message::Hint(hint)) => {
                    hints.push(hint);
                    deliveries.push(delivery);
                }
                Ok(Message::Part(part)) => {
                    let world = Rc::clone(self);
                    let wait = self.rng.borrow_mut().below(5);
                    self.spawn(owner.clone(), wait, async move {
                        world.carry_part(isolate, &part, &delivery).await;
                    });
                }
                Err(error) => self
                    .judge
                    .borrow_mut()
                    .object(&format!("a message is unreadable: {error}")),
            }
        }
        for fold in self.folded(&hints) {
            let leader = fold.message(&hints);
            // Only the leader's session goes on.
            let others = fold
                .members
                .iter()
                .filter(|&&member| member != fold.leader());
            for &other in others {
                self.let_go_of_session(&hints[other]);
            }
            let members = fold
                .members
                .iter()
                .map(|&member| deliveries[member].clone())
                .collect();
            let world = Rc::clone(self);
            // Most begin at once; some wait for a place.
            let wait = self.rng.borrow_mut().pick(&[1, 1, 1, 5, 200, 20_000]);
            self.spawn(owner.clone(), wait, async move {
                world.carry_out(isolate, leader, members).await;
            });
        }
    }

    /// The session that `message` carries does not go on, and expires by itself.
    fn let_go_of_session(&self, message: &HintMessage) {
        let session = message.session.as_ref();
        let uri = session.map(|session| String::from(session.uri.clone()));
        if let Some(id) = uri.and_then(|uri| uri.rsplit_once("upload_id=")?.1.parse().ok()) {
            self.orphan(id);
        }
    }

    fn folded(&self, hints: &[HintMessage]) -> Vec<Fold> {
        if !self.is(Mutant::FoldsAcrossKeys) {
            return fold(hints);
        }
        let mut alike = hints.to_vec();
        for message in &mut alike {
            message.hint.key.clear();
        }
        fold(&alike)
    }

    async fn carry_out(
        self: &Rc<Self>,
        isolate: usize,
        leader: HintMessage,
        members: Vec<Delivery>,
    ) {
        if self.is(Mutant::AcknowledgedBefore) {
            for member in &members {
                self.say(member, Verdict::Acknowledged);
            }
        }
        let result = match self.transfer(isolate, &leader).await {
            Ok(Ending::Settled(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(goes_on) => {
                let taken = self.hand_over(&leader, goes_on).await;
                let is_taken = taken == Ok(true) || self.is(Mutant::NobodyTakesOver);
                let verdict = if is_taken {
                    Verdict::Acknowledged
                } else {
                    Verdict::Again(PLATFORM_DELAY)
                };
                for member in &members {
                    self.say(member, verdict);
                }
                return;
            }
        };
        for member in &members {
            self.settle(member, &result).await;
        }
    }

    async fn transfer(
        self: &Rc<Self>,
        isolate: usize,
        message: &HintMessage,
    ) -> Result<Ending, TransferError> {
        let transfer = Transfer::new(
            self.access(isolate),
            Rc::clone(self).route.clone(),
            message,
            self.random(),
        )?;
        let mut port = SimulatedPort::new(self, isolate);
        let ended = drive(transfer, &mut port).await;
        self.tell(0, || match &ended {
            Ok(Ending::Settled(outcome)) => format!("{:?} settled: {outcome:?}", message.hint.key),
            Ok(Ending::Parts(_)) => format!("{:?} goes on in parts", message.hint.key),
            Ok(Ending::Carry { .. }) => {
                format!("{:?} goes on with another message", message.hint.key)
            }
            Err(error) => format!(
                "{:?} failed: {:?} {}",
                message.hint.key, error.kind, error.message
            ),
        });
        ended
    }

    async fn hand_over(
        self: &Rc<Self>,
        message: &HintMessage,
        ending: Ending,
    ) -> Result<bool, String> {
        match ending {
            Ending::Settled(_) => Ok(true),
            Ending::Parts(order) => self.hand_order(*order).await,
            Ending::Carry { session, delay } => {
                let next = HintMessage {
                    session: Some(session),
                    ..message.clone()
                };
                if self.is(Mutant::SessionForgotten) {
                    return Ok(true);
                }
                let sent = self.send(Name::Hints, &to_json(&next), delay).await;
                if sent.is_err() {
                    self.let_go_of_session(&next);
                }
                sent.map(|()| true)
            }
        }
    }

    async fn hand_order(self: &Rc<Self>, order: Order) -> Result<bool, String> {
        let coordinator = order.coordinator();
        let answer = self
            .call(&coordinator, Report::Start(Box::new(order)))
            .await?;
        Ok(answer != Answer::Busy)
    }

    async fn settle(self: &Rc<Self>, delivery: &Delivery, result: &Result<(), TransferError>) {
        let Err(error) = result else {
            return self.say(delivery, Verdict::Acknowledged);
        };
        let value: Value = serde_json::from_str(&delivery.text).unwrap_or_default();
        let returns = value["returns"]
            .as_u64()
            .and_then(|n| u32::try_from(n).ok());
        let count = delivery.count.saturating_add(returns.unwrap_or_default());
        match after_delivery(error, count, self.seed()) {
            Disposition::RetryAfter(wait) => {
                self.say(delivery, Verdict::Again(whole_seconds(wait)));
            }
            Disposition::Quarantine => {
                let letter = dead_letter(&delivery.text, error, count);
                let verdict = match self.bury(&letter).await {
                    Ok(()) => Verdict::Acknowledged,
                    Err(_) => Verdict::Again(DEAD_LETTER_DELAY),
                };
                self.say(delivery, verdict);
            }
        }
    }

    async fn carry_part(self: &Rc<Self>, isolate: usize, part: &PartMessage, delivery: &Delivery) {
        let told: Result<Verdict, String> = async {
            let (run, number) = (part.run.clone(), part.part);
            let wants = Report::Wants {
                run: run.clone(),
                part: number,
            };
            if self.call(&part.coordinator, wants).await? != Answer::Yes {
                return Ok(Verdict::Acknowledged);
            }
            let mut copied = None;
            let report = match self.copy(isolate, part).await {
                Ok(copy) => {
                    copied = Some(copy.component.clone());
                    Report::Copied {
                        run,
                        part: number,
                        copy,
                    }
                }
                Err(error) => {
                    let disposition = match error.kind {
                        ErrorKind::SourceChanged => Disposition::Quarantine,
                        _ => after_delivery(&error, delivery.count, self.seed()),
                    };
                    match disposition {
                        Disposition::RetryAfter(wait) => {
                            return Ok(Verdict::Again(whole_seconds(wait)));
                        }
                        Disposition::Quarantine => Report::Failed { run, error },
                    }
                }
            };
            let answer = self.call(&part.coordinator, report).await?;
            if let Some(copy) = copied.filter(|_| answer == Answer::No) {
                let (access, seed) = (self.access(isolate), self.random());
                let mut port = SimulatedPort::new(self, isolate);
                let bucket = &self.route.destination.bucket;
                // Where that fails, the coordinator's last sweep finds it.
                let _ = discard(&mut port, &access, bucket, &copy, seed).await;
            }
            Ok(Verdict::Acknowledged)
        }
        .await;
        self.say(delivery, told.unwrap_or(Verdict::Again(COORDINATOR_DELAY)));
    }

    async fn copy(
        self: &Rc<Self>,
        isolate: usize,
        part: &PartMessage,
    ) -> Result<PartCopy, TransferError> {
        let mut port = SimulatedPort::new(self, isolate);
        let (access, seed) = (self.access(isolate), self.random());
        copy_part(&mut port, &access, &self.route, part, seed).await
    }
}

/// What is kept of a message that is given up.
pub(super) fn dead_letter(text: &str, error: &TransferError, deliveries: u32) -> DeadLetter {
    let now = jiff::Timestamp::UNIX_EPOCH;
    DeadLetter::new(text, error.clone(), deliveries, now)
}

/// Rounded up, as the worker does.
fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

pub(super) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("our own types become JSON")
}
