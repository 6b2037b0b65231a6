//! The region that a request is signed for: S3 refuses one that is not its bucket's before it looks at
//! the signature, and says which is.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>: `AuthorizationHeaderMalformed`.
//! Clients read the right one from its `Region`, or from the header that HEAD has in its place.

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;

use super::store::Store;

pub(super) const BUCKET_REGION: &str = "x-amz-bucket-region";
/// Where a bucket's location may be asked for whatever it is: the region that S3 calls by no name.
const GLOBAL: &str = "us-east-1";

/// The refusal of a request whose region is wrong. One of no bucket that is there may be signed for any
/// region, as each has an endpoint of its own and this stands for all of them.
pub(super) fn refusal(parts: &Parts, store: &Store) -> Option<Response<Body>> {
    let scope = Scope::of(parts)?;
    let path = percent_decode_str(parts.uri.path().trim_start_matches('/')).decode_utf8_lossy();
    let bucket = path.split('/').next().unwrap_or_default();
    let of_bucket = store.settings(bucket).ok().map(|settings| settings.region);
    let expected = match of_bucket {
        Some(region) if region == scope.region => return None,
        Some(_) if scope.region == GLOBAL && asks_for_location(parts) => return None,
        Some(region) => region,
        None if is_name(&scope.region) => return None,
        None => store.default_settings().region,
    };
    Some(scope.refused(&expected))
}

/// The region of a bucket that a HEAD asks for, which every answer to that has: clients ask without any
/// credential, are refused, and know it.
pub(super) fn asked(parts: &Parts, store: &Store) -> Option<HeaderValue> {
    let bucket = parts.uri.path().trim_matches('/');
    if parts.method != Method::HEAD || bucket.contains('/') {
        return None;
    }
    let region = store.settings(bucket).ok()?.region;
    HeaderValue::try_from(region).ok()
}

fn asks_for_location(parts: &Parts) -> bool {
    let mut query = parts.uri.query().unwrap_or_default().split('&');
    parts.method == Method::GET && query.any(|pair| matches!(pair, "location" | "location="))
}

/// Whether it could be a region's name at all.
fn is_name(region: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !region.is_empty() && region.bytes().all(fits)
}

/// Where a signature says that it is good.
struct Scope {
    region: String,
    /// In the URL instead of a header.
    presigned: bool,
}

impl Scope {
    /// `None` where there is none that could be read: other checks refuse that.
    fn of(parts: &Parts) -> Option<Self> {
        let header = parts.headers.get(AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok()?.split_once("Credential="));
        let presigned = header.is_none();
        let credential = if let Some((_, credential)) = header {
            credential.into()
        } else {
            let mut pairs = parts.uri.query()?.split('&');
            let credential = pairs.find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?;
            percent_decode_str(credential).decode_utf8_lossy()
        };
        // Key, date, region, service: none of the last three has a slash.
        let (scope, _) = credential.split_once("/aws4_request")?;
        let region = scope.rsplit('/').nth(1)?.to_owned();
        Some(Self { region, presigned })
    }

    fn refused(&self, expected: &str) -> Response<Body> {
        let (code, what) = if self.presigned {
            (
                "AuthorizationQueryParametersError",
                "Error parsing the X-Amz-Credential parameter",
            )
        } else {
            (
                "AuthorizationHeaderMalformed",
                "The authorization header is malformed",
            )
        };
        let region = quick_xml::escape::escape(&self.region);
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>{what}; the region '{region}' is wrong; expecting '{expected}'</Message>\
             <Region>{expected}</Region></Error>"
        );
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        if let Ok(region) = HeaderValue::try_from(expected) {
            headers.insert(BUCKET_REGION, region);
        }
        response
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::Request;

    use super::*;
    use crate::s3::store::BucketSettings;

    fn region_of(method: &str, target: &str, authorization: Option<&str>) -> Option<String> {
        let store = Store::new("eu-west-1".to_owned());
        store.create_bucket("here").unwrap();
        let settings = BucketSettings {
            region: "us-west-2".into(),
            ..store.default_settings()
        };
        store.create_bucket_with("there", settings).unwrap();
        let mut request = Request::builder().method(method).uri(target);
        if let Some(scope) = authorization {
            let value = format!(
                "AWS4-HMAC-SHA256 Credential=AK/20260101/{scope}/s3/aws4_request, SignedHeaders=host, Signature=0"
            );
            request = request.header(AUTHORIZATION, value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let refusal = refusal(&parts, &store)?;
        let region = refusal.headers()["x-amz-bucket-region"].to_str().unwrap();
        Some(region.to_owned())
    }

    #[test]
    fn a_bucket_is_named_with_its_region() {
        let cases = [
            ("GET", "/here/k", "eu-west-1", None),
            ("GET", "/here/k", "us-east-1", Some("eu-west-1")),
            ("HEAD", "/there", "eu-west-1", Some("us-west-2")),
            ("GET", "/here?location", "us-east-1", None),
            ("GET", "/here?location", "us-west-2", Some("eu-west-1")),
            ("PUT", "/here?location", "us-east-1", Some("eu-west-1")),
            ("GET", "/", "us-west-2", None),
            ("GET", "/", "US", Some("eu-west-1")),
            ("GET", "/", "", Some("eu-west-1")),
            ("GET", "/there/k", "US", Some("us-west-2")),
            ("PUT", "/new", "us-west-2", None),
        ];
        for (method, target, region, expected) in cases {
            let found = region_of(method, target, Some(region));
            assert_eq!(found.as_deref(), expected, "{method} {target} {region}");
        }
    }

    #[test]
    fn a_presigned_url_says_it_in_its_query() {
        let url = |region| {
            format!(
                "/here/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20260101%2F{region}%2Fs3%2Faws4_request"
            )
        };
        assert_eq!(region_of("GET", &url("eu-west-1"), None), None);
        let found = region_of("GET", &url("EU"), None);
        assert_eq!(found.as_deref(), Some("eu-west-1"));
        assert_eq!(region_of("GET", "/here/k", None), None);
    }
}
