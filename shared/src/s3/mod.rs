//! The reading side: requests to S3, and what its replies say.
//!
//! Nothing is sent here. Signing is [`crate::sigv4`]'s; credentials and endpoints stand in
//! [`crate::access`].

mod attributes;
mod checksum;
mod disguised;
mod encoded_word;
mod list;
mod object;
mod range;
mod refusal;
mod tagging;
mod validator;

pub use attributes::{PARTS_PAGE, Told, add_parts};
pub use checksum::{Composite, Origin, StoredChecksums};
pub use encoded_word::decode as decode_words;
pub use list::{Doubtful, Listed, Listing, Plus, Unreadable};
pub use object::SourceObject;
pub(crate) use object::no_validator;
pub use range::Span;
pub use refusal::{Refusal, read_head, refusal, refuses_version};
pub use tagging::{Tags, read_tags};
pub use validator::{if_match, is_same, may_be_same};
