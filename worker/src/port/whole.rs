//! An upload of a small body: read whole, then sent whole.
//!
//! For a few kilobytes a stream costs more than the bytes do. The bytes stay in the platform's memory
//! here, too; a body of known length is sent with its Content-Length. What is larger is held only where the isolate
//! holds little of it: up to a mebibyte that is cheaper than a stream, too.

use std::cell::Cell;

use bytes::Bytes;
use causeway_shared::port::{REPLY_LIMIT, Sink, TransportError};
use http::Response;

use super::exchange::{self, Enclosed, Exchanges};
use super::pipe::{check_length, stalled, time_for};
use super::source::Source;
use super::{sink as at_sink, source as at_source, within};

/// The largest body that is always sent this way, in bytes.
pub(super) const LIMIT: usize = 256 * 1024;

/// The largest that is where there is [`Room`], in bytes.
const LARGEST: usize = 1 << 20;

/// How much room an isolate has for bodies above [`LIMIT`], in bytes.
const ROOM: usize = 24 << 20;

thread_local! {
    /// What is taken of [`ROOM`].
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

/// Room for a body that may be read whole. It is free again when this is dropped.
pub(super) struct Room(usize);

impl Room {
    /// Room for [`LARGEST`] bytes; none if too much is taken.
    pub(super) fn take() -> Self {
        let taken = TAKEN.get();
        let room = if taken + LARGEST <= ROOM { LARGEST } else { 0 };
        TAKEN.set(taken + room);
        Self(room)
    }

    /// How large a body may be to be read whole.
    pub(super) fn limit(&self) -> usize {
        self.0.max(LIMIT)
    }

    /// Keeps only what a body of `length` bytes needs.
    pub(super) fn shrink(&mut self, length: usize) {
        let kept = self.0.min(length);
        TAKEN.set(TAKEN.get() - (self.0 - kept));
        self.0 = kept;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// Sends `sink` with the `length` bytes of `source`.
///
/// # Errors
/// [`TransportError`], as [`causeway_shared::port::Port::pipe`] says.
pub(super) async fn send(
    exchanges: &Exchanges,
    mut source: Source,
    sink: &Sink,
    length: u64,
) -> Result<Response<Bytes>, TransportError> {
    check_length(source.left(), length, false)?;
    let limit = time_for(length);
    let body = within(limit, source.whole()).await;
    let body = body
        .unwrap_or_else(|| Err(stalled(length).detail))
        .map_err(at_source)?;
    if u64::from(body.length()) != length {
        return Err(at_source(format!(
            "the body has {} bytes, {length} were announced",
            body.length()
        )));
    }
    let enclosed = Enclosed(&sink.prefix, Some(&body), &sink.suffix);
    let reply = exchange::exchange(
        exchanges,
        &sink.request,
        enclosed,
        exchange::Body::Decoded,
        REPLY_LIMIT,
        limit,
    );
    super::read(reply.await.map_err(at_sink)?)
        .await
        .map_err(at_sink)
}
