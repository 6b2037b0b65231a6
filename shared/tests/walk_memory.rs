//! However many keys there are, a walk holds a page of each side: a million keys a side are walked in
//! less than 64 MiB.
#![allow(clippy::unwrap_used)]

#[path = "walk/stores.rs"]
mod stores;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use causeway_shared::walk::{Kind, Request, Walk, next_page};
use futures::executor::block_on;
use serde_json::json;

use stores::{Content, Copied, DESTINATION_PREFIX, NOW, SOURCE_PREFIX, Stores, access, route};

const KEYS: u32 = 1_000_000;
const LIMIT: usize = 64 << 20;

static NOW_USED: AtomicUsize = AtomicUsize::new(0);
static MOST_USED: AtomicUsize = AtomicUsize::new(0);

/// The system's, counting.
struct Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = NOW_USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST_USED.fetch_max(used, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW_USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_million_keys_a_side_take_less_than_64_mib() {
    let mut stores = Stores::default();
    for n in 0..KEYS {
        let content = Content {
            etag: n,
            size: u64::from(n % 7),
        };
        // One in a thousand is not there, and as many have no source.
        if n % 1000 != 1 {
            stores
                .source
                .insert(format!("{SOURCE_PREFIX}{n:07}"), content);
        }
        if n % 1000 != 2 {
            let copied = Copied {
                of: Some(content),
                size: content.size,
            };
            stores
                .destination
                .insert(format!("{DESTINATION_PREFIX}{n:07}"), copied);
        }
    }
    let route = route(&json!({"deletes": "propagate"}));
    let access = access(&route);
    let mut walk = Walk::new(Kind::Reconcile, "r", Request::default(), None, NOW);
    let before = NOW_USED.load(Ordering::Relaxed);
    MOST_USED.store(before, Ordering::Relaxed);
    while walk.end.is_none() {
        let page = block_on(next_page(&mut stores, &access, &route, &mut walk, 1)).unwrap();
        let hints = walk.hints(&page, &route, NOW).len() as u64;
        walk.took(page, hints, NOW);
    }
    let growth = MOST_USED.load(Ordering::Relaxed) - before;
    let parity = walk.parity;
    assert_eq!(
        (
            parity.equal.keys,
            parity.missing.keys,
            parity.extra.keys,
            walk.sent
        ),
        (998_000, 1000, 1000, 2000)
    );
    println!("{KEYS} keys a side: {growth} bytes at most");
    assert!(growth < LIMIT, "{growth} bytes");
}
