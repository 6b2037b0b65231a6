//! Sessions of roles.

use super::*;

pub(super) fn role(variable: &str, options: &Value) -> Role {
    let mut table = json!({"source": "s3://src", "destination": "gs://dst", "role_arn": ARN});
    let options = options.as_object().unwrap().clone();
    table.as_object_mut().unwrap().extend(options);
    let route = Route::parse(variable, table).unwrap();
    let url = Uri::from_static("https://sts.eu-west-1.amazonaws.com/");
    let role = Role::of(&route, &keys(), "eu-west-1", url).unwrap();
    role.unwrap()
}

#[test]
fn a_session_of_an_hour_is_asked_for_with_all_that_the_route_says() {
    let request = role("ROUTE_PHOTOS", &json!({"external_id": "id-7/a"}));
    let request = request.request(now()).unwrap();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.uri(), "https://sts.eu-west-1.amazonaws.com/");
    assert_eq!(request.headers()[CONTENT_TYPE], FORM);
    assert_eq!(request.headers()["x-amz-security-token"], "t0k3n/+=");
    let authorization = request.headers()[AUTHORIZATION].to_str().unwrap();
    assert!(authorization.contains("/20260102/eu-west-1/sts/aws4_request, "));
    assert!(
        authorization.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,")
    );
    let expected = [
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", ARN),
        ("RoleSessionName", "causeway-photos"),
        ("DurationSeconds", "3600"),
        ("ExternalId", "id-7/a"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form(&request), expected);
}

#[test]
fn a_sessions_name_has_the_letters_and_the_length_that_sts_takes() {
    let name = |variable: &str| {
        let request = role(variable, &json!({})).request(now()).unwrap();
        value(&form(&request), "RoleSessionName").to_owned()
    };
    assert_eq!(name("ROUTE_A B/ü"), "causeway-a-b--");
    let long = name(&format!("ROUTE_{}", "x".repeat(99)));
    assert_eq!(long.len(), 64);
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>, its example.
const ASSUMED: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">
<AssumeRoleResult>
<SourceIdentity>Alice</SourceIdentity>
  <AssumedRoleUser>
    <Arn>arn:aws:sts::123456789012:assumed-role/demo/TestAR</Arn>
    <AssumedRoleId>ARO123EXAMPLE123:TestAR</AssumedRoleId>
  </AssumedRoleUser>
  <Credentials>
    <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>
    <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>
    <SessionToken>
     AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGd==
    </SessionToken>
    <Expiration>2019-11-09T13:34:41Z</Expiration>
  </Credentials>
  <PackedPolicySize>6</PackedPolicySize>
</AssumeRoleResult>
<ResponseMetadata>
  <RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId>
</ResponseMetadata>
</AssumeRoleResponse>";

#[test]
fn a_session_is_read_with_its_end() {
    let (session, end) = role("ROUTE_R", &json!({}))
        .read(&reply(200, ASSUMED))
        .unwrap();
    assert_eq!(session.access_key_id(), "ASIAIOSFODNN7EXAMPLE");
    assert!(session.secret_access_key().ends_with("EXAMPLEKEY"));
    assert!(session.session_token().unwrap().starts_with("AQoDYXdzEPT"));
    assert!(session.session_token().unwrap().ends_with("Gd=="));
    assert_eq!(end.to_string(), "2019-11-09T13:34:41Z");
}

fn refused_by_aws(status: u16, code: &str, message: &str, options: &Value) -> TransferError {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>R</RequestId></ErrorResponse>"
    );
    let refused = role("ROUTE_R", options).read(&reply(status, body));
    refused.unwrap_err()
}

#[test]
fn each_refusal_of_a_role_has_its_kind_and_says_what_to_do() {
    let denied = "User: arn:aws:iam::1:user/u is not authorized to perform: sts:AssumeRole";
    let with_id = json!({"external_id": "id-7"});
    for (status, code, options, kind, advice) in [
        (
            403,
            "AccessDenied",
            &with_id,
            ErrorKind::SourceCredentialRefused,
            "the route's external_id",
        ),
        (
            403,
            "AccessDenied",
            &json!({}),
            ErrorKind::SourceCredentialRefused,
            "If it asks for an sts:ExternalId",
        ),
        (
            403,
            "InvalidClientTokenId",
            &json!({}),
            ErrorKind::SourceCredentialRefused,
            "AWS_… secrets",
        ),
        (
            400,
            "ValidationError",
            &json!({}),
            ErrorKind::SourceCredentialRefused,
            "role_arn",
        ),
        (
            400,
            "Throttling",
            &json!({}),
            ErrorKind::SourceUnavailable,
            "again",
        ),
        (503, "", &json!({}), ErrorKind::SourceUnavailable, "again"),
        (302, "", &json!({}), ErrorKind::SourceUnexpected, "URL"),
        (403, "", &json!({}), ErrorKind::SourceUnexpected, "again"),
        (
            200,
            "ThrottlingException",
            &json!({}),
            ErrorKind::SourceUnavailable,
            "again",
        ),
        (
            400,
            "IDPCommunicationError",
            &json!({}),
            ErrorKind::SourceUnavailable,
            "again",
        ),
    ] {
        let error = refused_by_aws(status, code, denied, options);
        assert_eq!(error.kind, kind, "{status} {code}");
        assert!(error.advice.contains(advice), "{error}");
        assert!(
            error
                .message
                .starts_with(&format!("AWS STS answered {status} "))
        );
        assert!(
            error.message.contains(ARN) && error.message.contains(denied),
            "{error}"
        );
        assert!(!error.to_string().contains("id-7"), "{error}");
    }
    let error = refused_by_aws(403, "AccessDenied", denied, &with_id);
    assert_eq!(error.kind.fault(), Fault::Configuration);
}

#[test]
fn what_should_have_been_signed_is_not_shown() {
    let message = "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this request should have been\n'POST\nx-amz-security-token:t0k3n'";
    for message in [message.to_owned(), message.replace('\n', " ")] {
        let error = refused_by_aws(403, "SignatureDoesNotMatch", &message, &json!({}));
        assert!(error.message.contains("does not match"), "{error}");
        assert!(!error.to_string().contains("t0k3n"), "{error}");
    }
}

#[test]
fn a_200_without_a_session_is_no_session() {
    for body in [
        "",
        "<AssumeRoleResponse/>",
        "<html>AccessKeyId</html>",
        "{}",
        &ASSUMED.replace("2019-", "soon-"),
    ] {
        let error = role("ROUTE_R", &json!({})).read(&reply(200, body));
        assert_eq!(
            error.unwrap_err().kind,
            ErrorKind::SourceUnexpected,
            "{body}"
        );
    }
}
