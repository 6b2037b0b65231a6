//! The reading side: requests to S3, and what its replies say.
//!
//! Nothing is sent here. Signing is [`crate::sigv4`]'s; credentials and endpoints stand in
//! [`crate::access`].

mod checksum;
mod object;
mod refusal;

pub use checksum::shared_checksum;
pub use object::SourceObject;
pub use refusal::{Refusal, refusal};
