//! What the log says: one line of JSON an outcome. No line holds a secret.

use causeway_shared::error::TransferError;
use causeway_shared::ledger::Record;
use causeway_shared::message::{CarriedSession, DeadLetter, HintMessage, PartMessage};
use causeway_shared::order::Order;
use causeway_shared::parts::Verdict;
use causeway_shared::transfer::Outcome;
use causeway_shared::walk::Walk;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use worker::Env;

use crate::ledger::Handle;
use crate::platform::{self, whole_seconds};
use crate::settle::Decision;

/// Logs how the transfer of `message` ended and what was decided about the message.
pub(crate) fn log(
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
    if result.is_ok() {
        log_line(&line);
    } else {
        log_error(&line);
    }
}

fn name(line: &mut Value, message: &HintMessage) {
    line["route"] = json!(message.route);
    line["bucket"] = json!(message.hint.bucket);
    line["key"] = json!(message.hint.key);
}

/// A run of parts that has ended.
pub(crate) struct Run<'a> {
    /// The hint that it answers.
    pub(crate) message: &'a HintMessage,
    /// How many parts.
    pub(crate) parts: u32,
    /// Milliseconds since it began.
    pub(crate) elapsed: u64,
}

impl Run<'_> {
    /// Logs its end.
    pub(crate) fn log(&self, verdict: &Verdict) {
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
        line["ms"] = json!(self.elapsed);
        line["parts"] = json!(self.parts);
        if matches!(verdict, Verdict::Done(_)) {
            log_line(&line);
        } else {
            log_error(&line);
        }
    }
}

impl Run<'_> {
    /// What the ledger is to say of it.
    pub(crate) fn record(&self, verdict: &Verdict) -> Record {
        let (message, now) = (self.message, platform::now());
        match verdict {
            Verdict::Done(outcome) => Record::succeeded(message, outcome, now),
            Verdict::Again { error, .. } => Record::failed(message, error, "retried", now),
            Verdict::Quarantine(error) => Record::failed(message, error, "quarantined", now),
        }
    }
}

/// That an object goes on in parts.
pub(crate) fn in_parts(order: &Order) -> Value {
    let mut line = json!({
        "event": "in-parts", "bytes": order.parts.total, "parts": order.parts.count(),
    });
    name(&mut line, &order.message);
    line
}

/// That an upload goes on in another message.
pub(crate) fn carried(message: &HintMessage, session: &CarriedSession) -> Value {
    let mut line = json!({"event": "carried-on", "bytes": session.size});
    name(&mut line, message);
    line
}

/// What the ledger is to say of `message`.
pub(crate) fn record_of(
    message: &HintMessage,
    result: &Result<Outcome, TransferError>,
    decision: &Decision,
) -> Record {
    match result {
        Ok(outcome) => Record::succeeded(message, outcome, platform::now()),
        Err(error) => Record::failed(message, error, then(decision), platform::now()),
    }
}

/// Writes `records` into the ledger of `route`. They are for people: without them nothing is lost but
/// a count.
pub(crate) async fn record(route: &str, records: Vec<Record>, env: &Env) {
    let written = async { Handle::new(env, route)?.record(records).await };
    if let Err(reason) = written.await {
        log_ledger_silent(route, &reason);
    }
}

fn then(decision: &Decision) -> &'static str {
    match decision {
        Decision::Acknowledged => "acknowledged",
        Decision::Retried { .. } | Decision::Refused { .. } => "retried",
        Decision::DeadLettered { .. } => "quarantined",
    }
}

/// Logs that an object stays with its message, because nobody took it over.
pub(crate) fn log_not_handed_over(message: &HintMessage, reason: &str) {
    let mut line = json!({"event": "not-handed-over", "message": reason});
    name(&mut line, message);
    log_error(&line);
}

/// Logs that a part is to be copied again.
pub(crate) fn log_part(part: &PartMessage, error: &TransferError, delay: u32) {
    log_error(&json!({
        "event": "part-failed", "route": part.route, "key": part.key, "part": part.part,
        "kind": error.kind, "fault": error.kind.fault(), "message": error.message,
        "then": "retried", "delay_s": delay,
    }));
}

/// Logs that the coordinator of a part did not answer.
pub(crate) fn log_untold(part: &PartMessage, reason: &str) {
    log_error(&json!({
        "event": "coordinator-silent", "route": part.route, "key": part.key, "part": part.part,
        "message": reason,
    }));
}

/// Logs that a part was given up by its queue.
pub(crate) fn log_part_given_up(part: &PartMessage) {
    log_error(&json!({
        "event": "part-given-up", "route": part.route, "key": part.key, "part": part.part,
        "message": "The worker ended without an answer at every delivery of this part.",
    }));
}

/// Logs that `letter` is in quarantine, with all that a replay needs.
pub(crate) fn log_quarantined(letter: &DeadLetter) {
    log_error(&with_fields("quarantined", letter));
}

/// Logs how a walk ended.
pub(crate) fn log_walk(walk: &Walk) {
    let mut line = with_fields(walk.kind.name(), walk);
    if let Some(fields) = line.as_object_mut() {
        fields.remove("differences");
    }
    log_line(&line);
}

/// A line that has all fields of `of`.
pub(crate) fn with_fields(event: &str, of: &impl Serialize) -> Value {
    let mut line = platform::from_json(&platform::to_json(of)).unwrap_or_else(|_| json!({}));
    line["event"] = json!(event);
    line
}

/// Logs that a reconcile that was due could not begin.
pub(crate) fn log_not_begun(route: &str, reason: &str) {
    log_error(&json!({"event": "reconcile-not-begun", "route": route, "message": reason}));
}

/// Logs that a route's ledger did not answer.
pub(crate) fn log_ledger_silent(route: &str, reason: &str) {
    log_error(&json!({"event": "ledger-silent", "route": route, "message": reason}));
}

/// Logs that parts could not be deleted.
pub(crate) fn log_parts_left(bucket: &str, prefix: &str, error: &TransferError) {
    log_error(&json!({
        "event": "parts-left", "destination": format!("gs://{bucket}/{prefix}"),
        "kind": error.kind, "message": error.message, "advice": error.advice,
    }));
}

/// Whole milliseconds from `time` to now.
pub(crate) fn milliseconds_since(time: Timestamp) -> u64 {
    let elapsed = platform::now().duration_since(time).as_millis();
    u64::try_from(elapsed).unwrap_or_default()
}

/// Logs a message that is no hint.
pub(crate) fn log_unreadable(decision: &Decision) {
    let mut line = json!({"event": "unreadable"});
    add(&mut line, decision);
    log_error(&line);
}

/// Logs a line.
pub(crate) fn log_line(line: &Value) {
    web_sys::console::log_1(&line.to_string().into());
}

/// Logs a line as an error.
pub(crate) fn log_error(line: &Value) {
    web_sys::console::error_1(&line.to_string().into());
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
        Outcome::SourceGone | Outcome::FolderMarker => json!({"event": outcome.name()}),
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
    line["then"] = json!(then(decision));
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

#[cfg(test)]
mod tests {
    use super::*;
    use causeway_shared::error::ErrorKind;

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
