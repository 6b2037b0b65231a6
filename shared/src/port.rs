//! The one small trait that a runtime implements: everything that touches the world.
//!
//! A port moves bytes and says what happened. It never retries, never follows a redirect, never
//! changes a request, and never turns a short body into a success: those are decisions, and
//! decisions are made in [`crate::transfer`].

use std::future::Future;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;

pub use crate::brake::DeletePermit;
pub use crate::exchange::{Side, Sink, TransportError};
pub use crate::integrity::{Digest, Digests};
use crate::route::Route;

/// The most of a reply's body that a port reads into memory, in bytes. What is longer is cut.
pub const REPLY_LIMIT: usize = 1024 * 1024;

/// A runtime, as seen by one transfer. Holds at most one open source body.
///
/// The futures need not be `Send`: a worker has one thread.
pub trait Port {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Sends a small request and reads its reply, at most [`REPLY_LIMIT`] bytes of it.
    ///
    /// # Errors
    /// [`TransportError`] when no whole reply came.
    fn send(
        &mut self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Bytes>, TransportError>>;

    /// Sends `request` and, on a 2xx, keeps the reply's body open as the source body, in place of
    /// an earlier one, with the bytes as stored (no decompression); the returned body is empty.
    /// On any other status the body is read as [`Port::send`] does.
    ///
    /// # Errors
    /// [`TransportError`] when no reply came.
    fn open(
        &mut self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Bytes>, TransportError>>;

    /// Sends `sink` with exactly `length` bytes of the open body in its middle.
    ///
    /// Without `digest` those must be all that is left of the body: more or fewer fail. With it, its
    /// checksums run over the bytes and what is left stays open for [`Port::hold`].
    ///
    /// # Errors
    /// [`TransportError`] when the body was shorter or longer than `length`, or no whole reply came. A reply
    /// that came before the body was sent whole is given as a reply if it is not a 2xx.
    fn pipe(
        &mut self,
        sink: Sink,
        length: u64,
        digest: Option<Digest>,
    ) -> impl Future<Output = Result<Response<Bytes>, TransportError>>;

    /// Reads the rest of the open body, which must be `length` bytes (0 after all of it was piped),
    /// into the runtime's memory, where it stays the open body. Gives the checksums of the whole:
    /// `digest` is that of the pipe before, if there was one.
    ///
    /// # Errors
    /// [`TransportError`] when the body was shorter or longer.
    fn hold(
        &mut self,
        length: u64,
        digest: Digest,
    ) -> impl Future<Output = Result<Digests, TransportError>>;

    /// Reads the rest of the open body, which must be `length` bytes, for its checksums alone: the
    /// bytes go nowhere.
    ///
    /// # Errors
    /// [`TransportError`] when the body was shorter or longer.
    fn digest(
        &mut self,
        length: u64,
        digest: Digest,
    ) -> impl Future<Output = Result<Digests, TransportError>>;

    /// Asks the brake of `route` for leave to delete one object, which it then counts.
    ///
    /// # Errors
    /// Why nobody says: the runtime's own words.
    fn may_delete(&mut self, route: &Route) -> impl Future<Output = Result<DeletePermit, String>>;

    /// Signs `message` with the Google service account's private key: RSASSA-PKCS1-v1_5 over
    /// SHA-256 ([RFC 8017, section 8.2](https://www.rfc-editor.org/rfc/rfc8017#section-8.2)).
    ///
    /// # Errors
    /// The reason why there is no usable key, without any part of it.
    fn sign_rs256(&mut self, message: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, String>>;

    /// Waits until `time`.
    fn wait_until(&mut self, time: Timestamp) -> impl Future<Output = ()>;
}
