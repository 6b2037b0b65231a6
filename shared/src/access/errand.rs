//! What there is to do before a request can have its credential, one exchange with a token service after
//! the other, and what comes of each. [`crate::renew`] carries it out.

use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use jiff::Timestamp;

use super::{Access, cannot_sign};
use crate::credentials::{GoogleCredential, Turn};
use crate::error::{ErrorKind, TransferError};
use crate::exchange::Pass;
use crate::gcs::{AccessToken, Assertion};
use crate::sigv4::{PayloadHash, Signer};

/// What to do next for a credential.
#[allow(clippy::large_enum_variant)] // It lives for one exchange.
#[derive(Debug)]
pub(crate) enum Errand {
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
    pub(crate) fn chain(&self, pass: Pass, now: Timestamp) -> &'static [Pass] {
        match pass {
            Pass::None => &[],
            Pass::Aws => &[Pass::Aws],
            Pass::Google if self.gcs.is_external() && !self.gcs.token().is_good(now) => {
                &[Pass::Aws, Pass::Google]
            }
            Pass::Google => &[Pass::Google],
        }
    }

    /// Whether the credential is there, or whose turn it is to get it: see
    /// [`Kept::turn`](crate::credentials::Kept::turn).
    pub(crate) fn turn(
        &self,
        pass: Pass,
        now: Timestamp,
        since: Option<Timestamp>,
    ) -> Result<Turn, TransferError> {
        match pass {
            Pass::None => Ok(Turn::Use),
            Pass::Google if self.gcs.credential().is_none() => Ok(Turn::Use),
            Pass::Aws => self.s3.signer().turn(now, since),
            Pass::Google => self.gcs.token().turn(now, since),
        }
    }

    /// How getting it begins, for whoever's turn it is.
    pub(crate) fn begin(&self, pass: Pass, now: Timestamp) -> Result<Errand, TransferError> {
        if pass == Pass::Aws {
            let role = self.s3.role().ok_or_else(no_credential)?;
            return Ok(Errand::Ask(Asked::Session, role.request(now)?));
        }
        match self.gcs.credential().ok_or_else(no_credential)? {
            GoogleCredential::Account(account) => Ok(Errand::Sign(account.assertion(now))),
            GoogleCredential::External(external) => {
                let signer = self.s3.signer().value().ok_or_else(no_credential)?;
                let (keys, region) = (signer.credentials(), self.s3.region());
                let request = external.exchange(keys, region, now)?;
                Ok(Errand::Ask(Asked::Federated, request))
            }
        }
    }

    /// What follows a reply.
    pub(crate) fn replied(
        &self,
        asked: Asked,
        reply: &Response<Bytes>,
        now: Timestamp,
    ) -> Result<Errand, TransferError> {
        if let (Asked::Session, Some(role)) = (asked, self.s3.role()) {
            let (session, end) = role.read(reply)?;
            let signer = Signer::s3(session, self.s3.region());
            let signer = signer.map_err(|error| cannot_sign(&error.to_string()))?;
            self.s3.signer().keep(Arc::new(signer), end, now);
            return Ok(Errand::Done);
        }
        let Some(GoogleCredential::External(external)) = self.gcs.credential() else {
            return Err(no_credential());
        };
        let token = match asked {
            Asked::Federated => {
                let token = external.federated(reply, now)?;
                if let Some(request) = external.impersonate(&token) {
                    return Ok(Errand::Ask(Asked::OfAccount, request));
                }
                token
            }
            _ => external.impersonated(reply)?,
        };
        self.keep(&token, now);
        Ok(Errand::Done)
    }

    /// Keeps a token.
    pub(crate) fn keep(&self, token: &AccessToken, now: Timestamp) {
        let (bearer, end) = (token.header().clone(), token.end());
        self.gcs.token().keep(bearer, end, now);
    }

    /// There is no credential for `pass`.
    pub(crate) fn failed(&self, pass: Pass, error: TransferError) {
        match pass {
            Pass::Aws => self.s3.signer().fail(error),
            _ => self.gcs.token().fail(error),
        }
    }

    /// Gives `request` the credential that it needs, which is there.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigurationInvalid`] when it cannot be signed.
    pub(crate) fn authorize<B>(
        &self,
        pass: Pass,
        request: &mut Request<B>,
        now: Timestamp,
    ) -> Result<(), TransferError> {
        match pass {
            Pass::None => {}
            Pass::Aws => {
                let signer = self.s3.signer().value().ok_or_else(no_credential)?;
                let signed = signer.sign(request, &PayloadHash::Empty, now);
                signed.map_err(|error| cannot_sign(&error.to_string()))?;
            }
            Pass::Google => {
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
