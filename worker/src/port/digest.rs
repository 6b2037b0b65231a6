//! Checksums that run over a body piece by piece.
//!
//! The platform computes those that it is fast at. CRC64NVME it is not: there wasm is faster, and the
//! pieces are copied into it.

use std::cell::RefCell;

use causeway_shared::integrity::{Algorithm, Crc64Nvme, Digest, Digests, SourceChecksum};
use js_sys::Uint8Array;
use wasm_bindgen_futures::JsFuture;
use web_sys::WritableStreamDefaultWriter;
use worker::worker_sys::DigestStream;

use crate::platform::describe;

/// How much of a piece is copied into wasm at once, in bytes.
const COPY: u32 = 64 * 1024;

thread_local! {
    /// Shared by all transfers: nothing stays in it from one use to the next.
    static COPIED: RefCell<Vec<u8>> = RefCell::new(vec![0; COPY as usize]);
}

/// The checksums of a body so far.
pub(super) struct Running {
    digest: Digest,
    crc32c: Native,
    other: Option<Other>,
}

enum Other {
    Native(Native),
    Crc64(Crc64Nvme),
}

impl Running {
    /// Those of no bytes.
    ///
    /// # Errors
    /// The platform has no such checksum.
    pub(super) fn new(digest: Digest) -> Result<Self, String> {
        Ok(Self {
            digest,
            // In lower case: the platform's own name for it.
            crc32c: Native::new("crc32c")?,
            other: digest.other.map(Other::new).transpose()?,
        })
    }

    /// What was asked for.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// Adds `chunk`; its memory is free again when the future ends.
    pub(super) fn update(
        &mut self,
        chunk: &Uint8Array,
    ) -> impl Future<Output = Result<(), String>> + use<> {
        let crc32c = self.crc32c.update(chunk);
        let other = match &mut self.other {
            Some(Other::Native(native)) => Some(native.update(chunk)),
            Some(Other::Crc64(crc)) => {
                copied(chunk, |bytes| crc.update(bytes));
                None
            }
            None => None,
        };
        async {
            crc32c.await?;
            match other {
                Some(other) => other.await,
                None => Ok(()),
            }
        }
    }

    /// What they came to.
    ///
    /// # Errors
    /// The platform's reason, or a value that is none of the algorithm's.
    pub(super) async fn finish(self) -> Result<Digests, String> {
        let crc32c = self.crc32c.finish().await?;
        let crc32c = crc32c
            .try_into()
            .map_err(|value: Vec<u8>| wrong_length("crc32c", &value))?;
        let mut digests = Digests {
            crc32c: u32::from_be_bytes(crc32c),
            other: None,
        };
        if let (Some(algorithm), Some(other)) = (self.digest.other, self.other) {
            let value = match other {
                Other::Native(native) => native.finish().await?,
                Other::Crc64(crc) => crc.finish().to_be_bytes().to_vec(),
            };
            if value.len() != algorithm.length() {
                return Err(wrong_length(algorithm.as_str(), &value));
            }
            digests.other = Some(SourceChecksum { algorithm, value });
        }
        Ok(digests)
    }
}

impl Other {
    fn new(algorithm: Algorithm) -> Result<Self, String> {
        let name = match algorithm {
            Algorithm::Crc64Nvme => return Ok(Self::Crc64(Crc64Nvme::default())),
            Algorithm::Crc32 => "crc32",
            Algorithm::Sha1 => "SHA-1",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512 => "SHA-512",
        };
        Native::new(name).map(Self::Native)
    }
}

/// Gives `chunk`'s bytes to `take`, piece by piece.
fn copied(chunk: &Uint8Array, mut take: impl FnMut(&[u8])) {
    COPIED.with_borrow_mut(|copied| {
        let length = chunk.length();
        let mut start = 0;
        while start < length {
            let end = length.min(start + COPY);
            let bytes = &mut copied[..(end - start) as usize];
            chunk.subarray(start, end).copy_to(bytes);
            take(bytes);
            start = end;
        }
    });
}

fn wrong_length(name: &str, value: &[u8]) -> String {
    format!("the platform's {name} has {} bytes", value.len())
}

/// A checksum that the platform computes
/// ([DigestStream](https://developers.cloudflare.com/workers/runtime-apis/web-crypto/#constructors)).
struct Native {
    stream: DigestStream,
    writer: WritableStreamDefaultWriter,
}

impl Native {
    fn new(name: &str) -> Result<Self, String> {
        let stream = DigestStream::new(name);
        let writer = stream.get_writer().map_err(|error| describe(&error))?;
        Ok(Self { stream, writer })
    }

    fn update(&self, chunk: &Uint8Array) -> impl Future<Output = Result<(), String>> + use<> {
        let written = JsFuture::from(self.writer.write_with_chunk(chunk));
        async { written.await.map(drop).map_err(|error| describe(&error)) }
    }

    async fn finish(self) -> Result<Vec<u8>, String> {
        let value = async {
            JsFuture::from(self.writer.close()).await?;
            JsFuture::from(self.stream.digest()).await
        };
        let value = value.await.map_err(|error| describe(&error))?;
        Ok(Uint8Array::new(&value).to_vec())
    }
}
