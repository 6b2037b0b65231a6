//! `gcloud storage`, with a service account's token and without one.

use std::path::Path;

use causeway_tests::run;

use crate::fixture::{has_gcloud, local};

const SCRIPT: &str = r#"
mkdir -p tree/sub
printf hello > tree/a.txt
printf 'ends with a line\r\n' > 'tree/sub/b c+.txt'
gcloud auth activate-service-account --key-file="$GOOGLE_APPLICATION_CREDENTIALS"
gcloud storage cp -r tree gs://for-gcloud/
gcloud storage mv gs://for-gcloud/tree/a.txt gs://for-gcloud/moved.txt
export CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true
gcloud storage rsync -r tree gs://for-gcloud/tree
gcloud storage rsync -r gs://for-gcloud/tree back
diff -r tree back
gcloud storage rm -r 'gs://for-gcloud/tree/sub/**'
"#;

#[test]
fn gcloud_copies_moves_and_synchronizes() {
    if !has_gcloud() {
        return;
    }
    run(async {
        let local = local().await;
        local.bucket("for-gcloud");
        local.shell("gcloud", Path::new("/usr/bin"), SCRIPT).await;
        assert_eq!(local.gcs("for-gcloud", "moved.txt"), b"hello");
        assert_eq!(local.gcs("for-gcloud", "tree/a.txt"), b"hello");
        let gone = local.stack.gcs.state();
        assert!(
            gone.object("for-gcloud", "tree/sub/b c+.txt", None)
                .is_err()
        );
    });
}
