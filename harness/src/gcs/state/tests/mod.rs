//! The store's rules, without HTTP.
#![allow(clippy::unwrap_used)]

mod compose;
mod listing;
mod objects;
mod retention;
mod sessions;
mod simulated;

use std::sync::Arc;

use bytes::Bytes;

use super::*;

const KEY: &str = "projects/p/locations/us/keyRings/r/cryptoKeys/k";

fn store() -> State {
    let state = State::new(Settings::default());
    state.create_bucket("bucket").unwrap();
    state
}

fn new(name: &str) -> NewObject {
    NewObject {
        bucket: "bucket".into(),
        name: name.into(),
        ..NewObject::default()
    }
}

fn put(state: &State, new: NewObject, bytes: &[u8]) -> Result<Arc<Object>, Refusal> {
    let mut writer = state.body_writer();
    writer.write(bytes).unwrap();
    state.insert(new, writer.finish())
}

/// Sends the only byte of `session`'s object, which ends it.
fn send_byte(state: &State, session: &Arc<Session>) -> Result<Status, Refusal> {
    let piece = Piece {
        first: 0,
        length: Some(1),
        total: Some(1),
    };
    let Begun::Append(mut append) = session.begin(piece)? else {
        panic!("the session is complete");
    };
    append.push(Bytes::from_static(b"x"))?;
    append.finish(state, &Expected::default())
}

fn read(object: &Object) -> Vec<u8> {
    let (mut at, mut all) = (0, Vec::new());
    loop {
        let piece = object.content.body.read_at(at, 7 << 20).unwrap();
        if piece.is_empty() {
            return all;
        }
        at += piece.len() as u64;
        all.extend_from_slice(&piece);
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Bytes that differ from quantum to quantum.
fn pattern(length: u64) -> Bytes {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}
