//! An upload whose middle is the open body, and the judgement of how it ended.
//!
//! Two things run side by side: the feed (bytes into a FixedLengthStream) and the request that
//! reads from it. A success takes both. Which of them failed first says which side broke:
//!
//! - The feed fails and the request still waits: the source. The feed leaves the stream open
//!   (`preventAbort`) for exactly this reason; the request is then aborted.
//! - The request fails or is answered early: the sink.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use causeway_shared::port::{Digest, Sink, TransportError};
use futures::future::{Either, select};
use http::Response;
use js_sys::{BigInt, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, StreamPipeOptions, WritableStream, WritableStreamDefaultWriter};
use worker::Delay;
use worker::worker_sys::FixedLengthStream;

use super::source::{Source, forget};
use super::{exchange, pump, sink as at_sink, source as at_source, within};
use crate::platform::describe;

/// How long the one waits for the other once it has failed: both ends of a broken connection are
/// heard of in the same moment.
const GRACE: Duration = Duration::from_millis(100);

/// How long the body of a refusal is waited for; its status says enough.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// An upload may take this long, and a second more for each mebibyte, but never so long that a queue's
/// consumer (15 minutes) could not look at both sides again, or hand a session on.
const START_TIME: Duration = Duration::from_mins(1);
const LONGEST_TIME: Duration = Duration::from_mins(6);

/// Sends `sink` with `length` bytes of `source`. Gives the reply, and whether all of those bytes
/// were sent.
///
/// # Errors
/// [`TransportError`], as [`causeway_shared::port::Port::pipe`] says.
pub(super) async fn pipe(
    source: &mut Source,
    sink: Sink,
    length: u64,
    digest: Option<Digest>,
) -> Result<(Response<Bytes>, bool), TransportError> {
    check_length(source.left(), length, digest.is_some())?;
    let upload = Upload::new(&sink, length).map_err(at_sink)?;
    let ended = {
        let feed = upload.feed(source, &sink, length, digest);
        let run = run(feed, upload.reply());
        within(time_for(length), run).await
    };
    let ended = ended.unwrap_or_else(|| Err(stalled(length)));
    if !matches!(ended, Ok((_, true))) {
        upload.cancel().await;
    }
    ended
}

/// A body of another length than the upload's is refused before anything is sent.
pub(super) fn check_length(
    left: Option<u64>,
    length: u64,
    in_part: bool,
) -> Result<(), TransportError> {
    match left {
        Some(left) if left == length || in_part && left > length => Ok(()),
        Some(left) => Err(at_source(format!(
            "the body has {left} bytes left, {length} are to be sent"
        ))),
        None => Err(at_source("the body does not say its length".to_owned())),
    }
}

pub(super) fn time_for(length: u64) -> Duration {
    (START_TIME + Duration::from_secs(length >> 20)).min(LONGEST_TIME)
}

/// The end of an upload that had no end.
pub(super) fn stalled(length: u64) -> TransportError {
    at_sink(format!(
        "source or sink stalled: no end within {} s",
        time_for(length).as_secs()
    ))
}

/// Runs feed and request until it is clear how the upload ended.
async fn run(
    feed: impl Future<Output = Result<(), TransportError>>,
    reply: impl Future<Output = Result<Response<Bytes>, String>>,
) -> Result<(Response<Bytes>, bool), TransportError> {
    let (feed, reply) = (std::pin::pin!(feed), std::pin::pin!(reply));
    let (fed, reply) = match select(feed, reply).await {
        Either::Left((Ok(()), reply)) => (Ok(()), Some(reply.await)),
        Either::Left((Err(lost), reply)) => (Err(lost), within(GRACE, reply).await),
        Either::Right((Ok(reply), feed)) if reply.status().is_success() => {
            (feed.await, Some(Ok(reply)))
        }
        Either::Right((reply, feed)) => {
            let unread = || Err(at_sink("the sink stopped reading".to_owned()));
            (
                within(GRACE, feed).await.unwrap_or_else(unread),
                Some(reply),
            )
        }
    };
    match (fed, reply) {
        (Ok(()), Some(Ok(reply))) => Ok((reply, true)),
        (Err(_), Some(Ok(reply))) if !reply.status().is_success() => Ok((reply, false)),
        (Err(lost), None | Some(Ok(_))) => Err(lost),
        (_, Some(Err(detail))) => Err(at_sink(detail)),
        (Ok(()), None) => Err(at_sink("no reply".to_owned())),
    }
}

