//! What the log says: one line of JSON an outcome. No line holds a secret.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::settle::Decision;
use super::{Level, Platform, from_json, to_json, whole_seconds};
use crate::composite::CompositeCopy;
use crate::error::{ConfigError, TransferError};
use crate::message::{CarriedSession, DeadLetter, HintMessage, PartMessage};
use crate::parts::Verdict;
use crate::tables::Load;
use crate::time::milliseconds;
use crate::transfer::Outcome;
use crate::walk::Walk;

/// Writes a line.
pub fn info(platform: &impl Platform, line: &Value) {
    platform.log(Level::Info, line);
}

/// Writes a line as an error.
pub fn trouble(platform: &impl Platform, line: &Value) {
    platform.log(Level::Error, line);
}

/// Logs how the transfer of `message` ended and what was decided about the message.
pub(super) fn transfer(
    platform: &impl Platform,
    message: &HintMessage,
    result: &Result<Outcome, TransferError>,
    milliseconds: u64,
    decision: &Decision,
) {
    let mut line = match result {
        Ok(outcome) => succeeded(outcome),
        Err(error) => failed(error, decision),
    };
    name(&mut line, message);
    line["ms"] = json!(milliseconds);
    if matches!(result, Err(_) | Ok(Outcome::ListedGone)) {
        trouble(platform, &line);
    } else {
        info(platform, &line);
    }
}

fn name(line: &mut Value, message: &HintMessage) {
    line["route"] = json!(message.route);
    line["bucket"] = json!(message.hint.bucket);
    line["key"] = json!(message.hint.key);
}

/// Logs that a share of `messages` messages gave no answer.
pub(super) fn share_lost(platform: &impl Platform, messages: usize, reason: &str) {
    trouble(
        platform,
        &json!({"event": "share-lost", "messages": messages, "message": reason}),
    );
}

/// A run of parts that has ended.
pub(super) struct Run<'a> {
    /// The hint that it answers.
    pub(super) message: &'a HintMessage,
    /// How many parts.
    pub(super) parts: u32,
    /// When it began.
    pub(super) started_at: Timestamp,
}

impl Run<'_> {
    /// Logs its end.
    pub(super) fn log(&self, platform: &impl Platform, verdict: &Verdict) {
        let deliveries = self.message.returns + 1;
        let mut line = match verdict {
            Verdict::Done(outcome) => succeeded(outcome),
            Verdict::Again { error, delay, .. } => {
                let delay = whole_seconds(*delay);
                failed(error, &Decision::Retried { delay, deliveries })
            }
            Verdict::Quarantine(error) => failed(error, &Decision::DeadLettered { deliveries }),
        };
        name(&mut line, self.message);
        line["ms"] = json!(milliseconds(self.started_at, platform.now()));
        line["parts"] = json!(self.parts);
        if matches!(verdict, Verdict::Done(_)) {
            info(platform, &line);
        } else {
            trouble(platform, &line);
        }
    }
}

/// That an object goes on in parts.
pub(super) fn in_parts(order: &CompositeCopy) -> Value {
    let mut line = json!({
        "event": "in-parts", "bytes": order.parts.total, "parts": order.parts.count(),
    });
    name(&mut line, &order.message);
    line
}

/// That an upload goes on in another message.
pub(super) fn carried(message: &HintMessage, session: &CarriedSession) -> Value {
    let mut line = json!({"event": "carried-on", "bytes": session.size});
    name(&mut line, message);
    line
}

/// Logs that `count` hints of `route` wait for its breaker.
pub(super) fn held(platform: &impl Platform, route: &str, count: usize, wait: Duration) {
    let delay_s = whole_seconds(wait);
    let line = json!({"event": "held", "route": route, "hints": count, "delay_s": delay_s});
    info(platform, &line);
}

/// Logs that the breaker of `route` opens because of `error`.
pub(super) fn breaker_opens(platform: &impl Platform, route: &str, error: &TransferError) {
    let mut line = with_fields("breaker-opens", error);
    line["route"] = json!(route);
    trouble(platform, &line);
}

/// Logs that it closes.
pub(super) fn breaker_closes(platform: &impl Platform, route: &str) {
    info(
        platform,
        &json!({"event": "breaker-closes", "route": route}),
    );
}

/// Logs that both sides are looked at again after `delay`, because `outcome` may not last.
pub(super) fn looks_again(
    platform: &impl Platform,
    message: &HintMessage,
    outcome: &Outcome,
    delay: Duration,
) {
    let mut line = json!({
        "event": "looks-again", "outcome": outcome.name(), "delay_s": whole_seconds(delay),
    });
    name(&mut line, message);
    info(platform, &line);
}

/// Logs that an object stays with its message, because nobody took it over.
pub(super) fn not_handed_over(platform: &impl Platform, message: &HintMessage, reason: &str) {
    let mut line = json!({"event": "not-handed-over", "message": reason});
    name(&mut line, message);
    trouble(platform, &line);
}

/// Logs that a part is to be copied again.
pub(super) fn part(
    platform: &impl Platform,
    part: &PartMessage,
    error: &TransferError,
    delay: u32,
) {
    trouble(
        platform,
        &json!({
            "event": "part-failed", "route": part.route, "key": part.key, "part": part.part,
            "kind": error.kind, "fault": error.kind.fault(), "message": error.message,
            "then": "retried", "delay_s": delay,
        }),
    );
}

