//! Real senders and the built worker: each ends in the same object at GCS.

use causeway_harness::stack::StackOptions;
use causeway_tests::{Stack, content, run};
use serde_json::{Map, json};

use crate::peers::{are_here, boto, moto, port, seaweedfs, sns_of};

/// A key that each encoding writes in its own way.
const KEY: &str = "dir/a b+c %20 é.txt";

const SNS: &str = r"
s3, sns = client('s3'), client('sns')
topic = sns.create_topic(Name='inbox')['TopicArn']
sns.subscribe(TopicArn=topic, Protocol='http', Endpoint=sys.argv[2])
s3.create_bucket(Bucket='source-00')
s3.put_bucket_notification_configuration(Bucket='source-00', NotificationConfiguration={
    'TopicConfigurations': [{'TopicArn': topic, 'Events': ['s3:ObjectCreated:*', 's3:ObjectRemoved:*']}]})
s3.put_object(Bucket='source-00', Key=sys.argv[3], Body=b'through sns', ContentType='text/plain')
";

#[test]
fn what_motos_s3_tells_its_sns_arrives() {
    if !are_here() {
        return;
    }
    run(async {
        let moto = moto().await;
        let table = json!({
            "source": "s3://source-00",
            "destination": "gs://destination-00",
            "sns_topics": ["arn:aws:sns:us-east-1:123456789012:inbox"],
        });
        let options = StackOptions {
            bindings: Map::from_iter([
                ("ROUTE_LANE00".to_owned(), table),
                ("AWS_ENDPOINT_URL_S3".to_owned(), json!(moto.url)),
                (
                    "AWS_ENDPOINT_URL_SNS".to_owned(),
                    json!(sns_of(&moto.url).await),
                ),
                ("EVENTS_TOKEN".to_owned(), json!(null)),
            ]),
            silent: true,
            ..StackOptions::default()
        };
        let stack = Stack::start_with(1, options).await;
        boto(&moto.url, SNS, &[&stack.events_url(), KEY]).await;
        let copied = stack.lane().copied(KEY).await;
        assert_eq!(content(&copied), "through sns");
        assert_eq!(copied.metadata.content_type.as_deref(), Some("text/plain"));
    });
}

const SEAWEEDFS: &str = r"
s3 = client('s3')
s3.create_bucket(Bucket='source-00')
s3.put_object(Bucket='source-00', Key=sys.argv[2], Body=b'through a webhook', ContentType='text/plain')
upload = s3.create_multipart_upload(Bucket='source-00', Key='parts', ChecksumAlgorithm='CRC32')['UploadId']
part = s3.upload_part(Bucket='source-00', Key='parts', UploadId=upload, PartNumber=1, Body=b'p' * 5_300_000,
                      ChecksumAlgorithm='CRC32')
s3.complete_multipart_upload(Bucket='source-00', Key='parts', UploadId=upload,
                             MultipartUpload={'Parts': [{'PartNumber': 1, 'ETag': part['ETag'],
                                                         'ChecksumCRC32': part['ChecksumCRC32']}]})
";

#[test]
fn what_seaweedfs_tells_its_webhook_arrives_and_its_parts_do_not() {
    if !are_here() {
        return;
    }
    run(async {
        let (folder, s3) = (tempfile::tempdir().unwrap(), port());
        let url = format!("http://127.0.0.1:{s3}");
        let options = StackOptions {
            bindings: Map::from_iter([("AWS_ENDPOINT_URL_S3".to_owned(), json!(url))]),
            silent: true,
            ..StackOptions::default()
        };
        let stack = Stack::start_with(1, options).await;
        let token = stack.local.file().events_token;
        let weed = seaweedfs(folder.path(), s3, &stack.events_url(), &token).await;
        boto(&weed.url, SEAWEEDFS, &[KEY]).await;
        let lane = stack.lane();
        let copied = lane.copied(KEY).await;
        assert_eq!(content(&copied), "through a webhook");
        assert_eq!(lane.copied("parts").await.size(), 5_300_000);
        // It has a composite, and tells of the parts without their checksums.
        assert_eq!(
            lane.outcomes("parts", 1).await[0]["proof"],
            "computed-crc32c"
        );
        assert_eq!(lane.names(), [KEY, "parts"]);
    });
}
