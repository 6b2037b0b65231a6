//! Which worker an operator's command speaks with, as the command line says it.

use clap::Args;

use super::environment::{self, Api};
use super::failure::Failure;
use crate::client::OperatorClient;

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

/// The worker's address and the token of its operators.
#[derive(Debug, Args)]
pub(super) struct Worker {
    /// The worker's URL
    #[arg(long, env = "CAUSEWAY_URL")]
    url: Option<String>,
    /// The worker's token for operators; better kept in the variable, where `ps` does not show it
    #[arg(long, env = "CAUSEWAY_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<Token>,
}

impl Worker {
    /// Its client; where nothing was said, the local stack's.
    pub(super) fn connect(self) -> Result<OperatorClient, Failure> {
        let token = self.token.map(|token| token.0);
        let (url, token) = environment::worker(Api::Operator, self.url, token)?;
        Ok(OperatorClient::new(&url, &token)?)
    }
}
