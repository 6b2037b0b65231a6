//! The cells that do not end with the object at the destination and nothing left, each with the reason.

use crate::faults::{Fault, OUTLASTING};
use crate::requests::{At, Request};

/// How many parts there are in a cell that has some.
const PARTS: usize = 3;

/// What a cell must end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The destination is as the source is.
    Converges,
    /// The hint is in quarantine for this reason.
    Quarantined(&'static str),
}

/// What `request` must end in when it suffers `fault` as often as `times`.
pub(crate) fn expected(request: &Request, fault: Fault, times: usize) -> Expected {
    match (request.at, fault) {
        // A credential that S3 refuses is refused again: it is the operator's.
        (At::S3, Fault::Status(401, _)) => Expected::Quarantined("source-credential-refused"),
        // One more token is tried, and not a third.
        (At::Gcs, Fault::Status(401, _)) if times > 1 && !is_sweep(request) => {
            Expected::Quarantined("destination-credential-refused")
        }
        // Damaged at three deliveries: more would cost the whole object each.
        (At::S3, Fault::Corrupt) if request.name == "s3-get-part" && times > 1 => {
            Expected::Quarantined("source-checksum-mismatch")
        }
        (At::S3, Fault::HideLength) => Expected::Quarantined("source-length-unknown"),
        // A whole reply that cannot be read is none that the store documents.
        (At::S3, Fault::Corrupt | Fault::Truncate | Fault::Lengthen) if request.tells => {
            Expected::Quarantined("source-unexpected")
        }
        (At::Gcs, Fault::Corrupt) if !is_sweep(request) && !is_unread(request) => {
            Expected::Quarantined("destination-unexpected")
        }
        _ => Expected::Converges,
    }
}

/// Whether `request` comes after the commit, when the hint is done with.
fn is_sweep(request: &Request) -> bool {
    matches!(request.name, "gcs-list" | "gcs-part-delete")
}

/// Whether nobody reads the reply to `request`: that there is one says everything.
fn is_unread(request: &Request) -> bool {
    request.name == "gcs-probe-write"
}

/// Whether `fault` ends a run of parts at its first or second delivery. The other parts then suffer it
/// as well: one that is copied after the end of its run is swept much later.
pub(crate) fn is_of_all_parts(request: &Request, fault: Fault, is_often: bool) -> bool {
    let is_refusal = matches!(fault, Fault::Status(401, _));
    match request.name {
        "s3-get-part" => expected(request, fault, 1) != Expected::Converges,
        "gcs-part-upload" => is_refusal && is_often,
        _ => false,
    }
}

/// How often `request` suffers `fault`: once, or what outlasts a delivery, unless the delivery ends
/// before.
pub(crate) fn times(request: &Request, fault: Fault, is_often: bool) -> usize {
    let once = if is_of_all_parts(request, fault, is_often) {
        PARTS
    } else {
        1
    };
    let is_refusal = matches!(fault, Fault::Status(401, _));
    once * match request.name {
        _ if !is_often => 1,
        // The break that makes it be asked was the first of the attempts.
        "gcs-session-status" => 2,
        // A new token is tried once.
        _ if is_refusal && expected(request, fault, OUTLASTING) != Expected::Converges => 2,
        _ => OUTLASTING,
    }
}

/// Whether `request` leaves a session behind, which expires after a week, when it suffers `fault`:
/// one whose URI never came, one that GCS says is gone, and one whose cancelling fails.
pub(crate) fn leaves_session(request: &Request, fault: Fault) -> bool {
    match request.name {
        "gcs-session-start" => fault == Fault::ReplyLost,
        "gcs-session-cancel" => !matches!(fault, Fault::ReplyLost),
        _ => matches!(fault, Fault::Status(404 | 410, _)),
    }
}

/// Whether `request` is sent again after it suffered `fault`. If not, it cannot suffer it often.
pub(crate) fn is_repeated(request: &Request, fault: Fault) -> bool {
    if matches!(expected(request, fault, 1), Expected::Quarantined(_)) {
        return false;
    }
    match (request.name, fault) {
        // Both sides are looked at anew, or nobody cares.
        ("s3-head" | "s3-head-after-delete" | "gcs-session-cancel", _)
        // It is not read.
        | ("gcs-probe-write", Fault::Corrupt)
        // The whole is read anew, or sent in another session.
        | ("s3-get-rest", Fault::Truncate | Fault::Corrupt)
        | ("gcs-session-status", Fault::Status(401 | 404 | 410, _))
        // It goes on where it broke off.
        | ("gcs-session-first", Fault::StatusWithin | Fault::BreakBody)
        // What was composed is found, by the second's 412.
        | ("gcs-compose", Fault::BreakReply) => false,
        // What was done is found.
        (name, Fault::ReplyLost | Fault::BreakReply) => !matches!(
            name,
            "gcs-upload-small"
                | "gcs-upload-held"
                | "gcs-upload-streamed"
                | "gcs-session-slice"
                | "gcs-session-first"
                | "gcs-session-last"
                | "gcs-delete"
        ),
        _ => true,
    }
}
