//! Requests that move no object's bytes: to GCS with their token, and what follows a failure.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};

use crate::access::{Access, authorize, cannot_sign_token};
use crate::error::{ErrorKind, TransferError};
use crate::gcs::refusal;
use crate::port::{Lost, Port};
use crate::retry;

/// A port, and what is needed to speak to GCS over it.
pub(crate) struct Client<'a, P> {
    pub(crate) port: &'a mut P,
    pub(crate) access: &'a Access,
    /// For names and waits; random.
    pub(crate) seed: u128,
}

/// A reply, and whether the request had been sent before it without one: it may then have taken
/// effect twice.
pub(crate) struct Answer {
    pub(crate) reply: Response<Bytes>,
    pub(crate) ambiguous: bool,
}

impl<P: Port> Client<'_, P> {
    /// The token for a request now; `None` where none is needed.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigurationInvalid`] when the key cannot sign.
    pub(crate) async fn bearer(&mut self) -> Result<Option<HeaderValue>, TransferError> {
        let assertion = match self.access.gcs.bearer(self.port.now()) {
            Ok(bearer) => return Ok(bearer),
            Err(assertion) => assertion,
        };
        let input = assertion.signing_input().to_vec();
        let signature = self.port.sign_rs256(input).await;
        let token = assertion.signed(&signature.map_err(|reason| cannot_sign_token(&reason))?);
        let bearer = token.bearer(self.port.now()).cloned();
        self.access.gcs.accept(token);
        Ok(bearer)
    }

    /// Sends `request` about `bucket`, again where that may help. A 404 and a 412 are answers.
    ///
    /// # Errors
    /// What [`refusal`] makes of any other refusal, once trying again here does not help.
    pub(crate) async fn send(
        &mut self,
        request: &Request<Bytes>,
        bucket: &str,
    ) -> Result<Answer, TransferError> {
        let (mut attempt, mut ambiguous, mut renewed) = (1, false, false);
        loop {
            let mut authorized = request.clone();
            authorize(&mut authorized, self.bearer().await?.as_ref());
            let error = match self.port.send(authorized).await {
                Ok(reply) if is_answer(reply.status()) => return Ok(Answer { reply, ambiguous }),
                Ok(reply) => refusal(&reply, bucket),
                Err(lost) => destination_lost(&lost),
            };
            if error.kind == ErrorKind::DestinationCredentialRefused && !renewed {
                renewed = true;
                self.access.gcs.forget();
                continue;
            }
            ambiguous |= error.kind == ErrorKind::DestinationUnavailable;
            self.wait_or_end(error, attempt).await?;
            attempt += 1;
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// `error`, if there is to be none.
    pub(crate) async fn wait_or_end(
        &mut self,
        error: TransferError,
        attempt: u32,
    ) -> Result<(), TransferError> {
        #[expect(clippy::cast_possible_truncation, reason = "half of a seed is a seed")]
        let Some(wait) = retry::in_hand(&error, attempt, self.seed as u64) else {
            return Err(error);
        };
        let time = later(self.port.now(), wait);
        self.port.wait_until(time).await;
        Ok(())
    }

    /// A word that no other name of ours has, the same for the same `what`.
    pub(crate) fn nonce(&self, what: u32) -> String {
        format!("{:016x}-{what}", self.seed >> 64)
    }
}

fn is_answer(status: StatusCode) -> bool {
    status.is_success()
        || matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED
        )
}

pub(crate) fn destination_lost(lost: &Lost) -> TransferError {
    TransferError::new(
        ErrorKind::DestinationUnavailable,
        format!("GCS gave no answer: {}.", lost.detail.trim_end_matches('.')),
        "Nothing to do: it is tried again.",
    )
}

pub(crate) fn source_lost(lost: &Lost) -> TransferError {
    TransferError::new(
        ErrorKind::SourceUnavailable,
        format!("S3 gave no answer: {}.", lost.detail.trim_end_matches('.')),
        "Nothing to do: it is tried again.",
    )
}

pub(crate) fn later(now: Timestamp, wait: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| now.checked_add(wait).ok())
        .unwrap_or(Timestamp::MAX)
}
