//! Endpoints and credentials: turns "read this key" and "write that object" into requests that the
//! stores accept.
//!
//! One value serves all transfers of a process. The private key of the Google account is not
//! here: the runtime signs with it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::{AUTHORIZATION, IF_MATCH, RANGE};
use http::{HeaderValue, Method, Request, Uri};
use jiff::Timestamp;

use crate::error::{ConfigError, ErrorKind, TransferError};
use crate::gcs::{AccessToken, Assertion, ObjectAddress, ServiceAccount};
use crate::route::Routes;
use crate::sigv4::{Credentials, PayloadHash, Signer, encode_key, encode_query};

/// Access to both sides.
#[derive(Debug)]
pub struct Access {
    /// The reading side.
    pub s3: S3Access,
    /// The writing side.
    pub gcs: GcsAccess,
}

/// How to read from S3.
#[derive(Debug)]
pub struct S3Access {
    /// Another store's base URL, or none for AWS.
    endpoint: Option<String>,
    default_region: String,
    signers: BTreeMap<String, Signer>,
}

/// What a read asks beyond the object itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Only so many bytes (not 0) from the first one named (`Range`).
    pub span: Option<(u64, u64)>,
    /// Only if the object still has this ETag (`If-Match`).
    pub if_match: Option<String>,
}

impl S3Access {
    /// Access to AWS, or to the store at `endpoint` (path-style), in `region` and whatever other
    /// regions `routes` name.
    ///
    /// # Errors
    /// [`ConfigError`] about `AWS_REGION`, the route, or `AWS_ENDPOINT_URL_S3`.
    pub fn new(
        credentials: &Credentials,
        region: &str,
        endpoint: Option<&str>,
        routes: &Routes,
    ) -> Result<Self, ConfigError> {
        let endpoint = endpoint
            .map(|url| base_url("AWS_ENDPOINT_URL_S3", url))
            .transpose()?;
        let mut signers = BTreeMap::new();
        let regions = routes
            .iter()
            .filter_map(|route| Some((route.variable(), route.region.clone()?)));
        for (variable, region) in [("AWS_REGION".to_owned(), region.to_owned())]
            .into_iter()
            .chain(regions)
        {
            let signer = Signer::s3(credentials.clone(), region.as_str())
                .map_err(|error| ConfigError::new(variable, error.to_string()))?;
            signers.insert(region, signer);
        }
        Ok(Self {
            endpoint,
            default_region: region.to_owned(),
            signers,
        })
    }

    /// A signed GetObject with stored checksums asked for
    /// ([GetObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html)).
    ///
    /// # Errors
    /// [`ErrorKind::KeyUnreachable`] for a key with `.` or `..` segments, which HTTP clients take
    /// out of a URL; [`ErrorKind::ConfigurationInvalid`] when the request cannot be signed.
    pub fn get_object(
        &self,
        region: Option<&str>,
        bucket: &str,
        key: &str,
        read: &Read,
        now: Timestamp,
    ) -> Result<Request<Bytes>, TransferError> {
        let region = region.unwrap_or(&self.default_region);
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.object_uri(region, bucket, key, "")?;
        let headers = request.headers_mut();
        headers.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
        if let Some((first, length)) = read.span {
            let last = first + length.saturating_sub(1);
            let range = HeaderValue::try_from(format!("bytes={first}-{last}"))
                .expect("digits are a header value");
            headers.insert(RANGE, range);
        }
        if let Some(etag) = &read.if_match {
            headers.insert(
                IF_MATCH,
                HeaderValue::from_str(etag)
                    .map_err(|_| cannot_sign("its ETag is no header value"))?,
            );
        }
        self.sign(&mut request, region, now)?;
        Ok(request)
    }

