//! What is wrong with a 200 that is not the answer it should be: some stores and proxies send their
//! errors so.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::refusal::{Refusal, error_code, refusal};
use crate::error::{ErrorKind, TransferError};

/// Why `reply`, a 200, is not `wanted` of `bucket`. An error of S3's in its body is what it would be with
/// a status of its own; anything else passes, as far as anybody can tell.
pub(super) fn disguised(reply: &Response<Bytes>, wanted: &str, bucket: &str) -> TransferError {
    let code = error_code(reply);
    let found = if code.is_empty() {
        "something else"
    } else {
        &*code
    };
    let mut bare = Response::new(reply.body().clone());
    *bare.status_mut() = match &*code {
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => StatusCode::FORBIDDEN,
        "NoSuchBucket" => StatusCode::NOT_FOUND,
        "PermanentRedirect" => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let (kind, advice, is_final) = match refusal(&bare, bucket) {
        Refusal::Failed(error) if !code.is_empty() => (error.kind, error.advice, error.is_final),
        _ => (
            ErrorKind::SourceUnavailable,
            "It is tried again; if it stays so, check the S3 endpoint.".to_owned(),
            false,
        ),
    };
    TransferError {
        status: Some(reply.status().as_u16()),
        is_final,
        ..TransferError::new(
            kind,
            format!("S3 answered 200 for {wanted} of {bucket}, but with {found}."),
            advice,
        )
    }
}
