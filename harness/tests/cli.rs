//! The command line as a user has it: the built binary over the embedded stores.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use causeway_harness::cli::Store;
use causeway_harness::client::{Attributes, ListOptions, Progress, Source};
use common::{Stores, patterned};
use serde_json::json;

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

#[tokio::test(flavor = "multi_thread")]
async fn folders_travel_with_all_their_files() {
    let stores = Stores::start().await;
    let site = stores.folder().join("site");
    for (name, content) in [
        ("index.html", "<p>"),
        ("img/a b.png", ""),
        ("img/deep/ü.txt", "u"),
    ] {
        let file = site.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    for scheme in ["s3", "gs"] {
        let name = format!("{scheme}://bucket/web");
        let put = stores
            .json(&["put", "-r", site.to_str().unwrap(), &name])
            .await;
        assert_eq!((&put["count"], &put["bytes"]), (&json!(3), &json!(4)));
        stores
            .ok_with_input(
                &["put", "-", &format!("{scheme}://bucket/website")],
                b"other",
            )
            .await;

        let folded = stores.json(&["ls", &format!("{name}/")]).await;
        assert_eq!(folded["prefixes"], json!([format!("{name}/img/")]));
        assert_eq!(
            folded["objects"][0]["content_type"],
            match scheme {
                "gs" => json!("text/html"),
                _ => json!(null),
            }
        );

        let copy = stores.folder().join(format!("copy-{scheme}"));
        let got = stores
            .json(&["get", "-r", &name, copy.to_str().unwrap()])
            .await;
        assert_eq!(got["count"], 3);
        assert_eq!(
            std::fs::read_to_string(copy.join("img/deep/ü.txt")).unwrap(),
            "u"
        );
        assert_eq!(
            std::fs::read_to_string(copy.join("img/a b.png")).unwrap(),
            ""
        );

        let would = stores.json(&["rm", "-r", "--dry-run", &name]).await;
        assert_eq!(would["count"], 3);
        assert_eq!(stores.json(&["rm", "-r", &name]).await["count"], 3);
        // A neighbour whose name begins alike is not in the folder.
        let left = stores
            .json(&["ls", "-r", &format!("{scheme}://bucket/")])
            .await;
        assert_eq!(left["objects"][0]["key"], "website");
        assert_eq!(left["count"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_no_file_names_are_refused_and_the_others_arrive() {
    let stores = Stores::start().await;
    for key in ["d/ok", "d//etc", "d/x/"] {
        stores
            .ok_with_input(
                &["put", "-", &format!("gs://bucket/{key}."), "--json"],
                b"x",
            )
            .await;
    }
    stores
        .ok_with_input(&["put", "-", "gs://bucket/d/../../out"], b"x")
        .await;
    let target = stores.folder().join("d");
    let run = stores
        .run(
            &[
                "get",
                "-r",
                "--json",
                "gs://bucket/d",
                target.to_str().unwrap(),
            ],
            b"",
        )
        .await;
    assert_eq!(run.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let failed: Vec<_> = report["failed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["name"])
        .collect();
    assert_eq!(failed.len(), 3, "{report}");
    assert_eq!(report["count"], 1);
    assert!(target.join("ok.").is_file());
    assert!(!stores.folder().join("out").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_what_was_wrong() {
    let stores = Stores::start().await;
    for scheme in ["s3", "gs"] {
        let bucket = format!("{scheme}://bucket");
        let missing = format!("{bucket}/missing");
        for (code, kind, arguments) in [
            (3, "not_found", vec!["get", &missing, "-"]),
            (3, "not_found", vec!["stat", &missing]),
            (3, "not_found", vec!["rm", &missing]),
            (3, "not_found", vec!["rm", "-r", &missing]),
            (3, "not_found", vec!["ls", &missing]),
            (2, "usage", vec!["get", &bucket]),
            (2, "usage", vec!["rm", "-r", &bucket]),
            (2, "usage", vec!["put", "-", &bucket]),
            (2, "usage", vec!["put", "/nonexistent", &bucket]),
        ] {
            let run = stores.run(&arguments, b"").await;
            assert_eq!(
                run.status.code(),
                Some(code),
                "{arguments:?}: {}",
                common::text(&run.stderr)
            );
            assert!(
                common::text(&run.stderr).starts_with("error: "),
                "{arguments:?}"
            );
            if arguments.contains(&"-") && arguments[0] == "get" {
                continue;
            }
            let error = stores
                .run(&[&arguments[..], &["--json"]].concat(), b"")
                .await;
            let error: serde_json::Value = serde_json::from_slice(&error.stdout).unwrap();
            assert_eq!(error["error"]["kind"], kind, "{arguments:?}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_refused_and_not_shown() {
    let stores = Stores::start().await;
    let run = stores
        .run_with(
            "AWS_SECRET_ACCESS_KEY",
            "hunter2hunter2",
            &["ls", "s3://bucket"],
        )
        .await;
    assert_eq!(run.status.code(), Some(4), "{}", common::text(&run.stderr));
    assert!(!common::text(&run.stderr).contains("hunter2"));
    let (stranger, _) =
        causeway_harness::gcs::ServiceAccount::generate("stranger@example.com").unwrap();
    let run = stores
        .run_with("GOOGLE_CREDENTIALS", &stranger, &["ls", "gs://bucket"])
        .await;
    assert_eq!(run.status.code(), Some(4), "{}", common::text(&run.stderr));
    let run = stores
        .run_with(
            "AWS_ENDPOINT_URL",
            "http://127.0.0.1:1",
            &["ls", "s3://bucket"],
        )
        .await;
    assert_eq!(run.status.code(), Some(5), "{}", common::text(&run.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_fails_leaves_no_file() {
    use causeway_harness::gcs::{Fault, FaultSpec};
    let stores = Stores::start().await;
    stores
        .ok_with_input(&["put", "-", "gs://bucket/k"], &patterned(300_000))
        .await;
    for fault in [
        Fault::CorruptDownload,
        Fault::BreakDownload { after: 100_000 },
    ] {
        stores.gcs.faults().fail_next(FaultSpec {
            method: None,
            path_contains: "alt=media".to_owned(),
            fault,
        });
        let file = stores.folder().join("k");
        let run = stores
            .run(&["get", "gs://bucket/k", file.to_str().unwrap()], b"")
            .await;
        assert!(
            matches!(run.status.code(), Some(1 | 5)),
            "{}",
            common::text(&run.stderr)
        );
        assert_eq!(std::fs::read_dir(stores.folder()).unwrap().count(), 0);
        stores.gcs.faults().assert_consumed();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumable_upload_survives_what_happens_to_it() {
    use causeway_harness::gcs::{Fault, FaultSpec};
    let stores = Stores::start().await;
    let content = patterned((64 << 20) + 1);
    // One a request: the chunks' PUTs and the questions between them.
    for fault in [
        Fault::Return {
            status: http::StatusCode::SERVICE_UNAVAILABLE,
            retry_after: None,
        },
        Fault::ResetConnection,
        Fault::BreakUpload { after: 5 << 20 },
        Fault::ResetAfterCommit,
    ] {
        let path_contains = "upload_id".to_owned();
        stores.gcs.faults().fail_next(FaultSpec {
            method: Some(http::Method::PUT),
            path_contains,
            fault,
        });
    }
    stores
        .ok_with_input(&["put", "-", "gs://bucket/k"], &content)
        .await;
    stores.gcs.faults().assert_consumed();
    assert!(stores.ok(&["get", "gs://bucket/k", "-"]).await.stdout == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_reply_is_lost_is_repeated() {
    use causeway_harness::gcs::{Fault, FaultSpec};
    let stores = Stores::start().await;
    stores.gcs.faults().fail_next(FaultSpec {
        method: Some(http::Method::POST),
        path_contains: "uploadType=multipart".to_owned(),
        fault: Fault::ResetAfterCommit,
    });
    let put = stores
        .ok_with_input(&["put", "-", "gs://bucket/k", "--json"], b"x")
        .await;
    let put: serde_json::Value = serde_json::from_slice(&put.stdout).unwrap();
    stores.gcs.faults().assert_consumed();
    assert_eq!(
        put["generation"],
        stores.json(&["stat", "gs://bucket/k"]).await["generation"]
    );
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

#[tokio::test(flavor = "multi_thread")]
async fn send_tells_what_the_worker_made_of_it() {
    let stores = Stores::start().await;
    let worker = common::Worker::start().await;
    let environment = [
        ("CAUSEWAY_URL", worker.url()),
        ("CAUSEWAY_EVENTS_TOKEN", "t0k3n".to_owned()),
    ];
    let send = async |arguments: &[&str], input: &[u8]| {
        stores
            .run_in(&environment, &[&["send"], arguments].concat(), input)
            .await
    };
    let run = send(&["s3://bucket/a b+c", "s3://other/x"], b"").await;
    assert_eq!(run.status.code(), Some(0), "{}", common::text(&run.stderr));
    let shown = common::text(&run.stdout);
    assert_eq!(
        shown,
        "accepted s3://bucket/a b+c (route r)\nignored  s3://other/x: no route\n"
    );
    let run = send(&["s3://bucket/k", "--json"], b"").await;
    let answer: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(
        answer["accepted"],
        json!([{"bucket": "bucket", "key": "k", "route": "r"}])
    );

    let run = send(&["--file", "-"], b"{}").await;
    assert_eq!(run.status.code(), Some(1));
    assert!(common::text(&run.stderr).contains("400 not_an_event: no Records"));
    let run = send(&["s3://bucket/k", "--token", "wr0ng"], b"").await;
    assert_eq!(run.status.code(), Some(4));
    assert!(!common::text(&run.stderr).contains("wr0ng"));
    assert_eq!(send(&["gs://bucket/k"], b"").await.status.code(), Some(2));
    assert_eq!(send(&[], b"").await.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_stack_is_used_when_the_environment_is_silent() {
    let stores = Stores::start().await;
    let project = stores.folder().join("project/below");
    std::fs::create_dir_all(&project).unwrap();
    let run = stores.bare(&project, &["ls", "s3://bucket"]).await;
    assert_eq!(run.status.code(), Some(2));
    let advice = common::text(&run.stderr);
    assert!(
        advice.contains("AWS_ACCESS_KEY_ID") && advice.contains("causeway dev"),
        "{advice}"
    );

    let file = stores
        .folder()
        .join("project")
        .join(causeway_harness::cli::STACK_FILE);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, stores.stack().to_string()).unwrap();
    for name in ["s3://bucket", "gs://bucket"] {
        let run = stores.bare(&project, &["ls", name]).await;
        assert_eq!(run.status.code(), Some(0), "{}", common::text(&run.stderr));
        assert!(common::text(&run.stderr).contains("local stack"));
    }
}
