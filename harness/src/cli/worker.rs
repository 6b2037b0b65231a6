//! Which worker an administrator's command speaks with, as the command line says it.

use clap::Args;

use super::environment::{self, Api};
use super::failure::Failure;
use crate::client::AdminClient;

/// A bearer token, which `Debug` does not show.
#[derive(Clone)]
pub(super) struct Token(pub(super) String);

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

/// The worker's address and the token of its administrators.
#[derive(Debug, Args)]
pub(super) struct Worker {
    /// The worker's URL
    #[arg(long, env = "CAUSEWAY_URL")]
    url: Option<String>,
    /// The worker's token for administrators; better kept in the variable, where `ps` does not show it
    #[arg(long, env = "CAUSEWAY_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<Token>,
}

impl Worker {
    /// Its client; where nothing was said, the local stack's.
    pub(super) fn connect(self) -> Result<AdminClient, Failure> {
        let token = self.token.map(|token| token.0);
        // The local stack is behind nothing.
        let service = match &self.url {
            Some(_) => service()?,
            None => None,
        };
        let Some((id, secret)) = service else {
            let (url, token) = environment::worker(Api::Admin, self.url, token)?;
            return Ok(AdminClient::new(&url, &token)?);
        };
        // Whoever Access lets in needs no token beside.
        let token = token.unwrap_or_default();
        let (url, token) = environment::worker(Api::Admin, self.url, Some(token))?;
        Ok(AdminClient::new(&url, &token)?.through_access(&id, &secret)?)
    }
}

/// The service as which Cloudflare Access lets this process through, if the variables name one.
fn service() -> Result<Option<(String, String)>, Failure> {
    let [id, secret] =
        ["CAUSEWAY_ACCESS_CLIENT_ID", "CAUSEWAY_ACCESS_CLIENT_SECRET"].map(environment::variable);
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some((id, secret))),
        (None, None) => Ok(None),
        _ => Err(Failure::usage(
            "one of CAUSEWAY_ACCESS_CLIENT_ID and CAUSEWAY_ACCESS_CLIENT_SECRET is missing",
            "set both, or neither",
        )),
    }
}
