//! The JSON API over HTTP/1.1: connections, routes, authentication, faults. What an operation means
//! is `state`'s to know.

mod batch;
mod buckets;
mod compose;
mod error;
mod fields;
mod in_process;
mod media;
mod multipart;
mod objects;
mod request;
mod resource;
mod resumable;
mod token;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use http::header::{AUTHORIZATION, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::error::Fail;
pub(crate) use self::fields::Fields;
pub(crate) use self::in_process::{Api, Unanswered};
use self::request::{Call, Query, RequestBody, decode};
pub(super) use self::token::TOKEN_PATH;
use super::account::Accounts;
use super::fault::{Fault, Faults};
use super::state::State;
use crate::fault::{Spoil, spoil};
use crate::listen::{self, Reset};
use crate::throttle::{Delay, Throttle};

/// What every request shares.
pub(super) struct Server {
    pub(super) state: Arc<State>,
    pub(super) faults: Arc<Faults>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) require_content_length: bool,
    /// Whether paths may leave `/storage/v1` out.
    pub(super) emulator: bool,
    /// How fast each connection's uploads are read.
    pub(super) throttle: Throttle,
    /// How long each request waits.
    pub(super) delay: Delay,
    /// Bytes of request bodies read so far.
    pub(super) received: watch::Sender<u64>,
    pub(super) port: u16,
    /// A page of a listing holds at most this many entries.
    pub(super) page_limit: u64,
    /// How many sessions there were, where their ids are to be numbers.
    pub(super) numbered: Option<AtomicU64>,
}

impl Server {
    /// One without options, for everybody.
    pub(super) fn new(state: Arc<State>) -> Self {
        Self {
            state,
            faults: Arc::default(),
            accounts: Arc::default(),
            require_content_length: false,
            emulator: false,
            throttle: Throttle::default(),
            delay: Delay::default(),
            received: watch::Sender::new(0),
            port: 0,
            page_limit: objects::PAGE_LIMIT,
            numbered: None,
        }
    }

    /// What a new session is called.
    fn session_id(&self) -> Result<String, Fail> {
        match &self.numbered {
            None => upload::random_id(),
            Some(count) => Ok((count.fetch_add(1, Ordering::Relaxed) + 1).to_string()),
        }
    }

    /// Scheme and host as the client sees them. Google's Rust client leaves the port out of its Host
    /// header; it must find its way back all the same.
    fn base(&self, host: Option<&str>) -> String {
        let host = host.unwrap_or("localhost");
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if has_port {
            format!("http://{host}")
        } else {
            format!("http://{host}:{}", self.port)
        }
    }
}

/// Accepts connections until dropped, which closes them all.
pub(super) async fn serve(listener: TcpListener, server: Arc<Server>) {
    listen::serve(listener, move |request| {
        let server = Arc::clone(&server);
        async move { handle(&server, request).await }
    })
    .await;
}

async fn handle(server: &Server, request: Request<Incoming>) -> Result<Response<Body>, Reset> {
    server.delay.passes().await;
    let (parts, incoming) = request.into_parts();
    let mut body = RequestBody::new(Body::new(incoming), server);
    let fault = server.faults.take(&parts);
    let mut principal = String::from("Anonymous caller");
    let early = fault
        .as_ref()
        .and_then(|fault| prepare(fault, &parts, &mut body));
    let result = match early {
        Some(fail) => Err(fail),
        None => dispatch(server, &parts, &mut body, &mut principal).await,
    };
    match (result, fault) {
        (_, Some(Fault::ResetAfterCommit)) | (Err(Fail::Reset), _) => Err(Reset),
        (_, Some(Fault::Garble { with })) => {
            body.drain().await;
            Ok(Response::new(Body::from(with)))
        }
        (Ok(response), fault) => Ok(spoilt(response, fault.as_ref(), has_body(&parts))),
        (Err(fail), _) => {
            body.drain().await;
            fail.answer(&principal).ok_or(Reset)
        }
    }
}

/// Arms what a fault does to the request; gives the answer when there is nothing more to do.
fn prepare(fault: &Fault, parts: &Parts, body: &mut RequestBody) -> Option<Fail> {
    match fault {
        Fault::Return {
            status,
            retry_after,
        } => return Some(Fail::Injected(*status, *retry_after)),
        Fault::Refuse {
            status,
            reason,
            message,
        } => return Some(Fail::InjectedReason(*status, reason, message)),
        Fault::ResetConnection => return Some(Fail::Reset),
        Fault::ReturnAfter { status, after } => {
            body.cut = Some((*after, Fail::Injected(*status, None)));
        }
        Fault::BreakUpload { after } => body.cut = Some((*after, Fail::Reset)),
        Fault::Stall { pause, after } if has_body(parts) => body.stall = Some((*after, *pause)),
        Fault::ResetAfterCommit
        | Fault::Garble { .. }
        | Fault::BreakDownload { .. }
        | Fault::CorruptDownload
        | Fault::Stall { .. } => {}
    }
    None
}

fn has_body(parts: &Parts) -> bool {
    parts.method == Method::POST || parts.method == Method::PUT || parts.method == Method::PATCH
}

