//! A role at AWS: the request for a session of it, and what the reply says.
//!
//! See [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html). Not here: web
//! identities, SAML, MFA, session policies.

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use quick_xml::escape::unescape;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::{AWS, FORM, post};
use crate::error::{ConfigError, ErrorKind, TransferError};
use crate::route::Route;
use crate::sigv4::{Credentials, PayloadHash, Signer, encode_query};
use crate::time::rfc3339;

/// The longest name of a session.
const LONGEST_NAME: usize = 64;

/// A role that a route reads with.
#[derive(Debug)]
pub struct Role {
    arn: String,
    external_id: Option<String>,
    session: String,
    url: Uri,
    /// With the credentials that may assume the role.
    signer: Signer,
}

impl Role {
    /// The role that `route` names, if it names one, to be asked for with `credentials` at `url`, the
    /// address of STS in `region`.
    ///
    /// # Errors
    /// [`ConfigError`] about credentials or a region that cannot be signed with.
    pub fn of(
        route: &Route,
        credentials: &Credentials,
        region: &str,
        url: Uri,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(arn) = route.role_arn.clone() else {
            return Ok(None);
        };
        let signer = Signer::service(credentials.clone(), region, "sts")
            .map_err(|_| ConfigError::new(route.variable(), "its region is not one."))?;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter);
        let letters = route.name.chars();
        let name = letters.map(|letter| if fits(letter) { letter } else { '-' });
        Ok(Some(Self {
            arn,
            external_id: route.external_id.clone(),
            session: "causeway-".chars().chain(name).take(LONGEST_NAME).collect(),
            url,
            signer,
        }))
    }

    /// The request for a session of an hour, signed at `now`.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigurationInvalid`] when it cannot be signed.
    pub fn request(&self, now: Timestamp) -> Result<Request<Bytes>, TransferError> {
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", &*self.arn),
            ("RoleSessionName", &*self.session),
            ("DurationSeconds", "3600"),
        ];
        if let Some(id) = &self.external_id {
            fields.push(("ExternalId", id));
        }
        let form = encode_query(fields);
        let payload = PayloadHash::of(form.as_bytes());
        let mut request = post(&self.url, FORM, form);
        let signed = self.signer.sign(&mut request, &payload, now);
        signed.map_err(|error| {
            TransferError::new(
                ErrorKind::ConfigurationInvalid,
                format!("The request to AWS STS cannot be signed: {error}."),
                "Check the route and the AWS_… variables of the worker.",
            )
        })?;
        Ok(request)
    }

    /// Reads the reply: the session's credentials, and their end.
    ///
    /// # Errors
    /// [`ErrorKind::SourceCredentialRefused`] with STS's own code, [`ErrorKind::SourceUnavailable`] when
    /// it is busy or failing, [`ErrorKind::SourceUnexpected`] for what is no session.
    pub fn read(&self, reply: &Response<Bytes>) -> Result<(Credentials, Timestamp), TransferError> {
        let text = std::str::from_utf8(reply.body()).unwrap_or_default();
        let leaf = |name| leaf(text, name).unwrap_or_default();
        let code = leaf("Code");
        if reply.status() != StatusCode::OK || !code.is_empty() {
            return Err(self.refusal(reply, &code, &leaf("Message")));
        }
        let session = Credentials::new(
            leaf("AccessKeyId"),
            leaf("SecretAccessKey"),
            Some(leaf("SessionToken")),
        );
        let end = rfc3339(&leaf("Expiration"));
        session.ok().zip(end).ok_or_else(|| {
            let what = format!("the role {}", self.arn);
            AWS.nothing(&what, "AWS_ENDPOINT_URL_STS")
        })
    }

    fn refusal(&self, reply: &Response<Bytes>, code: &str, message: &str) -> TransferError {
        let advice = if code == "AccessDenied" {
            "Check the role's trust policy: its principal is to be the identity of AWS_ACCESS_KEY_ID. If it asks for an sts:ExternalId, that is to be the route's external_id."
        } else {
            "Check the route's role_arn and external_id, and the AWS_… secrets of the worker, or the route's own."
        };
        let what = format!("the role {}", self.arn);
        AWS.refusal(reply, (code, message), &what, advice)
    }
}

/// The text of the first element called `name`: of those that are read here, each answer has one.
fn leaf(xml: &str, name: &str) -> Option<String> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if start.local_name().as_ref() == name => {
                let text = reader.read_text(start.name()).ok()?;
                let text = text.xml10_content();
                return Some(unescape(text.trim()).ok()?.into_owned());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}
