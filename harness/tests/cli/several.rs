//! Several files or objects in one command.

use serde_json::json;

use crate::common::{self, Stores};

fn read(stores: &Stores, file: &str) -> String {
    std::fs::read_to_string(stores.folder().join(file)).unwrap()
}

fn write(stores: &Stores, file: &str) {
    let file = stores.folder().join(file);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, file.file_name().unwrap().as_encoded_bytes()).unwrap();
}

async fn count(stores: &Stores, bucket: &str) -> u64 {
    stores.json(&["ls", "-r", bucket]).await["count"]
        .as_u64()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_files_go_up_and_come_down_under_their_own_names() {
    let stores = Stores::start().await;
    write(&stores, "docs/a.md");
    write(&stores, "docs/b c.md");
    for scheme in ["s3", "gs"] {
        let folder = format!("{scheme}://bucket/docs/");
        let put = stores
            .json(&["put", "docs/a.md", "docs/b c.md", &folder])
            .await;
        assert_eq!((&put["count"], &put["bytes"]), (&json!(2), &json!(10)));
        let (a, b) = (format!("{folder}a.md"), format!("{folder}b c.md"));
        assert_eq!(
            stores.json(&["stat", &a]).await["content_type"],
            "text/markdown"
        );
        let made = format!("made-{scheme}/");
        let got = stores.json(&["get", &a, &b, &made]).await;
        assert_eq!((&got["count"], &got["failed"]), (&json!(2), &json!([])));
        assert_eq!(read(&stores, &format!("{made}b c.md")), "b c.md");
    }
    // From both stores, and into the working folder.
    stores.ok(&["put", "docs/a.md", "gs://bucket/g.md"]).await;
    stores
        .ok(&["get", "s3://bucket/docs/a.md", "gs://bucket/g.md"])
        .await;
    assert_eq!(read(&stores, "a.md"), "a.md");
    assert_eq!(read(&stores, "g.md"), "a.md");
    let run = stores
        .run(
            &["get", "s3://bucket/docs/a.md", "s3://bucket/none", "docs"],
            b"",
        )
        .await;
    assert_eq!(run.status.code(), Some(3), "{}", common::text(&run.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_where_one_of_several_is_wrong() {
    let stores = Stores::start().await;
    for file in ["a/x", "b/x", "y"] {
        write(&stores, file);
    }
    for (arguments, says) in [
        (
            &["put", "a/x", "y", "s3://bucket/one"][..],
            "s3://bucket/one/",
        ),
        (
            &["put", "a/x", "b/x", "s3://bucket/"],
            "a/x and b/x would both become s3://bucket/x",
        ),
        (&["put", "y", "a", "s3://bucket/"], "a is a folder"),
        (
            &["put", "y", "-", "s3://bucket/"],
            "standard input has no name",
        ),
        (&["put", "y", "none", "s3://bucket/"], "cannot read none"),
        (&["put", "y", "a/x"], "s3://bucket/key"),
    ] {
        let run = stores.run(arguments, b"").await;
        let said = common::text(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    assert_eq!(count(&stores, "s3://bucket").await, 0);
    let same = ["get", "s3://bucket/a/x", "s3://bucket/b/x", "new/"];
    let run = stores.run(&same, b"").await;
    assert_eq!(run.status.code(), Some(2));
    assert!(common::text(&run.stderr).contains("would both become new/x"));
    assert!(!stores.folder().join("new").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_ends_in_a_slash_is_a_folder() {
    let stores = Stores::start().await;
    stores
        .ok_with_input(&["put", "-", "s3://bucket/d/f"], b"f")
        .await;
    let got = stores.json(&["get", "s3://bucket/d/f", "new/deep/"]).await;
    assert_eq!(got["file"], "new/deep/f");
    assert_eq!(read(&stores, "new/deep/f"), "f");
    // A folder that is there needs no slash; a file of another name gets none.
    stores.ok(&["get", "s3://bucket/d/f", "new"]).await;
    stores.ok(&["get", "s3://bucket/d/f", "g"]).await;
    assert_eq!(
        (read(&stores, "new/f"), read(&stores, "g")),
        ("f".into(), "f".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_named_twice_is_deleted_once() {
    let stores = Stores::start().await;
    for scheme in ["s3", "gs"] {
        let names = ["d/a", "d/e/b"].map(|key| format!("{scheme}://bucket/{key}"));
        for name in &names {
            stores.ok_with_input(&["put", "-", name], b"x").await;
        }
        let (folder, below) = (
            format!("{scheme}://bucket/d"),
            format!("{scheme}://bucket/d/e"),
        );
        let gone = stores.json(&["rm", "-r", &folder, &below, &folder]).await;
        assert_eq!((&gone["count"], &gone["failed"]), (&json!(2), &json!([])));
        stores.ok_with_input(&["put", "-", &names[0]], b"x").await;
        let gone = stores.json(&["rm", &names[0], &names[0]]).await;
        assert_eq!(gone["count"], 1);
    }
}
