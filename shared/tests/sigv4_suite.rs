//! Signature Version 4 against the official test suite, at every stage, in headers and in the query.
//!
//! The suite comes with the `aws-sigv4` crate and is read from the package that Cargo.lock names; nothing of it is
//! kept here. Where a case cannot be taken as it is written, it is named below, and a test fails when the names no
//! longer fit.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};

use causeway_shared::sigv4::{
    Credentials, PathEncoding, PayloadHash, Settings, Signed, Signer, encode_key,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// Cases in aws-sigv4 1.6.4, the two below included.
const CASES: usize = 40;

/// Two cases that AWS's own crate took over from an older suite, without a context and with few stages.
const WITHOUT_CONTEXT: [&str; 2] = ["double-encode-path", "double-url-encode"];

/// Says "normalize", yet expects the path encoded once, which is not how services other than S3 do it. The suite has
/// no setting for it.
const NORMALIZED_BUT_ENCODED_ONCE: [&str; 1] = ["get-space-normalized"];

/// Has a bare space in its request line. No URI can hold one: whoever makes the request has to encode it first.
const SPACE_IN_REQUEST_LINE: [&str; 1] = ["get-space-unnormalized"];

/// Folds a header over several lines. No header value can hold a line end: RFC 9112 section 5.2 has whoever reads the
/// message put spaces for it.
const FOLDED_HEADER: [&str; 1] = ["get-header-value-multiline"];

/// What is in the folder of a case that has a context.
const FILES: [&str; 10] = [
    "context.json",
    "header-canonical-request.txt",
    "header-signature.txt",
    "header-signed-request.txt",
    "header-string-to-sign.txt",
    "query-canonical-request.txt",
    "query-signature.txt",
    "query-signed-request.txt",
    "query-string-to-sign.txt",
    "request.txt",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    credentials: ContextCredentials,
    expiration_in_seconds: u64,
    normalize: bool,
    region: String,
    service: String,
    sign_body: bool,
    timestamp: String,
    #[serde(default)]
    omit_session_token: bool,
}

impl Context {
    fn now(&self) -> Timestamp {
        self.timestamp.parse().unwrap()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextCredentials {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

/// One folder of the suite.
struct Case {
    name: String,
    folder: PathBuf,
}

/// A message of the suite and what had to be done to read it.
struct Message {
    request: Request<String>,
    had_space: bool,
    was_folded: bool,
}

impl Case {
    fn all() -> Vec<Self> {
        let folder = suite();
        let mut cases: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                Self {
                    name: entry.file_name().into_string().unwrap(),
                    folder: entry.path(),
                }
            })
            .collect();
        cases.sort_by(|one, other| one.name.cmp(&other.name));
        cases
    }

    fn with_context() -> impl Iterator<Item = Self> {
        Self::all()
            .into_iter()
            .filter(|case| !WITHOUT_CONTEXT.contains(&case.name.as_str()))
    }

    fn named(name: &str) -> Self {
        Self::all()
            .into_iter()
            .find(|case| case.name == name)
            .unwrap()
    }

    fn files(&self) -> BTreeSet<String> {
        fs::read_dir(&self.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn read(&self, file: &str) -> String {
        let text = fs::read_to_string(self.folder.join(file)).unwrap();
        text.replace("\r\n", "\n").trim_end().to_owned()
    }

    fn message(&self, file: &str) -> Message {
        Message::parse(&self.read(file))
    }

    fn context(&self) -> Context {
        serde_json::from_str(&self.read("context.json")).unwrap()
    }

    fn settings(&self, context: &Context) -> Settings {
        let once = NORMALIZED_BUT_ENCODED_ONCE.contains(&self.name.as_str());
        let shipped = if context.normalize {
            Settings::SERVICE
        } else {
            Settings::S3
        };
        Settings {
            path_encoding: if once {
                PathEncoding::Once
            } else {
                shipped.path_encoding
            },
            content_sha256_header: context.sign_body,
            sign_session_token: !context.omit_session_token,
            ..shipped
        }
    }

    fn signer(&self, context: &Context) -> Signer {
        let ContextCredentials {
            access_key_id,
            secret_access_key,
            token,
        } = &context.credentials;
        let credentials =
            Credentials::new(access_key_id, secret_access_key, token.clone()).unwrap();
        Signer::with_settings(
            credentials,
            &context.region,
            &context.service,
            self.settings(context),
        )
        .unwrap()
    }

    fn assert_stages(&self, place: &str, signed: &Signed) {
        let name = &self.name;
        for (stage, ours) in [
            ("canonical-request", signed.canonical_request.as_str()),
            ("string-to-sign", signed.string_to_sign.as_str()),
            ("signature", signed.signature.as_str()),
        ] {
            let expected = self.read(&format!("{place}-{stage}.txt"));
            assert_eq!(ours, expected, "{name}: {place}, {stage}");
        }
    }

    fn assert_signed_request(&self, place: &str, ours: &Request<String>) {
        let name = &self.name;
        let expected = self.message(&format!("{place}-signed-request.txt")).request;
        assert_eq!(ours.method(), expected.method(), "{name}: {place}");
        assert_eq!(
            by_name(ours.headers()),
            by_name(expected.headers()),
            "{name}: {place}"
        );
        assert_eq!(
            decoded(ours.uri()),
            decoded(expected.uri()),
            "{name}: {place}"
        );
        assert_eq!(ours.body(), expected.body(), "{name}: {place}");
    }
}

impl Message {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let (line, fields) = head.split_once('\n').unwrap();
        let (method, target) = line.split_once(' ').unwrap();
        let target = target.strip_suffix(" HTTP/1.1").unwrap_or(target);
        let had_space = target.contains(' ');
        let was_folded = fields.contains("\n ");
        let fields = fields.replace("\n ", "  ");
        let mut request = Request::builder()
            .method(method)
            .uri(target.replace(' ', &encode_key(" ")))
            .body(body.to_owned())
            .unwrap();
        for field in fields.lines() {
            let (name, value) = field.split_once(':').unwrap();
            request.headers_mut().append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value.trim()).unwrap(),
            );
        }
        Self {
            request,
            had_space,
            was_folded,
        }
    }
}

fn by_name(headers: &HeaderMap) -> BTreeMap<&str, Vec<&[u8]>> {
    headers
        .keys()
        .map(|name| {
            let values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
            (name.as_str(), values.collect())
        })
        .collect()
}

/// Path and parameters, decoded: the order of the parameters in the URL does not matter, nor their spelling.
fn decoded(uri: &Uri) -> (Vec<u8>, BTreeSet<Vec<u8>>) {
    let decode = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let parameters = uri.query().unwrap_or_default().split('&');
    (decode(uri.path()), parameters.map(decode).collect())
}

/// The folder of the suite, in the sources of the `aws-sigv4` that these tests are built with.
fn suite() -> &'static Path {
    static SUITE: OnceLock<PathBuf> = OnceLock::new();
    SUITE.get_or_init(|| {
        // Packages of other platforms may never have been downloaded; those of other members neither, in which case
        // the network is asked.
        let metadata = metadata(true).or_else(|_| metadata(false)).unwrap();
        let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
        let packages = metadata["packages"].as_array().unwrap();
        let manifests: Vec<_> = packages
            .iter()
            .filter(|package| package["name"] == "aws-sigv4")
            .map(|package| package["manifest_path"].as_str().unwrap())
            .collect();
        let [manifest] = manifests[..] else {
            panic!("expected one aws-sigv4 among the packages, found {manifests:?}");
        };
        Path::new(manifest).with_file_name("aws-signing-test-suite/v4")
    })
}

