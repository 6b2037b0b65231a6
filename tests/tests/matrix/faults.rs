//! The columns: the faults, by name, and what each is at either store.
//!
//! Left out is what cannot be: a fault of a body where there is none, a session that expires where
//! there is no session, an answer that one of the stores does not give.

use std::time::Duration;

use bytes::Bytes;
use causeway_harness::{gcs, s3};
use reqwest::{Method, StatusCode};

use crate::requests::{At, Request};

/// What a stall lasts: less than anybody's patience.
const STALL: Duration = Duration::from_secs(1);
/// More than any other fault is repeated: it outlasts the attempts that one delivery has.
pub(crate) const OUTLASTING: usize = 3;

/// What a proxy says.
const PAGE: &str = "<!DOCTYPE html>\n<html><body>Bad gateway</body></html>";

fn gone() -> gcs::Fault {
    gcs::Fault::Return {
        status: StatusCode::GONE,
        retry_after: None,
    }
}

/// A fault, whichever the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This status before anything is done, and seconds to wait.
    Status(u16, Option<u64>),
    /// A refusal that passes by itself in time: a quota.
    Quota,
    /// A refusal that only a person can end.
    Barred,
    /// A page of HTML in place of the reply: it takes effect.
    Page,
    /// Nothing in place of the reply: it takes effect.
    Empty,
    /// A 503 within the request's body.
    StatusWithin,
    /// The connection is reset before anything is done.
    Reset,
    /// It takes effect, and the reply is lost.
    ReplyLost,
    /// The connection is reset within the body: the request's at GCS, the object's at S3.
    BreakBody,
    /// The reply breaks off.
    BreakReply,
    /// The body ends early, in good order.
    Truncate,
    /// The body is longer than it should be.
    Lengthen,
    /// The body has no length.
    HideLength,
    /// A bit is flipped.
    Corrupt,
    /// The checksums in the headers are wrong.
    WrongChecksum,
    /// The body stalls.
    Stall,
    /// Somebody writes the source meanwhile.
    Overwrite,
}

/// The faults with their names, and whether they are meant as often as outlasts a delivery.
pub(crate) fn all() -> Vec<(String, Fault, bool)> {
    let repeated = [
        ("408", Fault::Status(408, None)),
        ("429", Fault::Status(429, Some(1))),
        ("500", Fault::Status(500, None)),
        ("502", Fault::Status(502, None)),
        ("503", Fault::Status(503, None)),
        ("401", Fault::Status(401, None)),
        ("403", Fault::Status(403, None)),
        ("page", Fault::Page),
        ("404", Fault::Status(404, None)),
        ("410", Fault::Status(410, None)),
        ("503-within", Fault::StatusWithin),
        ("reset", Fault::Reset),
        ("reply-lost", Fault::ReplyLost),
        ("break-body", Fault::BreakBody),
        ("break-reply", Fault::BreakReply),
        ("truncate", Fault::Truncate),
        ("corrupt", Fault::Corrupt),
    ];
    let single = [
        ("307", Fault::Status(307, None)),
        ("409", Fault::Status(409, None)),
        ("499", Fault::Status(499, None)),
        ("quota", Fault::Quota),
        ("barred", Fault::Barred),
        ("empty", Fault::Empty),
        ("lengthen", Fault::Lengthen),
        ("hide-length", Fault::HideLength),
        ("wrong-checksum", Fault::WrongChecksum),
        ("stall", Fault::Stall),
        ("overwrite", Fault::Overwrite),
    ];
    let once = repeated.iter().chain(&single);
    let once = once.map(|(name, fault)| ((*name).to_owned(), *fault, false));
    let often = repeated
        .iter()
        .map(|(name, fault)| (format!("{name}-often"), *fault, true));
    once.chain(often).collect()
}

impl Fault {
    /// What `request` suffers at S3; `None` where it cannot.
    pub(crate) fn at_s3(self, request: &Request) -> Option<s3::Fault> {
        let within = request.within;
        let moves_object = within.is_some() && !request.tells;
        Some(match self {
            Self::Status(404 | 410 | 499, _) => return None,
            Self::Barred => s3::Fault::Refuse {
                status: StatusCode::BAD_REQUEST,
                code: "KMS.DisabledException",
                message: "The key is disabled.",
            },
            Self::Page => s3::Fault::Garble { with: PAGE },
            Self::Empty => s3::Fault::Garble { with: "" },
            Self::Status(status, retry_after) => s3::Fault::Return {
                status: StatusCode::from_u16(status).unwrap(),
                retry_after,
            },
            Self::Reset => s3::Fault::ResetConnection,
            Self::ReplyLost => s3::Fault::ResetAfterCommit,
            Self::BreakBody => s3::Fault::Break { after: within? },
            Self::Truncate => s3::Fault::Truncate { after: within? },
            Self::Lengthen => s3::Fault::Lengthen {
                by: within.map(|_| 7)?,
            },
            Self::HideLength if moves_object => s3::Fault::HideLength,
            Self::Corrupt => s3::Fault::Corrupt { at: within? },
            Self::WrongChecksum if moves_object => s3::Fault::WrongChecksum,
            Self::Stall => s3::Fault::Stall {
                pause: STALL,
                after: within?,
            },
            Self::Overwrite if moves_object => s3::Fault::Overwrite {
                after: within?,
                with: Bytes::from_static(b"what somebody wrote meanwhile"),
            },
            _ => return None,
        })
    }

    /// What `request` suffers at GCS; `None` where it cannot.
    pub(crate) fn at_gcs(self, request: &Request) -> Option<gcs::Fault> {
        let within = request.within;
        let is_of_session =
            request.name.starts_with("gcs-session-") && request.method == Method::PUT;
        Some(match self {
            Self::Status(410, _) if request.name == "gcs-session-start" => gone(),
            Self::Status(404 | 410 | 499, _) if !is_of_session => return None,
            Self::Status(307, _) => return None,
            Self::Quota => gcs::Fault::Refuse {
                status: StatusCode::FORBIDDEN,
                reason: "quotaExceeded",
                message: "The quota is used up.",
            },
            // That a part cannot be deleted is an answer.
            Self::Barred if request.name == "gcs-probe-delete" => return None,
            Self::Barred => gcs::Fault::Refuse {
                status: StatusCode::FORBIDDEN,
                reason: "accountDisabled",
                message: "The billing account is closed.",
            },
            Self::Page => gcs::Fault::Garble { with: PAGE },
            Self::Empty => gcs::Fault::Garble { with: "" },
            Self::Status(status, retry_after) => gcs::Fault::Return {
                status: StatusCode::from_u16(status).unwrap(),
                retry_after,
            },
            Self::StatusWithin => gcs::Fault::ReturnAfter {
                status: StatusCode::SERVICE_UNAVAILABLE,
                after: within?,
            },
            Self::Reset => gcs::Fault::ResetConnection,
            Self::ReplyLost => gcs::Fault::ResetAfterCommit,
            Self::BreakBody => gcs::Fault::BreakUpload { after: within? },
            Self::BreakReply if request.tells => gcs::Fault::BreakDownload { after: 5 },
            Self::Corrupt if request.tells => gcs::Fault::CorruptDownload,
            Self::Stall if within.is_some() || request.tells => gcs::Fault::Stall {
                pause: STALL,
                after: within.unwrap_or(5),
            },
            _ => return None,
        })
    }

    /// Whether `request` can suffer it.
    pub(crate) fn concerns(self, request: &Request) -> bool {
        match request.at {
            At::S3 => self.at_s3(request).is_some(),
            At::Gcs => self.at_gcs(request).is_some(),
        }
    }
}
