//! Google's Security Token Service for identities at AWS, and the tokens of service accounts
//! (<https://google.aip.dev/auth/4117>).

use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::verify::Presented;
use super::{AUDIENCE, Asked, Shared, field, form, lock, respond};

const STORAGE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
const ANY: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Exchanges a signed GetCallerIdentity for a federated token.
pub(super) fn exchange(shared: &Shared, presented: &Presented<'_>) -> Response {
    let fields = form(presented.body);
    match identity(shared, &fields) {
        Ok(id) => {
            lock(&shared.asked).push(Asked::Federated(id.clone()));
            let scope = field(&fields, "scope");
            let token = give(
                shared,
                "federated",
                scope,
                &format!("principal://{id}"),
                3600,
            );
            answer(
                200,
                &json!({"access_token": token, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                    "token_type": "Bearer", "expires_in": 3600}),
            )
        }
        Err((error, description)) => answer(
            400,
            &json!({"error": error, "error_description": description}),
        ),
    }
}

/// The id of the key at AWS that signed what is shown.
fn identity(
    shared: &Shared,
    fields: &[(String, String)],
) -> Result<String, (&'static str, String)> {
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
    ] {
        if field(fields, name) != expected {
            return Err(("invalid_request", format!("{name} is not {expected}")));
        }
    }
    if ![STORAGE, ANY].contains(&field(fields, "scope")) {
        return Err(("invalid_scope", "scope".into()));
    }
    let grant = |message: &str| ("invalid_grant", message.to_owned());
    let subject: Vec<u8> = percent_decode_str(field(fields, "subject_token")).collect();
    let subject: Value = serde_json::from_slice(&subject)
        .map_err(|_| grant("Unable to parse the subject token."))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let headers = subject["headers"].as_array().cloned().unwrap_or_default();
    let shown = Presented {
        method: "POST",
        url: text(&subject["url"]),
        headers: headers
            .iter()
            .map(|header| (text(&header["key"]), text(&header["value"])))
            .collect(),
        body: b"",
        now: shared.now(),
    };
    let mut names: Vec<_> = shown.headers.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.retain(|name| *name != "x-amz-security-token");
    let expected = [
        "authorization",
        "host",
        "x-amz-date",
        "x-goog-cloud-target-resource",
    ];
    if subject["method"] != "POST" || names != expected {
        return Err(grant("The subject token has not what it has to have."));
    }
    if shown.header("x-goog-cloud-target-resource") != Some(AUDIENCE) {
        return Err(grant("The subject token is for another audience."));
    }
    let keys = lock(&shared.keys).clone();
    let (key, region) = shown.verified(&keys).map_err(|(code, message)| {
        grant(&format!(
            "Received invalid AWS response of type {code} with error message: {message}"
        ))
    })?;
    let signed = shown.header("authorization").unwrap_or_default();
    let host = format!("sts.{region}.amazonaws.com");
    let url = format!("https://{host}?Action=GetCallerIdentity&Version=2011-06-15");
    if shown.url != url
        || shown.header("host") != Some(&*host)
        || !signed.contains("x-goog-cloud-target-resource")
    {
        return Err(grant("The subject token is signed for something else."));
    }
    Ok(key.id)
}

/// Gives `account`'s token to who shows a federated one.
pub(super) fn generate(shared: &Shared, presented: &Presented<'_>, account: &str) -> Response {
    let account = account.strip_suffix(":generateAccessToken");
    let shown = presented.header("authorization").unwrap_or_default();
    let shown = shown.strip_prefix("Bearer ").unwrap_or_default();
    let is_federated = lock(&shared.tokens)
        .iter()
        .any(|(token, scope)| token == shown && scope == ANY);
    let asked: Value = serde_json::from_slice(presented.body).unwrap_or_default();
    let refuse = |code: u16, status: &str, message: &str| {
        answer(
            code,
            &json!({"error": {"code": code, "message": message, "status": status}}),
        )
    };
    let Some(account) = account.filter(|_| is_federated) else {
        return refuse(
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
        );
    };
    if account.starts_with("nobody@") {
        let message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
        return refuse(403, "PERMISSION_DENIED", message);
    }
    if asked != json!({"scope": [STORAGE], "lifetime": "3600s"}) {
        return refuse(400, "INVALID_ARGUMENT", "scope or lifetime");
    }
    lock(&shared.asked).push(Asked::Account(account.into()));
    let token = give(shared, "account", STORAGE, account, 3600);
    let end = Timestamp::now() + SignedDuration::from_secs(3600);
    answer(200, &json!({"accessToken": token, "expireTime": end}))
}

/// A new token, which the store takes if it is one for storage.
fn give(shared: &Shared, kind: &str, scope: &str, principal: &str, life: i64) -> String {
    let mut tokens = lock(&shared.tokens);
    let token = format!("ya29.{kind}-{}", tokens.len());
    tokens.push((token.clone(), scope.to_owned()));
    if let Some((_, accounts)) = shared.stores.get().filter(|_| scope == STORAGE) {
        let end = Timestamp::now() + SignedDuration::from_secs(life);
        accounts.grant(&token, principal, end);
    }
    token
}

fn answer(status: u16, body: &Value) -> Response {
    respond(status, "application/json", body.to_string())
}
