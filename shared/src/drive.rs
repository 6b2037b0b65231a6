//! The only loop: what the transfer asks for goes to the port, what the port answers goes back.

use crate::error::TransferError;
use crate::port::Port;
use crate::transfer::{Ending, Event, Step, Transfer};

/// Carries `transfer` out on `port` until it ends.
///
/// # Errors
/// The [`TransferError`] that the transfer ended with; [`crate::retry`] says what follows from it.
pub async fn drive<P: Port>(mut transfer: Transfer, port: &mut P) -> Result<Ending, TransferError> {
    let mut event = Event::Start;
    loop {
        event = match transfer.advance(event, port.now()) {
            Step::Send(request) => port.send(request).await.into(),
            Step::Open(request) => port.open(request).await.into(),
            Step::Pipe {
                sink,
                length,
                digest,
            } => port.pipe(sink, length, digest).await.into(),
            Step::Hold { length, digest } => port.hold(length, digest).await.into(),
            Step::Digest { length, digest } => port.digest(length, digest).await.into(),
            Step::MayDelete(route) => Event::Leave(port.may_delete(&route).await),
            Step::SignRs256(message) => Event::Signed(port.sign_rs256(message).await),
            Step::WaitUntil(time) => {
                port.wait_until(time).await;
                Event::Woken
            }
            Step::Done(ending) => return Ok(ending),
            Step::Failed(error) => return Err(error),
        };
    }
}
