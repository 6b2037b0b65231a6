//! The only loop: what the transfer asks for gets its credential and goes to the port, what the port
//! answers goes back.

use std::sync::Arc;

use crate::error::TransferError;
use crate::port::Port;
use crate::renew::renew;
use crate::transfer::{Ending, Event, Step, Transfer};

/// Carries `transfer` out on `port` until it ends.
///
/// # Errors
/// The [`TransferError`] that the transfer ended with; [`crate::retry`] says what follows from it.
pub async fn drive<P: Port>(mut transfer: Transfer, port: &mut P) -> Result<Ending, TransferError> {
    let access = Arc::clone(transfer.access());
    let mut event = Event::Start;
    loop {
        let mut step = transfer.advance(event, port.now());
        let renewed = renew(port, &access, step.pass()).await;
        if let Err(error) = renewed.and_then(|()| step.authorize(&access, port.now())) {
            event = Event::Unauthorized(error);
            continue;
        }
        event = match step {
            Step::Send(_, request) => port.send(request).await.into(),
            Step::Open(request) => port.open(request).await.into(),
            Step::Pipe {
                sink,
                length,
                digest,
                ..
            } => port.pipe(sink, length, digest).await.into(),
            Step::Hold { length, digest } => port.hold(length, digest).await.into(),
            Step::Digest { length, digest } => port.digest(length, digest).await.into(),
            Step::MayDelete(route) => Event::Leave(port.may_delete(&route).await),
            Step::WaitUntil(time) => {
                port.wait_until(time).await;
                Event::Woken
            }
            Step::Done(ending) => return Ok(ending),
            Step::Failed(error) => return Err(error),
        };
    }
}
