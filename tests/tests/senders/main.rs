//! Whoever may tell the worker of a change, and whoever may not: every way through the door, and every
//! known way around it that has to stay shut.
#![allow(clippy::unwrap_used)]

mod clock;
mod door;
mod fixture;
mod live;
mod oauth;
mod peers;
mod pulled;
mod sns;
mod webhooks;
mod wrapped;
