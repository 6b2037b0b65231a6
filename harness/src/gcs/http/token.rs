//! The token endpoint: a service account's signed assertion for a bearer token
//! (<https://developers.google.com/identity/protocols/oauth2/service-account#httprest>).

use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::json;

use super::Server;
use super::error::{Fail, json_answer};
use super::request::{Query, RequestBody};
use crate::gcs::account::TOKEN_ENDPOINT;

/// Where it is.
pub(in crate::gcs) const TOKEN_PATH: &str = "/token";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// A form may have this many bytes.
const LIMIT: usize = 64 << 10;

/// `POST /token` at the server that the client knows as `base`.
pub(super) async fn exchange(
    server: &Server,
    base: &str,
    body: &mut RequestBody,
) -> Result<Response<Body>, Fail> {
    let form = body.whole(LIMIT).await?;
    let form = Query::parse(&String::from_utf8_lossy(&form))?;
    let grant = form.get("grant_type").unwrap_or_default();
    if grant != GRANT_TYPE {
        let why = format!("grant_type must be {GRANT_TYPE}, not '{grant}'");
        return Ok(refused("unsupported_grant_type", &why));
    }
    let assertion = form.get("assertion").unwrap_or_default();
    let here = format!("{base}{TOKEN_PATH}");
    Ok(
        match server
            .accounts
            .exchange(assertion, &[&here, TOKEN_ENDPOINT])
        {
            Ok((token, seconds)) => json_answer(
                StatusCode::OK,
                &json!({ "access_token": token, "expires_in": seconds, "token_type": "Bearer" }),
            ),
            Err(why) => refused("invalid_grant", &format!("Invalid JWT: {why}")),
        },
    )
}

fn refused(error: &str, why: &str) -> Response<Body> {
    json_answer(
        StatusCode::BAD_REQUEST,
        &json!({ "error": error, "error_description": why }),
    )
}
