//! External accounts.

use super::*;

const AUDIENCE: &str =
    "//iam.googleapis.com/projects/12345/locations/global/workloadIdentityPools/pool/providers/aws";

fn config(options: &Value) -> Value {
    let mut file = json!({
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {
            "environment_id": "aws1",
            "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
            "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
            "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        },
    });
    let options = options.as_object().unwrap().clone();
    file.as_object_mut().unwrap().extend(options);
    file
}

fn parse(file: &Value, anywhere: bool) -> Result<ExternalAccount, ConfigError> {
    match GoogleCredential::parse("GOOGLE_CREDENTIALS", &file.to_string(), anywhere)? {
        (GoogleCredential::External(external), None) => Ok(external),
        other => panic!("{other:?}"),
    }
}

const IMPERSONATION: &str = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/copier@p.iam.gserviceaccount.com:generateAccessToken";

pub(super) fn impersonating() -> ExternalAccount {
    let options = json!({"service_account_impersonation_url": IMPERSONATION,
        "service_account_impersonation": {"token_lifetime_seconds": 1800}});
    parse(&config(&options), false).unwrap()
}

#[test]
fn an_external_accounts_file_is_read() {
    parse(&config(&json!({})), false).unwrap();
    impersonating();
    let regional = json!({"token_url": "https://sts.us-east4.rep.googleapis.com/v1/token"});
    parse(&config(&regional), false).unwrap();
}

#[test]
fn a_url_that_is_not_googles_is_refused_unless_there_is_an_emulator() {
    for url in [
        "http://sts.googleapis.com/v1/token",
        "https://sts.googleapis.com.evil.example/v1/token",
        "https://evil.example/sts.googleapis.com",
        "https://user@sts.googleapis.com/v1/token",
        "https://sts.googleapis.com:444/v1/token",
        "https://sts.googleapis.com@evil.example/",
        "https://xsts.googleapis.com/",
        "https://storage.googleapis.com/",
        "https://sts.a.b.rep.googleapis.com/",
        "sts.googleapis.com",
        "",
    ] {
        let error = parse(&config(&json!({"token_url": url})), false).unwrap_err();
        assert!(
            error.to_string().contains("its token_url"),
            "{url}: {error}"
        );
        let field = "service_account_impersonation_url";
        let error = parse(&config(&json!({field: url})), false).unwrap_err();
        assert!(error.to_string().contains(field), "{url}: {error}");
    }
    let emulated = json!({"token_url": "http://127.0.0.1:9/token"});
    parse(&config(&emulated), true).unwrap();
    assert!(parse(&config(&json!({"token_url": "http://u@127.0.0.1/"})), true).is_err());
    for url in [
        "https://evil.example?Action=GetCallerIdentity",
        "https://sts.{region}.amazonaws.com.evil.example/",
        "https://sts.{region}.evilamazonaws.com/",
        "https://sts.{region}.c2s.ic.gov.evil.example/",
        "http://sts.{region}.amazonaws.com/",
    ] {
        let mut file = config(&json!({}));
        file["credential_source"]["regional_cred_verification_url"] = json!(url);
        assert!(parse(&file, false).is_err(), "{url}");
    }
}

#[test]
fn another_kind_of_file_is_refused_with_what_was_expected() {
    let mut azure = config(&json!({}));
    azure["credential_source"]["environment_id"] = json!("azure");
    let oidc = config(&json!({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}));
    let nobody = config(&json!({"audience": ""}));
    let user = json!({"type": "authorized_user", "refresh_token": "hunter2"});
    for file in [azure, oidc, nobody, user, json!({}), json!("hunter2")] {
        let parsed = GoogleCredential::parse("GOOGLE_CREDENTIALS", &file.to_string(), false);
        let error = parsed.unwrap_err().to_string();
        assert!(error.starts_with("GOOGLE_CREDENTIALS: "), "{error}");
        assert!(
            error.contains("expected") || error.contains("missing"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn the_identity_is_proven_by_a_signed_request_that_is_written_down() {
    let external = parse(&config(&json!({})), false).unwrap();
    let request = external
        .exchange(&keys(), "eu-west-1", SCOPE, now())
        .unwrap();
    assert_eq!(request.uri(), "https://sts.googleapis.com/v1/token");
    assert_eq!(request.headers()[CONTENT_TYPE], FORM);
    let form = form(&request);
    for (name, expected) in [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        (
            "subject_token_type",
            "urn:ietf:params:aws:token-type:aws4_request",
        ),
        ("audience", AUDIENCE),
        (
            "scope",
            "https://www.googleapis.com/auth/devstorage.read_write",
        ),
    ] {
        assert_eq!(value(&form, name), expected);
    }
    // Encoded once more than the form is.
    let subject = value(&form, "subject_token");
    assert!(subject.starts_with("%7B%22"), "{subject}");
    let subject: Vec<u8> = percent_decode_str(subject).collect();
    let subject: Value = serde_json::from_slice(&subject).unwrap();
    assert_eq!(subject["method"], "POST");
    assert_eq!(
        subject["url"],
        "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    );
    let header = |name: &str| {
        let headers = subject["headers"].as_array().unwrap();
        let found = headers.iter().find(|header| header["key"] == name);
        found.unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(header("host"), "sts.eu-west-1.amazonaws.com");
    assert_eq!(header("x-amz-date"), "20260102T030405Z");
    assert_eq!(header("x-amz-security-token"), "t0k3n/+=");
    assert_eq!(header("x-goog-cloud-target-resource"), AUDIENCE);
    assert!(header("authorization").contains(
        "SignedHeaders=host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource, "
    ));
    assert_eq!(subject["headers"].as_array().unwrap().len(), 5);
}

#[test]
fn a_federated_token_is_used_or_shown_for_a_service_accounts() {
    let body = json!({"access_token": "ya29.federated", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer", "expires_in": 3599});
    let plain = parse(&config(&json!({})), false).unwrap();
    let token = plain.federated(&reply(200, body.to_string()), now());
    let token = token.unwrap();
    assert_eq!(token.header(), "Bearer ya29.federated");
    assert_eq!(token.end().to_string(), "2026-01-02T04:04:04Z");
    assert!(plain.impersonate(&token, SCOPE).is_none());

    let external = impersonating();
    let exchange = external
        .exchange(&keys(), "eu-west-1", SCOPE, now())
        .unwrap();
    assert_eq!(
        value(&form(&exchange), "scope"),
        "https://www.googleapis.com/auth/cloud-platform"
    );
    let request = external.impersonate(&token, SCOPE).unwrap();
    assert_eq!(request.uri(), IMPERSONATION);
    assert_eq!(request.headers()[AUTHORIZATION], "Bearer ya29.federated");
    let asked: Value = serde_json::from_slice(request.body()).unwrap();
    assert_eq!(
        asked,
        json!({"scope": ["https://www.googleapis.com/auth/devstorage.read_write"], "lifetime": "1800s"})
    );
    let body = json!({"accessToken": "ya29.account", "expireTime": "2026-01-02T03:34:05Z"});
    let token = external
        .impersonated(&reply(200, body.to_string()))
        .unwrap();
    assert_eq!(token.header(), "Bearer ya29.account");
    assert_eq!(token.end().to_string(), "2026-01-02T03:34:05Z");
}

#[test]
fn every_scope_that_a_route_needs_is_asked_for() {
    let scopes = format!("{SCOPE} {}", crate::bigquery::SCOPE);
    let plain = parse(&config(&json!({})), false).unwrap();
    let exchange = plain.exchange(&keys(), "eu-west-1", &scopes, now());
    assert_eq!(value(&form(&exchange.unwrap()), "scope"), scopes);
    let token = AccessToken::new("ya29.federated", now()).unwrap();
    let request = impersonating().impersonate(&token, &scopes).unwrap();
    let asked: Value = serde_json::from_slice(request.body()).unwrap();
    assert_eq!(asked["scope"], json!([SCOPE, crate::bigquery::SCOPE]));
}

#[test]
fn each_refusal_by_google_has_its_kind_and_names_who_refused() {
    let external = impersonating();
    let federated = |status: u16, body: Value| {
        let error = external.federated(&reply(status, body.to_string()), now());
        error.unwrap_err()
    };
    let grant = json!({"error": "invalid_grant", "error_description": "The given credential is rejected by the attribute condition."});
    let error = federated(400, grant.clone());
    assert_eq!(error.kind, ErrorKind::DestinationCredentialRefused);
    assert_eq!(
        error.message,
        format!(
            "Google STS answered 400 invalid_grant when asked for a token for {AUDIENCE}: The given credential is rejected by the attribute condition."
        )
    );
    assert_eq!(
        federated(503, grant).kind,
        ErrorKind::DestinationUnavailable
    );
    assert_eq!(
        federated(302, json!({})).kind,
        ErrorKind::DestinationUnexpected
    );
    for body in [
        json!({}),
        json!({"access_token": ""}),
        json!({"access_token": "a\nb"}),
        json!([]),
    ] {
        assert_eq!(federated(200, body).kind, ErrorKind::DestinationUnexpected);
    }
    let body = json!({"error": {"code": 403, "message": "Permission 'iam.serviceAccounts.getAccessToken' denied", "status": "PERMISSION_DENIED"}});
    let error = external
        .impersonated(&reply(403, body.to_string()))
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::DestinationCredentialRefused);
    assert!(error.message.starts_with("IAM Credentials answered 403 PERMISSION_DENIED when asked for a token of copier@p.iam.gserviceaccount.com: Permission"), "{error}");
    assert!(error.advice.contains("roles/iam.workloadIdentityUser"));
}
