//! Google's client library for Python, which is anonymous where there is an emulator.

use causeway_tests::run;

use crate::fixture::{from_pypi, local};

const SCRIPT: &str = r#"
cat > client.py <<'END'
from google.cloud import storage
client = storage.Client()
bucket = client.bucket("for-python")
small = bucket.blob("a/b c+.txt")
small.upload_from_string("hello", content_type="text/plain")
assert small.download_as_bytes() == b"hello"
large = bucket.blob("large", chunk_size=1 << 20)
large.upload_from_string(b"x" * 5_000_000)
assert large.download_as_bytes(start=4_999_998) == b"xx"
with bucket.blob("streamed").open("w") as file:
    file.write("streamed" * 100_000)
bucket.rename_blob(small, "renamed")
bucket.copy_blob(bucket.blob("renamed"), bucket, "copied")
both = bucket.blob("both")
both.compose([bucket.blob("renamed"), bucket.blob("copied")])
both.metadata = {"k": "v"}
both.patch()
both.reload()
assert both.metadata == {"k": "v"} and both.download_as_bytes() == b"hellohello"
assert "for-python" in [bucket.name for bucket in client.list_buckets()]
with client.batch():
    for name in ("renamed", "copied", "large"):
        bucket.blob(name).delete()
try:
    with client.batch():
        bucket.blob("missing").delete()
    raise SystemExit("a batch hides what failed")
except Exception as error:
    assert error.code == 404, error
assert [blob.name for blob in client.list_blobs(bucket)] == ["both", "streamed"]
END
python client.py
# Without the key file, too.
unset GOOGLE_APPLICATION_CREDENTIALS
python client.py
"#;

#[test]
fn googles_python_client_does_all_that_it_does() {
    let Some(programs) = from_pypi() else { return };
    run(async {
        let local = local().await;
        local.bucket("for-python");
        local.shell("google-python", programs, SCRIPT).await;
        assert_eq!(local.gcs("for-python", "both"), b"hellohello");
    });
}
