//! Keys and metadata that try to become something else in a request: a header, another request, another
//! key, another object.

use causeway_tests::run;
use serde_json::Value;

use crate::fixture::{Scripted, header, query, shared};

/// What a header would look like, if one got through.
const KEYS: [&str; 6] = [
    "a\0b",
    "a?x-evil=1&versionId=2#x",
    "a%0d%0ax-evil:%201",
    "//evil.example/a",
    "\u{202e}a\u{2028}é\u{1f980}",
    "a b+c&name=evil",
];

#[test]
fn a_key_is_nothing_but_a_key_in_every_request() {
    run(async {
        for key in KEYS {
            let site = shared().await.site();
            let object = Scripted::new("hello");
            site.holds(&object).await;
            site.once(site.upload("POST"), object.stored(1)).await;
            site.tell(key, 5).await;
            assert_eq!(site.outcome(key).await["event"], "copied", "{key:?}");

            let (reads, writes) = (site.reads().await, site.writes().await);
            assert_eq!((reads.len(), writes.len()), (1, 1), "{key:?}");
            for request in reads.iter().chain(&writes) {
                assert_eq!(header(request, "x-evil"), None, "{key:?}");
            }
            let path = reads[0]
                .url
                .path()
                .strip_prefix(&format!("/{}/", site.source));
            let decoded = percent_encoding::percent_decode_str(path.unwrap()).decode_utf8();
            assert_eq!(decoded.unwrap(), key);
            assert_eq!(reads[0].url.query(), None, "{key:?}");
            assert_eq!(query(&writes[0]).get("name"), None);
            assert_eq!(resource(&writes[0].body)["name"], key);
        }
    });
}

/// GCS has no such names: neither store is asked for one.
#[test]
fn a_key_with_a_line_break_reaches_nobody() {
    run(async {
        for key in ["a\r\nx-evil: 1", "a\nx-evil: 1\n\nGET /other HTTP/1.1"] {
            let site = shared().await.site();
            site.tell(key, 5).await;
            assert_eq!(site.outcome(key).await["kind"], "destination-refused");
            assert!(site.reads().await.is_empty() && site.writes().await.is_empty());
        }
    });
}

#[test]
fn metadata_is_nothing_but_metadata_in_the_upload() {
    run(async {
        let site = shared().await.site();
        let values: [&[u8]; 3] = [
            b"=?UTF-8?Q?a=0D=0Ax-evil:_1=0D=0A=0D=0A--boundary?=",
            b"\", \"name\": \"evil\", \"x\": \"",
            b"\xff\xfe\t\x80",
        ];
        let object = values.iter().zip(["one", "two", "three"]).fold(
            Scripted::new("hello"),
            |object, (value, name)| {
                let name: &'static str = match name {
                    "one" => "x-amz-meta-one",
                    "two" => "x-amz-meta-two",
                    _ => "content-disposition",
                };
                object.header(name, *value)
            },
        );
        site.holds(&object).await;
        site.once(site.upload("POST"), object.stored(1)).await;
        let outcome = site.transfer(&object).await;
        assert_eq!(outcome["event"], "copied", "{outcome}");
        let writes = site.writes().await;
        assert_eq!(writes.len(), 1);
        assert_eq!(header(&writes[0], "x-evil"), None);
        let resource = resource(&writes[0].body);
        assert_eq!(resource["name"], "key");
        assert_eq!(
            resource["metadata"]["two"],
            "\", \"name\": \"evil\", \"x\": \""
        );
        // An encoded word with line breaks in it is none.
        let one = String::from_utf8_lossy(values[0]);
        assert_eq!(resource["metadata"]["one"], *one);
    });
}

/// The object's resource, the first part of an upload; there must be two, and the boundary must be in
/// neither.
fn resource(upload: &[u8]) -> Value {
    let text = String::from_utf8_lossy(upload);
    let (boundary, _) = text.split_once("\r\n").unwrap();
    let parts: Vec<&str> = text.split(boundary).collect();
    assert_eq!(parts.len(), 4, "{text}");
    let (_, json) = parts[1].split_once("\r\n\r\n").unwrap();
    serde_json::from_str(json.trim()).unwrap()
}
