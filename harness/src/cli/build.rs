//! `causeway build`: what wrangler calls before it deploys.

use clap::Args;
use serde_json::json;

use super::Report;
use super::failure::Failure;
use super::output::Output;
use crate::setup::{self, Reporter};

/// Build the worker into build/, after installing what its toolchain lacks
#[derive(Debug, Args)]
pub(super) struct Build {}

impl Build {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let toolchain = tokio::task::spawn_blocking(|| setup::ensure(&mut Reporter::stderr()))
            .await
            .map_err(anyhow::Error::from)
            .and_then(std::convert::identity)
            .map_err(|error| Failure::from_setup(&error))?;
        let bundle = toolchain.bundle();
        output.line(&format!("built {}", bundle.display()));
        Ok(Report::done(json!({ "bundle": bundle })))
    }
}
