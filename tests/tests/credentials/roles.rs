//! Routes that read with a role.

use causeway_harness::s3::store::Attributes;
use causeway_shared::error::{ErrorKind, Fault};
use causeway_shared::retry::DELIVERIES_OF_REFUSED;
use causeway_tests::{Asked, TokenServices, content, noise, run};
use serde_json::json;

use crate::{KEY, arn, copies, end, role, stack};

fn assumed(name: &str, route: &str) -> Asked {
    Asked::Role {
        arn: arn(name),
        session: format!("causeway-{route}"),
        granted: true,
    }
}

#[test]
fn each_route_reads_with_its_own_role_and_asks_once() {
    run(async {
        let roles = vec![role("photos", Some("id-1"), 3600), role("logs", None, 3600)];
        let services = TokenServices::start(KEY, roles).await;
        let options = [
            json!({"role_arn": arn("photos"), "external_id": "id-1", "parts_above_mib": 1}),
            json!({"role_arn": arn("logs"), "tags": true, "deletes": "propagate"}),
        ];
        let stack = stack(&services, &options, &json!({})).await;
        let (photos, logs) = (stack.lane(), stack.lane());
        // At once: one of them asks, the others wait.
        for n in 0..20 {
            photos.put(&format!("{n}"), "bytes", Attributes::default());
            logs.put(&format!("{n}"), "bytes", Attributes::default());
        }
        let large = noise(7, 3 << 20);
        photos.put("large", large.clone(), Attributes::default());
        for n in 0..20 {
            photos.copied(&format!("{n}")).await;
            logs.copied(&format!("{n}")).await;
        }
        assert_eq!(content(&*photos.copied("large").await), large);
        let mut asked = services.asked();
        asked.sort_by_key(|asked| format!("{asked:?}"));
        let expected = [assumed("logs", "lane01"), assumed("photos", "lane00")];
        assert_eq!(asked, expected);
        end(stack, &services).await;
    });
}

#[test]
fn a_wrong_external_id_is_refused_with_what_to_do() {
    run(async {
        let services = TokenServices::start(KEY, vec![role("r", Some("id-1"), 3600)]).await;
        let options = json!({"role_arn": arn("r"), "external_id": "id-2"});
        let stack = stack(&services, &[options], &json!({})).await;
        let lane = stack.lane();
        lane.put("key", "bytes", Attributes::default());
        let error = lane.letter().await.error;
        assert_eq!(error.kind, ErrorKind::SourceCredentialRefused);
        assert_eq!(error.kind.fault(), Fault::Configuration);
        assert_eq!(error.status, Some(403));
        assert_eq!(
            error.message,
            format!(
                "AWS STS answered 403 AccessDenied when asked for the role {0}: User: arn:aws:iam::111122223333:user/AKIAOPERATOR is not authorized to perform: sts:AssumeRole on resource: {0}.",
                arn("r")
            )
        );
        assert!(error.advice.contains("external_id"), "{error}");
        // Twice a delivery, and not for ever.
        let most = 2 * DELIVERIES_OF_REFUSED as usize;
        assert!(services.asked().len() <= most, "{:?}", services.asked());
        assert!(lane.names().is_empty());
        end(stack, &services).await;
    });
}

#[test]
fn a_wrong_secret_is_refused_and_what_was_signed_is_not_said() {
    run(async {
        let services = TokenServices::start(KEY, vec![role("r", None, 3600)]).await;
        let options = json!({"role_arn": arn("r")});
        let wrong = json!({"AWS_SECRET_ACCESS_KEY": "another-secret"});
        let stack = stack(&services, &[options], &wrong).await;
        let lane = stack.lane();
        lane.put("key", "bytes", Attributes::default());
        let error = lane.letter().await.error;
        assert_eq!(error.kind, ErrorKind::SourceCredentialRefused);
        let start = "AWS STS answered 403 SignatureDoesNotMatch when asked for the role ";
        assert!(error.message.starts_with(start), "{error}");
        assert!(!error.message.contains("Canonical"), "{error}");
        end(stack, &services).await;
    });
}

#[test]
fn sessions_are_got_anew_before_they_end_and_after_they_were_refused() {
    run(async {
        // For the worker the first is at its end at once, whatever S3 says. S3 no longer takes the other
        // after two seconds, before the worker would ask for the next.
        for life in [303, 2] {
            let services = TokenServices::start(KEY, vec![role("r", None, life)]).await;
            let options = json!({"role_arn": arn("r")});
            let stack = stack(&services, &[options], &json!({})).await;
            let lane = stack.lane();
            for n in 0.. {
                copies(&lane, &format!("{n}")).await;
                if services.asked().len() == 3 {
                    break;
                }
            }
            assert!(lane.letters().is_empty());
            end(stack, &services).await;
        }
    });
}

#[test]
fn what_a_token_service_did_not_answer_itself_is_no_answer() {
    run(async {
        let services = TokenServices::start(KEY, vec![role("r", None, 3600)]).await;
        let options = json!({"role_arn": arn("r")});
        let stack = stack(&services, &[options], &json!({})).await;
        let lane = stack.lane();
        for (status, text) in [
            (200, "<html><body>Welcome</body></html>"),
            (
                200,
                "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
            ),
        ] {
            services.answer_next(status, text);
        }
        copies(&lane, "key").await;
        assert_eq!(services.asked(), [assumed("r", "lane00")]);
        assert!(lane.letters().is_empty());
        end(stack, &services).await;
    });
}

#[test]
fn a_token_service_whose_clock_is_another_is_asked_by_its_time_at_once() {
    run(async {
        let services = TokenServices::start(KEY, vec![role("r", None, 3600)]).await;
        services.set_ahead(3600);
        let options = json!({"role_arn": arn("r")});
        let google = json!({"GOOGLE_CREDENTIALS": services.external_account(None)});
        let stack = stack(&services, &[options], &google).await;
        let lane = stack.lane();
        copies(&lane, "a").await;
        copies(&lane, "b").await;
        let refused = Asked::Role {
            arn: arn("r"),
            session: "causeway-lane00".into(),
            granted: false,
        };
        let federated = Asked::Federated("ASIASESSION00001".into());
        // The session's end is by the service's clock, too, and is not taken for an hour later.
        let all = [refused, assumed("r", "lane00"), federated];
        assert_eq!(services.asked(), all);
        end(stack, &services).await;
    });
}

#[test]
fn a_token_service_that_fails_is_asked_again() {
    run(async {
        let services = TokenServices::start(KEY, vec![role("r", None, 3600)]).await;
        let options = json!({"role_arn": arn("r")});
        let stack = stack(&services, &[options], &json!({})).await;
        let lane = stack.lane();
        services.fail_next(503);
        copies(&lane, "key").await;
        assert_eq!(services.asked(), [assumed("r", "lane00")]);
        end(stack, &services).await;
    });
}
