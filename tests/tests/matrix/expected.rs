//! The cells that do not end with the object at the destination and nothing left, each with the reason.

use crate::faults::{Fault, OUTLASTING};
use crate::requests::{At, Request};
use reqwest::Method;

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
        // What is not told is computed.
        _ if request.name == "s3-get-attributes" => Expected::Converges,
        // What refuses a HEAD has no body: it is not known what it is.
        (At::S3, Fault::Barred) if request.method != Method::HEAD => {
            Expected::Quarantined("source-denied")
        }
        (At::Gcs, Fault::Barred) if !is_sweep(request) && request.name != "gcs-session-cancel" => {
            Expected::Quarantined("destination-denied")
        }
        // Damaged at three deliveries: more would cost the whole object each.
        (At::S3, Fault::Corrupt) if request.name == "s3-get-part" && times > 1 => {
            Expected::Quarantined("source-checksum-mismatch")
        }
        _ => Expected::Converges,
    }
}

/// Whether `request` comes after the commit, when the hint is done with.
fn is_sweep(request: &Request) -> bool {
    matches!(request.name, "gcs-list" | "gcs-part-delete")
}

/// Whether `fault` ends a run of parts at its first delivery. The other parts then suffer it as well: one
/// that is copied after the end of its run is swept much later.
pub(crate) fn is_of_all_parts(request: &Request, fault: Fault) -> bool {
    matches!(request.name, "s3-get-part" | "gcs-part-upload")
        && expected(request, fault, 1) != Expected::Converges
}

/// How often `request` suffers `fault`: once, or what outlasts a delivery.
pub(crate) fn times(request: &Request, fault: Fault, is_often: bool) -> usize {
    match request.name {
        _ if is_of_all_parts(request, fault) => PARTS,
        _ if !is_often => 1,
        // The break that makes it be asked was the first of the attempts.
        "gcs-session-status" => 2,
        _ => OUTLASTING,
    }
}

/// Whether `request` leaves a session behind, which expires after a week, when it suffers `fault`:
/// one whose URI never came, one that GCS says is gone, and one whose cancelling fails.
pub(crate) fn leaves_session(request: &Request, fault: Fault) -> bool {
    match request.name {
        "gcs-session-start" => matches!(fault, Fault::ReplyLost | Fault::Page | Fault::Empty),
        "gcs-session-cancel" => !matches!(fault, Fault::ReplyLost | Fault::Page | Fault::Empty),
        _ => matches!(fault, Fault::Status(404 | 410 | 499, _)),
    }
}

/// Whether `request` is sent again after it suffered `fault`. If not, it cannot suffer it often.
pub(crate) fn is_repeated(request: &Request, fault: Fault) -> bool {
    if matches!(expected(request, fault, 1), Expected::Quarantined(_)) {
        return false;
    }
    match (request.name, fault) {
        // Both sides are looked at anew, or nobody cares.
        ("s3-head" | "s3-head-after-delete" | "s3-get-attributes" | "gcs-session-cancel", _)
        // It is not read.
        | ("gcs-probe-write", Fault::Corrupt)
        // The whole is read anew, or sent in another session.
        | ("s3-get-rest", Fault::Truncate | Fault::Corrupt)
        | ("gcs-session-status", Fault::Status(401 | 403 | 404 | 410, _) | Fault::Page)
        // It goes in one stream, because parts cannot be deleted.
        | ("gcs-probe-delete", Fault::Status(401 | 403, _))
        // It goes on where it broke off.
        | ("gcs-session-first", Fault::StatusWithin | Fault::BreakBody)
        // What was composed is found, by the second's 412.
        | ("gcs-compose", Fault::BreakReply | Fault::Corrupt) => false,
        // What was done is found.
        (name, Fault::ReplyLost | Fault::BreakReply | Fault::Page | Fault::Corrupt) => !matches!(
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