fn metadata(offline: bool) -> Result<Vec<u8>, String> {
    let version = run(&["-vV"])?;
    let version = String::from_utf8(version).unwrap();
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut arguments = vec!["metadata", "--format-version=1", "--locked"];
    arguments.extend(["--filter-platform", host, "--manifest-path", manifest]);
    if offline {
        arguments.push("--offline");
    }
    run(&arguments)
}

fn run(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo).args(arguments).output().unwrap();
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn every_case_is_there_with_every_stage() {
    let cases = Case::all();
    assert_eq!(cases.len(), CASES);
    let expected = BTreeSet::from(FILES.map(str::to_owned));
    let names: Vec<_> = cases
        .iter()
        .filter(|case| case.files() != expected)
        .map(|case| case.name.as_str())
        .collect();
    assert_eq!(names, WITHOUT_CONTEXT);
}

#[test]
fn only_the_named_cases_are_not_taken_literally() {
    let (mut spaces, mut folds) = (Vec::new(), Vec::new());
    for case in Case::all() {
        let message = case.message("request.txt");
        if message.had_space {
            spaces.push(case.name.clone());
        }
        if message.was_folded {
            folds.push(case.name.clone());
        }
    }
    assert_eq!(spaces, SPACE_IN_REQUEST_LINE);
    assert_eq!(folds, FOLDED_HEADER);
}

