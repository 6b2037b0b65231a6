//! Listing, page by page.

use super::*;

#[test]
fn listing_pages_agree_with_one_large_page() {
    let state = store();
    for name in ["a", "b/", "b/1", "b/2", "b//3", "c", "d/x/y", "d/z", "é"] {
        put(&state, new(name), b"").unwrap();
    }
    let query = |delimiter: &str, limit| ListQuery {
        delimiter: delimiter.into(),
        limit,
        ..ListQuery::default()
    };
    let entries = |page: &Listing| {
        let mut names: Vec<_> = page
            .items
            .iter()
            .map(|object| object.name.clone())
            .collect();
        names.extend(page.prefixes.iter().cloned());
        names.sort();
        names
    };
    let whole = state.list("bucket", &query("/", 100)).unwrap();
    assert_eq!(entries(&whole), ["a", "b/", "c", "d/", "é"]);
    for limit in 1..6 {
        let (mut after, mut all) = (None, Vec::new());
        loop {
            let page = state
                .list(
                    "bucket",
                    &ListQuery {
                        after,
                        ..query("/", limit)
                    },
                )
                .unwrap();
            all.extend(entries(&page));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(all, entries(&whole), "pages of {limit}");
    }
    let under = ListQuery {
        prefix: "b/".into(),
        ..query("/", 100)
    };
    assert_eq!(
        entries(&state.list("bucket", &under).unwrap()),
        ["b/", "b//", "b/1", "b/2"]
    );
    let bounded = ListQuery {
        start: Some("b/1".into()),
        end: Some("c".into()),
        ..query("", 100)
    };
    assert_eq!(
        entries(&state.list("bucket", &bounded).unwrap()),
        ["b/1", "b/2"]
    );
    let trailing = ListQuery {
        include_trailing_delimiter: true,
        ..query("/", 100)
    };
    let page = state.list("bucket", &trailing).unwrap();
    assert!(page.items.iter().any(|object| object.name == "b/") && page.prefixes == ["b/", "d/"]);
}
