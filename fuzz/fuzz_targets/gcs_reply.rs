//! What GCS answers, as a reply in the text of HTTP: to each request that the worker sends it.
#![no_main]

use causeway_fuzz::reply;
use causeway_shared::composite::is_part;
use causeway_shared::gcs::{
    Object, Page, Provenance, ResumableSession, ResumableUploadStatus, refusal,
};
use causeway_shared::integrity::Checksum;
use causeway_shared::mapping::is_intact;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(reply) = reply(input) else {
        return;
    };
    if let Ok(object) = Object::read(&reply) {
        let _ = object.stored_crc32c();
        let size = object.size().unwrap_or_default();
        let _ = object.verify(size, Checksum::Crc32c(0));
        let _ = (is_part(&object), is_intact(&object));
        if let Some(found) = Provenance::read(&object.metadata) {
            assert!(found.agrees(&found));
        }
    }
    let _ = Page::read(&reply, "bucket");
    if let Ok(session) = ResumableSession::read(&reply) {
        // The URI is a secret.
        assert!(!format!("{session:?}").contains("upload_id="));
    }
    let _ = ResumableUploadStatus::read(&reply, "bucket");
    let error = refusal(&reply, "bucket");
    // What a store that is failing says is never final.
    assert!(
        !error.is_final || reply.status().is_client_error(),
        "{error}"
    );
});
