//! How to read from S3: where it is, what is asked of it, and with what it is signed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{IF_MATCH, RANGE};
use http::{HeaderValue, Method, Request, Uri};

use super::{base_url, cannot_sign, check_reachable};
use crate::aws;
use crate::credentials::{CachedCredential, Role};
use crate::error::{ConfigError, TransferError};
use crate::route::Route;
use crate::s3::PARTS_PAGE;
use crate::sigv4::{Credentials, Signer, encode_key, encode_query};
use crate::time::Clock;

/// How to read from S3.
#[derive(Debug)]
pub struct S3Access {
    /// Another store's base URL, or none for AWS.
    endpoint: Option<String>,
    region: String,
    /// Whose the buckets have to be.
    owner: Option<HeaderValue>,
    role: Option<Role>,
    /// With the role's session where there is a role.
    signer: CachedCredential<Arc<Signer>>,
    /// What requests to AWS are signed by.
    clock: Clock,
    /// It refused a read by version.
    refuses_versions: AtomicBool,
    /// It does not tell of the parts of objects, perhaps for lack of `s3:GetObjectAttributes`: it is not asked any more.
    pub(crate) refuses_parts: AtomicBool,
}

/// Where AWS is, if it is not where it always is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Endpoints<'a> {
    /// `AWS_ENDPOINT_URL_S3`: another store's base URL.
    pub s3: Option<&'a str>,
    /// `AWS_ENDPOINT_URL_STS`: the base URL of another token service.
    pub sts: Option<&'a str>,
}

/// What a read asks beyond the object itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Only so many bytes (not 0) from the first one named (`Range`).
    pub span: Option<(u64, u64)>,
    /// Only if the object still has this ETag (`If-Match`).
    pub if_match: Option<String>,
    /// This version, whether or not it is current (`versionId`).
    pub version: Option<String>,
}

impl S3Access {
    /// Access for `route`, to AWS or to the store at `endpoints.s3` (path-style), in `region` if the route
    /// names none. An endpoint of AWS that names a region is signed for that. Where the route names a role,
    /// `credentials` only ask for its sessions.
    ///
    /// # Errors
    /// [`ConfigError`] about `AWS_REGION`, the route, `AWS_ENDPOINT_URL_S3`, or `AWS_ENDPOINT_URL_STS`.
    pub fn new(
        credentials: &Credentials,
        region: &str,
        endpoints: Endpoints<'_>,
        route: &Route,
    ) -> Result<Self, ConfigError> {
        let base =
            |variable: &str, url: Option<&str>| url.map(|url| base_url(variable, url)).transpose();
        let endpoint = base("AWS_ENDPOINT_URL_S3", endpoints.s3)?;
        let variable = match route.region {
            Some(_) => route.variable(),
            None => "AWS_REGION".into(),
        };
        let wrong = || {
            let message = "its region is not one, such as us-east-1: letters, digits, '-' and '_'.";
            ConfigError::new(variable.clone(), message)
        };
        let region = route.region.as_deref().unwrap_or(region);
        let sts = base("AWS_ENDPOINT_URL_STS", endpoints.sts)?;
        let sts = sts.unwrap_or_else(|| format!("https://{}", aws::host("sts", region)));
        let sts: Uri = format!("{sts}/").parse().map_err(|_| wrong())?;
        let at_sts = region_at("sts", &sts);
        let role = Role::of(route, credentials, at_sts.as_deref().unwrap_or(region), sts)?;
        let at_s3 = endpoint.as_ref().and_then(|url| url.parse().ok());
        let at_s3 = at_s3.and_then(|url| region_at("s3", &url));
        let region = at_s3.as_deref().unwrap_or(region);
        let signer = Signer::s3(credentials.clone(), region);
        let signer = Arc::new(signer.map_err(|_| wrong())?);
        let owner = route.expected_bucket_owner.as_deref();
        Ok(Self {
            endpoint,
            region: region.to_owned(),
            owner: owner.and_then(|owner| HeaderValue::from_str(owner).ok()),
            signer: match role {
                Some(_) => CachedCredential::none(),
                None => CachedCredential::for_ever(signer),
            },
            role,
            clock: Clock::default(),
            refuses_versions: AtomicBool::new(false),
            refuses_parts: AtomicBool::new(false),
        })
    }

