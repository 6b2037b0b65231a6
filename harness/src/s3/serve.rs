//! Connections to the embedded S3, and what happens to its answers on their way out: faults and the
//! throttle. What is answered is `service`'s to know.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use s3s::HttpError;
use s3s::service::S3Service;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::fault::{Fault, Faults};
use super::region;
use super::store::{Algorithm, Attributes, Body as StoredBody, Store};
use crate::fault::{Spoil, spoil};
use crate::throttle::{Delay, Throttle};

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What every connection shares.
pub(super) struct Server {
    pub(super) service: S3Service,
    pub(super) store: Arc<Store>,
    pub(super) faults: Arc<Faults>,
    pub(super) throttle: Throttle,
    pub(super) delay: Delay,
}

/// Accepts connections until dropped, which closes them all.
pub(super) async fn serve(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&server)));
                }
                // Out of file handles, mostly: connections that end give some back.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A connection's end, however it comes, is its client's affair.
async fn connection(stream: TcpStream, server: Arc<Server>) {
    // Without it, small answers wait 40 ms for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| server.handle(request));
    let mut exchange = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = (&mut exchange).await
        && matches!(
            error.source().and_then(|why| why.downcast_ref()),
            Some(Failure::Reset)
        )
    {
        // Makes the close a RST instead of an orderly end.
        let _ = exchange.into_parts().io.into_inner().set_zero_linger();
    }
}

/// Why a request gets no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("an injected fault resets the connection")]
    Reset,
    #[error("the service failed: {0:?}")]
    Service(HttpError),
}

impl Server {
    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        self.delay.passes().await;
        let (parts, body) = request.into_parts();
        let fault = self.faults.take(&parts);
        match &fault {
            Some(Fault::Return {
                status,
                retry_after,
            }) => return Ok(refusal(*status, *retry_after)),
            Some(Fault::Refuse {
                status,
                code,
                message,
            }) => return Ok(refused(*status, code, message)),
            Some(Fault::ResetConnection) => return Err(Failure::Reset),
            _ => {}
        }
        if let Some(mut refusal) = region::refusal(&parts, &self.store) {
            if parts.headers.contains_key(EXPECT) {
                refusal.headers_mut().insert(CONNECTION, CLOSE);
            } else {
                drain(body).await;
            }
            return Ok(refusal);
        }
        let (uri, get) = (parts.uri.clone(), parts.method == http::Method::GET);
        let is_of_attributes = get && asks_for_attributes(&uri);
        let region = region::asked(&parts, &self.store);
        let mut response = self.answer(Request::from_parts(parts, body)).await?;
        if is_of_attributes && response.status().is_success() {
            response = unquoted(response).await;
        }
        if let Some(region) = region {
            response.headers_mut().insert(region::BUCKET_REGION, region);
        }
        let response = match fault {
            Some(Fault::ResetAfterCommit) => return Err(Failure::Reset),
            Some(Fault::Garble { with }) => return Ok(Response::new(Body::from(with))),
            Some(fault) => self.spoilt(response, fault, &uri),
            None => response,
        };
        if !get || self.throttle.limit().is_none() {
            return Ok(response);
        }
        let slow = |body: Body| Body::from_stream(self.throttle.slow(body.into_data_stream()));
        Ok(response.map(slow))
    }

    /// Answers one request, and says that the connection ends where the client waits for a 100 that
    /// does not come: hyper sends none for an empty body or one that nobody reads, and botocore takes
    /// the final status in its place for that of the next request, too, if the connection lives on.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let expects = request.headers().contains_key(EXPECT);
        let empty = request.body().is_end_stream();
        let answer = self.service.call(request.map(s3s::Body::from)).await;
        let mut response = answer.map_err(Failure::Service)?.map(Body::new);
        if expects && (empty || !response.status().is_success()) {
            response.headers_mut().insert(CONNECTION, CLOSE);
        }
        Ok(response)
    }

    /// Does to an answer what a fault asks for.
    fn spoilt(&self, mut response: Response<Body>, fault: Fault, uri: &Uri) -> Response<Body> {
        let length = content_length(&response);
        let (after, what) = match fault {
            Fault::Return { .. }
            | Fault::Refuse { .. }
            | Fault::Garble { .. }
            | Fault::ResetConnection
            | Fault::ResetAfterCommit => {
                return response;
            }
            Fault::WrongChecksum => {
                falsify(response.headers_mut());
                return response;
            }
            Fault::HideLength => {
                response.headers_mut().remove(CONTENT_LENGTH);
                // Nothing happens at the end, but hyper does not know how long the body is.
                (u64::MAX, Spoil::End)
            }
            Fault::Lengthen { by } => {
                set_content_length(&mut response, length + by);
                return response.map(|body| Body::from_stream(lengthened(body, by)));
            }
            Fault::Truncate { after } => {
                set_content_length(&mut response, length.min(after));
                (after, Spoil::End)
            }
            Fault::Break { after } => (after, Spoil::Break),
            Fault::Corrupt { at } => (at, Spoil::Corrupt),
            Fault::Stall { pause, after } => (after, Spoil::Stall(pause)),
            Fault::Overwrite { after, with } => {
                let store = Arc::clone(&self.store);
                let path = uri.path().to_owned();
                let action = move || overwrite(&store, &path, with);
                (after, Spoil::Meanwhile(Box::new(action)))
            }
        };
        response.map(|body| Body::from_stream(spoil(body.into_data_stream(), after, what)))
    }
}

