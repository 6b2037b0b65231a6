//! The open body of a reply, as the platform's stream: whole, or read piece by piece.

use std::ops::Range;

use causeway_shared::port::{Digest, Digests};
use http::header::CONTENT_LENGTH;
use js_sys::{ArrayBuffer, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{ReadableStream, ReadableStreamGetReaderOptions, ReadableStreamReaderMode, Response};

use super::digest::Running;
use super::exchange::{self, Reply};
use super::whole::Room;
use crate::platform::{ByobReader, describe};

/// An open body. It is cancelled when it is dropped, so that its connection is not held.
pub(super) struct Source {
    response: Response,
    stream: Option<ReadableStream>,
    reader: Option<ByobReader>,
    /// What is left of it, if that was read into memory: by [`exchange`] because it is short, or to be held.
    held: Option<Uint8Array>,
    /// The room that it takes.
    _room: Room,
    running: Option<Running>,
    /// The bytes that have not been read, as Content-Length says.
    left: Option<u64>,
}

impl Source {
    /// The body of `reply`, which takes up to `room`; no stream is an empty body.
    pub(super) fn new(reply: Reply, mut room: Room) -> Self {
        let length = reply.head.headers().get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let held = reply.body.clone();
        room.shrink(held.as_ref().map_or(0, |held| held.length() as usize));
        let response = reply.into_response();
        let stream = match held {
            Some(_) => None,
            None => response.body(),
        };
        let left = match (&held, &stream) {
            (Some(held), _) => Some(held.length().into()),
            (None, Some(_)) => length,
            (None, None) => Some(0),
        };
        Self {
            response,
            stream,
            reader: None,
            held,
            _room: room,
            running: None,
            left,
        }
    }

    /// The bytes that have not been read, if Content-Length said so.
    pub(super) fn left(&self) -> Option<u64> {
        self.left
    }

    /// The stream, to be piped whole; none if the body is empty.
    pub(super) fn take_stream(&mut self) -> Option<ReadableStream> {
        self.stream.take()
    }

    /// Whether all that is left of it is in the platform's memory.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether no byte was read of it.
    pub(super) fn is_untouched(&self) -> bool {
        self.reader.is_none()
    }

    /// All of the body, or what is held of it, in the platform's memory.
    ///
    /// # Errors
    /// The platform's reason why the body broke off.
    pub(super) async fn whole(&mut self) -> Result<Uint8Array, String> {
        if let Some(held) = self.held.take() {
            return Ok(held);
        }
        let body = exchange::whole(&self.response).await;
        // It has ended or broken off: there is nothing to cancel.
        self.stream = None;
        body
    }

    /// Puts `rest` where the rest of the stream was.
    pub(super) fn keep(&mut self, rest: Uint8Array) {
        self.left = Some(rest.length().into());
        self.held = Some(rest);
    }

    /// What is held of it.
    pub(super) fn take_held(&mut self) -> Option<Uint8Array> {
        self.held.take()
    }

    /// Fills `range` of `buffer`, at least `at_least` bytes of it unless the body ends before; `None`
    /// at its end. The buffer is handed to the platform and comes back under the bytes. What is held comes in a
    /// buffer of its own.
    ///
    /// # Errors
    /// The platform's reason why the body broke off.
    pub(super) async fn read(
        &mut self,
        buffer: &ArrayBuffer,
        range: Range<u32>,
        at_least: u32,
    ) -> Result<Option<Uint8Array>, String> {
        let length = range.end - range.start;
        if let Some(held) = self.held.take() {
            let chunk = held.subarray(0, length.min(held.length()));
            self.keep(held.subarray(chunk.length(), held.length()));
            return Ok(Some(chunk).filter(|chunk| chunk.length() > 0));
        }
        let Some(reader) = self.reader()? else {
            return Ok(None);
        };
        let view = Uint8Array::new_with_byte_offset_and_length(buffer, range.start, length);
        let read = async { JsFuture::from(reader.read_at_least(at_least, &view)?).await };
        let read = read.await.map_err(|error| describe(&error))?;
        let chunk = chunk_of(&read);
        if let (Some(left), Some(chunk)) = (&mut self.left, &chunk) {
            *left = left.saturating_sub(u64::from(chunk.length()));
        }
        Ok(chunk)
    }

    fn reader(&mut self) -> Result<Option<&ByobReader>, String> {
        if let (None, Some(stream)) = (&self.reader, &self.stream) {
            let options = ReadableStreamGetReaderOptions::new();
            options.set_mode(ReadableStreamReaderMode::Byob);
            let get = Reflect::get(stream, &"getReader".into())
                .map(JsValue::unchecked_into::<js_sys::Function>);
            let reader = get
                .and_then(|get| get.call1(stream, &options))
                .map_err(|error| describe(&error))?;
            self.reader = Some(reader.unchecked_into());
        }
        Ok(self.reader.as_ref())
    }

    /// The checksums that run over this body; `digest` says which.
    ///
    /// # Errors
    /// Others run already, or the platform has no such checksum.
    pub(super) fn running(&mut self, digest: Digest) -> Result<&mut Running, String> {
        let running = match self.running.take() {
            Some(running) => running,
            None => Running::new(digest)?,
        };
        if running.digest() != digest {
            return Err("the body's other bytes are under other checksums".to_owned());
        }
        Ok(self.running.insert(running))
    }

    /// What the checksums came to over everything that was put under them.
    ///
    /// # Errors
    /// As [`Running::finish`] and [`Self::running`] say.
    pub(super) async fn digests(&mut self, digest: Digest) -> Result<Digests, String> {
        self.running(digest)?;
        match self.running.take() {
            Some(running) => running.finish().await,
            None => Err("no checksum runs".to_owned()),
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            forget(reader.cancel());
        } else if let Some(stream) = &self.stream {
            forget(stream.cancel());
        }
    }
}

/// Lets `promise` end by itself; its failure is nobody's.
pub(super) fn forget(promise: Promise) {
    spawn_local(async {
        drop(JsFuture::from(promise).await);
    });
}

/// The bytes of what a reader's `read` gave; `None` at the end of the stream.
pub(crate) fn chunk_of(read: &JsValue) -> Option<Uint8Array> {
    let done = Reflect::get(read, &"done".into()).ok()?;
    if done.is_truthy() {
        return None;
    }
    Reflect::get(read, &"value".into()).ok()?.dyn_into().ok()
}
