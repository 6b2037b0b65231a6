//! Credentials are got, and got anew before they end, the moment a request needs them.
//!
//! What there is to ask for is [`crate::credentials`]' to say; who keeps it, and what follows what, is
//! [`crate::access`]'.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;

use crate::access::{Access, RefreshStep};
use crate::credentials::CacheState;
use crate::error::{ErrorKind, TransferError};
use crate::exchange::{Authority, TransportError};
use crate::port::Port;
use crate::time::later;

/// How often whoever waits for another's asking looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Sees to it that `access` has the credential for `pass`, good for minutes to come: whoever comes
/// first gets it, for all. `now` is the time of the call; gives that of its end.
///
/// # Errors
/// Why there is none: [`ErrorKind::SourceUnavailable`] and [`ErrorKind::DestinationUnavailable`] when a
/// token service is out of reach, [`ErrorKind::SourceCredentialRefused`] and
/// [`ErrorKind::DestinationCredentialRefused`] when it refuses, [`ErrorKind::ConfigurationInvalid`] when
/// nothing can be signed.
pub(crate) async fn renew<P: Port>(
    port: &mut P,
    access: &Access,
    pass: Authority,
    mut now: Timestamp,
) -> Result<Timestamp, TransferError> {
    for &pass in access.chain(pass, now) {
        let mut since = None;
        let mut errand = loop {
            match access.turn(pass, now, since)? {
                CacheState::Use => break Ok(RefreshStep::Done),
                CacheState::Ask => break access.begin(pass, now),
                CacheState::Wait => {
                    since = since.or(Some(now));
                    port.wait_until(later(now, LOOK_AGAIN)).await;
                    now = port.now();
                }
            }
        };
        let mut is_skewed = false;
        loop {
            let offset = access.s3.clock().offset();
            errand = match errand {
                Ok(RefreshStep::Done) => break,
                Ok(RefreshStep::Ask(asked, request)) => {
                    let replied = port.send(request).await;
                    now = port.now();
                    match replied {
                        Ok(reply) if !is_skewed && access.is_skewed(&reply, now, offset) => {
                            is_skewed = true;
                            access.begin(pass, now)
                        }
                        Ok(reply) => access.replied(asked, &reply, now),
                        Err(lost) => Err(asked.lost(&lost.detail)),
                    }
                }
                Ok(RefreshStep::Sign(assertion)) => {
                    let input = assertion.signing_input().to_vec();
                    let signature = port.sign_rs256(input).await;
                    now = port.now();
                    signature.map_err(|reason| cannot_sign(&reason)).map(|it| {
                        access.keep(&assertion.signed(&it), now);
                        RefreshStep::Done
                    })
                }
                Err(error) => {
                    access.failed(pass, error.clone());
                    return Err(error);
                }
            }
        }
    }
    Ok(now)
}

/// Sends `request`, signed for AWS; `opens` keeps its reply's body open. Where the refusal's Date shows
/// that the clocks differ, it is signed again by the store's, once and at once. `now` is the time of the call.
///
/// # Errors
/// Why there is no credential: see [`renew`].
pub(crate) async fn ask_aws<P: Port>(
    port: &mut P,
    access: &Access,
    request: &Request<Bytes>,
    mut now: Timestamp,
    opens: bool,
) -> Result<Result<Response<Bytes>, TransportError>, TransferError> {
    let mut is_again = false;
    loop {
        let mut request = request.clone();
        now = renew(port, access, Authority::Aws, now).await?;
        let offset = access.s3.clock().offset();
        access.authorize(Authority::Aws, &mut request, now)?;
        let reply = if opens {
            port.open(request).await
        } else {
            port.send(request).await
        };
        let refused = match &reply {
            Ok(refused) if !is_again && !refused.status().is_success() => refused,
            _ => return Ok(reply),
        };
        now = port.now();
        if !access.is_skewed(refused, now, offset) {
            return Ok(reply);
        }
        is_again = true;
    }
}

/// The Google key signs nothing, for `reason`.
fn cannot_sign(reason: &str) -> TransferError {
    TransferError::new(
        ErrorKind::ConfigurationInvalid,
        format!("GOOGLE_CREDENTIALS cannot sign: {reason}."),
        "Set the secret to the JSON key file of a service account, unchanged.",
    )
}

#[cfg(test)]
mod tests;
