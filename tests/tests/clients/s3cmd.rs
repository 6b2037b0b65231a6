//! s3cmd, which signs for the region `US` until it is told another.

use causeway_tests::run;

use crate::fixture::{from_pypi, local};

const SCRIPT: &str = r#"
s3cmd() { command s3cmd --no-ssl --host="${AWS_ENDPOINT_URL_S3#http://}" --host-bucket="${AWS_ENDPOINT_URL_S3#http://}" "$@"; }
unset AWS_REGION
mkdir -p tree/sub
printf hello > tree/a.txt
printf sub > 'tree/sub/b c+.txt'
s3cmd ls | grep -q for-s3cmd
s3cmd sync tree/ s3://for-s3cmd/tree/
s3cmd put tree/a.txt s3://for-s3cmd/
s3cmd mv s3://for-s3cmd/a.txt s3://for-s3cmd/moved.txt
s3cmd sync s3://for-s3cmd/tree/ back/
diff -r tree back
s3cmd rm --recursive s3://for-s3cmd/tree/
s3cmd mb --bucket-location=EU s3://made-by-s3cmd
s3cmd put tree/a.txt s3://made-by-s3cmd/
s3cmd ls s3://for-s3cmd s3://made-by-s3cmd
"#;

#[test]
fn s3cmd_learns_the_region() {
    let Some(programs) = from_pypi() else { return };
    run(async {
        let local = local().await;
        local.bucket("for-s3cmd");
        let listed = local.shell("s3cmd", programs, SCRIPT).await;
        assert!(listed.contains("s3://for-s3cmd/moved.txt"), "{listed}");
        let store = local.stack.s3.store();
        let made = store.settings("made-by-s3cmd").unwrap();
        assert_eq!(made.region, "eu-west-1");
        assert!(store.get("for-s3cmd", "tree/a.txt", None).is_err());
    });
}