/// Does to a response what a fault asks for.
fn spoilt(response: Response<Body>, fault: Option<&Fault>, uploaded: bool) -> Response<Body> {
    let (after, what) = match fault {
        Some(Fault::Stall { pause, after }) if !uploaded => (*after, Spoil::Stall(*pause)),
        Some(Fault::CorruptDownload) => (0, Spoil::Corrupt),
        Some(Fault::BreakDownload { after }) => (*after, Spoil::Break),
        _ => return response,
    };
    response.map(|body| Body::from_stream(spoil(body.into_data_stream(), after, what)))
}

async fn dispatch(
    server: &Server,
    parts: &Parts,
    body: &mut RequestBody,
    principal: &mut String,
) -> Result<Response<Body>, Fail> {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let call = Call {
        server,
        headers: &parts.headers,
        fields: query.get("fields").map(Fields::parse).transpose()?,
        query,
        base: server.base(host),
    };
    if parts.method == Method::POST && parts.uri.path() == TOKEN_PATH {
        return token::exchange(server, &call.base, body).await;
    }
    let path = parts.uri.path().trim_start_matches('/');
    let mut segments: Vec<&str> = path.split('/').collect();
    // No bucket has a name that short.
    if server.emulator && segments[0] == "b" {
        segments.splice(0..0, ["storage", "v1"]);
    }
    let method = call
        .header("x-http-method-override")
        .and_then(|method| method.parse().ok());
    let method = &method.unwrap_or_else(|| parts.method.clone());
    let uploading = matches!(segments[..], ["upload", ..] | ["resumable", "upload", ..]);
    if uploading && server.require_content_length && *method != Method::DELETE && is_chunked(parts)
    {
        return Err(Fail::LengthRequired);
    }
    if let (true, Some(id)) = (uploading, call.query.owned("upload_id")) {
        let (["upload", "storage", "v1", "b", bucket, "o"]
        | ["resumable", "upload", "storage", "v1", "b", bucket, "o"]) = segments[..]
        else {
            return Err(Fail::NoRoute);
        };
        if ![Method::PUT, Method::POST, Method::DELETE].contains(method) {
            return Err(Fail::NoRoute);
        }
        return resumable::piece(&call, method, &decode(bucket)?, &id, body).await;
    }
    let authorization = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if matches!(segments[..], ["batch"] | ["batch", "storage", "v1"]) && *method == Method::POST {
        return batch::batch(server, &parts.headers, body).await;
    }
    let caller = server
        .accounts
        .authenticate(authorization)
        .map_err(Fail::Unauthenticated)?;
    let may_write = caller.may_write();
    *principal = caller.principal;
    if !may_write && *method != Method::GET && *method != Method::HEAD {
        return Err(Fail::OutOfScope);
    }
    route(&call, method, &segments, body).await
}

async fn route(
    call: &Call<'_>,
    method: &Method,
    segments: &[&str],
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let post = *method == Method::POST;
    let get = *method == Method::GET;
    match *segments {
        ["upload", "storage", "v1", "b", bucket, "o"]
        | ["resumable", "upload", "storage", "v1", "b", bucket, "o"]
            if post =>
        {
            upload::upload(call, &decode(bucket)?, body).await
        }
        ["download", "storage", "v1", "b", bucket, "o", object] if get => {
            media::read(call, &decode(bucket)?, &decode(object)?)
        }
        ["storage", "v1", "b"] => buckets::collection(call, method, body).await,
        ["storage", "v1", "b", bucket, "storageLayout"] if get => {
            buckets::layout(call, &decode(bucket)?)
        }
        // There are none, where nobody can make one.
        ["storage", "v1", "b", bucket, "managedFolders"] if get => {
            call.server.state.bucket(&decode(bucket)?)?;
            Ok(call.answer(json!({ "kind": "storage#managedFolders" })))
        }
        ["storage", "v1", "b", bucket] => buckets::one(call, method, &decode(bucket)?, body).await,
        ["storage", "v1", "b", bucket, "o"] if get => objects::list(call, &decode(bucket)?),
        ["storage", "v1", "b", bucket, "o", object] => {
            objects::one(call, method, &decode(bucket)?, &decode(object)?, body).await
        }
        ["storage", "v1", "b", bucket, "o", object, "compose"] if post => {
            compose::compose(call, &decode(bucket)?, &decode(object)?, body).await
        }
        ["storage", "v1", "b", bucket, "o", from, "moveTo", "o", to] if post => {
            objects::rename(call, &decode(bucket)?, &decode(from)?, &decode(to)?)
        }
        [
            "storage",
            "v1",
            "b",
            bucket,
            "o",
            object,
            verb @ ("rewriteTo" | "copyTo"),
            "b",
            to_bucket,
            "o",
            to_object,
        ] if post => {
            let from = (decode(bucket)?, decode(object)?);
            let to = (decode(to_bucket)?, decode(to_object)?);
            objects::copy(
                call,
                (&from.0, &from.1),
                (&to.0, &to.1),
                verb == "rewriteTo",
                body,
            )
            .await
        }
        [
            "storage" | "upload" | "download" | "resumable" | "batch",
            ..,
        ] => Err(Fail::NoRoute),
        // The XML API's way to read an object.
        [bucket, ref object @ ..] if !object.is_empty() && (get || *method == Method::HEAD) => {
            media::read(call, &decode(bucket)?, &decode(&object.join("/"))?)
        }
        _ => Err(Fail::NoRoute),
    }
}

fn is_chunked(parts: &Parts) -> bool {
    parts.headers.contains_key(TRANSFER_ENCODING)
}
