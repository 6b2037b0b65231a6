//! s3fs, and botocore below it, signing for the bucket's region and for another.

use causeway_tests::run;

use crate::fixture::{from_pypi, local};

const SCRIPT: &str = r#"
cat > client.py <<'END'
import s3fs, sys
region = sys.argv[1]
fs = s3fs.S3FileSystem(client_kwargs={"region_name": region}, skip_instance_cache=True)
top = "for-s3fs/" + region
fs.pipe(f"{top}/one.txt", b"hello")
with fs.open(f"{top}/two.bin", "wb", block_size=5 << 20) as file:
    file.write(b"y" * 12_000_000)
fs.mv(f"{top}/one.txt", f"{top}/three.txt")
fs.cp(f"{top}/three.txt", f"{top}/four.txt")
assert fs.find(top) == [f"{top}/{name}" for name in ("four.txt", "three.txt", "two.bin")]
assert fs.cat(f"{top}/four.txt") == b"hello" and fs.cat_file(f"{top}/four.txt", start=1, end=3) == b"el"
fs.rm(f"{top}/two.bin")
END
python client.py us-east-1
python client.py eu-central-1
"#;

#[test]
fn s3fs_finds_the_region() {
    let Some(programs) = from_pypi() else { return };
    run(async {
        let local = local().await;
        local.bucket("for-s3fs");
        local.shell("s3fs", programs, SCRIPT).await;
        let store = local.stack.s3.store();
        let copied = store.get("for-s3fs", "eu-central-1/four.txt", None);
        assert!(copied.is_ok());
    });
}