/// The request that is being fed.
struct Upload {
    request: exchange::Outgoing,
    writable: WritableStream,
    /// Who holds the lock of `writable`, if it is not a pipe.
    writer: RefCell<Option<WritableStreamDefaultWriter>>,
    abort: AbortController,
}

impl Upload {
    fn new(sink: &Sink, length: u64) -> Result<Self, String> {
        let total = length + sink.prefix.len() as u64 + sink.suffix.len() as u64;
        let made = || {
            let stream = FixedLengthStream::new_big_int(BigInt::from(total))?;
            Ok((stream, AbortController::new()?))
        };
        let (stream, abort) = made().map_err(|error: JsValue| describe(&error))?;
        let request = exchange::build(&sink.request, exchange::Body::Decoded)?;
        request.init.set_body(&stream.readable());
        request.init.set_signal(Some(&abort.signal()));
        Ok(Self {
            request,
            writable: stream.writable(),
            writer: RefCell::new(None),
            abort,
        })
    }

    async fn reply(&self) -> Result<Response<Bytes>, String> {
        let response = exchange::fetch(&self.request).await?;
        let reply = exchange::read(&response);
        if response.ok() {
            return reply.await;
        }
        // The body of an early refusal may never come: its sender has stopped listening.
        match within(REFUSAL_TIME, reply).await {
            Some(Ok(reply)) => Ok(reply),
            _ => exchange::head(&response),
        }
    }

    async fn feed(
        &self,
        source: &mut Source,
        sink: &Sink,
        length: u64,
        digest: Option<Digest>,
    ) -> Result<(), TransportError> {
        self.write_bytes(&sink.prefix).await?;
        if let Some(digest) = digest {
            pump::pump(source, Some(&self.lock()?), length, digest).await?;
            self.unlock();
        } else if let Some(held) = source.take_held() {
            self.write(&held).await?;
        } else if let Some(stream) = source.take_stream() {
            let options = StreamPipeOptions::new();
            options.set_prevent_close(true);
            options.set_prevent_abort(true);
            options.set_signal(&self.abort.signal());
            let piped = stream.pipe_to_with_options(&self.writable, &options);
            let piped = JsFuture::from(piped).await;
            piped.map_err(|error| at_source(describe(&error)))?;
        }
        self.write_bytes(&sink.suffix).await?;
        let closed = JsFuture::from(self.lock()?.close()).await;
        closed.map(drop).map_err(|error| at_sink(describe(&error)))
    }

    async fn write_bytes(&self, bytes: &Bytes) -> Result<(), TransportError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.write(&Uint8Array::from(bytes.as_ref())).await
    }

    async fn write(&self, chunk: &Uint8Array) -> Result<(), TransportError> {
        let written = JsFuture::from(self.lock()?.write_with_chunk(chunk)).await;
        written.map_err(|error| at_sink(describe(&error)))?;
        self.unlock();
        Ok(())
    }

    fn lock(&self) -> Result<WritableStreamDefaultWriter, TransportError> {
        let writer = self.writable.get_writer();
        let writer = writer.map_err(|error| at_sink(describe(&error)))?;
        let writer: WritableStreamDefaultWriter = JsValue::from(writer).unchecked_into();
        self.writer.replace(Some(writer.clone()));
        Ok(writer)
    }

    fn unlock(&self) {
        if let Some(writer) = self.writer.take() {
            writer.release_lock();
        }
    }

    /// Ends the request and breaks its body off: a body that nobody ends would hold its connection.
    async fn cancel(&self) {
        self.abort.abort();
        // A pipe lets go of the stream in its own time.
        Delay::from(Duration::ZERO).await;
        forget(match self.writer.take() {
            Some(writer) => writer.abort(),
            None => self.writable.abort(),
        });
    }
}
