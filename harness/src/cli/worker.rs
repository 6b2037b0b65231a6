//! Which worker a command speaks with: the one of the command line, of the environment, or of a local
//! stack.

use clap::Args;

use super::environment::variable;
use super::failure::Failure;
use super::target::{Chosen, Effect, Service, TargetArgs};
use crate::client::{AdminClient, WorkerClient};
use crate::stack_file::StackFile;

const URL: &str = "CAUSEWAY_URL";
const EVENTS_TOKEN: &str = "CAUSEWAY_EVENTS_TOKEN";
const ADMIN_TOKEN: &str = "CAUSEWAY_ADMIN_TOKEN";

/// A bearer token, which `Debug` does not show.
#[derive(Clone)]
pub(super) struct Token(String);

impl std::str::FromStr for Token {
    type Err = std::convert::Infallible;

    fn from_str(token: &str) -> Result<Self, Self::Err> {
        Ok(Self(token.to_owned()))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// The worker's address and the token of its senders.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
pub(super) struct EventsWorker {
    /// The worker's URL, in place of CAUSEWAY_URL
    #[arg(long, conflicts_with_all = ["local", "stack"])]
    url: Option<String>,
    /// The worker's token for events; better kept in CAUSEWAY_EVENTS_TOKEN, where `ps` does not show it
    #[arg(long, conflicts_with_all = ["local", "stack"])]
    token: Option<Token>,
    #[command(flatten)]
    target: TargetArgs,
}

impl EventsWorker {
    /// Its client.
    pub(super) fn connect(self) -> Result<WorkerClient, Failure> {
        let names = Names {
            url: self.url,
            token: self
                .token
                .map(|token| token.0)
                .or_else(|| variable(EVENTS_TOKEN)),
            token_variable: EVENTS_TOKEN,
        };
        let of_stack = |stack: &StackFile| stack.events_token.clone();
        let (url, token) = names.find(&self.target, Effect::Other, of_stack)?;
        Ok(WorkerClient::new(&url, &token)?)
    }
}

/// The worker's address and the token of its administrators.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
pub(super) struct Worker {
    /// The worker's URL, in place of CAUSEWAY_URL
    #[arg(long, conflicts_with_all = ["local", "stack"])]
    url: Option<String>,
    /// The worker's token for administrators; better kept in CAUSEWAY_ADMIN_TOKEN, where `ps` does not
    /// show it
    #[arg(long, conflicts_with_all = ["local", "stack"])]
    token: Option<Token>,
    #[command(flatten)]
    target: TargetArgs,
}

impl Worker {
    /// Its client.
    pub(super) fn connect(self, effect: Effect) -> Result<AdminClient, Failure> {
        let elsewhere = self.url.is_some() || variable(URL).is_some();
        // The local stack is behind nothing.
        let service = if elsewhere && !self.target.asks_for_local() {
            service()?
        } else {
            None
        };
        let token = self
            .token
            .map(|token| token.0)
            .or_else(|| variable(ADMIN_TOKEN));
        let names = Names {
            url: self.url,
            // Whoever Access lets in needs no token beside.
            token: token.or_else(|| service.is_some().then(String::new)),
            token_variable: ADMIN_TOKEN,
        };
        let of_stack = |stack: &StackFile| stack.admin_token.clone();
        let (url, token) = names.find(&self.target, effect, of_stack)?;
        let client = AdminClient::new(&url, &token)?;
        Ok(match service {
            Some((id, secret)) => client.through_access(&id, &secret)?,
            None => client,
        })
    }
}

/// The service as which Cloudflare Access lets this process through, if the variables name one.
fn service() -> Result<Option<(String, String)>, Failure> {
    let [id, secret] = ["CAUSEWAY_ACCESS_CLIENT_ID", "CAUSEWAY_ACCESS_CLIENT_SECRET"].map(variable);
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        _ => Err(Failure::usage(
            "one of CAUSEWAY_ACCESS_CLIENT_ID and CAUSEWAY_ACCESS_CLIENT_SECRET is missing",
            "set both, or neither",
        )),
    }
}

/// The worker's own URL, where that for its senders may have been given.
fn base(url: &str) -> String {
    let url = url.trim_end_matches('/');
    url.strip_suffix("/events").unwrap_or(url).to_owned()
}

/// What the command line and the environment say of a worker.
struct Names {
    /// From the command line
    url: Option<String>,
    /// From the command line or the environment
    token: Option<String>,
    token_variable: &'static str,
}

impl Names {
    /// The URL and the token, once the target has been announced.
    fn find(
        self,
        target: &TargetArgs,
        effect: Effect,
        of_stack: impl FnOnce(&StackFile) -> String,
    ) -> Result<(String, String), Failure> {
        let service = Service {
            name: "the worker",
            id: "worker",
            variable: variable(URL).map(|_| URL),
            unusable: None,
            advice: self.advice(),
        };
        let chosen = match &self.url {
            Some(url) => Chosen::new((url.clone(), self.token()?), base(url), "--url"),
            None => target.choose(
                &service,
                effect,
                || self.of_environment(),
                |stack| Ok((stack.worker_url.clone(), of_stack(stack))),
                |(url, _)| base(url),
            )?,
        };
        chosen.announce(&service);
        Ok(chosen.config)
    }

    fn of_environment(&self) -> Result<Option<(String, String)>, Failure> {
        match (variable(URL), &self.token) {
            (Some(url), _) => Ok(Some((url, self.token()?))),
            (None, None) => Ok(None),
            // Never one deployment's token to another's address.
            (None, Some(_)) => Err(Failure::usage(
                "there is a token for the worker but no URL",
                self.advice(),
            )),
        }
    }

    fn token(&self) -> Result<String, Failure> {
        let variable = self.token_variable;
        let missing = format!("there is a URL of the worker but no token: {variable} is not set");
        let token = self.token.clone();
        token.ok_or_else(|| Failure::usage(missing, self.advice()))
    }

    fn advice(&self) -> String {
        format!(
            "set {URL} and {} (or give --url and --token); or start a local stack with `causeway dev`, \
             and add --local",
            self.token_variable
        )
    }
}
