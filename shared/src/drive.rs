//! The only loop: what the transfer asks for gets its credential and goes to the port, what the port
//! answers goes back.

use std::sync::Arc;

use crate::error::TransferError;
use crate::exchange::Authority;
use crate::port::Port;
use crate::renew::{ask_aws, renew};
use crate::transfer::{Ending, Event, Step, Transfer};

/// Carries `transfer` out on `port` until it ends.
///
/// # Errors
/// The [`TransferError`] that the transfer ended with; [`crate::retry`] says what follows from it.
pub async fn drive<P: Port>(mut transfer: Transfer, port: &mut P) -> Result<Ending, TransferError> {
    let access = Arc::clone(transfer.access());
    // The time of the last event. Each look at the clock costs the runtime something.
    let mut now = port.now();
    let mut event = Event::Start;
    loop {
        let mut step = transfer.advance(event, now);
        let pass = step.pass();
        if pass == Authority::Google {
            let renewed = renew(port, &access, pass, now).await;
            if let Err(error) = renewed.and_then(|now| step.authorize(&access, now)) {
                (event, now) = (Event::Unauthorized(error), port.now());
                continue;
            }
        }
        event = match step {
            Step::Send(Authority::Aws, request) => {
                ask_aws(port, &access, &request, now, false).await.into()
            }
            Step::Open(request) => ask_aws(port, &access, &request, now, true).await.into(),
            Step::Send(_, request) => port.send(request).await.into(),
            Step::Pipe {
                sink,
                length,
                digest,
                ..
            } => port.pipe(sink, length, digest).await.into(),
            Step::Hold { length, digest } => port.hold(length, digest).await.into(),
            Step::Digest { length, digest } => port.digest(length, digest).await.into(),
            Step::MayDelete(route) => Event::DeletePermit(port.may_delete(&route).await),
            Step::WaitUntil(time) => {
                port.wait_until(time).await;
                Event::Woken
            }
            Step::Done(ending) => return Ok(ending),
            Step::Failed(error) => return Err(error),
        };
        now = port.now();
        if let Event::Reply(reply) = &event {
            access.note_time(pass, reply, now);
        }
    }
}
