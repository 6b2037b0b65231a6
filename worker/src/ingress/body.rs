//! A request's body, up to a limit.

use js_sys::Uint8Array;
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, Request};

use crate::platform::describe;
use crate::port::chunk_of;

/// Why a body was not read.
pub(crate) enum Unread {
    /// It is longer than the limit.
    TooLong,
    /// It broke off; the runtime's words.
    Broken(String),
}

/// Reads the body of `request`. One that is longer than `limit` bytes is left at the limit, not
/// read to its end.
pub(crate) async fn read(request: &Request, limit: usize) -> Result<Vec<u8>, Unread> {
    let declared = request.headers().get("content-length").ok().flatten();
    match declared.and_then(|length| length.parse::<usize>().ok()) {
        Some(length) if length > limit => return Err(Unread::TooLong),
        Some(_) => return whole(request).await,
        None => {}
    }
    let Some(stream) = request.body() else {
        return Ok(Vec::new());
    };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut body = Vec::new();
    loop {
        let read = JsFuture::from(reader.read())
            .await
            .map_err(|error| Unread::Broken(describe(&error)))?;
        let Some(chunk) = chunk_of(&read) else {
            return Ok(body);
        };
        if body.len() + chunk.length() as usize > limit {
            drop(reader.cancel());
            return Err(Unread::TooLong);
        }
        let start = body.len();
        body.resize(start + chunk.length() as usize, 0);
        chunk.copy_to(&mut body[start..]);
    }
}

/// The body of a request whose length is known.
async fn whole(request: &Request) -> Result<Vec<u8>, Unread> {
    let read = async { JsFuture::from(request.array_buffer()?).await };
    let body = read
        .await
        .map_err(|error| Unread::Broken(describe(&error)))?;
    Ok(Uint8Array::new(&body).to_vec())
}
