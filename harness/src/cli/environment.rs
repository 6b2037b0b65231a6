//! Where a command's store or worker is, and as whom to ask it: from the standard variables, or from a
//! local stack.

use std::path::PathBuf;

use causeway_shared::sigv4::Credentials;

use super::failure::Failure;
use super::name::{ObjectName, Scheme};
use super::store::Store;
use super::target::{Effect, Service, TargetArgs};
use crate::client::gcs::GOOGLE;
use crate::client::{GcsClient, GcsConfig, S3Client, S3Config, ServiceAccount};
use crate::stack_file::StackFile;

/// What to say when neither variables nor a stack are there.
const NO_S3: &str = "for S3 set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION (`aws configure \
    export-credentials --format env` prints a profile's), and AWS_ENDPOINT_URL for another service than \
    AWS; or start a local stack with `causeway dev`, and add --local";
const NO_GCS: &str = "for GCS set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file (or \
    STORAGE_EMULATOR_HOST for an emulator); or start a local stack with `causeway dev`, and add --local";

/// Looks variables up; tests give their own.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own variables, empty ones left out.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The first of these variables that is set.
fn first_set<const N: usize>(lookup: Lookup<'_>, names: [&'static str; N]) -> Option<&'static str> {
    names.into_iter().find(|name| lookup(name).is_some())
}

/// The stores that some names are in, each opened once.
pub(super) struct Stores {
    s3: Option<Store>,
    gs: Option<Store>,
}

impl Stores {
    /// Opens those that are named.
    pub(super) fn open(
        names: &[ObjectName],
        target: &TargetArgs,
        effect: Effect,
    ) -> Result<Self, Failure> {
        let open = |scheme| {
            let named = names.iter().any(|name| name.scheme == scheme);
            named.then(|| open(scheme, target, effect)).transpose()
        };
        Ok(Self {
            s3: open(Scheme::S3)?,
            gs: open(Scheme::Gs)?,
        })
    }

    /// The store of one of the names.
    pub(super) fn of(&self, name: &ObjectName) -> &Store {
        let store = match name.scheme {
            Scheme::S3 => &self.s3,
            Scheme::Gs => &self.gs,
        };
        store
            .as_ref()
            .expect("opened for every scheme that is named")
    }
}

/// The store of `scheme` that the command line, the environment or a local stack names.
pub(super) fn open(scheme: Scheme, target: &TargetArgs, effect: Effect) -> Result<Store, Failure> {
    match scheme {
        Scheme::S3 => {
            let service = s3_service(&variable);
            let from = || s3_from(&variable);
            let chosen = target.choose(&service, effect, from, s3_of, s3_url)?;
            let client = S3Client::new(chosen.config.clone())?;
            chosen.announce(&service);
            Ok(Store::S3(client))
        }
        Scheme::Gs => {
            let service = gcs_service(&variable);
            let from = || gcs_from(&variable);
            let url = |config: &GcsConfig| config.endpoint.clone();
            let chosen = target.choose(&service, effect, from, gcs_of, url)?;
            let client = GcsClient::new(chosen.config.clone())?;
            chosen.announce(&service);
            Ok(Store::Gcs(client))
        }
    }
}

