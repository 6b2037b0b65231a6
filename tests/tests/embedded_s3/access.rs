//! Who may do what: signatures, their time and place, and what a bucket's owner denies.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;

use crate::fixture::{BUCKET, SECRET, config, fixture, refusal, refused, signed_at};

#[tokio::test]
async fn who_may_not_is_refused() {
    let f = fixture().await;
    f.put("k", "x").await;
    let get = |key: &str| f.client.get_object().bucket(BUCKET).key(key);
    let denied = refused(403, "AccessDenied");
    let stranger = get("k").expected_bucket_owner("999999999999");
    assert_eq!(refusal(stranger.send().await), denied);
    let owner = get("k").expected_bucket_owner("123456789012");
    assert!(owner.send().await.is_ok());
    f.store()
        .configure(BUCKET, |settings| settings.list_denied = true)
        .unwrap();
    assert_eq!(refusal(get("missing").send().await), denied);
    f.store().deny(BUCKET, Some("k")).unwrap();
    assert_eq!(refusal(get("k").send().await), denied);
    let nowhere = f.client.get_object().bucket("no-such-bucket").key("k");
    let nowhere = refusal(nowhere.send().await);
    assert_eq!(nowhere, refused(404, "NoSuchBucket"));
}

#[tokio::test]
async fn signatures_and_regions_are_checked() {
    let f = fixture().await;
    f.put("k", "x").await;
    let stranger = Credentials::new("AKIAOTHER", SECRET, None, None, "test");
    let right = || config(f.s3.endpoint(), SECRET);
    for (config, expected) in [
        (
            config(f.s3.endpoint(), "wrong"),
            refused(403, "SignatureDoesNotMatch"),
        ),
        (
            right().credentials_provider(stranger),
            refused(403, "InvalidAccessKeyId"),
        ),
        (
            right().region(Region::new("us-west-2")),
            refused(400, "AuthorizationHeaderMalformed"),
        ),
    ] {
        let config = config.retry_config(RetryConfig::disabled());
        let client = Client::from_conf(config.build());
        let get = client.get_object().bucket(BUCKET).key("k").send().await;
        assert_eq!(refusal(get), expected);
    }
}

#[tokio::test]
async fn the_right_region_is_named() {
    let f = fixture().await;
    f.put("k", "x").await;
    let elsewhere = config(f.s3.endpoint(), SECRET).region(Region::new("us-east-1"));
    let elsewhere = Client::from_conf(elsewhere.retry_config(RetryConfig::disabled()).build());
    let get = elsewhere.get_object().bucket(BUCKET).key("k").send().await;
    let error = get.unwrap_err();
    let raw = error.raw_response().unwrap();
    assert_eq!(raw.headers().get("x-amz-bucket-region"), Some("eu-west-1"));
    let body = str::from_utf8(raw.body().bytes().unwrap()).unwrap();
    assert!(body.contains("<Region>eu-west-1</Region>"), "{body}");
    let location = elsewhere.get_bucket_location().bucket(BUCKET).send().await;
    let location = location.unwrap().location_constraint.unwrap();
    assert_eq!(location.as_str(), "eu-west-1");
    // Of a bucket, to anybody.
    let head = reqwest::Client::new().head(format!("{}/{BUCKET}", f.s3.endpoint()));
    let head = head.send().await.unwrap();
    assert_eq!(head.status(), 403);
    assert_eq!(head.headers()["x-amz-bucket-region"], "eu-west-1");
}

#[tokio::test]
async fn a_clock_may_be_a_quarter_of_an_hour_off() {
    let f = fixture().await;
    f.put("k", "x").await;
    let url = format!("{}/{BUCKET}/k", f.s3.endpoint());
    let minutes = |minutes: u64| Duration::from_mins(minutes);
    let now = SystemTime::now();
    for time in [now, now - minutes(14), now + minutes(14)] {
        let answer = signed_at("GET", &url, time).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    for time in [now - minutes(16), now + minutes(16)] {
        let answer = signed_at("GET", &url, time).send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let answer = answer.text().await.unwrap();
        assert!(answer.contains("<Code>RequestTimeTooSkewed</Code>"));
    }
}

#[tokio::test]
async fn presigned_urls_work_and_unsigned_requests_do_not() {
    let f = fixture().await;
    f.put("a b", "hello").await;
    let presigned = f.client.get_object().bucket(BUCKET).key("a b");
    let presigned = presigned.response_content_type("text/x-other");
    let for_a_minute = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let presigned = presigned.presigned(for_a_minute).await.unwrap();
    let got = reqwest::get(presigned.uri()).await.unwrap();
    assert_eq!(got.status(), 200);
    assert_eq!(got.headers()["content-type"], "text/x-other");
    assert_eq!(got.bytes().await.unwrap(), "hello");
    let unsigned = format!("{}/{BUCKET}/a%20b", f.s3.endpoint());
    assert_eq!(reqwest::get(unsigned).await.unwrap().status(), 403);
}
