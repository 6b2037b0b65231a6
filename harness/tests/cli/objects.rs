//! One object at a time, in either store: its key, its bytes and its attributes.

use causeway_harness::cli::Store;
use causeway_harness::client::{Attributes, ListOptions, Progress, Source};
use serde_json::json;

use crate::common::{self, Stores, patterned};

/// Keys that break clients which encode, decode or normalise too much or too little.
const KEYS: &[&str] = &[
    "plain.txt",
    "a b  c",
    "ü/ß/日本語 😀",
    "p+q=r&s",
    "100%",
    "%2F%20+",
    "//two//slashes",
    "/lead",
    "tail/x",
    "q?x=1#f",
    "t'(a)|^`{}\"<>;=@:,$&!*~[]\\",
    " both ",
    "...",
    "a/.b/c..",
    "tab\there",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_key_goes_in_and_comes_out() {
    let stores = Stores::start().await;
    for scheme in ["s3", "gs"] {
        for key in KEYS {
            let name = format!("{scheme}://bucket/{key}");
            let content = format!("content of {key}").into_bytes();
            stores.ok_with_input(&["put", "-", &name], &content).await;
            let got = stores.ok(&["get", &name, "-"]).await;
            assert_eq!(got.stdout, content, "{name}");
            let stat = stores.json(&["stat", &name]).await;
            assert_eq!(stat["key"], *key);
            assert_eq!(stat["size"], content.len());
        }
        let listed = stores
            .json(&["ls", "-r", &format!("{scheme}://bucket")])
            .await;
        let mut expected = KEYS.to_vec();
        expected.sort_unstable();
        let found: Vec<_> = listed["objects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| &o["key"])
            .collect();
        assert_eq!(json!(found), json!(expected), "{scheme}");
        assert_eq!(listed["count"], KEYS.len());
        let removed = stores
            .json(&["rm", "-r", "--all", &format!("{scheme}://bucket")])
            .await;
        assert_eq!(
            (&removed["count"], &removed["failed"]),
            (&json!(KEYS.len()), &json!([]))
        );
        let listed = stores
            .json(&["ls", "-r", &format!("{scheme}://bucket")])
            .await;
        assert_eq!(listed["count"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_come_back_as_they_were_given() {
    let stores = Stores::start().await;
    let gzip = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    for scheme in ["s3", "gs"] {
        let name = format!("{scheme}://bucket/app.js");
        let put = [
            &[
                "put",
                "-",
                &name,
                "--content-type",
                "text/javascript",
                "--content-encoding",
                "gzip",
            ][..],
            &["--cache-control", "max-age=60", "--content-language", "de"],
            &["--content-disposition", "attachment; filename=\"a b.js\""],
            &["--metadata", "owner=web team", "--metadata", "Empty="],
        ];
        stores.ok_with_input(&put.concat(), &gzip).await;
        let stat = stores.json(&["stat", &name]).await;
        assert_eq!(stat["content_type"], "text/javascript");
        assert_eq!(stat["content_encoding"], "gzip");
        assert_eq!(stat["cache_control"], "max-age=60");
        assert_eq!(stat["content_language"], "de");
        assert_eq!(
            stat["content_disposition"],
            "attachment; filename=\"a b.js\""
        );
        assert_eq!(stat["metadata"]["owner"], "web team");
        assert_eq!(stat["metadata"]["empty"], "");
        assert!(stat["checksums"]["crc32c"].is_string(), "{stat}");
        // The stored bytes, not what they decode to.
        assert_eq!(stores.ok(&["get", &name, "-"]).await.stdout, gzip);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_go_in_pieces() {
    let stores = Stores::start().await;
    let content = patterned((64 << 20) + 12_345);
    let file = stores.folder().join("large.bin");
    std::fs::write(&file, &content).unwrap();
    for scheme in ["s3", "gs"] {
        let known = format!("{scheme}://bucket/known.bin");
        let unknown = format!("{scheme}://bucket/unknown.bin");
        stores.ok(&["put", file.to_str().unwrap(), &known]).await;
        stores
            .ok_with_input(&["put", "-", &unknown], &content)
            .await;
        for name in [known, unknown] {
            let copy = stores.folder().join("copy.bin");
            stores.ok(&["get", &name, copy.to_str().unwrap()]).await;
            assert!(std::fs::read(&copy).unwrap() == content, "{name} differs");
            let stat = stores.json(&["stat", &name]).await;
            let whole = u32::try_from(crc_fast::checksum(
                crc_fast::CrcAlgorithm::Crc32Iscsi,
                &content,
            ));
            assert_eq!(
                stat["checksums"]["crc32c"],
                common::base64(&whole.unwrap().to_be_bytes())
            );
        }
    }
}

/// The clients as the demo uses them: from many tasks at once, listing page by page.
#[tokio::test(flavor = "multi_thread")]
async fn the_clients_work_side_by_side_and_turn_pages() {
    let stores = Stores::start().await;
    for store in [
        Store::S3(stores.s3_client()),
        Store::Gcs(stores.gcs_client()),
    ] {
        let tasks: Vec<_> = (0..25)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    let (key, bytes) = (format!("d/{number:02}"), patterned(number * 1000));
                    let (attributes, progress) = (Attributes::default(), Progress::default());
                    let source = Source::Bytes(bytes.clone().into());
                    store
                        .put("bucket", &key, source, &attributes, &progress)
                        .await
                        .unwrap();
                    let mut read = Vec::new();
                    let info = store
                        .get("bucket", &key, &mut read, &progress)
                        .await
                        .unwrap();
                    assert!(read == bytes && info.size == bytes.len() as u64);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let mut what = ListOptions {
            page_size: Some(10),
            ..ListOptions::default()
        };
        let (mut keys, mut pages) = (Vec::new(), 0);
        loop {
            let page = store.list("bucket", &what).await.unwrap();
            pages += 1;
            keys.extend(page.objects.into_iter().map(|object| object.key));
            what.page_token = page.next;
            if what.page_token.is_none() {
                break;
            }
        }
        let expected: Vec<_> = (0..25).map(|number| format!("d/{number:02}")).collect();
        assert_eq!((keys, pages), (expected, 3));
    }
}