/// Reads away a refused request's body, up to limits in bytes and time: a client that is cut off while it
/// sends may not look for the answer.
async fn drain(body: Incoming) {
    const LIMIT: usize = 64 << 20;
    let mut data = Body::new(body).into_data_stream();
    let read = async {
        let mut received = 0;
        while let (true, Some(Ok(bytes))) = (received < LIMIT, data.next().await) {
            received += bytes.len();
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), read).await;
}

fn asks_for_attributes(uri: &Uri) -> bool {
    let mut names = uri.query().unwrap_or_default().split(['&', '=']);
    names.next() == Some("attributes")
}

/// S3 shows an ETag without its quotes among an object's attributes; `s3s` cannot.
async fn unquoted(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    // What is not read is answered empty: the client sees that.
    let bytes = axum::body::to_bytes(body, usize::MAX).await;
    let text = String::from_utf8_lossy(&bytes.unwrap_or_default())
        .replace("<ETag>\"", "<ETag>")
        .replace("\"</ETag>", "</ETag>");
    parts.headers.insert(CONTENT_LENGTH, text.len().into());
    Response::from_parts(parts, Body::from(text))
}

fn content_length(response: &Response<Body>) -> u64 {
    let header = response.headers().get(CONTENT_LENGTH);
    let length = header.and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
}

fn set_content_length(response: &mut Response<Body>, length: u64) {
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
}

fn lengthened(
    body: Body,
    by: u64,
) -> impl futures::Stream<Item = Result<Bytes, axum::Error>> + Send {
    let more = StoredBody::repeated(Bytes::from_static(&[0; 4096]), by).stream();
    body.into_data_stream()
        .chain(more.map_err(axum::Error::new))
}

/// Flips a bit in every checksum of an object that the headers have.
fn falsify(headers: &mut HeaderMap) {
    for algorithm in Algorithm::ALL {
        let Some(value) = headers.get_mut(algorithm.header()) else {
            continue;
        };
        let (digits, parts) = match value.to_str().unwrap_or_default().split_once('-') {
            Some((digits, parts)) => (digits, format!("-{parts}")),
            None => (value.to_str().unwrap_or_default(), String::new()),
        };
        let mut bytes = BASE64_STANDARD.decode(digits).unwrap_or_default();
        if let Some(first) = bytes.first_mut() {
            *first ^= 1;
        }
        let wrong = format!("{}{parts}", BASE64_STANDARD.encode(bytes));
        if let Ok(wrong) = HeaderValue::try_from(wrong) {
            *value = wrong;
        }
    }
}

/// Writes another object under the key that a request's path names.
fn overwrite(store: &Store, path: &str, with: Bytes) {
    let path = percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy();
    if let Some((bucket, key)) = path.split_once('/') {
        // A bucket that is gone has no object to change.
        let _ = store.put(bucket, key, with, Attributes::default());
    }
}

/// A refusal that nothing in the request is the reason of.
fn refusal(status: StatusCode, retry_after: Option<u64>) -> Response<Body> {
    let code = match status.as_u16() {
        307 => "TemporaryRedirect",
        400 => "InvalidRequest",
        403 => "AccessDenied",
        404 => "NoSuchKey",
        409 => "OperationAborted",
        412 => "PreconditionFailed",
        429 | 503 => "SlowDown",
        _ => "InternalError",
    };
    let mut response = refused(status, code, "An injected fault.");
    if let Some(seconds) = retry_after {
        let seconds = HeaderValue::from(seconds);
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
         <Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}
