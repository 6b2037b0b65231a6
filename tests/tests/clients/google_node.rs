//! Google's client library for Node.

use causeway_tests::{run, toolchain};

use crate::fixture::{from_npm, local};

const SCRIPT: &str = r#"
cat > client.js <<'END'
const assert = require("node:assert");
const { writeFileSync, readFileSync } = require("node:fs");
const { Storage } = require("@google-cloud/storage");
(async () => {
  const bucket = new Storage().bucket("for-node");
  await bucket.file("small.txt").save("hello", { resumable: false, contentType: "text/plain" });
  await bucket.file("resumable.txt").save("resumable".repeat(1000));
  assert.equal((await bucket.file("small.txt").download())[0].toString(), "hello");
  await bucket.file("small.txt").copy(bucket.file("copy.txt"));
  await bucket.file("copy.txt").move("moved.txt");
  await bucket.file("moved.txt").setMetadata({ metadata: { k: "v" } });
  assert.deepEqual((await bucket.file("moved.txt").getMetadata())[0].metadata, { k: "v" });
  assert.equal((await bucket.file("copy.txt").exists())[0], false);
  await bucket.combine(["small.txt", "moved.txt"], "both.txt");
  writeFileSync("up.bin", Buffer.alloc(9_000_000, 7));
  await bucket.upload("up.bin");
  await bucket.file("up.bin").download({ destination: "down.bin" });
  assert(readFileSync("down.bin").equals(readFileSync("up.bin")));
  const names = (await bucket.getFiles())[0].map((file) => file.name);
  assert.deepEqual(names, ["both.txt", "moved.txt", "resumable.txt", "small.txt", "up.bin"]);
  await bucket.deleteFiles({ prefix: "r" });
})();
END
export NODE_PATH="$1"
node client.js
unset GOOGLE_APPLICATION_CREDENTIALS
node client.js
"#;

#[test]
fn googles_node_client_does_all_that_it_does() {
    run(async {
        let local = local().await;
        local.bucket("for-node");
        let modules = tokio::task::spawn_blocking(from_npm).await.unwrap();
        let script = SCRIPT.replace("$1", modules.to_str().unwrap());
        let node = toolchain().node().parent().unwrap();
        local.shell("google-node", node, &script).await;
        assert_eq!(local.gcs("for-node", "both.txt"), b"hellohello");
    });
}
