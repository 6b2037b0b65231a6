//! Small clients for S3 and Google Cloud Storage: the operator's hand and the demo's verification.
//!
//! They upload, read back, list, look at and delete objects, and check every byte they move against
//! a checksum. They are not the road that Causeway's transfers take: that is
//! `causeway_shared::transfer`, driven by the worker. With the worker itself speak [`WorkerClient`] and,
//! above it, [`AdminClient`].

pub mod admin;
mod attributes;
mod checksum;
mod error;
pub mod events;
pub mod gcs;
mod object;
mod progress;
pub mod s3;
mod source;
mod transport;
mod worker;

pub use admin::AdminClient;
pub use attributes::Attributes;
pub use error::{ClientError, ErrorKind};
pub use gcs::{GcsClient, GcsConfig, ServiceAccount};
pub use object::{ListOptions, ListPage, ObjectInfo};
pub use progress::Progress;
pub use s3::{S3Client, S3Config};
pub use source::Source;
pub use transport::refuse_unreachable_segments;
pub use worker::WorkerClient;

/// Largest object that is uploaded in one request, in bytes; larger ones go in [`PART_SIZE`] pieces.
pub const SINGLE_REQUEST_LIMIT: u64 = 64 << 20;

/// Size of one piece of a large upload, in bytes: a multiple of the 256 KiB that GCS asks for and
/// above the 5 MiB that S3 asks for.
pub const PART_SIZE: u64 = 16 << 20;
