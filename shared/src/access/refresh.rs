//! What there is to do before a request can have its credential, one exchange with a token service after
//! the other, and what comes of each. [`crate::renew`] carries it out.

use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};

use super::{Access, cannot_sign};
use crate::credentials::{CacheState, GoogleCredential};
use crate::error::{ErrorKind, TransferError};
use crate::exchange::Authority;
use crate::gcs::{AccessToken, Assertion};
use crate::sigv4::{PayloadHash, Signer};

/// What to do next for a credential.
#[allow(clippy::large_enum_variant)] // It lives for one exchange.
#[derive(Debug)]
pub(crate) enum RefreshStep {
    /// Nothing: it is there.
    Done,
    /// To have this signed.
    Sign(Assertion),
    /// To ask for this.
    Ask(Asked, Request<Bytes>),
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    Session,
    Federated,
    OfAccount,
}

impl Asked {
    /// The service that was asked gave no answer.
    pub(crate) fn lost(self, detail: &str) -> TransferError {
        let service = match self {
            Self::Session => crate::credentials::AWS,
            Self::Federated => crate::credentials::GOOGLE,
            Self::OfAccount => crate::credentials::IAM,
        };
        service.silent(detail)
    }
}

impl Access {
    /// The credentials that `pass` rests on, in the order in which they are got.
    pub(crate) fn chain(&self, pass: Authority, now: Timestamp) -> &'static [Authority] {
        match pass {
            Authority::None => &[],
            Authority::Aws => &[Authority::Aws],
            Authority::Google if self.gcs.is_external() && !self.gcs.token().is_good(now) => {
                &[Authority::Aws, Authority::Google]
            }
            Authority::Google => &[Authority::Google],
        }
    }

    /// Whether the credential is there, or whose turn it is to get it: see
    /// [`CachedCredential::turn`](crate::credentials::CachedCredential::turn).
    pub(crate) fn turn(
        &self,
        pass: Authority,
        now: Timestamp,
        since: Option<Timestamp>,
    ) -> Result<CacheState, TransferError> {
        match pass {
            Authority::None => Ok(CacheState::Use),
            Authority::Google if self.gcs.credential().is_none() => Ok(CacheState::Use),
            Authority::Aws => self.s3.signer().turn(now, since),
            Authority::Google => self.gcs.token().turn(now, since),
        }
    }

    /// How getting it begins, for whoever's turn it is.
    pub(crate) fn begin(
        &self,
        pass: Authority,
        now: Timestamp,
    ) -> Result<RefreshStep, TransferError> {
        let theirs = self.s3.clock().time(now);
        if pass == Authority::Aws {
            let role = self.s3.role().ok_or_else(no_credential)?;
            return Ok(RefreshStep::Ask(Asked::Session, role.request(theirs)?));
        }
        match self.gcs.credential().ok_or_else(no_credential)? {
            GoogleCredential::Account(account) => {
                let assertion = account.assertion(self.gcs.scopes(), self.gcs.clock().time(now));
                Ok(RefreshStep::Sign(assertion))
            }
            GoogleCredential::External(external) => {
                let signer = self.s3.signer().value().ok_or_else(no_credential)?;
                let (keys, region) = (signer.credentials(), self.s3.region());
                let request = external.exchange(keys, region, self.gcs.scopes(), theirs)?;
                Ok(RefreshStep::Ask(Asked::Federated, request))
            }
        }
    }

    /// What follows a reply.
    pub(crate) fn replied(
        &self,
        asked: Asked,
        reply: &Response<Bytes>,
        now: Timestamp,
    ) -> Result<RefreshStep, TransferError> {
        if let (Asked::Session, Some(role)) = (asked, self.s3.role()) {
            let (session, end) = role.read(reply)?;
            let signer = Signer::s3(session, self.s3.region());
            let signer = signer.map_err(|error| cannot_sign(&error.to_string()))?;
            // Its end is by their clock.
            let ahead = SignedDuration::from_secs(self.s3.clock().offset());
            let end = end.checked_sub(ahead).unwrap_or(end);
            self.s3.signer().keep(Arc::new(signer), end, now);
            return Ok(RefreshStep::Done);
        }
        let Some(GoogleCredential::External(external)) = self.gcs.credential() else {
            return Err(no_credential());
        };
        let token = match asked {
            Asked::Federated => {
                let token = external.federated(reply, now)?;
                if let Some(request) = external.impersonate(&token, self.gcs.scopes()) {
                    return Ok(RefreshStep::Ask(Asked::OfAccount, request));
                }
                token
            }
            _ => external.impersonated(reply)?,
        };
        self.keep(&token, now);
        Ok(RefreshStep::Done)
    }

    /// Keeps a token.
    pub(crate) fn keep(&self, token: &AccessToken, now: Timestamp) {
        let (bearer, end) = (token.header().clone(), token.end());
        self.gcs.token().keep(bearer, end, now);
    }

    /// Whether `reply`, which came at `now` to what was signed at `offset` to AWS's clock, is a refusal
    /// that the clocks explain: it is worth signing again.
    pub(crate) fn is_skewed(&self, reply: &Response<Bytes>, now: Timestamp, offset: i64) -> bool {
        self.s3.clock().explains(reply, now, offset)
    }

    /// Takes note of Google's clock where `reply` to a request with its token is a refusal. A token that
    /// was refused is made again anyway.
    pub(crate) fn note_time(&self, pass: Authority, reply: &Response<Bytes>, now: Timestamp) {
        if pass == Authority::Google {
            let clock = self.gcs.clock();
            clock.explains(reply, now, clock.offset());
        }
    }

    /// There is no credential for `pass`.
    pub(crate) fn failed(&self, pass: Authority, error: TransferError) {
        match pass {
            Authority::Aws => self.s3.signer().fail(error),
            _ => self.gcs.token().fail(error),
        }
    }

    /// Gives `request` the credential that it needs, which is there.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigurationInvalid`] when it cannot be signed.
    pub(crate) fn authorize<B>(
        &self,
        pass: Authority,
        request: &mut Request<B>,
        now: Timestamp,
    ) -> Result<(), TransferError> {
        match pass {
            Authority::None => {}
            Authority::Aws => {
                let signer = self.s3.signer().value().ok_or_else(no_credential)?;
                let time = self.s3.clock().time(now);
                let signed = signer.sign(request, &PayloadHash::Empty, time);
                signed.map_err(|error| cannot_sign(&error.to_string()))?;
            }
            Authority::Google => {
                if let Some(bearer) = self.gcs.token().value() {
                    request.headers_mut().insert(AUTHORIZATION, bearer);
                }
            }
        }
        Ok(())
    }
}

fn no_credential() -> TransferError {
    TransferError::new(
        ErrorKind::ConfigurationInvalid,
        "There is no credential.",
        "Set the AWS_… secrets and GOOGLE_CREDENTIALS of the worker.",
    )
}
