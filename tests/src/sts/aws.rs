//! AWS's Security Token Service, as far as AssumeRole goes
//! (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).

use axum::response::Response;
use causeway_harness::s3::Session;
use jiff::SignedDuration;

use super::verify::{Presented, Refusal};
use super::{Asked, Key, Shared, field, form, lock, respond};

/// Gives a session of a role to who may have it.
pub(super) fn assume_role(shared: &Shared, presented: &Presented<'_>) -> Response {
    let fields = form(presented.body);
    let session = session(shared, presented, &fields);
    lock(&shared.asked).push(Asked::Role {
        arn: field(&fields, "RoleArn").into(),
        session: field(&fields, "RoleSessionName").into(),
        granted: session.is_ok(),
    });
    match session {
        Ok(session) => {
            let body = format!(
                "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <AssumeRoleResult>\n    <AssumedRoleUser>\n      <Arn>arn</Arn>\n    </AssumedRoleUser>\n    <Credentials>\n      <AccessKeyId>{}</AccessKeyId>\n      <SecretAccessKey>{}</SecretAccessKey>\n      <SessionToken>{}</SessionToken>\n      <Expiration>{}</Expiration>\n    </Credentials>\n  </AssumeRoleResult>\n  <ResponseMetadata>\n    <RequestId>r-1</RequestId>\n  </ResponseMetadata>\n</AssumeRoleResponse>\n",
                session.access_key_id, session.secret_access_key, session.token, session.end
            );
            respond(200, "text/xml", body)
        }
        Err((code, message)) => {
            let message = message.replace('&', "&amp;").replace('<', "&lt;");
            let body = format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>Sender</Type>\n    <Code>{code}</Code>\n    <Message>{message}</Message>\n  </Error>\n  <RequestId>r-2</RequestId>\n</ErrorResponse>\n"
            );
            let status = if code == "ValidationError" { 400 } else { 403 };
            respond(status, "text/xml", body)
        }
    }
}

fn session(
    shared: &Shared,
    presented: &Presented<'_>,
    fields: &[(String, String)],
) -> Result<Session, Refusal> {
    let keys = lock(&shared.keys).clone();
    let (by, _) = presented.verified(&keys)?;
    let invalid = |what: &str| ("ValidationError", format!("{what} is not valid"));
    for (name, expected) in [
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("DurationSeconds", "3600"),
    ] {
        if field(fields, name) != expected {
            return Err(invalid(name));
        }
    }
    let content_type = presented.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err(invalid("the content type"));
    }
    let name = field(fields, "RoleSessionName");
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter);
    if !(2..=64).contains(&name.len()) || !name.chars().all(fits) {
        return Err(invalid("RoleSessionName"));
    }
    let roles = lock(&shared.roles).clone();
    let arn = field(fields, "RoleArn");
    let role = roles.into_iter().find(|role| role.arn == arn);
    let external_id = Some(field(fields, "ExternalId")).filter(|id| !id.is_empty());
    let role = role
        .filter(|role| role.external_id.is_none() || role.external_id.as_deref() == external_id);
    let Some(role) = role else {
        let message = format!(
            "User: arn:aws:iam::111122223333:user/{} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            by.id
        );
        return Err(("AccessDenied", message));
    };
    let number = keys.len();
    let session = Session {
        access_key_id: format!("ASIASESSION{number:05}"),
        secret_access_key: format!("secret/of+session{number}"),
        token: format!("token//of+session{number}=="),
        end: presented.now + SignedDuration::from_secs(role.life),
    };
    lock(&shared.keys).push(Key {
        id: session.access_key_id.clone(),
        secret: session.secret_access_key.clone(),
        token: Some(session.token.clone()),
        end: session.end,
    });
    if let Some((keys, _)) = shared.stores.get() {
        keys.grant(session.clone());
    }
    Ok(session)
}
