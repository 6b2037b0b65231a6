//! The size of what deploys: a fifth of what Workers Free takes, compressed (3 MiB), so that an isolate
//! starts in milliseconds (`cargo causeway bench --only bundle`).
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;

use causeway_harness::setup::{Reporter, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

#[test]
fn the_worker_is_at_most_1578_kib_and_640_kib_compressed() {
    let toolchain = ensure(&mut Reporter::stderr()).unwrap();
    let bundle = toolchain.bundle();
    let mut whole = Vec::new();
    for file in ["index.js", "index_bg.wasm"] {
        whole.extend(fs::read(bundle.join(file)).unwrap());
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&whole).unwrap();
    let compressed = gzip.finish().unwrap().len();
    assert!(whole.len() <= 1578 << 10, "{} bytes", whole.len());
    assert!(compressed <= 640 << 10, "{compressed} bytes compressed");
}
