//! Routes that write with an identity at AWS: no key of Google's anywhere.

use causeway_harness::s3::store::Attributes;
use causeway_shared::error::{ErrorKind, Fault};
use causeway_tests::{Asked, TokenServices, run};
use serde_json::json;

use crate::{KEY, arn, copies, end, role, stack};

const ACCOUNT: &str = "copier@project.iam.gserviceaccount.com";

#[test]
fn a_federated_token_writes() {
    run(async {
        let services = TokenServices::start(KEY, vec![role("r", None, 3600)]).await;
        let google = json!({"GOOGLE_CREDENTIALS": services.external_account(None)});
        let stack = stack(&services, &[json!({"role_arn": arn("r")})], &google).await;
        let lane = stack.lane();
        copies(&lane, "a").await;
        copies(&lane, "b").await;
        let asked = services.asked();
        assert_eq!(asked[1..], [Asked::Federated("ASIASESSION00001".into())]);
        end(stack, &services).await;
    });
}

#[test]
fn each_routes_role_is_the_identity_that_a_service_accounts_token_is_got_with() {
    run(async {
        let roles = vec![role("a", Some("id-a"), 3600), role("b", None, 3600)];
        let services = TokenServices::start(KEY, roles).await;
        let options = [
            json!({"role_arn": arn("a"), "external_id": "id-a"}),
            json!({"role_arn": arn("b")}),
        ];
        let file = services.external_account(Some(ACCOUNT));
        let google = json!({"GOOGLE_CREDENTIALS": file.to_string()});
        let stack = stack(&services, &options, &google).await;
        let (first, second) = (stack.lane(), stack.lane());
        for key in ["1", "2"] {
            copies(&first, key).await;
            copies(&second, key).await;
        }
        let session = |name: &str, route: &str| Asked::Role {
            arn: arn(name),
            session: format!("causeway-{route}"),
            granted: true,
        };
        let federated = |n: u32| Asked::Federated(format!("ASIASESSION{n:05}"));
        let account = || Asked::Account(ACCOUNT.into());
        assert_eq!(
            services.asked(),
            [
                session("a", "lane00"),
                federated(1),
                account(),
                session("b", "lane01"),
                federated(2),
                account()
            ]
        );
        end(stack, &services).await;
    });
}

#[test]
fn an_account_that_may_not_be_impersonated_is_said_with_who_refused() {
    run(async {
        let services = TokenServices::start(KEY, vec![role("r", None, 3600)]).await;
        let file = services.external_account(Some("nobody@project.iam.gserviceaccount.com"));
        let google = json!({"GOOGLE_CREDENTIALS": file});
        let stack = stack(&services, &[json!({"role_arn": arn("r")})], &google).await;
        let lane = stack.lane();
        lane.put("key", "bytes", Attributes::default());
        let error = lane.letter().await.error;
        assert_eq!(error.kind, ErrorKind::DestinationCredentialRefused);
        assert_eq!(error.kind.fault(), Fault::Configuration);
        let start = "IAM Credentials answered 403 PERMISSION_DENIED when asked for a token of nobody@project.iam.gserviceaccount.com: ";
        assert!(error.message.starts_with(start), "{error}");
        assert!(error.advice.contains("workloadIdentityUser"), "{error}");
        end(stack, &services).await;
    });
}

#[test]
fn an_identity_that_google_does_not_take_is_said_without_what_was_shown() {
    run(async {
        let services = TokenServices::start(KEY, Vec::new()).await;
        let google = json!({
            "GOOGLE_CREDENTIALS": services.external_account(None),
            "AWS_SECRET_ACCESS_KEY_LANE00": "a-key-of-the-embedded-store-only",
            "AWS_ACCESS_KEY_ID_LANE00": "CAUSEWAYLOCAL",
        });
        let stack = stack(&services, &[json!({})], &google).await;
        let lane = stack.lane();
        lane.put("key", "bytes", Attributes::default());
        let error = lane.letter().await.error;
        assert_eq!(error.kind, ErrorKind::DestinationCredentialRefused);
        let start = "Google STS answered 400 invalid_grant when asked for a token for //iam.googleapis.com/";
        assert!(error.message.starts_with(start), "{error}");
        assert!(error.message.contains("InvalidClientTokenId"), "{error}");
        end(stack, &services).await;
    });
}
