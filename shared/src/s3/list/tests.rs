#![allow(clippy::unwrap_used)]
use super::*;

fn read(status: u16, body: impl Into<Vec<u8>>) -> Result<Listing, TransferError> {
    known(status, body, None)
}

fn known(
    status: u16,
    body: impl Into<Vec<u8>>,
    plus: Option<Plus>,
) -> Result<Listing, TransferError> {
    let reply = Response::builder().status(status);
    let body = Bytes::from(body.into());
    Listing::read(&reply.body(body).unwrap(), "photos", plus)
}

fn contents(key: &str, size: u64) -> String {
    format!(
        "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>{size}</Size><Owner><ID>x</ID></Owner></Contents>"
    )
}

fn listed(key: &str, size: u64) -> Listed {
    Listed {
        key: key.into(),
        size,
        etag: Some("\"e\"".into()),
        last_modified: Some("2026-01-02T03:04:05Z".parse().unwrap()),
    }
}

/// A page of `keys`, as the store writes them.
fn encoded(keys: &[&str]) -> String {
    let contents: String = keys.iter().map(|key| contents(key, 1)).collect();
    format!("<ListBucketResult><EncodingType>url</EncodingType>{contents}</ListBucketResult>")
}

fn keys(listing: &Listing) -> Vec<&str> {
    let objects = listing.objects.iter();
    objects.map(|listed| &*listed.key).collect()
}

#[test]
fn a_page_is_read_and_its_keys_are_decoded() {
    let (a, b) = (contents("a%2Fb+c%26%2B", 3), contents("Zo%C3%AB", 1 << 40));
    let page = format!(
        "\u{feff}<?xml version=\"1.0\"?><!-- a page --><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>photos</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>1/&amp;=</NextContinuationToken>{a}{b}<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>"
    );
    let page = read(200, page).unwrap();
    assert!(page.more);
    assert_eq!(page.token.as_deref(), Some("1/&="));
    assert_eq!(page.objects, [listed("a/b c&+", 3), listed("Zoë", 1 << 40)]);
    let plain = format!(
        "<ListBucketResult>{}{}</ListBucketResult>",
        contents("a+b%20&amp;&#1;", 0),
        contents("<![CDATA[<a&b> ]]>", 0)
    );
    let plain = read(200, plain).unwrap();
    assert_eq!(keys(&plain), ["a+b%20&\u{1}", "<a&b> "]);
    assert!(!plain.more && plain.doubtful.is_none());
    let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    assert_eq!(read(200, empty).unwrap(), Listing::default());
}

#[test]
fn a_truncated_page_without_keys_leads_on_by_its_token() {
    let page = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
    let page = read(200, page).unwrap();
    assert!(page.more && page.objects.is_empty());
    assert_eq!(page.token.as_deref(), Some("t"));
}

#[test]
fn a_key_that_is_no_text_is_named_and_the_others_are_read() {
    let page = read(200, encoded(&["a", "caf%E9", "b", "c&#0;", "d&#xD800;"])).unwrap();
    assert_eq!(keys(&page), ["a", "b"]);
    let names: Vec<_> = page.unreadable.iter().map(|found| &*found.name).collect();
    assert_eq!(names, ["caf%E9", "c&#0;", "d&#xD800;"]);
    assert_eq!(page.unreadable[0].bytes, b"caf\xE9");
    // The same where nothing is encoded, and the bytes themselves stand in the page.
    let mut raw = b"<ListBucketResult>".to_vec();
    for key in [&b"a"[..], b"caf\xE9", "\u{e9}".as_bytes()] {
        raw.extend([b"<Contents><Size>1</Size><Key>", key, b"</Key></Contents>"].concat());
    }
    raw.extend(b"</ListBucketResult>");
    let page = read(200, raw).unwrap();
    assert_eq!(keys(&page), ["a", "é"]);
    assert_eq!(page.unreadable[0].name, "caf\u{fffd}");
}

#[test]
fn a_plus_is_what_the_rest_of_the_page_says() {
    for (page, meant) in [
        (&["a+b", "c%20d"][..], "a+b"),
        (&["a+b", "c%2Bd"], "a b"),
        (&["a+b", "c%2bd"], "a b"),
    ] {
        let page = read(200, encoded(page)).unwrap();
        assert_eq!((&*page.objects[0].key, &page.doubtful), (meant, &None));
        assert!(page.plus.is_some());
    }
    // Nothing at all is encoded, whatever it says of itself.
    let page = read(200, encoded(&["a+b", "c d", "50%25"])).unwrap();
    assert_eq!(keys(&page), ["a+b", "c d", "50%25"]);
    let page = read(200, encoded(&["x", "a+b", "c+d"])).unwrap();
    assert_eq!(keys(&page), ["x", "a b", "c d"]);
    let doubtful = page.doubtful.unwrap();
    assert_eq!((&*doubtful.plus, &*doubtful.space), ("a+b", "a b"));
    for (plus, meant) in [(Plus::Itself, "a+b"), (Plus::Space, "a b")] {
        let page = known(200, encoded(&["a+b"]), Some(plus)).unwrap();
        assert_eq!((&*page.objects[0].key, page.doubtful), (meant, None));
    }
}

#[test]
fn what_is_no_page_has_its_reason() {
    let endless = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
    let error = |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    let unavailable = ErrorKind::SourceUnavailable;
    for (status, body, kind, says) in [
        (200, String::new(), unavailable, "something else"),
        (
            200,
            "<html><body>hello</body></html>".into(),
            unavailable,
            "something else",
        ),
        (200, "<html/>".into(), unavailable, "something else"),
        (200, "{}".into(), unavailable, "something else"),
        (
            200,
            "<ListBucketResult/>".into(),
            unavailable,
            "something else",
        ),
        (
            200,
            "<ListBucketResult><Contents>".into(),
            unavailable,
            "something else",
        ),
        (
            200,
            "<ListBucketResult><Contents><Key>a</Key></Contents>".into(),
            unavailable,
            "else",
        ),
        (
            200,
            "<ListAllMyBucketsResult></ListAllMyBucketsResult>".into(),
            unavailable,
            "else",
        ),
        (200, endless.into(), unavailable, "NextContinuationToken"),
        (200, error("InternalError"), unavailable, "InternalError"),
        (200, error("SlowDown"), unavailable, "SlowDown"),
        (200, error("SomethingNew"), unavailable, "SomethingNew"),
        (
            200,
            error("AccessDenied"),
            ErrorKind::SourceDenied,
            "s3:ListBucket",
        ),
        (
            200,
            error("NoSuchBucket"),
            ErrorKind::SourceBucketMissing,
            "photos",
        ),
        (
            200,
            error("SignatureDoesNotMatch"),
            ErrorKind::SourceCredentialRefused,
            "photos",
        ),
        (
            403,
            error("AccessDenied"),
            ErrorKind::SourceDenied,
            "s3:ListBucket",
        ),
        (
            404,
            error("NoSuchBucket"),
            ErrorKind::SourceBucketMissing,
            "photos",
        ),
        (503, error("SlowDown"), unavailable, "again"),
    ] {
        let error = read(status, &*body).unwrap_err();
        assert_eq!(error.kind, kind, "{status} {body}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.status.unwrap_or(200), status, "{error}");
    }
}
