//! The REST API over HTTP/1.1: connections, authentication, faults. What an operation means is `state`'s
//! to know.

mod discovery;
mod in_process;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpListener;

pub use self::in_process::Api;
use super::fault::{Fault, Faults};
use super::state::{ApiError, State};
use crate::gcs::{Accounts, Caller};
use crate::listen::{self, Reset};

/// A request's body may have this many bytes: those of a job with the most URIs of the longest names, and
/// more.
const BODY_LIMIT: usize = 16 << 20;

/// What every request shares.
pub(super) struct Server {
    pub(super) state: Arc<State>,
    pub(super) faults: Arc<Faults>,
    pub(super) accounts: Arc<Accounts>,
}

/// Accepts connections until dropped, which closes them all.
pub(super) async fn serve(listener: TcpListener, server: Server) {
    let server = Arc::new(server);
    listen::serve(listener, move |request| {
        let server = Arc::clone(&server);
        async move { handle(&server, request).await }
    })
    .await;
}

async fn handle(server: &Server, request: Request<Incoming>) -> Result<Response<Body>, Reset> {
    let (parts, body) = request.into_parts();
    let fault = server.faults.take(&parts);
    let body = to_bytes(Body::new(body), BODY_LIMIT).await;
    let early = match &fault {
        Some(Fault::ResetConnection) => return Err(Reset),
        Some(Fault::Return { status, .. }) => Some(ApiError::new(
            status.as_u16(),
            reason(*status),
            "An injected fault.",
        )),
        Some(Fault::Refuse {
            status,
            reason,
            message,
        }) => Some(ApiError::new(status.as_u16(), reason, *message)),
        _ => None,
    };
    let job = match &fault {
        Some(Fault::Job(fault)) => Some(fault.clone()),
        _ => None,
    };
    let served = match (early, body) {
        (Some(error), _) => Err(error),
        (None, Err(_)) => Err(ApiError::invalid(format!(
            "The request's body broke off, or has more than {BODY_LIMIT} bytes."
        ))),
        // Nobody shows a token for it.
        (None, Ok(_)) if parts.uri.path() == discovery::PATH => Ok(Some(discovery::document())),
        (None, Ok(body)) => caller(server, &parts)
            .and_then(|caller| routes::serve(&server.state, &caller, &parts, &body, job)),
    };
    match fault {
        Some(Fault::ResetAfterCommit) => return Err(Reset),
        Some(Fault::Garble { with }) => return Ok(Response::new(Body::from(with))),
        Some(Fault::Stall { pause }) => tokio::time::sleep(pause).await,
        _ => {}
    }
    let retry_after = match fault {
        Some(Fault::Return { retry_after, .. }) => retry_after.map(Duration::from_secs),
        _ => None,
    };
    Ok(answer(served, retry_after))
}

fn caller(server: &Server, parts: &http::request::Parts) -> Result<Caller, ApiError> {
    let authorization = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let caller = server.accounts.caller(authorization);
    let caller = caller
        .map_err(|why| ApiError::new(401, "authError", format!("Invalid Credentials: {why}")))?;
    if !caller.may_bigquery {
        return Err(ApiError::new(
            403,
            "insufficientPermissions",
            "Request had insufficient authentication scopes.",
        ));
    }
    Ok(caller)
}

fn reason(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authError",
        403 => "accessDenied",
        404 => "notFound",
        409 => "duplicate",
        429 => "rateLimitExceeded",
        500 => "internalError",
        501..=599 => "backendError",
        _ => "invalid",
    }
}

/// What was served, as an answer.
fn answer<B: From<String> + Default>(
    served: Result<Option<Value>, ApiError>,
    retry_after: Option<Duration>,
) -> Response<B> {
    let (status, body) = match served {
        Ok(body) => (if body.is_some() { 200 } else { 204 }, body),
        Err(error) => (error.code, Some(error.shown())),
    };
    let mut response = Response::new(body.map_or_else(B::default, |body| body.to_string().into()));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if status != 204 {
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=UTF-8"),
        );
    }
    if status == 401 {
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"https://accounts.google.com/\""),
        );
    }
    if let Some(pause) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(pause.as_secs()));
    }
    response
}
