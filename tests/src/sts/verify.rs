//! Whether a request is signed by who it says: signed once more, by AWS's own crate, with the secret of
//! the key that it names.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Key;

/// A request that was received, or only written down.
pub(super) struct Presented<'a> {
    pub(super) method: &'a str,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: &'a [u8],
    /// What time it is for the service.
    pub(super) now: Timestamp,
}

/// A refusal: code and message.
pub(super) type Refusal = (&'static str, String);

impl Presented<'_> {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter();
        let found = found.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Who signed it, and in which region, given the keys that there are.
    pub(super) fn verified(&self, keys: &[Key]) -> Result<(Key, String), Refusal> {
        let malformed = || ("IncompleteSignature", "no such Authorization".to_owned());
        let authorization = self.header("authorization").ok_or_else(malformed)?;
        let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=");
        let (credential, rest) = rest
            .and_then(|rest| rest.split_once(", SignedHeaders="))
            .ok_or_else(malformed)?;
        let (names, signature) = rest.split_once(", Signature=").ok_or_else(malformed)?;
        let parts: Vec<&str> = credential.split('/').collect();
        let [id, day, region, "sts", "aws4_request"] = parts[..] else {
            return Err(malformed());
        };
        let key = keys.iter().find(|key| key.id == id).ok_or_else(|| {
            let message = "The security token included in the request is invalid.";
            ("InvalidClientTokenId", message.to_owned())
        })?;
        if self.header("x-amz-security-token") != key.token.as_deref() {
            return Err(("InvalidClientTokenId", "The token is another's.".into()));
        }
        if key.end <= self.now {
            return Err(("ExpiredToken", "The security token has expired".into()));
        }
        let date = self.header("x-amz-date").ok_or_else(malformed)?;
        let time = DateTime::strptime("%Y%m%dT%H%M%SZ", date)
            .and_then(|time| TimeZone::UTC.to_timestamp(time))
            .map_err(|_| malformed())?;
        let skew = self.now.duration_since(time).abs();
        if !date.starts_with(day) || skew.as_secs() > 300 {
            return Err(("SignatureDoesNotMatch", "Signature expired".into()));
        }
        let expected = self.sign(key, region, time, names);
        if expected != signature {
            // As AWS words it: whoever logs the whole has logged the token.
            let token = key.token.as_deref().unwrap_or_default();
            return Err((
                "SignatureDoesNotMatch",
                format!(
                    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'POST\nx-amz-security-token:{token}'"
                ),
            ));
        }
        Ok((key.clone(), region.to_owned()))
    }

    fn sign(&self, key: &Key, region: &str, time: Timestamp, names: &str) -> String {
        let credentials = Credentials::new(&key.id, &key.secret, key.token.clone(), None, "sts");
        let identity = credentials.into();
        let time = Duration::from_secs(time.as_second().unsigned_abs());
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("sts")
            .time(UNIX_EPOCH + time)
            .settings(SigningSettings::default())
            .build()
            .expect("all that is needed is there")
            .into();
        // What the crate adds itself is taken from it.
        let added = ["x-amz-date", "x-amz-security-token"];
        let headers = names.split(';').filter(|name| !added.contains(name));
        let headers = headers.filter_map(|name| Some((name, self.header(name)?)));
        let body = SignableBody::Bytes(self.body);
        let request = SignableRequest::new(self.method, &self.url, headers, body);
        let request = request.expect("what was received is a request");
        sign(request, &parameters)
            .expect("it can be signed")
            .into_parts()
            .1
    }
}
