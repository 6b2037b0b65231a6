//! Requests that move no object's bytes, with their credentials, and what follows a failure.

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use crate::access::Access;
use crate::error::{ErrorKind, TransferError};
use crate::exchange::Authority;
use crate::gcs::{
    ListQuery, Object, Page, goes_in_circles, is_absent, is_lost_race, is_page, refusal,
};
use crate::port::{Port, TransportError};
use crate::renew::{ask_aws, renew};
use crate::retry::Attempts;
use crate::s3::{self, Refusal};
use crate::time::later;

/// Objects a page: the largest of them fit into what a port reads of a reply.
const PAGE: u32 = 100;

/// A port, and what is needed to speak to both sides over it.
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
    /// Gives `request` the credential that it needs.
    ///
    /// # Errors
    /// See [`renew`].
    pub(crate) async fn authorize<B>(
        &mut self,
        pass: Authority,
        request: &mut Request<B>,
    ) -> Result<(), TransferError> {
        let now = self.port.now();
        let now = renew(self.port, self.access, pass, now).await?;
        self.access.authorize(pass, request, now)
    }

    async fn once(
        &mut self,
        pass: Authority,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, TransferError> {
        if pass == Authority::Aws {
            let now = self.port.now();
            let reply = ask_aws(self.port, self.access, request, now, false).await?;
            return reply.map_err(|reason| source_lost(&reason));
        }
        let mut request = request.clone();
        self.authorize(pass, &mut request).await?;
        let reply = self.port.send(request).await;
        let reply = reply.map_err(|reason| destination_lost(&reason))?;
        self.access.note_time(pass, &reply, self.port.now());
        Ok(reply)
    }

    /// Sends `request` to S3; once more if a role's session is refused.
    ///
    /// # Errors
    /// [`ErrorKind::SourceUnavailable`] when no answer came, and why there is no credential.
    pub(crate) async fn read(
        &mut self,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, TransferError> {
        let mut renewed = false;
        loop {
            let reply = self.once(Authority::Aws, request).await?;
            let is_refused = reply.status().is_client_error()
                && matches!(s3::refusal(&reply, ""), Refusal::Failed(error)
                    if self.access.forget_refused(&error, &mut renewed));
            if !is_refused {
                return Ok(reply);
            }
        }
    }

    /// Sends `request` about `bucket`, again where that may help. A 404 and a 412 are answers where they
    /// are GCS's word for "nothing there" and "something else is there".
    ///
    /// # Errors
    /// What [`refusal`] makes of any other refusal, once trying again here does not help.
    pub(crate) async fn send(
        &mut self,
        request: &Request<Bytes>,
        bucket: &str,
    ) -> Result<Answer, TransferError> {
        let (mut attempts, mut ambiguous, mut renewed) = (Attempts::default(), false, false);
        loop {
            let error = match self.once(Authority::Google, request).await {
                Ok(reply) if is_answer(&reply) => return Ok(Answer { reply, ambiguous }),
                Ok(reply) => refusal(&reply, bucket),
                Err(error) => error,
            };
            if self.access.forget_refused(&error, &mut renewed) {
                continue;
            }
            ambiguous |= matches!(
                error.kind,
                ErrorKind::DestinationUnavailable | ErrorKind::DestinationUnexpected
            );
            self.wait_or_end(error, &mut attempts).await?;
        }
    }

    /// Sends `request` to Google once, and once more if its token is refused; whatever is answered.
    ///
    /// # Errors
    /// [`ErrorKind::DestinationUnavailable`] when no answer came, and why there is no credential.
    pub(crate) async fn ask(
        &mut self,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, TransferError> {
        let reply = self.once(Authority::Google, request).await?;
        if reply.status() != StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        self.access.gcs.token().forget();
        self.once(Authority::Google, request).await
    }

    /// A page of what stands in `bucket` under names that begin with `prefix`: the first, or the one that `next` asks
    /// for. It then asks for the next, and is `None` behind the last.
    ///
    /// # Errors
    /// The first refusal that trying again did not help against, and a listing that goes in circles.
    pub(crate) async fn page(
        &mut self,
        bucket: &str,
        prefix: &str,
        next: &mut Option<String>,
    ) -> Result<Vec<Object>, TransferError> {
        let list = self.access.gcs.address(bucket, prefix).list(ListQuery {
            from: None,
            page: next.as_deref(),
            limit: PAGE,
        })?;
        let page = Page::read(&self.send(&list, bucket).await?.reply, bucket)?;
        if page.next.is_some() && page.next == *next {
            return Err(goes_in_circles(bucket));
        }
        *next = page.next;
        Ok(page.objects)
    }

    /// Counts an attempt that ended in `error`, and waits before the next.
    ///
    /// # Errors
    /// `error`, if there is to be none.
    pub(crate) async fn wait_or_end(
        &mut self,
        error: TransferError,
        attempts: &mut Attempts,
    ) -> Result<(), TransferError> {
        #[expect(clippy::cast_possible_truncation, reason = "half of a seed is a seed")]
        let Some(wait) = attempts.wait(&error, self.seed as u64) else {
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

fn is_answer(reply: &Response<Bytes>) -> bool {
    if reply.status().is_success() {
        return !is_page(reply);
    }
    is_absent(reply) || is_lost_race(reply)
}

pub(crate) fn destination_lost(lost: &TransportError) -> TransferError {
    TransferError::new(
        ErrorKind::DestinationUnavailable,
        format!("GCS gave no answer: {}.", lost.detail.trim_end_matches('.')),
        "Nothing to do: it is tried again.",
    )
}

pub(crate) fn source_lost(lost: &TransportError) -> TransferError {
    TransferError::new(
        ErrorKind::SourceUnavailable,
        format!("S3 gave no answer: {}.", lost.detail.trim_end_matches('.')),
        "Nothing to do: it is tried again.",
    )
}
