//! Routes with secrets of their own, and buckets of somebody else.

use causeway_harness::s3::store::Attributes;
use causeway_shared::error::ErrorKind;
use causeway_tests::{Asked, TokenServices, run};
use serde_json::json;

use crate::{KEY, copies, end, stack};

#[test]
fn a_routes_own_secrets_stand_over_those_for_all() {
    run(async {
        let services = TokenServices::start(KEY, Vec::new()).await;
        let more = json!({
            // S3 does not know the key for all.
            "AWS_ACCESS_KEY_ID_LANE00": "CAUSEWAYLOCAL",
            "AWS_SECRET_ACCESS_KEY_LANE00": "a-key-of-the-embedded-store-only",
            "GOOGLE_CREDENTIALS_LANE01": services.external_account(None),
        });
        let stack = stack(&services, &[json!({}), json!({})], &more).await;
        let (own, common) = (stack.lane(), stack.lane());
        copies(&own, "key").await;
        common.put("key", "bytes", Attributes::default());
        let error = common.letter().await.error;
        assert_eq!(error.kind, ErrorKind::SourceCredentialRefused);
        assert!(error.message.contains("InvalidAccessKeyId"), "{error}");
        // The other route's writer signs for itself, as the stack has it; only this one's asks.
        let of_this_one = Asked::Federated(KEY.0.into());
        assert!(services.asked().iter().all(|asked| *asked == of_this_one));
        end(stack, &services).await;
    });
}

#[test]
fn a_bucket_of_somebody_else_is_not_read() {
    run(async {
        let services = TokenServices::start(KEY, Vec::new()).await;
        let keys = json!({
            "AWS_ACCESS_KEY_ID": "CAUSEWAYLOCAL",
            "AWS_SECRET_ACCESS_KEY": "a-key-of-the-embedded-store-only",
        });
        let options = [
            json!({"expected_bucket_owner": OWNER, "tags": true, "deletes": "propagate"}),
            json!({"expected_bucket_owner": "999999999999"}),
        ];
        let stack = stack(&services, &options, &keys).await;
        let (ours, theirs) = (stack.lane(), stack.lane());
        copies(&ours, "key").await;
        theirs.put("key", "bytes", Attributes::default());
        let error = theirs.letter().await.error;
        assert_eq!(error.kind, ErrorKind::SourceDenied);
        assert!(theirs.names().is_empty());
        end(stack, &services).await;
    });
}

/// Whose the embedded S3's buckets are.
const OWNER: &str = "123456789012";
