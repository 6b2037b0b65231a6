//! Which store a command talks to, and as whom: from the standard variables, else from a local
//! stack.

use causeway_shared::sigv4::Credentials;

use super::failure::Failure;
use super::name::Scheme;
use super::stack::{STACK_FILE, Stack};
use super::store::Store;
use crate::client::gcs::GOOGLE;
use crate::client::{GcsClient, GcsConfig, S3Client, S3Config, ServiceAccount};

/// What to say when neither variables nor a stack are there.
const NO_S3: &str = "for S3 set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION (and \
    AWS_ENDPOINT_URL for another service than AWS), or start a local stack with `causeway dev`";
const NO_GCS: &str = "for GCS set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file (or \
    STORAGE_EMULATOR_HOST for an emulator), or start a local stack with `causeway dev`";

/// Looks variables up; tests give their own.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's own variables, empty ones left out.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The store of `scheme` that the environment names.
pub(super) fn open(scheme: Scheme) -> Result<Store, Failure> {
    match scheme {
        Scheme::S3 => {
            let config = match s3_from(&variable)? {
                Some(config) => config,
                None => s3_of(&local_stack(NO_S3)?)?,
            };
            Ok(Store::S3(S3Client::new(config)?))
        }
        Scheme::Gs => {
            let config = match gcs_from(&variable)? {
                Some(config) => config,
                None => gcs_of(&local_stack(NO_GCS)?)?,
            };
            Ok(Store::Gcs(GcsClient::new(config)?))
        }
    }
}

fn local_stack(otherwise: &str) -> Result<Stack, Failure> {
    match Stack::find() {
        Ok(Some(stack)) => {
            eprintln!("using the local stack ({STACK_FILE}): no credentials in the environment");
            Ok(stack)
        }
        Ok(None) => Err(Failure::usage(
            "no credentials and no local stack",
            otherwise,
        )),
        Err(why) => Err(Failure::usage(
            why,
            "start the stack again with `causeway dev`",
        )),
    }
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

fn s3_of(stack: &Stack) -> Result<S3Config, Failure> {
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

fn gcs_of(stack: &Stack) -> Result<GcsConfig, Failure> {
    let key = stack.google_credentials_json();
    Ok(GcsConfig {
        endpoint: stack.gcs_endpoint.clone(),
        service_account: key.as_deref().map(ServiceAccount::from_json).transpose()?,
    })
}

/// What a worker is asked through, each with a token of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Api {
    /// `/events`
    Events,
    /// `/v1`
    Admin,
}

/// A worker's address and the token for `api`: what was given on the command line or in the
/// variables, else the local stack's.
pub(super) fn worker(
    api: Api,
    url: Option<String>,
    token: Option<String>,
) -> Result<(String, String), Failure> {
    let variable = match api {
        Api::Events => "CAUSEWAY_EVENTS_TOKEN",
        Api::Admin => "CAUSEWAY_ADMIN_TOKEN",
    };
    let otherwise = format!(
        "set CAUSEWAY_URL and {variable} (or give --url and --token), or start a local stack with \
         `causeway dev`"
    );
    match (url, token) {
        (Some(url), Some(token)) => Ok((url, token)),
        (None, None) => {
            let stack = local_stack(&otherwise)?;
            let token = match api {
                Api::Events => stack.events_token,
                Api::Admin => stack.admin_token,
            };
            Ok((stack.worker_url, token))
        }
        // Never one deployment's token to another's address.
        (None, Some(_)) => Err(Failure::usage(
            "there is a token for the worker but no URL",
            otherwise,
        )),
        (Some(_), None) => Err(Failure::usage(
            format!("there is a URL of the worker but no token: {variable} is not set"),
            otherwise,
        )),
    }
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
    fn half_a_configuration_names_the_other_half() {
        let error = with(&[("AWS_ACCESS_KEY_ID", "AK")], s3_from).unwrap_err();
        assert!(
            error.what.contains("AWS_SECRET_ACCESS_KEY"),
            "{}",
            error.what
        );
        let error = worker(Api::Events, None, Some("hunter2".to_owned())).unwrap_err();
        assert!(!error.what.contains("hunter2"));
        let error = worker(Api::Admin, Some("http://w".to_owned()), None).unwrap_err();
        assert!(
            error.what.contains("CAUSEWAY_ADMIN_TOKEN"),
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
        assert!(error.what.contains("authorized_user") && !error.what.contains("hunter2"));
        let error = with(&[("GOOGLE_CREDENTIALS", "hunter2")], gcs_from).unwrap_err();
        assert!(!error.what.contains("hunter2"));
    }
}