    /// A signed HeadObject: whether the key is there, and as what
    /// ([HeadObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html)).
    ///
    /// # Errors
    /// See [`Self::get_object`].
    pub fn head_object(
        &self,
        region: Option<&str>,
        bucket: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Request<Bytes>, TransferError> {
        let region = region.unwrap_or(&self.default_region);
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::HEAD;
        *request.uri_mut() = self.object_uri(region, bucket, key, "")?;
        self.sign(&mut request, region, now)?;
        Ok(request)
    }

    /// A signed GetObjectTagging of `version`, or of what stands there now
    /// ([GetObjectTagging](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html)).
    ///
    /// # Errors
    /// See [`Self::get_object`].
    pub fn get_object_tagging(
        &self,
        region: Option<&str>,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        now: Timestamp,
    ) -> Result<Request<Bytes>, TransferError> {
        let region = region.unwrap_or(&self.default_region);
        let version = version.map(|version| ("versionId", version));
        let query = encode_query([("tagging", "")].into_iter().chain(version));
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.object_uri(region, bucket, key, &format!("?{query}"))?;
        self.sign(&mut request, region, now)?;
        Ok(request)
    }

    /// A signed ListObjectsV2: at most `page` keys that begin with `prefix`, behind `after`
    /// ([ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)).
    ///
    /// # Errors
    /// [`ErrorKind::ConfigurationInvalid`] when the request cannot be signed.
    pub fn list_objects(
        &self,
        region: Option<&str>,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        page: u32,
        now: Timestamp,
    ) -> Result<Request<Bytes>, TransferError> {
        let region = region.unwrap_or(&self.default_region);
        let page = page.to_string();
        let after = after.map(|after| ("start-after", after));
        let query = [
            ("list-type", "2"),
            ("encoding-type", "url"),
            ("max-keys", page.as_str()),
            ("prefix", prefix),
        ];
        let query = encode_query(query.into_iter().chain(after));
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = self.object_uri(region, bucket, "", &format!("?{query}"))?;
        self.sign(&mut request, region, now)?;
        Ok(request)
    }

    fn sign(
        &self,
        request: &mut Request<Bytes>,
        region: &str,
        now: Timestamp,
    ) -> Result<(), TransferError> {
        self.signers
            .get(region)
            .ok_or_else(|| cannot_sign(&format!("there is no signer for the region {region}")))?
            .sign(request, &PayloadHash::Empty, now)
            .map_err(|error| cannot_sign(&error.to_string()))?;
        Ok(())
    }

    fn object_uri(
        &self,
        region: &str,
        bucket: &str,
        key: &str,
        query: &str,
    ) -> Result<Uri, TransferError> {
        check_reachable(key)?;
        let path = encode_key(key);
        let host = aws_host(region);
        let url = match &self.endpoint {
            Some(endpoint) => format!("{endpoint}/{bucket}/{path}{query}"),
            // A certificate for *.s3.<region> does not cover a bucket name with dots.
            None if bucket.contains('.') => format!("https://{host}/{bucket}/{path}{query}"),
            None => format!("https://{bucket}.{host}/{path}{query}"),
        };
        url.parse()
            .map_err(|error: http::uri::InvalidUri| cannot_sign(&error.to_string()))
    }
}

/// Whether `key` can stand in a URL.
///
/// # Errors
/// [`ErrorKind::KeyUnreachable`] when a segment is `.` or `..`.
pub(crate) fn check_reachable(key: &str) -> Result<(), TransferError> {
    if key.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(TransferError::new(
            ErrorKind::KeyUnreachable,
            format!(
                "The key {key:?} has a segment \".\" or \"..\", which HTTP clients take out of a URL."
            ),
            "Rename the object at the source.",
        ));
    }
    Ok(())
}

fn aws_host(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("s3.{region}.amazonaws.com{suffix}")
}

fn cannot_sign(reason: &str) -> TransferError {
    TransferError::new(
        ErrorKind::ConfigurationInvalid,
        format!("The request to S3 cannot be signed: {reason}."),
        "Check the route and the AWS_… variables of the worker.",
    )
}

