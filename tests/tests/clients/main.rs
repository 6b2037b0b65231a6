//! Other people's tools against the local stack, set up with the very lines that `causeway dev` prints.
//! Each file is one client. They come from PyPI and npm, pinned; `gcloud` is used where it is installed.
#![allow(clippy::unwrap_used)]

mod botocore;
mod fixture;
mod gcloud;
mod gcsfs;
mod google_node;
mod google_python;
mod rclone;
mod s3cmd;
mod s3fs;
