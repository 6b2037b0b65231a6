//! Why a run of parts ends without its object, in words.

use crate::error::{ErrorKind, TransferError};
use crate::route::Route;

pub(super) fn parts_lost(rounds: u32) -> TransferError {
    TransferError::new(
        ErrorKind::PartsLost,
        format!(
            "Parts of the object were sent {rounds} times, and not all of them were heard of again."
        ),
        "Look for errors of the consumer of the queue of parts; then send the key again.",
    )
}

pub(super) fn replaced_another() -> TransferError {
    TransferError::new(
        ErrorKind::SourceChanged,
        "The copy took the place of another one of the same key that was under way.",
        "Nothing to do: both sides are looked at again.",
    )
}

/// The route reads from elsewhere, or leads elsewhere, than when the run began.
pub(super) fn moved(route: &Route) -> TransferError {
    TransferError::new(
        ErrorKind::SourceChanged,
        format!(
            "The route {:?} has another source or destination than when the copy began.",
            route.name
        ),
        "Nothing to do: both sides are looked at again.",
    )
}

pub(super) fn not_deletable(bucket: &str) -> TransferError {
    TransferError::new(
        ErrorKind::DestinationDenied,
        format!(
            "gs://{bucket} does not let parts be deleted (a retention policy, a hold, or no storage.objects.delete)."
        ),
        "Nothing to do: the object goes in one stream. Say `parts = false` in the route to spare the attempt.",
    )
}
