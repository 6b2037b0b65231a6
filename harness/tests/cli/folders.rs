//! Folders of files, there and back.

use serde_json::json;

use crate::common::Stores;

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
