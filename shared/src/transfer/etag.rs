//! An ETag that looks like an MD5 and may be none: gateways in front of file systems make 32 hexadecimal
//! digits of something else.
//!
//! It is taken for one until GCS refuses bytes under it that came without a break. If S3 has another checksum of the whole, that
//! decides from then on. If not, the bytes are read once more, in two halves, and GCS checks their CRC32C
//! when they are sent: two reads that agree are no accident, and halves are not damaged where a whole is.
//! Where they don't agree, or the store reads no ranges, the ETag is believed again.

use bytes::Bytes;
use http::Response;

use super::{Next, State, Step, Transfer};
use crate::error::{ErrorKind, TransferError};
use crate::integrity::{Checksum, Digest, Digests, combine_crc32c};
use crate::s3::{Origin, SourceObject, Span, StoredChecksums};

/// What is known of the ETag as an MD5.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum EtagMd5 {
    /// Nothing that speaks against it.
    #[default]
    Trusted,
    /// GCS refused bytes under it, in these words.
    Disproved(TransferError),
    /// Another checksum of the store's own decides.
    SetAside,
    /// The bytes of the object with this validator have this CRC32C.
    Measured { validator: String, crc32c: u32 },
    /// The measured bytes did not come again: it is the way that damages them.
    Believed,
}

/// An object that is being read for its CRC32C.
#[derive(Debug)]
pub(super) struct Measure {
    validator: String,
    version: Option<String>,
    total: u64,
    /// How many bytes are behind, and their CRC32C.
    offset: u64,
    crc32c: u32,
}

impl Measure {
    /// First byte and length of the half that comes next.
    fn half(&self) -> (u64, u64) {
        let length = match self.offset {
            0 => self.total.div_ceil(2),
            offset => self.total - offset,
        };
        (self.offset, length)
    }
}

impl Transfer {
    /// Takes in what `error` says of bytes whose checksum comes `from` there.
    pub(super) fn learn(&mut self, mut error: TransferError, from: Origin) -> TransferError {
        if error.kind != ErrorKind::ChecksumRefused {
            return error;
        }
        match from {
            Origin::Stored => {}
            Origin::Computed => self.etag_md5 = EtagMd5::Believed,
            Origin::Etag => {
                error.advice.push_str(
                    " If the ETags of this store are no MD5s, say etag_md5 = false in the route.",
                );
                let is_in_doubt = self.route.etag_md5.is_none() && !self.reading.is_broken_off;
                if is_in_doubt && self.etag_md5 == EtagMd5::Trusted {
                    self.etag_md5 = EtagMd5::Disproved(error.clone());
                }
            }
        }
        error
    }

    pub(super) fn is_etag_disproved(&self) -> bool {
        matches!(self.etag_md5, EtagMd5::Disproved(_))
    }

    /// Puts what is known in the place of an ETag that looks like an MD5.
    pub(super) fn weigh_etag(&mut self, source: &mut SourceObject) {
        let checksums = &mut source.checksums;
        if checksums.from != Origin::Etag {
            if self.is_etag_disproved() {
                self.etag_md5 = EtagMd5::Trusted;
            }
            return;
        }
        if self.is_etag_disproved() && checksums.full.is_some() {
            self.etag_md5 = EtagMd5::SetAside;
        }
        if self.route.etag_md5 == Some(false) || self.etag_md5 == EtagMd5::SetAside {
            checksums.set_etag_aside();
        }
        match &self.etag_md5 {
            EtagMd5::Measured { validator, crc32c } if *validator == source.validator() => {
                source.checksums = StoredChecksums {
                    shared: Some(Checksum::Crc32c(*crc32c)),
                    from: Origin::Computed,
                    full: None,
                };
            }
            // Another object: its ETag may be an MD5.
            EtagMd5::Measured { .. } => self.etag_md5 = EtagMd5::Trusted,
            _ => {}
        }
    }

    /// Whether the object's bytes have to be read for their CRC32C before they are sent.
    pub(super) fn has_to_be_measured(&self, source: &SourceObject) -> bool {
        self.is_etag_disproved() && source.checksums.from == Origin::Etag
    }

    pub(super) fn measure(&mut self, source: &SourceObject) -> Next {
        self.measure_half(Measure {
            validator: source.validator(),
            version: source.version_id.clone(),
            total: source.size,
            offset: 0,
            crc32c: 0,
        })
    }

    fn measure_half(&mut self, measure: Measure) -> Next {
        if measure.offset == measure.total {
            self.etag_md5 = EtagMd5::Measured {
                validator: measure.validator,
                crc32c: measure.crc32c,
            };
            return self.open();
        }
        let step = self.read_span(
            Some(measure.half()),
            &measure.validator,
            measure.version.as_deref(),
        )?;
        self.state = State::Measuring(measure);
        Ok(step)
    }

    pub(super) fn half_opened(&mut self, reply: &Response<Bytes>, measure: Measure) -> Next {
        if self.is_doubtful(reply) {
            return self.measure_half(measure);
        }
        let (start, length) = measure.half();
        let span = Span {
            start,
            length,
            total: measure.total,
            etag: &measure.validator,
        };
        if let Err(error) = span.check(reply, &self.message.hint.bucket) {
            if error.kind != ErrorKind::SourceBroken {
                return Err(error);
            }
            let known = std::mem::replace(&mut self.etag_md5, EtagMd5::Believed);
            return Err(match known {
                EtagMd5::Disproved(refusal) => refusal,
                _ => error,
            });
        }
        self.state = State::Measured(measure);
        Ok(Step::Digest {
            length,
            digest: Digest::default(),
        })
    }

    pub(super) fn half_measured(&mut self, digests: &Digests, mut measure: Measure) -> Next {
        let (_, length) = measure.half();
        measure.crc32c = combine_crc32c(measure.crc32c, digests.crc32c, length);
        measure.offset += length;
        self.measure_half(measure)
    }
}
