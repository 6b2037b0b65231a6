//! The assertion that Cloudflare Access puts on a request that it has let through: a JWT
//! ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)) in a JWS's compact form
//! ([RFC 7515, section 7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)), signed with RS256
//! ([Validate JWTs](https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/)).
//!
//! Read and judged here; that the signature is Access's is for the runtime to find out. Encrypted tokens
//! and other algorithms are out of scope, and refused.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

/// How far two clocks may be apart, in seconds.
const LEEWAY: i64 = 60;

/// A token, read. Nothing of it is true before its signature was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Jwt<'a> {
    /// Which key has signed it.
    pub kid: String,
    /// What was signed.
    pub signed: &'a [u8],
    /// The signature, RSASSA-PKCS1-v1_5 with SHA-256.
    pub signature: Vec<u8>,
    claims: Value,
}

/// A part in base64url without padding.
fn decoded(part: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(part).ok()
}

fn object(part: &str) -> Option<Value> {
    let value: Value = serde_json::from_slice(&decoded(part)?).ok()?;
    value.is_object().then_some(value)
}

impl<'a> Jwt<'a> {
    /// Reads `token`; none if it is no JWT, is not signed with RS256, names no key, or asks for an
    /// extension to be understood (`crit`,
    /// [RFC 7515, section 4.1.11](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11)).
    #[must_use]
    pub fn read(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = object(header)?;
        if header["alg"] != "RS256" || !header["crit"].is_null() {
            return None;
        }
        Some(Self {
            kid: header["kid"].as_str()?.to_owned(),
            signed: signed.as_bytes(),
            signature: decoded(signature)?,
            claims: object(claims)?,
        })
    }

    /// Who shows it, if `issuer` made it for `audience` and `now` is within its time, give or take a
    /// minute: a person's `sub`, or the `common_name` of a service, which has no other.
    ///
    /// # Errors
    /// Which of its claims is wrong.
    pub fn caller(
        &self,
        issuer: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<&str, &'static str> {
        let claims = &self.claims;
        let is_for_us = match &claims["aud"] {
            Value::Array(all) => all.iter().any(|one| one == audience),
            one => one == audience,
        };
        let seconds = |name: &str| claims[name].as_f64();
        #[expect(
            clippy::cast_precision_loss,
            reason = "exact until the year 285,000,000"
        )]
        let at = |leeway: i64| (now.as_second() + leeway) as f64;
        if claims["iss"] != issuer {
            Err("iss")
        } else if !is_for_us {
            Err("aud")
        } else if seconds("exp").is_none_or(|end| end <= at(-LEEWAY)) {
            Err("exp")
        } else if !claims["nbf"].is_null() && seconds("nbf").is_none_or(|begin| begin > at(LEEWAY))
        {
            Err("nbf")
        } else {
            let named = |name: &str| claims[name].as_str().filter(|name| !name.is_empty());
            Ok(named("sub").or(named("common_name")).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const TEAM: &str = "https://team.cloudflareaccess.com";
    const NOW: i64 = 1_800_000_000;

    fn token(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.AQID", part(header), part(claims))
    }

    fn header() -> Value {
        json!({"alg": "RS256", "kid": "k1", "typ": "JWT"})
    }

    fn claims() -> Value {
        json!({"iss": TEAM, "aud": ["other", "ours"], "exp": NOW + 10, "nbf": NOW - 10, "sub": "7f"})
    }

    fn caller(claims: &Value) -> Result<String, &'static str> {
        let token = token(&header(), claims);
        let jwt = Jwt::read(&token).unwrap();
        let now = Timestamp::from_second(NOW).unwrap();
        jwt.caller(TEAM, "ours", now).map(str::to_owned)
    }

    #[test]
    fn a_token_is_three_parts_signed_with_rs256() {
        let good = token(&header(), &claims());
        let jwt = Jwt::read(&good).unwrap();
        assert_eq!((&*jwt.kid, &jwt.signature[..]), ("k1", &[1, 2, 3][..]));
        assert_eq!(jwt.signed, good.strip_suffix(".AQID").unwrap().as_bytes());
        for header in [
            json!({"alg": "none", "kid": "k1"}),
            json!({"alg": "HS256", "kid": "k1"}),
            json!({"alg": "RS512", "kid": "k1"}),
            json!({"alg": "rs256", "kid": "k1"}),
            json!({"kid": "k1"}),
            json!({"alg": "RS256"}),
            json!({"alg": "RS256", "kid": 1}),
            json!({"alg": "RS256", "kid": "k1", "crit": ["exp"]}),
            json!(["RS256"]),
        ] {
            assert_eq!(Jwt::read(&token(&header, &claims())), None, "{header}");
        }
        assert_eq!(Jwt::read(&token(&header(), &json!("ours"))), None);
        for wrong in [
            String::new(),
            "..".to_owned(),
            good.replace('.', ""),
            format!("{good}="),
            format!("{good}."),
            format!("{good}.AQID"),
            good.replacen("ey", "%y", 1),
        ] {
            assert_eq!(Jwt::read(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn claims_are_for_us_from_them_and_now() {
        assert_eq!(caller(&claims()).as_deref(), Ok("7f"));
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            caller(&claims)
        };
        assert_eq!(with("aud", json!("ours")).as_deref(), Ok("7f"));
        assert_eq!(with("exp", json!(NOW - 59)).as_deref(), Ok("7f"));
        assert_eq!(with("nbf", json!(NOW + 60)).as_deref(), Ok("7f"));
        assert_eq!(with("nbf", json!(null)).as_deref(), Ok("7f"));
        for (name, value) in [
            ("iss", json!("https://team.cloudflareaccess.com/")),
            ("iss", json!(null)),
            ("aud", json!([])),
            ("aud", json!("Ours")),
            ("aud", json!(["theirs"])),
            ("aud", json!({"ours": 1})),
            ("aud", json!(null)),
            ("exp", json!(NOW - 60)),
            ("exp", json!(null)),
            ("exp", json!("never")),
            ("nbf", json!(NOW + 61)),
            ("nbf", json!("now")),
        ] {
            assert_eq!(with(name, value.clone()), Err(name), "{value}");
        }
    }

    #[test]
    fn a_service_is_known_by_its_common_name() {
        let mut claims = claims();
        claims["sub"] = json!("");
        claims["common_name"] = json!("id.access");
        assert_eq!(caller(&claims).as_deref(), Ok("id.access"));
    }

    #[cfg(not(target_family = "wasm"))]
    mod whatever_it_is {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn no_text_panics(text in "\\PC{0,80}", parts in "[A-Za-z0-9_.-]{0,200}") {
                let _ = (Jwt::read(&text), Jwt::read(&parts));
            }

            #[test]
            fn only_the_issuer_and_the_audience_themselves_open(
                issuer in "https://[a-z]{1,8}\\.cloudflareaccess\\.com",
                audience in "[0-9a-f]{0,8}",
                end in -200_i64..200,
            ) {
                let claims = json!({"iss": issuer, "aud": [audience], "exp": NOW + end});
                let opens = caller(&claims).is_ok();
                prop_assert!(!opens || (issuer == TEAM && end > -60));
                let claims = json!({"iss": TEAM, "aud": [audience, "ours"], "exp": NOW + end});
                prop_assert_eq!(caller(&claims).is_ok(), end > -60);
            }
        }
    }
}
