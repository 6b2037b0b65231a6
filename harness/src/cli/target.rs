//! Which target a command takes: what the environment names, or a local stack; and saying which it was.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use clap::Args;
use reqwest::Url;
use serde_json::Value;

use super::failure::Failure;
use super::output::shown;
use crate::stack_file::{FoundStack, STACK_FILE, StackFile};

/// How the command line chooses between the environment and a local stack.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Target")]
pub(super) struct TargetArgs {
    /// Use the local stack that `causeway dev` runs in this folder or one above it, whatever the
    /// environment names
    #[arg(long, conflicts_with_all = ["no_local", "stack"])]
    local: bool,
    /// Use what the environment names, never a local stack
    #[arg(long, conflicts_with = "stack")]
    no_local: bool,
    /// Use the local stack that `causeway dev` runs in FOLDER, which may also be the dev.json there
    #[arg(long, value_name = "FOLDER")]
    stack: Option<PathBuf>,
}

/// What a command may do to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It deletes, or releases deletes: it never guesses its target
    Deletes,
    /// Anything else
    Other,
}

/// What is looked for: a store, or a worker.
pub(super) struct Service {
    /// For people: `S3`, `the worker`
    pub(super) name: &'static str,
    /// For programs: `s3`, `worker`
    pub(super) id: &'static str,
    /// The variable that names it, as far as one is set
    pub(super) variable: Option<&'static str>,
    /// What else may have been meant though this program can't use it, such as `AWS_PROFILE is set`
    pub(super) unusable: Option<String>,
    /// What to set
    pub(super) advice: String,
}

/// A configuration and where it came from.
pub(super) struct Chosen<C> {
    pub(super) config: C,
    url: String,
    /// For people: `local stack in /project`
    origin: String,
}

impl<C> Chosen<C> {
    pub(super) fn new(config: C, url: String, origin: impl Into<String>) -> Self {
        Self {
            config,
            url,
            origin: origin.into(),
        }
    }

    /// Says on standard error what the target is, and remembers it for `--json`.
    pub(super) fn announce(&self, service: &Service) {
        let Some(address) = address(&self.url) else {
            // Whoever uses it says what is wrong with it.
            return;
        };
        eprintln!(
            "using {} at {} ({})",
            service.name,
            shown(&address),
            shown(&self.origin)
        );
        if let Ok(mut announced) = ANNOUNCED.lock() {
            announced.insert(service.id, address);
        }
    }
}

impl TargetArgs {
    /// Whether the command line asks for a local stack.
    pub(super) fn asks_for_local(&self) -> bool {
        self.local || self.stack.is_some()
    }

    /// Chooses between what the environment has (`None` where it names nothing) and a local stack. `url`
    /// tells where a configuration leads.
    ///
    /// # Errors
    /// A usage error when there is neither, and when there are both and the command deletes.
    pub(super) fn choose<C>(
        &self,
        service: &Service,
        effect: Effect,
        environment: impl FnOnce() -> Result<Option<C>, Failure>,
        stack: impl FnOnce(&StackFile) -> Result<C, Failure>,
        url: impl Fn(&C) -> String,
    ) -> Result<Chosen<C>, Failure> {
        let of_stack = |found: &FoundStack| {
            let config = stack(&found.stack)?;
            let url = url(&config);
            Ok::<_, Failure>(Chosen::new(config, url, found.to_string()))
        };
        let of_environment = |config: C, origin: &str| {
            let url = url(&config);
            Ok(Chosen::new(config, url, origin))
        };
        if self.asks_for_local() {
            return of_stack(&self.asked_for()?);
        }
        let named = environment().map_err(|failure| self.with_local(failure))?;
        if self.no_local {
            let what = format!("the environment names no {}", bare(service.name));
            let named = named.ok_or_else(|| Failure::usage(what, service.advice.as_str()));
            return of_environment(named?, "environment");
        }
        let deletes = effect == Effect::Deletes;
        match (named, StackFile::find()) {
            (Some(config), Ok(Some(found))) => {
                let here = address(&url(&config));
                if of_stack(&found).is_ok_and(|local| address(&local.url) == here) {
                    of_environment(config, &format!("environment, the {found}"))
                } else if deletes {
                    let variable = service.variable.unwrap_or("the environment");
                    Err(refusal(service, &format!("{variable} names one"), &found))
                } else {
                    of_environment(config, &format!("environment; --local takes the {found}"))
                }
            }
            // What can't be read is no stack.
            (Some(config), _) => of_environment(config, "environment"),
            (None, Ok(Some(found))) => match &service.unusable {
                Some(unusable) if deletes => Err(refusal(service, unusable, &found)),
                _ => of_stack(&found),
            },
            (None, Ok(None)) => Err(Failure::usage(
                match &service.unusable {
                    Some(unusable) => {
                        format!(
                            "no credentials that causeway reads, though {unusable}, and no local stack"
                        )
                    }
                    None => "no credentials and no local stack".to_owned(),
                },
                service.advice.as_str(),
            )),
            (None, Err(why)) => Err(Failure::usage(
                why,
                "start the stack again with `causeway dev`",
            )),
        }
    }

    /// A failure of the environment, with the way round it where there is a stack.
    fn with_local(&self, mut failure: Failure) -> Failure {
        if let (false, Ok(Some(found))) = (self.no_local, StackFile::find()) {
            failure.advice = format!("add --local for the {found}, or: {}", failure.advice);
        }
        failure
    }

    /// The stack that `--stack` or `--local` means.
    fn asked_for(&self) -> Result<FoundStack, Failure> {
        let again = "start the stack again with `causeway dev`";
        if let Some(path) = &self.stack {
            let found = StackFile::at(path);
            return found.map_err(|why| {
                let advice = "give the folder in which `causeway dev` runs, or its dev.json";
                Failure::usage(why, advice)
            });
        }
        let found = StackFile::find().map_err(|why| Failure::usage(why, again))?;
        found.ok_or_else(|| {
            Failure::usage(
                format!(
                    "there is no local stack: neither this folder nor one above it has {STACK_FILE}"
                ),
                "start one with `causeway dev`, or name its folder with --stack",
            )
        })
    }
}

fn refusal(service: &Service, other: &str, found: &FoundStack) -> Failure {
    let name = bare(service.name);
    Failure::usage(
        format!(
            "this deletes, and which {name} is meant is unclear: {other}, and there is a {found}"
        ),
        format!("add --local for the local stack, or --no-local for the {name} of the environment"),
    )
}

/// `worker` of `the worker`
fn bare(name: &str) -> &str {
    name.strip_prefix("the ").unwrap_or(name)
}

/// A URL without what may be secret in it; `None` when it is none.
fn address(url: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// The targets of this process, by their services' ids.
static ANNOUNCED: Mutex<BTreeMap<&'static str, String>> = Mutex::new(BTreeMap::new());

/// Adds `"target": {"s3": URL}` to what a command prints for programs.
pub(super) fn add_to(json: &mut Value) {
    let Ok(announced) = ANNOUNCED.lock() else {
        return;
    };
    if let (Some(object), false) = (json.as_object_mut(), announced.is_empty()) {
        object.insert("target".to_owned(), serde_json::json!(*announced));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_secrets() {
        assert_eq!(
            address("https://user:hunter2@w.dev/base/?token=hunter2#x").unwrap(),
            "https://w.dev/base"
        );
        assert_eq!(address("no url"), None);
    }
}
