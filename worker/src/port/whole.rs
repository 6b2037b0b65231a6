//! An upload of a small body: read whole, then sent whole.
//!
//! For a few kilobytes a stream costs more than the bytes do. The bytes stay in the platform's memory
//! here, too; a body of known length is sent with its Content-Length.

use bytes::Bytes;
use causeway_shared::port::{REPLY_LIMIT, Sink, TransportError};
use http::Response;

use super::exchange::{self, Enclosed, Exchanges};
use super::pipe::{check_length, stalled, time_for};
use super::source::Source;
use super::{sink as at_sink, source as at_source, within};

/// The largest body that is sent this way, in bytes. As many transfers as a batch has under way at
/// once may each hold it twice.
pub(super) const LIMIT: usize = 256 * 1024;

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
