//! What core and runtime hand each other beside requests and replies: how to send an upload, whose
//! credential a request is to carry, and how a body ended or broke.

use bytes::Bytes;
use http::Request;

/// A request whose body is `prefix`, then bytes of the open source body, then `suffix`.
///
/// The body's length is known (`prefix` + length + `suffix`) and must be sent as Content-Length:
/// an upload without one is cut silently when its source dies.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Method, URL and headers; no Content-Length.
    pub request: Request<()>,
    /// What goes before the source's bytes.
    pub prefix: Bytes,
    /// What goes after them.
    pub suffix: Bytes,
}

/// Whose credential a request is to carry. It gets it when it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// None: its URL is the secret.
    None,
    /// A signature with the route's AWS credentials.
    Aws,
    /// Google's token.
    Google,
}

/// No answer, or not a whole one. The request may or may not have taken effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportError {
    /// Which side broke, as far as the runtime can tell.
    pub side: Side,
    /// The runtime's own words; holds no secret.
    pub detail: String,
}

/// The end of the pipe at which it broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The open source body.
    Source,
    /// The request that was being sent, or its reply.
    Sink,
}
