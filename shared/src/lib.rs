//! Protocols and decisions; see ARCHITECTURE.md. Nothing here does I/O.
#![forbid(unsafe_code)]

pub mod sigv4;
