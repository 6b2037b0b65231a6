//! rclone, at both ends of the road: what it puts into S3 it finds at GCS.

use causeway_tests::run;

use crate::fixture::{DESTINATION, from_pypi, local};

const PUT: &str = r"
mkdir -p tree/sub
printf hello > tree/a.txt
printf sub > 'tree/sub/b c+.txt'
rclone copy tree s3:inbox/rclone
";

const CHECK: &str = r#"
rclone check s3:inbox/rclone gcs:inbox-copy/rclone
rclone moveto gcs:inbox-copy/rclone/a.txt gcs:inbox-copy/rclone/z.txt
rclone moveto s3:inbox/rclone/a.txt s3:inbox/rclone/y.txt
rclone sync gcs:inbox-copy/rclone back
test "$(cat back/z.txt)" = hello
rclone mkdir gcs:made-by-rclone
rclone lsd gcs: | grep -q made-by-rclone
rclone purge s3:inbox/rclone
rclone purge gcs:inbox-copy/rclone
# Without the key file, too.
unset RCLONE_CONFIG_GCS_SERVICE_ACCOUNT_FILE
export RCLONE_CONFIG_GCS_ANONYMOUS=true
rclone copy back gcs:inbox-copy/again
rclone check back gcs:inbox-copy/again
"#;

#[test]
fn rclone_finds_at_gcs_what_it_put_into_s3() {
    let Some(programs) = from_pypi() else { return };
    run(async {
        let local = local().await;
        let mut commits = local.stack.gcs.commits();
        local.shell("rclone", programs, PUT).await;
        let mut arrived = 0;
        while arrived < 2 {
            let commit = commits.recv().await.unwrap();
            arrived += usize::from(commit.bucket == DESTINATION);
        }
        local.shell("rclone", programs, CHECK).await;
        assert_eq!(local.gcs(DESTINATION, "again/z.txt"), b"hello");
    });
}
