//! What the log says: one line of JSON an outcome. No line holds a secret.

use causeway_shared::error::TransferError;
use causeway_shared::message::HintMessage;
use causeway_shared::transfer::Outcome;
use serde_json::{Value, json};

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
    line["route"] = json!(message.route);
    line["bucket"] = json!(message.hint.bucket);
    line["key"] = json!(message.hint.key);
    line["ms"] = json!(milliseconds);
    if result.is_ok() {
        web_sys::console::log_1(&line.to_string().into());
    } else {
        log_error(&line);
    }
}

/// Logs a message that is no hint.
pub(crate) fn log_unreadable(decision: &Decision) {
    let mut line = json!({"event": "unreadable"});
    add(&mut line, decision);
    log_error(&line);
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
        Outcome::Identical { generation } => {
            json!({"event": "identical", "generation": generation})
        }
        Outcome::SourceGone => json!({"event": "source-gone"}),
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
    match decision {
        Decision::Acknowledged => line["then"] = json!("acknowledged"),
        Decision::Retried { delay, deliveries } => {
            line["then"] = json!("retried");
            line["delay_s"] = json!(delay);
            line["deliveries"] = json!(deliveries);
        }
        Decision::DeadLettered { deliveries } => {
            line["then"] = json!("dead-lettered");
            line["deliveries"] = json!(deliveries);
        }
        Decision::Refused { reason } => {
            line["then"] = json!("retried");
            line["reason"] = json!(reason);
        }
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
            "message": "S3 refused.", "advice": "Allow it.", "then": "dead-lettered", "deliveries": 2,
        });
        assert_eq!(line, expected);
    }
}
