//! The cells that do not end with the object at the destination and nothing left, each with the reason.

/// What a cell must end in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The destination is as the source is.
    Converges,
    /// The hint is in quarantine for this reason.
    Quarantined(&'static str),
}

/// What the cell `request`/`fault` must end in.
pub(crate) fn expected(request: &str, fault: &str) -> Expected {
    let _ = (request, fault);
    Expected::Converges
}

/// Whether the cell `request`/`fault` leaves a session behind, which expires after a week.
pub(crate) fn leaves_session(request: &str, fault: &str) -> bool {
    let _ = (request, fault);
    false
}
