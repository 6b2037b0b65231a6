//! What Causeway refuses, and how it says so: requests, configurations, objects and credentials
//! with which nothing can be done.
#![allow(clippy::unwrap_used)]

mod bounds;
mod configuration;
mod credentials;
mod dead_letters;
mod requests;
mod retried;