fn s3_service(lookup: Lookup<'_>) -> Service {
    let unusable = first_set(
        lookup,
        [
            "AWS_PROFILE",
            "AWS_DEFAULT_PROFILE",
            "AWS_ROLE_ARN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ],
    );
    let file =
        |name: &str, default: &str| lookup(name).map(PathBuf::from).or(home(lookup, default));
    let files = [
        file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
        file("AWS_CONFIG_FILE", ".aws/config"),
    ];
    Service {
        name: "S3",
        id: "s3",
        variable: first_set(
            lookup,
            [
                "AWS_ACCESS_KEY_ID",
                "AWS_ENDPOINT_URL_S3",
                "AWS_ENDPOINT_URL",
            ],
        ),
        unusable: unusable.map(is_set).or_else(|| first_file(files)),
        advice: NO_S3.to_owned(),
    }
}

fn gcs_service(lookup: Lookup<'_>) -> Service {
    let unusable = first_set(
        lookup,
        [
            "GOOGLE_OAUTH_ACCESS_TOKEN",
            "CLOUDSDK_ACTIVE_CONFIG_NAME",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
        ],
    );
    let folder = lookup("CLOUDSDK_CONFIG").map(PathBuf::from);
    let folder = folder.or(home(lookup, ".config/gcloud"));
    let files = ["application_default_credentials.json", "credentials.db"]
        .map(|name| folder.as_ref().map(|folder| folder.join(name)));
    Service {
        name: "GCS",
        id: "gs",
        variable: first_set(
            lookup,
            [
                "STORAGE_EMULATOR_HOST",
                "GOOGLE_APPLICATION_CREDENTIALS",
                "GOOGLE_CREDENTIALS",
            ],
        ),
        unusable: unusable.map(is_set).or_else(|| first_file(files)),
        advice: NO_GCS.to_owned(),
    }
}

fn home(lookup: Lookup<'_>, below: &str) -> Option<PathBuf> {
    lookup("HOME").map(|home| PathBuf::from(home).join(below))
}

fn is_set(variable: &str) -> String {
    format!("{variable} is set")
}

fn first_file<const N: usize>(files: [Option<PathBuf>; N]) -> Option<String> {
    let file = files.into_iter().flatten().find(|file| file.is_file())?;
    Some(format!("{} is there", file.display()))
}

/// Where requests go, without the bucket.
fn s3_url(config: &S3Config) -> String {
    let suffix = if config.region.starts_with("cn-") {
        ".cn"
    } else {
        ""
    };
    let aws = || format!("https://s3.{}.amazonaws.com{suffix}", config.region);
    config.endpoint.clone().unwrap_or_else(aws)
}

/// S3 from the variables; `None` when neither a key nor an endpoint is among them. A region alone
/// says nothing about where to go.
fn s3_from(lookup: Lookup<'_>) -> Result<Option<S3Config>, Failure> {
    let endpoint = lookup("AWS_ENDPOINT_URL_S3").or_else(|| lookup("AWS_ENDPOINT_URL"));
    let id = lookup("AWS_ACCESS_KEY_ID");
    let secret = lookup("AWS_SECRET_ACCESS_KEY");
    if endpoint.is_none() && id.is_none() && secret.is_none() {
        return Ok(None);
    }
    let (Some(id), Some(secret)) = (&id, &secret) else {
        let missing = if id.is_none() {
            "AWS_ACCESS_KEY_ID"
        } else {
            "AWS_SECRET_ACCESS_KEY"
        };
        return Err(Failure::usage(format!("{missing} is not set"), NO_S3));
    };
    let region = lookup("AWS_REGION").or_else(|| lookup("AWS_DEFAULT_REGION"));
    let credentials = credentials(id, secret, lookup("AWS_SESSION_TOKEN"))?;
    let region = region.unwrap_or_else(|| "us-east-1".to_owned());
    Ok(Some(S3Config {
        endpoint,
        region,
        credentials,
    }))
}

fn credentials(id: &str, secret: &str, token: Option<String>) -> Result<Credentials, Failure> {
    Credentials::new(id, secret, token).map_err(|error| Failure::usage(error.to_string(), NO_S3))
}

fn s3_of(stack: &StackFile) -> Result<S3Config, Failure> {
    Ok(S3Config {
        endpoint: Some(stack.s3_endpoint.clone()),
        region: stack.region.clone(),
        credentials: credentials(&stack.access_key_id, &stack.secret_access_key, None)?,
    })
}

/// GCS from the variables; `None` when neither an emulator nor credentials are among them.
fn gcs_from(lookup: Lookup<'_>) -> Result<Option<GcsConfig>, Failure> {
    let emulator = lookup("STORAGE_EMULATOR_HOST").map(|host| {
        if host.contains("://") {
            host
        } else {
            format!("http://{host}")
        }
    });
    let key = match (
        lookup("GOOGLE_CREDENTIALS"),
        lookup("GOOGLE_APPLICATION_CREDENTIALS"),
    ) {
        (Some(json), _) => Some(json),
        (None, Some(file)) => Some(std::fs::read_to_string(&file).map_err(|error| {
            Failure::usage(
                format!("cannot read {file}: {error}"),
                "set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file",
            )
        })?),
        (None, None) => None,
    };
    if emulator.is_none() && key.is_none() {
        return Ok(None);
    }
    Ok(Some(GcsConfig {
        endpoint: emulator.unwrap_or_else(|| GOOGLE.to_owned()),
        service_account: key.as_deref().map(ServiceAccount::from_json).transpose()?,
    }))
}

fn gcs_of(stack: &StackFile) -> Result<GcsConfig, Failure> {
    let key = stack.google_credentials_json();
    Ok(GcsConfig {
        endpoint: stack.gcs_endpoint.clone(),
        service_account: key.as_deref().map(ServiceAccount::from_json).transpose()?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with<T>(pairs: &[(&str, &str)], f: impl Fn(Lookup<'_>) -> T) -> T {
        f(&|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_region_alone_does_not_choose_aws() {
        assert!(
            with(&[("AWS_REGION", "eu-west-1")], s3_from)
                .unwrap()
                .is_none()
        );
        assert!(with(&[], gcs_from).unwrap().is_none());
    }

    #[test]
    fn the_more_special_variable_wins() {
        let config = with(
            &[
                ("AWS_ACCESS_KEY_ID", "AK"),
                ("AWS_SECRET_ACCESS_KEY", "secret"),
                ("AWS_ENDPOINT_URL", "http://general"),
                ("AWS_ENDPOINT_URL_S3", "http://s3"),
                ("AWS_DEFAULT_REGION", "default"),
                ("AWS_REGION", "eu-west-1"),
            ],
            s3_from,
        );
        let config = config.unwrap().unwrap();
        assert_eq!(config.endpoint.as_deref(), Some("http://s3"));
        assert_eq!(config.region, "eu-west-1");
        assert!(!format!("{config:?}").contains("secret\""));
    }

    #[test]
    fn what_another_program_would_use_is_known() {
        let found = with(&[("AWS_PROFILE", "prod")], |lookup| {
            s3_service(lookup).unusable
        });
        assert_eq!(found.unwrap(), "AWS_PROFILE is set");
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(".aws/credentials");
        let unusable =
            |lookup: Lookup<'_>| (s3_service(lookup).unusable, gcs_service(lookup).unusable);
        let variables = [("HOME", home.path().to_str().unwrap())];
        assert_eq!(with(&variables, unusable), (None, None));
        for name in [".aws", ".config/gcloud"] {
            std::fs::create_dir_all(home.path().join(name)).unwrap();
        }
        std::fs::write(&file, "").unwrap();
        let adc = ".config/gcloud/application_default_credentials.json";
        std::fs::write(home.path().join(adc), "").unwrap();
        let (s3, gcs) = with(&variables, unusable);
        assert_eq!(s3.unwrap(), format!("{} is there", file.display()));
        assert!(gcs.unwrap().contains(adc));
    }

    #[test]
    fn aws_is_named_by_its_region() {
        let url = |region: &str| {
            let keys = [
                ("AWS_ACCESS_KEY_ID", "AK"),
                ("AWS_SECRET_ACCESS_KEY", "secret"),
                ("AWS_REGION", region),
            ];
            s3_url(&with(&keys, s3_from).unwrap().unwrap())
        };
        assert_eq!(url("eu-west-1"), "https://s3.eu-west-1.amazonaws.com");
        assert_eq!(url("cn-north-1"), "https://s3.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn half_a_configuration_names_the_other_half() {
        let error = with(&[("AWS_ACCESS_KEY_ID", "AK")], s3_from).unwrap_err();
        assert!(
            error.what.contains("AWS_SECRET_ACCESS_KEY"),
            "{}",
            error.what
        );
    }

    #[test]
    fn an_emulator_needs_no_scheme_and_no_key() {
        for host in ["localhost:4443", "http://localhost:4443"] {
            let config = with(&[("STORAGE_EMULATOR_HOST", host)], gcs_from)
                .unwrap()
                .unwrap();
            assert_eq!(config.endpoint, "http://localhost:4443");
            assert!(config.service_account.is_none());
        }
    }

    #[test]
    fn other_kinds_of_google_credentials_are_named() {
        let user = r#"{"type": "authorized_user", "refresh_token": "hunter2"}"#;
        let error = with(&[("GOOGLE_CREDENTIALS", user)], gcs_from).unwrap_err();
        assert!(error.what.contains("its type is another") && !error.what.contains("hunter2"));
        let error = with(&[("GOOGLE_CREDENTIALS", "hunter2")], gcs_from).unwrap_err();
        assert!(!error.what.contains("hunter2"));
    }
}
