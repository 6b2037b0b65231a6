//! The open body of a reply, as the platform's stream: whole, or read piece by piece.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use js_sys::{ArrayBuffer, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    ReadableStream, ReadableStreamGetReaderOptions, ReadableStreamReaderMode, Response,
    WritableStreamDefaultWriter,
};
use worker::worker_sys::DigestStream;

use super::exchange;
use crate::platform::{ByobReader, describe};

/// An open body. It is cancelled when it is dropped, so that its connection is not held.
pub(super) struct Source {
    response: Response,
    stream: Option<ReadableStream>,
    reader: Option<ByobReader>,
    digest: Option<Digest>,
    /// The bytes that have not been read, as Content-Length says.
    left: Option<u64>,
}

/// A CRC32C that the platform computes.
struct Digest {
    stream: DigestStream,
    writer: WritableStreamDefaultWriter,
}

impl Source {
    /// The body of `response`, which has `headers`; no stream is an empty body.
    pub(super) fn new(response: Response, headers: &HeaderMap) -> Self {
        let stream = response.body();
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok());
        let left = match stream {
            Some(_) => length.and_then(|length| length.parse().ok()),
            None => Some(0),
        };
        Self {
            response,
            stream,
            reader: None,
            digest: None,
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

    /// All of the body, in the platform's memory.
    ///
    /// # Errors
    /// The platform's reason why the body broke off.
    pub(super) async fn whole(mut self) -> Result<Uint8Array, String> {
        let body = exchange::whole(&self.response).await;
        // It has ended or broken off: there is nothing to cancel.
        self.stream = None;
        body
    }

    /// Reads up to the length of `buffer`, at least `at_least` bytes unless the body ends before;
    /// `None` at its end. The buffer is handed to the platform and comes back under the bytes.
    ///
    /// # Errors
    /// The platform's reason why the body broke off.
    pub(super) async fn read(
        &mut self,
        buffer: &ArrayBuffer,
        length: u32,
        at_least: u32,
    ) -> Result<Option<Uint8Array>, String> {
        let Some(reader) = self.reader()? else {
            return Ok(None);
        };
        let view = Uint8Array::new_with_byte_offset_and_length(buffer, 0, length);
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

    /// Puts `chunk` under the checksum; done when the promise is.
    ///
    /// # Errors
    /// The platform has no such checksum.
    pub(super) fn digest(&mut self, chunk: &Uint8Array) -> Result<Promise, String> {
        let digest = match &mut self.digest {
            Some(digest) => digest,
            none => none.insert(Digest::new()?),
        };
        Ok(digest.writer.write_with_chunk(chunk))
    }

    /// The checksum of everything that was put under it.
    ///
    /// # Errors
    /// The platform has no such checksum.
    pub(super) async fn crc32c(&mut self) -> Result<u32, String> {
        let digest = match self.digest.take() {
            Some(digest) => digest,
            None => Digest::new()?,
        };
        let value = async {
            JsFuture::from(digest.writer.close()).await?;
            JsFuture::from(digest.stream.digest()).await
        };
        let value = value.await.map_err(|error| describe(&error))?;
        let bytes: [u8; 4] =
            Uint8Array::new(&value)
                .to_vec()
                .try_into()
                .map_err(|bytes: Vec<u8>| {
                    format!("the platform's CRC32C has {} bytes, not 4", bytes.len())
                })?;
        Ok(u32::from_be_bytes(bytes))
    }
}

impl Digest {
    fn new() -> Result<Self, String> {
        // In lower case: the platform's own name for it.
        let stream = DigestStream::new("crc32c");
        let writer = stream.get_writer().map_err(|error| describe(&error))?;
        Ok(Self { stream, writer })
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
