//! `causeway rm`: objects out of the way.

use clap::Args;
use serde_json::json;

use super::failure::{Code, Failure};
use super::many::{Done, Tally};
use super::name::{ObjectName, Scheme};
use super::output::{Output, shown};
use super::store::Store;
use super::{Report, environment};

const AFTER_HELP: &str = "\
Examples:
  causeway rm s3://inbox/2026/notes.txt
  causeway rm -r --dry-run s3://inbox/2026    what would go: all below s3://inbox/2026/
  causeway rm -r s3://inbox/2026
  causeway rm -r --all gs://copy/             everything in the bucket

In a versioned bucket older versions stay.

With --json: {\"name\"} for one object; for several, or with --recursive,
{\"count\", \"bytes\": 0, \"objects\": [{\"name\"}], \"failed\": [{\"name\", \"error\"}]}.";

/// Delete objects
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Rm {
    /// s3://bucket/key or gs://bucket/key, one or more
    #[arg(required = true, value_name = "NAME")]
    names: Vec<ObjectName>,
    /// Delete everything in the folder NAME
    #[arg(short, long)]
    recursive: bool,
    /// Allow --recursive on a whole bucket
    #[arg(long, requires = "recursive")]
    all: bool,
    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Deletions at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
}

impl Rm {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let s3 = self.store(Scheme::S3)?;
        let gs = self.store(Scheme::Gs)?;
        let store = |scheme| match scheme {
            Scheme::S3 => s3.as_ref(),
            Scheme::Gs => gs.as_ref(),
        };
        let mut doomed = Vec::new();
        for name in &self.names {
            let store = store(name.scheme).expect("opened for every scheme that is named");
            doomed.extend(self.doomed(store, name).await?);
        }
        if let ([name], false) = (self.names.as_slice(), self.recursive) {
            let store = store(name.scheme).expect("opened for every scheme that is named");
            let done = self.remove(store, name.clone()).await?;
            output.line(&format!("{} {}", self.verb(), done.line));
            return Ok(Report::done(done.json));
        }
        let work = doomed.into_iter().map(|name| {
            let store = store(name.scheme).expect("opened for every scheme that is named");
            (name.to_string(), self.remove(store, name))
        });
        let bar = indicatif::ProgressBar::hidden();
        let tally = Tally::default()
            .run(output, &bar, self.jobs.into(), work)
            .await;
        Ok(tally.report(output, self.verb(), false))
    }

    fn verb(&self) -> &'static str {
        if self.dry_run {
            "would delete"
        } else {
            "deleted"
        }
    }

    fn store(&self, scheme: Scheme) -> Result<Option<Store>, Failure> {
        let named = self.names.iter().any(|name| name.scheme == scheme);
        named.then(|| environment::open(scheme)).transpose()
    }

    /// The objects that a name stands for.
    async fn doomed(&self, store: &Store, name: &ObjectName) -> Result<Vec<ObjectName>, Failure> {
        if !self.recursive {
            if name.key.is_empty() {
                return Err(Failure::usage(
                    format!("{name} names no object"),
                    "name an object, or give --recursive --all for the whole bucket",
                ));
            }
            return Ok(vec![name.clone()]);
        }
        let folder = name.folder();
        if folder.key.is_empty() && !self.all {
            return Err(Failure::usage(
                format!("{folder} is a whole bucket"),
                "add --all to delete everything in it",
            ));
        }
        let listed = store.list_all(&folder.bucket, &folder.key).await?;
        if listed.is_empty() {
            return Err(Failure::new(
                Code::NotFound,
                format!("there is nothing in {folder}"),
                "check the name; `causeway ls` shows what is there",
            ));
        }
        Ok(listed
            .into_iter()
            .map(|object| folder.with_key(object.key))
            .collect())
    }

    async fn remove(&self, store: &Store, name: ObjectName) -> Result<Done, Failure> {
        // S3 answers the same whether there was an object or not.
        let unseen = !self.recursive && (self.dry_run || matches!(store, Store::S3(_)));
        if unseen {
            store.head(&name.bucket, &name.key).await?;
        }
        if !self.dry_run {
            store.delete(&name.bucket, &name.key).await?;
        }
        let name = name.to_string();
        Ok(Done {
            line: shown(&name),
            json: json!({ "name": name }),
            bytes: 0,
        })
    }
}