    /// The region that requests are signed for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    pub(crate) fn role(&self) -> Option<&Role> {
        self.role.as_ref()
    }

    pub(crate) fn signer(&self) -> &CachedCredential<Arc<Signer>> {
        &self.signer
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Which version to ask for of an object that was read as `version`: none after S3 refused to read by version.
    pub(crate) fn version(&self, version: Option<&str>) -> Option<String> {
        let is_read = !self.refuses_versions.load(Ordering::Relaxed);
        version.filter(|_| is_read).map(str::to_owned)
    }

    /// A read by version was refused, perhaps for lack of `s3:GetObjectVersion`: none is made any more.
    pub(crate) fn refuses_versions(&self) {
        self.refuses_versions.store(true, Ordering::Relaxed);
    }

    /// A GetObject with stored checksums asked for
    /// ([GetObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html)).
    ///
    /// # Errors
    /// [`KeyUnreachable`](crate::error::ErrorKind::KeyUnreachable) for a key with `.` or `..` segments, which
    /// HTTP clients take out of a URL;
    /// [`ConfigurationInvalid`](crate::error::ErrorKind::ConfigurationInvalid) when the request cannot be made.
    pub fn get_object(
        &self,
        bucket: &str,
        key: &str,
        read: &Read,
    ) -> Result<Request<Bytes>, TransferError> {
        let version = read.version.as_deref();
        let query = version.map_or_else(String::new, |version| {
            format!("?{}", encode_query([("versionId", version)].into_iter()))
        });
        let mut request = self.request(bucket, key, &query)?;
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
        Ok(request)
    }

    /// A HeadObject: whether the key is there, and as what
    /// ([HeadObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html)).
    ///
    /// # Errors
    /// See [`Self::get_object`].
    pub fn head_object(&self, bucket: &str, key: &str) -> Result<Request<Bytes>, TransferError> {
        let mut request = self.request(bucket, key, "")?;
        *request.method_mut() = Method::HEAD;
        Ok(request)
    }

    /// A GetObjectTagging of `version`, or of what stands there now
    /// ([GetObjectTagging](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html)).
    ///
    /// # Errors
    /// See [`Self::get_object`].
    pub fn get_object_tagging(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Request<Bytes>, TransferError> {
        let version = version.map(|version| ("versionId", version));
        let query = encode_query([("tagging", "")].into_iter().chain(version));
        self.request(bucket, key, &format!("?{query}"))
    }

    /// A GetObjectAttributes: the parts behind the one of the number `after`. It names no version, which would take
    /// another permission: the ETag in the reply tells whose parts they are
    /// ([GetObjectAttributes](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html)).
    ///
    /// # Errors
    /// See [`Self::get_object`].
    pub fn get_object_parts(
        &self,
        bucket: &str,
        key: &str,
        after: u32,
    ) -> Result<Request<Bytes>, TransferError> {
        let wanted = HeaderValue::from_static("ETag,ObjectParts");
        let mut request = self.request(bucket, key, "?attributes=")?;
        let headers = request.headers_mut();
        headers.insert("x-amz-object-attributes", wanted);
        headers.insert("x-amz-max-parts", PARTS_PAGE.into());
        headers.insert("x-amz-part-number-marker", after.into());
        Ok(request)
    }

    /// A ListObjectsV2: at most `page` keys that begin with `prefix`, from where `token` leads, or behind
    /// `after`
    /// ([ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)).
    ///
    /// # Errors
    /// [`ErrorKind::ConfigurationInvalid`](crate::error::ErrorKind::ConfigurationInvalid) when the request cannot be made.
    pub fn list_objects(
        &self,
        bucket: &str,
        prefix: &str,
        token: Option<&str>,
        after: Option<&str>,
        page: u32,
    ) -> Result<Request<Bytes>, TransferError> {
        let page = page.to_string();
        let from = token.map(|token| ("continuation-token", token));
        let from = from.or(after.map(|after| ("start-after", after)));
        let query = [
            ("list-type", "2"),
            ("encoding-type", "url"),
            ("max-keys", page.as_str()),
            ("prefix", prefix),
        ];
        let query = encode_query(query.into_iter().chain(from));
        self.request(bucket, "", &format!("?{query}"))
    }

    /// A GET, not signed yet. It goes to nobody but the bucket's expected owner
    /// ([bucket owner condition](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html)).
    fn request(
        &self,
        bucket: &str,
        key: &str,
        query: &str,
    ) -> Result<Request<Bytes>, TransferError> {
        check_reachable(key)?;
        let path = encode_key(key);
        let host = aws::host("s3", &self.region);
        let url = match &self.endpoint {
            Some(endpoint) => format!("{endpoint}/{bucket}/{path}{query}"),
            // A certificate for *.s3.<region> does not cover a bucket name with dots.
            None if bucket.contains('.') => format!("https://{host}/{bucket}/{path}{query}"),
            None => format!("https://{bucket}.{host}/{path}{query}"),
        };
        let uri: Uri = url
            .parse()
            .map_err(|error: http::uri::InvalidUri| cannot_sign(&error.to_string()))?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri;
        if let Some(owner) = &self.owner {
            let headers = request.headers_mut();
            headers.insert("x-amz-expected-bucket-owner", owner.clone());
        }
        Ok(request)
    }
}

/// The region of AWS that `url` names, if it names one.
fn region_at(service: &str, url: &Uri) -> Option<String> {
    aws::region_of(service, url.host()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::ErrorKind;
    use crate::sigv4::PayloadHash;
    use http::header::AUTHORIZATION;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    fn along(options: &Value, endpoints: Endpoints<'_>) -> Result<S3Access, ConfigError> {
        let credentials = Credentials::new("AKID", "secret", None).unwrap();
        let mut table = json!({"source": "s3://src", "destination": "gs://dst"});
        let options = options.as_object().unwrap().clone();
        table.as_object_mut().unwrap().extend(options);
        let route = Route::parse("ROUTE_A", table).unwrap();
        S3Access::new(&credentials, "eu-west-1", endpoints, &route)
    }

    fn s3(options: &Value) -> S3Access {
        along(options, Endpoints::default()).unwrap()
    }

    fn url(access: &S3Access, bucket: &str, key: &str) -> String {
        let request = access.get_object(bucket, key, &Read::default()).unwrap();
        request.uri().to_string()
    }

    /// The names that are signed.
    fn signed(access: &S3Access, mut request: Request<Bytes>) -> String {
        let signer = access.signer.value().unwrap();
        let signed = signer.sign(&mut request, &PayloadHash::Empty, Timestamp::UNIX_EPOCH);
        signed.unwrap();
        let authorization = request.headers()[AUTHORIZATION].to_str().unwrap();
        let names = authorization.split("SignedHeaders=").nth(1).unwrap();
        names.split(',').next().unwrap().to_owned()
    }

    #[test]
    fn addresses_are_virtual_hosted_at_aws_and_path_style_elsewhere() {
        let aws = s3(&json!({}));
        assert_eq!(
            url(&aws, "src", "a b/é+%"),
            "https://src.s3.eu-west-1.amazonaws.com/a%20b/%C3%A9%2B%25"
        );
        assert_eq!(
            url(&aws, "my.src", "k"),
            "https://s3.eu-west-1.amazonaws.com/my.src/k"
        );
        assert_eq!(
            url(&s3(&json!({"region": "cn-north-1"})), "src", "/k//"),
            "https://src.s3.cn-north-1.amazonaws.com.cn//k//"
        );
        let endpoints = Endpoints {
            s3: Some("http://localhost:9/"),
            ..Endpoints::default()
        };
        let elsewhere = along(&json!({}), endpoints).unwrap();
        assert_eq!(url(&elsewhere, "src", "k"), "http://localhost:9/src/k");
    }

    #[test]
    fn each_partition_has_hosts_of_its_own() {
        for (region, host) in [
            ("us-gov-west-1", "s3.us-gov-west-1.amazonaws.com"),
            ("eusc-de-east-1", "s3.eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "s3.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "s3.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            let role = "arn:aws:iam::123456789012:role/r";
            let access = s3(&json!({"region": region, "role_arn": role}));
            assert_eq!(url(&access, "src", "k"), format!("https://src.{host}/k"));
            let session = access.role().unwrap().request(Timestamp::UNIX_EPOCH);
            let sts = host.replacen("s3", "sts", 1);
            assert_eq!(session.unwrap().uri().host(), Some(&*sts));
        }
    }

    #[test]
    fn an_endpoint_of_aws_is_signed_for_the_region_that_it_names() {
        for (endpoint, region) in [
            ("https://s3.us-west-2.amazonaws.com", "us-west-2"),
            (
                "https://s3-fips.dualstack.us-east-1.amazonaws.com",
                "us-east-1",
            ),
            (
                "https://bucket.vpce-1a-2b.s3.us-east-2.vpce.amazonaws.com",
                "us-east-2",
            ),
            ("https://minio.example:9000", "eu-west-1"),
        ] {
            let endpoints = Endpoints {
                s3: Some(endpoint),
                ..Endpoints::default()
            };
            let access = along(&json!({}), endpoints).unwrap();
            assert_eq!(url(&access, "src", "k"), format!("{endpoint}/src/k"));
            let mut request = access.head_object("src", "k").unwrap();
            let signer = access.signer.value().unwrap();
            let signed = signer.sign(&mut request, &PayloadHash::Empty, Timestamp::UNIX_EPOCH);
            signed.unwrap();
            let authorization = request.headers()[AUTHORIZATION].to_str().unwrap();
            let scope = format!("/{region}/s3/aws4_request");
            assert!(authorization.contains(&scope), "{authorization}");
        }
        let endpoints = Endpoints {
            sts: Some("https://sts.amazonaws.com"),
            ..Endpoints::default()
        };
        let role = json!({"role_arn": "arn:aws:iam::123456789012:role/r"});
        let access = along(&role, endpoints).unwrap();
        let session = access.role().unwrap().request(Timestamp::UNIX_EPOCH);
        let session = session.unwrap();
        let authorization = session.headers()[AUTHORIZATION].to_str().unwrap();
        assert!(
            authorization.contains("/us-east-1/sts/aws4_request"),
            "{authorization}"
        );
    }

    #[test]
    fn a_variable_that_is_wrong_is_named() {
        let role = json!({"role_arn": "arn:aws:iam::123456789012:role/r"});
        let (s3, sts) = (Some("ftp://h"), Some("http://h/path"));
        let wrong = |options: &Value, s3, sts| along(options, Endpoints { s3, sts }).unwrap_err();
        assert_eq!(wrong(&role, s3, None).variable, "AWS_ENDPOINT_URL_S3");
        assert_eq!(wrong(&role, None, sts).variable, "AWS_ENDPOINT_URL_STS");
        let region = json!({"region": "eu hush"});
        let error = wrong(&region, None, None);
        assert_eq!(error.variable, "ROUTE_A");
        assert!(!error.message.contains("hush"), "{error}");
        // Whoever is told of an address is not told a password in it, nor is one taken.
        for url in [
            "http://root:hush@h",
            "http://hush@h",
            "ftp://u:hush@h/",
            "hush",
        ] {
            let error = wrong(&json!({}), Some(url), None);
            assert_eq!(error.variable, "AWS_ENDPOINT_URL_S3");
            assert!(!error.message.contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_key_with_dot_segments_is_refused_with_its_reason() {
        for key in [".", "..", "a/../b", "a/.", "./a"] {
            let error = s3(&json!({})).get_object("src", key, &Read::default());
            assert_eq!(error.unwrap_err().kind, ErrorKind::KeyUnreachable, "{key}");
        }
        for key in ["...", ".a", "a..", "a/.b"] {
            url(&s3(&json!({})), "src", key);
        }
    }

    #[test]
    fn a_read_may_skip_and_be_conditional_and_both_are_signed() {
        let read = Read {
            span: Some((5, 7)),
            if_match: Some("\"e\"".into()),
            version: Some("v+/=".into()),
        };
        let access = s3(&json!({}));
        let request = access.get_object("src", "k", &read).unwrap();
        assert_eq!(request.headers()[RANGE], "bytes=5-11");
        assert_eq!(request.headers()[IF_MATCH], "\"e\"");
        assert_eq!(
            signed(&access, request),
            "host;if-match;range;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date"
        );
    }

    #[test]
    fn every_request_names_the_owner_that_the_route_expects_and_signs_it() {
        let access = s3(&json!({"expected_bucket_owner": "012345678901"}));
        for request in [
            access.get_object("src", "k", &Read::default()),
            access.head_object("src", "k"),
            access.get_object_tagging("src", "k", None),
            access.get_object_parts("src", "k", 0),
            access.list_objects("src", "", None, None, 9),
        ] {
            let request = request.unwrap();
            let owner = &request.headers()["x-amz-expected-bucket-owner"];
            assert_eq!(owner, "012345678901");
            assert!(signed(&access, request).contains("x-amz-expected-bucket-owner"));
        }
        let silent = s3(&json!({})).head_object("src", "k").unwrap();
        assert!(silent.headers().is_empty());
    }

    #[test]
    fn a_head_has_the_same_address() {
        let access = s3(&json!({}));
        let request = access.head_object("src", "a b").unwrap();
        assert_eq!(request.method(), Method::HEAD);
        assert_eq!(request.uri().to_string(), url(&access, "src", "a b"));
    }

    #[test]
    fn tags_are_asked_of_the_version_that_is_known() {
        let ask = |version| {
            let request = s3(&json!({})).get_object_tagging("src", "a b", version);
            request.unwrap().uri().to_string()
        };
        let url = "https://src.s3.eu-west-1.amazonaws.com/a%20b?tagging=";
        assert_eq!(ask(None), url);
        assert_eq!(ask(Some("v+/=")), format!("{url}&versionId=v%2B%2F%3D"));
    }
}
