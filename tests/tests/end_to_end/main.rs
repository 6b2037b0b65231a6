//! From an upload at S3 to the object at GCS, through the built worker under its real runtime.
//! What the worker says to the stores on the way is in `requests`, what it refuses in `bad_input`.
#![allow(clippy::unwrap_used)]

mod deletes;
mod events;
mod faults;
mod many;
mod metadata;
mod objects;
mod sizes;
