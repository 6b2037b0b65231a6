//! A body on its way in, held against everything that its sender promised of it.
//!
//! `s3s` checks `x-amz-content-sha256` and chunk signatures. `Content-MD5`, `x-amz-checksum-*` in
//! headers or trailers, and the length are checked here, before anything is committed.

use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, TrailingHeaders};

use super::convert::md5_of_header;
use super::errors;
use crate::s3::store::{Algorithm, RawChecksum, Received, Sink, hex, receive};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// S3 takes no larger single upload or part.
pub(super) const MAX_SINGLE: u64 = 5 << 30;

/// What the sender of a body says about it.
pub(super) struct Promise {
    length: u64,
    md5: Option<[u8; 16]>,
    /// Value of a header, or none where a trailer will bring it.
    checksum: Option<(Algorithm, Option<String>)>,
    trailers: Option<TrailingHeaders>,
}

impl Promise {
    /// Reads the promise out of a request: `checksum` is the one in a header.
    pub(super) fn new<T>(
        request: &S3Request<T>,
        length: Option<i64>,
        md5: Option<&str>,
        checksum: Option<(Algorithm, String)>,
    ) -> S3Result<Self> {
        let length = match length.map(u64::try_from) {
            // `s3s` refuses requests without a length, and hyper frames an empty one without.
            None => 0,
            Some(Ok(length)) => length,
            Some(Err(_)) => return Err(errors::invalid_argument("a negative length")),
        };
        if length > MAX_SINGLE {
            return Err(S3Error::new(S3ErrorCode::EntityTooLarge));
        }
        let trailer = trailer_algorithm(request)?;
        let checksum = match (checksum, trailer) {
            (Some(_), Some(_)) => {
                return Err(errors::invalid_request(
                    "Expecting a single x-amz-checksum- header",
                ));
            }
            (Some((algorithm, value)), None) => Some((algorithm, Some(value))),
            (None, trailer) => trailer.map(|algorithm| (algorithm, None)),
        };
        Ok(Self {
            length,
            md5: md5.map(md5_of_header).transpose()?,
            checksum,
            trailers: request.trailing_headers.clone(),
        })
    }

    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.checksum.as_ref().map(|(algorithm, _)| *algorithm)
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Reads the body; computes `algorithm` besides whatever is promised.
    pub(super) async fn receive(
        self,
        body: Option<StreamingBlob>,
        algorithm: Algorithm,
        sink: Sink,
    ) -> S3Result<Received> {
        let body = body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty()));
        let algorithms = [algorithm].into_iter().chain(self.algorithm());
        let received = receive(body, self.length, algorithms, sink)
            .await
            .map_err(|error| errors::receiving(error, self.length))?;
        self.check(&received)?;
        Ok(received)
    }

    fn check(&self, received: &Received) -> S3Result<()> {
        if let Some(md5) = &self.md5
            && *md5 != received.digests.md5
        {
            return Err(errors::bad_digest(
                "Content-MD5",
                &hex(md5),
                &hex(&received.digests.md5),
            ));
        }
        let Some((algorithm, value)) = &self.checksum else {
            return Ok(());
        };
        let expected = match value {
            Some(value) => value.clone(),
            None => self.trailer(*algorithm)?,
        };
        check_form(*algorithm, &expected)?;
        let found = received.digests.of(*algorithm).map(RawChecksum::base64);
        match found {
            Some(found) if found != expected => {
                Err(errors::bad_digest(algorithm.name(), &expected, &found))
            }
            _ => Ok(()),
        }
    }

    fn trailer(&self, algorithm: Algorithm) -> S3Result<String> {
        let trailers = self.trailers.as_ref().and_then(TrailingHeaders::take);
        trailers
            .and_then(|trailers| {
                let value = trailers.get(algorithm.header())?.to_str().ok()?;
                Some(value.trim().to_owned())
            })
            .ok_or_else(|| {
                errors::malformed_trailer("x-amz-trailer announces a checksum that did not come")
            })
    }
}

/// The checksum that `x-amz-trailer` announces.
fn trailer_algorithm<T>(request: &S3Request<T>) -> S3Result<Option<Algorithm>> {
    let Some(header) = request.headers.get("x-amz-trailer") else {
        return Ok(None);
    };
    let named = header.to_str().unwrap_or_default().trim();
    Algorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm.header().eq_ignore_ascii_case(named))
        .map(Some)
        .ok_or_else(|| {
            errors::invalid_request(
                "The value specified in the x-amz-trailer header is not supported",
            )
        })
}

fn check_form(algorithm: Algorithm, value: &str) -> S3Result<()> {
    let width = match algorithm {
        Algorithm::Crc32 | Algorithm::Crc32c => 4,
        Algorithm::Crc64Nvme => 8,
        Algorithm::Sha1 => 20,
        Algorithm::Sha256 => 32,
    };
    match BASE64.decode(value) {
        Ok(bytes) if bytes.len() == width => Ok(()),
        _ => Err(errors::invalid_request(format!(
            "Value for {} header is invalid.",
            algorithm.header()
        ))),
    }
}
