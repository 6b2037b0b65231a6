//! gcsfs, with the key file and without.

use causeway_tests::run;

use crate::fixture::{from_pypi, local};

const SCRIPT: &str = r#"
cat > client.py <<'END'
import gcsfs, sys
fs = gcsfs.GCSFileSystem(token=sys.argv[1], skip_instance_cache=True)
top = "for-gcsfs/" + sys.argv[1]
fs.pipe(f"{top}/one.txt", b"hello")
with fs.open(f"{top}/two.bin", "wb") as file:
    file.write(b"y" * 6_000_000)
fs.mv(f"{top}/one.txt", f"{top}/three.txt")
fs.cp(f"{top}/three.txt", f"{top}/four.txt")
assert fs.find(top) == [f"{top}/{name}" for name in ("four.txt", "three.txt", "two.bin")]
assert fs.cat(f"{top}/four.txt") == b"hello" and fs.cat_file(f"{top}/four.txt", 1, 3) == b"el"
assert fs.info(f"{top}/two.bin")["size"] == 6_000_000 and not fs.exists(f"{top}/one.txt")
fs.rm(top, recursive=True)
assert fs.find(top) == []
END
python client.py google_default
python client.py anon
"#;

#[test]
fn gcsfs_reads_and_writes() {
    let Some(programs) = from_pypi() else { return };
    run(async {
        let local = local().await;
        local.bucket("for-gcsfs");
        local.shell("gcsfs", programs, SCRIPT).await;
    });
}
