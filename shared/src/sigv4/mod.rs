//! AWS Signature Version 4: signs a request in its headers, or a URL in its query.
//!
//! The stages of the [specification] are values of their own, in this order: [`CanonicalRequest`],
//! [`StringToSign`], [`SigningKey`], [`Signature`]. [`Signer`] runs them over the types of the `http` crate; it is
//! what a request builder uses. [`encode_key`] and [`encode_query`] write paths and queries the way they are signed.
//!
//! Not here: SigV4A, chunked and trailer signatures (`STREAMING-…`), verification of somebody else's signature, the
//! search for credentials, and the clock (each signature is told the time).
//!
//! [specification]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

mod canonical;
mod credentials;
mod encode;
mod error;
mod headers;
mod key;
mod payload;
mod presign;
mod query;
mod scope;
mod settings;
mod signer;

pub use canonical::{CanonicalRequest, PresignQuery};
pub use credentials::Credentials;
pub use encode::{encode_key, encode_query};
pub use error::SigningError;
pub use key::{Signature, SigningKey, StringToSign};
pub use payload::PayloadHash;
pub use scope::{AmzDate, SigningScope};
pub use settings::{PathEncoding, Settings};
pub use signer::{Signed, Signer};

/// The only algorithm of Signature Version 4 spoken here.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
