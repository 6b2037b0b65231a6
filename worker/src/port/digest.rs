//! Checksums that run over a body piece by piece, computed by the platform.

use causeway_shared::integrity::{Algorithm, Digest, Digests, SourceChecksum};
use js_sys::Uint8Array;
use wasm_bindgen_futures::JsFuture;
use web_sys::WritableStreamDefaultWriter;
use worker::worker_sys::DigestStream;

use crate::platform::describe;

/// The checksums of a body so far.
pub(super) struct Running {
    digest: Digest,
    crc32c: Native,
    other: Option<Native>,
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
            other: digest.other.map(name).map(Native::new).transpose()?,
        })
    }

    /// What was asked for.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// Adds `chunk`; its memory is free again when the future ends.
    pub(super) fn update(
        &self,
        chunk: &Uint8Array,
    ) -> impl Future<Output = Result<(), String>> + use<> {
        let writes = [Some(&self.crc32c), self.other.as_ref()];
        let writes = writes.map(|native| native.map(|native| native.update(chunk)));
        async {
            for write in writes.into_iter().flatten() {
                write.await?;
            }
            Ok(())
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
        let other = match (self.digest.other, self.other) {
            (Some(algorithm), Some(native)) => {
                let value = native.finish().await?;
                if value.len() != algorithm.length() {
                    return Err(wrong_length(algorithm.as_str(), &value));
                }
                Some(SourceChecksum { algorithm, value })
            }
            _ => None,
        };
        Ok(Digests {
            crc32c: u32::from_be_bytes(crc32c),
            other,
        })
    }
}

/// The platform's name of `algorithm`.
fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Crc32 => "crc32",
        Algorithm::Crc64Nvme => "crc64nvme",
        Algorithm::Sha1 => "SHA-1",
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Sha512 => "SHA-512",
    }
}

fn wrong_length(name: &str, value: &[u8]) -> String {
    format!("the platform's {name} has {} bytes", value.len())
}

/// One checksum that the platform computes
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
