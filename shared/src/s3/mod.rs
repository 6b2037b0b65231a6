//! The reading side: requests to S3, and what its replies say.
//!
//! Nothing is sent here. Signing is [`crate::sigv4`]'s; credentials and endpoints stand in
//! [`crate::access`].

mod checksum;
mod object;
mod range;
mod refusal;

pub use checksum::StoredChecksums;
pub use object::SourceObject;
pub use range::Span;
pub use refusal::{Refusal, refusal};