#[test]
fn every_case_signed_in_its_headers() {
    let mut run = 0;
    for case in Case::with_context() {
        let context = case.context();
        let mut request = case.message("request.txt").request;
        let payload = PayloadHash::of(request.body().as_bytes());
        let signer = case.signer(&context);
        let stages = signer.sign(&mut request, &payload, context.now()).unwrap();
        case.assert_stages("header", &stages);
        case.assert_signed_request("header", &request);
        run += 1;
    }
    assert_eq!(run, CASES - WITHOUT_CONTEXT.len());
}

#[test]
fn every_case_signed_in_its_query() {
    let mut run = 0;
    for case in Case::with_context() {
        let context = case.context();
        let mut request = case.message("request.txt").request;
        let payload = PayloadHash::of(request.body().as_bytes());
        let expires = Duration::from_secs(context.expiration_in_seconds);
        let (uri, signed) = case
            .signer(&context)
            .presign_in_stages(&request, &payload, expires, context.now())
            .unwrap();
        case.assert_stages("query", &signed);
        *request.uri_mut() = uri;
        case.assert_signed_request("query", &request);
        run += 1;
    }
    assert_eq!(run, CASES - WITHOUT_CONTEXT.len());
}

#[test]
fn the_case_encoded_once_is_an_exception_indeed() {
    for name in NORMALIZED_BUT_ENCODED_ONCE {
        let case = Case::named(name);
        let context = case.context();
        let mut request = case.message("request.txt").request;
        let signed = example_signer(&context.region, &context.service)
            .sign(&mut request, &PayloadHash::Empty, context.now())
            .unwrap();
        assert!(context.normalize, "{name}");
        assert_eq!(
            signed.canonical_request.as_str(),
            case.read("header-canonical-request.txt")
                .replace('%', "%25"),
            "{name}"
        );
    }
}

/// Has all stages but the signature in a file of its own, which the signed request holds. Its context is what its
/// signed request says: `20210511/us-east-2/lambda`.
#[test]
fn double_url_encode() {
    let case = Case::named("double-url-encode");
    let mut request = case.message("request.txt").request;
    let now = "2021-05-11T15:40:45Z".parse().unwrap();
    let signed = example_signer("us-east-2", "lambda")
        .sign(&mut request, &PayloadHash::Empty, now)
        .unwrap();
    let canonical = case.read("header-canonical-request.txt");
    assert_eq!(signed.canonical_request.as_str(), canonical);
    let string = case.read("header-string-to-sign.txt");
    assert_eq!(signed.string_to_sign.as_str(), string);
    case.assert_signed_request("header", &request);
}

/// Its files contradict each other: the request and the signed one are of 2015, the canonical request of 2021. So
/// each is made at its own time. The signed request's keys are those of the test credentials in AWS's crate.
#[test]
fn double_encode_path() {
    let case = Case::named("double-encode-path");
    let mut request = case.message("request.txt").request;
    let now = "2021-05-11T15:40:45Z".parse().unwrap();
    let signed = example_signer("us-east-1", "service")
        .sign(&mut request, &PayloadHash::Empty, now)
        .unwrap();
    let canonical = case.read("header-canonical-request.txt");
    assert_eq!(signed.canonical_request.as_str(), canonical);

    let secret = "notrealrnrELgWzOk3IfjzDKtFBhDby";
    let credentials = Credentials::new("ANOTREAL", secret, None).unwrap();
    let now = "2015-08-30T12:36:00Z".parse().unwrap();
    Signer::service(credentials, "us-east-1", "service")
        .unwrap()
        .sign(&mut request, &PayloadHash::Empty, now)
        .unwrap();
    case.assert_signed_request("header", &request);
}

/// The keys of AWS's documentation, which the suite's contexts name as well.
fn example_signer(region: &str, service: &str) -> Signer {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let credentials = Credentials::new("AKIDEXAMPLE", secret, None).unwrap();
    Signer::service(credentials, region, service).unwrap()
}