/// How to write to GCS.
#[derive(Debug)]
pub struct GcsAccess {
    endpoint: String,
    account: Option<ServiceAccount>,
    token: Mutex<Option<AccessToken>>,
}

impl GcsAccess {
    /// Access as `account`, or anonymously (an emulator), to GCS or to what `emulator`
    /// (`STORAGE_EMULATOR_HOST`, with or without a scheme) names.
    ///
    /// # Errors
    /// [`ConfigError`] about `STORAGE_EMULATOR_HOST`, or about `GOOGLE_CREDENTIALS` when there is
    /// neither an account nor an emulator.
    pub fn new(
        account: Option<ServiceAccount>,
        emulator: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let endpoint = match emulator {
            Some(host) if host.contains("://") => base_url("STORAGE_EMULATOR_HOST", host)?,
            Some(host) => base_url("STORAGE_EMULATOR_HOST", &format!("http://{host}"))?,
            None if account.is_none() => {
                return Err(ConfigError::new(
                    "GOOGLE_CREDENTIALS",
                    "is missing: set the secret to the JSON key file of a service account.",
                ));
            }
            None => "https://storage.googleapis.com".to_owned(),
        };
        Ok(Self {
            endpoint,
            account,
            token: Mutex::new(None),
        })
    }

    /// The address of the object `name` in `bucket`.
    #[must_use]
    pub fn address(&self, bucket: &str, name: &str) -> ObjectAddress {
        ObjectAddress {
            endpoint: self.endpoint.clone(),
            bucket: bucket.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The bearer token for a request at `now`: `Ok(None)` when none is needed.
    ///
    /// # Errors
    /// The [`Assertion`] to be signed and given to [`GcsAccess::accept`] first.
    pub fn bearer(&self, now: Timestamp) -> Result<Option<HeaderValue>, Assertion> {
        let Some(account) = &self.account else {
            return Ok(None);
        };
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        match token.as_ref().and_then(|token| token.bearer(now)) {
            Some(bearer) => Ok(Some(bearer.clone())),
            None => Err(account.assertion(now)),
        }
    }

    /// Keeps a token for all that follow.
    pub fn accept(&self, token: AccessToken) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// Forgets the token, because GCS refused it.
    pub fn forget(&self) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The Google key signs nothing, for `reason`.
pub(crate) fn cannot_sign_token(reason: &str) -> TransferError {
    TransferError::new(
        ErrorKind::ConfigurationInvalid,
        format!("GOOGLE_CREDENTIALS cannot sign: {reason}."),
        "Set the secret to the JSON key file of a service account, unchanged.",
    )
}

/// Sets a request's Authorization.
pub(crate) fn authorize<B>(request: &mut Request<B>, bearer: Option<&HeaderValue>) {
    if let Some(bearer) = bearer {
        request.headers_mut().insert(AUTHORIZATION, bearer.clone());
    }
}

/// Reads a base URL, without the slash at its end.
///
/// # Errors
/// [`ConfigError`] about `variable`.
pub fn base_url(variable: &str, url: &str) -> Result<String, ConfigError> {
    let url = url.trim_end_matches('/');
    let uri: Option<Uri> = url.parse().ok();
    let is_base = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
            && uri.path() == "/"
    });
    if !is_base {
        return Err(ConfigError::new(
            variable,
            format!("is {url:?}; expected http(s)://host[:port] and nothing behind it."),
        ));
    }
    Ok(url.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::route::Route;
    use serde_json::json;

    fn s3(endpoint: Option<&str>) -> S3Access {
        let credentials = Credentials::new("AKID", "secret", None).unwrap();
        let table =
            json!({"source": "s3://src", "destination": "gs://dst", "region": "cn-north-1"});
        let routes = Routes::new([Route::parse("ROUTE_A", table).unwrap()]).unwrap();
        S3Access::new(&credentials, "eu-west-1", endpoint, &routes).unwrap()
    }

    fn url(access: &S3Access, region: Option<&str>, bucket: &str, key: &str) -> String {
        let request = access
            .get_object(region, bucket, key, &Read::default(), Timestamp::UNIX_EPOCH)
            .unwrap();
        request.uri().to_string()
    }

    #[test]
    fn addresses_are_virtual_hosted_at_aws_and_path_style_elsewhere() {
        let aws = s3(None);
        assert_eq!(
            url(&aws, None, "src", "a b/é+%"),
            "https://src.s3.eu-west-1.amazonaws.com/a%20b/%C3%A9%2B%25"
        );
        assert_eq!(
            url(&aws, None, "my.src", "k"),
            "https://s3.eu-west-1.amazonaws.com/my.src/k"
        );
        assert_eq!(
            url(&aws, Some("cn-north-1"), "src", "/k//"),
            "https://src.s3.cn-north-1.amazonaws.com.cn//k//"
        );
        assert_eq!(
            url(&s3(Some("http://localhost:9/")), None, "src", "k"),
            "http://localhost:9/src/k"
        );
    }

    #[test]
    fn a_key_with_dot_segments_is_refused_with_its_reason() {
        for key in [".", "..", "a/../b", "a/.", "./a"] {
            let error = s3(None)
                .get_object(None, "src", key, &Read::default(), Timestamp::UNIX_EPOCH)
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::KeyUnreachable, "{key}");
        }
        for key in ["...", ".a", "a..", "a/.b"] {
            url(&s3(None), None, "src", key);
        }
    }

    #[test]
    fn a_read_may_skip_and_be_conditional_and_both_are_signed() {
        let read = Read {
            span: Some((5, 7)),
            if_match: Some("\"e\"".into()),
        };
        let request = s3(None)
            .get_object(None, "src", "k", &read, Timestamp::UNIX_EPOCH)
            .unwrap();
        assert_eq!(request.headers()[RANGE], "bytes=5-11");
        assert_eq!(request.headers()[IF_MATCH], "\"e\"");
        let authorization = request.headers()[AUTHORIZATION].to_str().unwrap();
        assert!(authorization.contains("if-match") && authorization.contains("range"));
    }

    #[test]
    fn a_head_is_signed_for_the_same_address() {
        let request = s3(None).head_object(None, "src", "a b", Timestamp::UNIX_EPOCH);
        let request = request.unwrap();
        assert_eq!(request.method(), Method::HEAD);
        assert!(request.headers().contains_key(AUTHORIZATION));
        assert_eq!(
            request.uri().to_string(),
            url(&s3(None), None, "src", "a b")
        );
    }

    #[test]
    fn tags_are_asked_of_the_version_that_is_known() {
        let ask = |version| {
            let request =
                s3(None).get_object_tagging(None, "src", "a b", version, Timestamp::UNIX_EPOCH);
            let request = request.unwrap();
            assert!(request.headers().contains_key(AUTHORIZATION));
            request.uri().to_string()
        };
        let url = "https://src.s3.eu-west-1.amazonaws.com/a%20b?tagging=";
        assert_eq!(ask(None), url);
        assert_eq!(ask(Some("v+/=")), format!("{url}&versionId=v%2B%2F%3D"));
    }

    #[test]
    fn an_emulator_may_leave_out_its_scheme_and_a_credential_may_not_be_missing() {
        let endpoint = |host| GcsAccess::new(None, Some(host)).unwrap().endpoint;
        assert_eq!(endpoint("localhost:4443"), "http://localhost:4443");
        assert_eq!(endpoint("https://h/"), "https://h");
        let missing = GcsAccess::new(None, None).unwrap_err();
        assert_eq!(missing.variable, "GOOGLE_CREDENTIALS");
        for wrong in ["ftp://h", "http://", "http://h/path", "h?x"] {
            let error = GcsAccess::new(None, Some(wrong)).unwrap_err();
            assert_eq!(error.variable, "STORAGE_EMULATOR_HOST", "{wrong}");
        }
    }
}