/// Logs that the coordinator of a part did not answer.
pub(super) fn untold(platform: &impl Platform, part: &PartMessage, reason: &str) {
    trouble(
        platform,
        &json!({
            "event": "coordinator-silent", "route": part.route, "key": part.key, "part": part.part,
            "message": reason,
        }),
    );
}

/// Logs that a part was given up by its queue.
pub(super) fn part_given_up(platform: &impl Platform, part: &PartMessage) {
    trouble(
        platform,
        &json!({
            "event": "part-given-up", "route": part.route, "key": part.key, "part": part.part,
            "message": "The worker ended without an answer at every delivery of this part.",
        }),
    );
}

/// Logs that `letter` is in quarantine, with all that a replay needs.
pub(super) fn quarantined(platform: &impl Platform, letter: &DeadLetter) {
    trouble(platform, &with_fields("quarantined", letter));
}

/// Logs how a walk ended.
pub(super) fn walk(platform: &impl Platform, walk: &Walk) {
    let mut line = with_fields(walk.kind.name(), walk);
    if let Some(fields) = line.as_object_mut() {
        fields.remove("differences");
    }
    info(platform, &line);
}

/// A line that has all fields of `of`.
pub fn with_fields(event: &str, of: &impl Serialize) -> Value {
    let mut line = from_json(&to_json(of)).unwrap_or_else(|_| json!({}));
    line["event"] = json!(event);
    line
}

/// Logs that a reconcile that was due could not begin.
pub(super) fn not_begun(platform: &impl Platform, route: &str, reason: &str) {
    trouble(
        platform,
        &json!({"event": "reconcile-not-begun", "route": route, "message": reason}),
    );
}

/// Logs that a route's ledger did not answer.
pub(super) fn ledger_silent(platform: &impl Platform, route: &str, reason: &str) {
    trouble(
        platform,
        &json!({"event": "ledger-silent", "route": route, "message": reason}),
    );
}

/// Logs that parts could not be deleted.
pub(super) fn parts_left(
    platform: &impl Platform,
    bucket: &str,
    prefix: &str,
    error: &TransferError,
) {
    trouble(
        platform,
        &json!({
            "event": "parts-left", "destination": format!("gs://{bucket}/{prefix}"),
            "kind": error.kind, "message": error.message, "advice": error.advice,
        }),
    );
}

/// Logs that a table's loader did not answer.
pub(super) fn loader_silent(platform: &impl Platform, table: &str, reason: &str) {
    trouble(
        platform,
        &json!({"event": "loader-silent", "table": table, "message": reason}),
    );
}

/// Logs how a load into a table ended.
pub(super) fn load(platform: &impl Platform, load: &Load) {
    let line = with_fields("load", load);
    if load.error.is_some() {
        trouble(platform, &line);
    } else {
        info(platform, &line);
    }
}

/// Logs a message that is no hint.
pub(super) fn unreadable(platform: &impl Platform, decision: &Decision) {
    let mut line = json!({"event": "unreadable"});
    add(&mut line, decision);
    trouble(platform, &line);
}

fn succeeded(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Copied {
            generation,
            size,
            proof,
            omitted,
        } => {
            let mut line =
                json!({"event": "copied", "generation": generation, "bytes": size, "proof": proof});
            if let Some(omitted) = omitted {
                line["omitted"] = json!(omitted);
            }
            line
        }
        Outcome::Identical { generation }
        | Outcome::Deleted { generation }
        | Outcome::Kept { generation } => {
            json!({"event": outcome.name(), "generation": generation})
        }
        Outcome::SourceGone | Outcome::ListedGone | Outcome::FolderMarker => {
            json!({"event": outcome.name()})
        }
    }
}

fn failed(error: &TransferError, decision: &Decision) -> Value {
    let mut line = json!({
        "event": "failed",
        "kind": error.kind,
        "fault": error.kind.fault(),
        "message": error.message,
        "advice": error.advice,
    });
    if let Some(status) = error.status {
        line["status"] = json!(status);
    }
    if let Some(request_id) = &error.request_id {
        line["request_id"] = json!(request_id);
    }
    add(&mut line, decision);
    line
}

fn add(line: &mut Value, decision: &Decision) {
    line["then"] = json!(decision.name());
    match decision {
        Decision::Acknowledged => {}
        Decision::Retried { delay, deliveries } => {
            line["delay_s"] = json!(delay);
            line["deliveries"] = json!(deliveries);
        }
        Decision::DeadLettered { deliveries } => line["deliveries"] = json!(deliveries),
        Decision::Refused { reason } => line["reason"] = json!(reason),
    }
}

/// That the worker is misconfigured, and that so many messages wait.
pub(super) fn misconfigured(platform: &impl Platform, why: &ConfigError, messages: usize) {
    let line = json!({
        "event": "misconfigured", "variable": why.variable, "message": why.message,
        "messages": messages,
    });
    trouble(platform, &line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_failure_says_what_whose_and_what_then() {
        let error = TransferError {
            status: Some(403),
            ..TransferError::new(ErrorKind::SourceDenied, "S3 refused.", "Allow it.")
        };
        let line = failed(&error, &Decision::DeadLettered { deliveries: 2 });
        let expected = json!({
            "event": "failed", "kind": "source-denied", "fault": "configuration", "status": 403,
            "message": "S3 refused.", "advice": "Allow it.", "then": "quarantined", "deliveries": 2,
        });
        assert_eq!(line, expected);
    }
}
