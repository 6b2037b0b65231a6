//! rclone between the same stores: as it comes, and tuned for this.

use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::process::Command;

use super::process;
use super::stage::{
    ACCESS_KEY_ID, Batch, Cost, DESTINATION, REGION, SECRET_ACCESS_KEY, SOURCE, Stage, between,
};

/// Transfers at once, with which it is fastest on loopback; the default is 4.
pub(super) const TUNED: Option<u32> = Some(32);

/// What makes it faster, beside more transfers at once: no look at what the listing has told already or at
/// a destination that is known to be empty.
const FLAGS: [&str; 3] = [
    "--no-check-dest",
    "--s3-no-head-object",
    "--use-server-modtime",
];

pub(super) struct Rclone {
    program: PathBuf,
}

impl Rclone {
    pub(super) fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// Copies everything under the prefix of `batch`: as it comes, or tuned, with `transfers` at once.
    pub(super) async fn copy(
        &self,
        stage: &Stage,
        batch: &Batch,
        transfers: Option<u32>,
    ) -> anyhow::Result<Cost> {
        let mut commits = stage.commits();
        let prefix = &batch.prefix;
        let mut command = Command::new(&self.program);
        command
            .args(["copy", "--config", "", "--retries=1"])
            .args(transfers.into_iter().flat_map(flags))
            .args([
                format!("source:{SOURCE}/{prefix}"),
                format!("sink:{DESTINATION}/{prefix}"),
            ])
            .envs([
                ("RCLONE_CONFIG_SOURCE_TYPE", "s3"),
                ("RCLONE_CONFIG_SOURCE_PROVIDER", "Other"),
                ("RCLONE_CONFIG_SOURCE_ACCESS_KEY_ID", ACCESS_KEY_ID),
                ("RCLONE_CONFIG_SOURCE_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
                ("RCLONE_CONFIG_SOURCE_REGION", REGION),
                ("RCLONE_CONFIG_SOURCE_ENDPOINT", &stage.s3.endpoint()),
                ("RCLONE_CONFIG_SINK_TYPE", "google cloud storage"),
                ("RCLONE_CONFIG_SINK_ANONYMOUS", "true"),
                ("RCLONE_CONFIG_SINK_BUCKET_POLICY_ONLY", "true"),
                ("RCLONE_CONFIG_SINK_NO_CHECK_BUCKET", "true"),
                (
                    "RCLONE_CONFIG_SINK_ENDPOINT",
                    &format!("{}/storage/v1/", stage.gcs.endpoint()),
                ),
            ]);
        let began = Timestamp::now();
        let (last, usage) =
            tokio::try_join!(commits.last(batch.objects()), process::run(&mut command))
                .context("rclone")?;
        // Nobody tells on other systems.
        let usage = (usage != process::Usage::default()).then_some(usage);
        Ok(Cost {
            elapsed: between(began, last),
            usage,
        })
    }
}

fn flags(transfers: u32) -> impl Iterator<Item = String> {
    let at_once = ["transfers", "checkers"].map(|what| format!("--{what}={transfers}"));
    at_once.into_iter().chain(FLAGS.map(str::to_owned))
}
