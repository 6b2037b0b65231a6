//! Who sent an event: what is signed, with what, and when that is too long ago.
//!
//! Pure: the runtime fetches certificates and checks RSA signatures. What an event
//! says is [`crate::event`]'s.

mod access_token;
mod certificate;
mod sns;
mod standard_webhooks;
mod token;

pub use access_token::{AccessTokens, LIFETIME as ACCESS_TOKEN_LIFETIME};
pub use certificate::Certificate;
pub use sns::{Claim, Envelope, Hash, Kind, Topic};
pub use standard_webhooks::{Secrets, Signed};
pub use token::{Tokens, name_of, network};

use jiff::{SignedDuration, Timestamp};

/// Why a sender is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// What should be signed cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// A topic that no route names.
    #[error(
        "No route takes messages of the topic {0:?}. Name it in `sns_topics` of a route, or take the subscription away."
    )]
    Topic(String),
    /// From another time.
    #[error(
        "The message is of {sent}, which is more than {minutes} minutes from now. Check the sender's clock; a message that old is not taken, because anybody may have kept it."
    )]
    Stale {
        /// When it says that it was sent.
        sent: Timestamp,
        /// How far from now it may be.
        minutes: i64,
    },
    /// The certificate is somebody else's, or not of now.
    #[error("{0}")]
    Certificate(String),
    /// Signed by somebody else, or changed since.
    #[error("The signature is not that of this message. {0}")]
    Signature(&'static str),
}

/// Whether `sent` is at most so far before or behind `now`.
fn check_time(sent: Timestamp, now: Timestamp, tolerance: SignedDuration) -> Result<(), Refused> {
    if now.duration_since(sent).abs() > tolerance {
        let minutes = tolerance.as_mins();
        return Err(Refused::Stale { sent, minutes });
    }
    Ok(())
}
