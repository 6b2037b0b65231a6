//! The stores between which everything is measured: an embedded S3 full of objects, and an embedded
//! GCS that checks their CRC32C and drops them. Nobody needs a token there, so that no store spends
//! its time on checking one.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use causeway_shared::composite::PARTS_FOLDER;
use causeway_shared::sigv4::{Credentials, PayloadHash, Signer};
use crc_fast::CrcAlgorithm;
use http::Request;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::{broadcast, mpsc};

use super::Delays;
use super::process::Usage;
use crate::gcs::state::Preconditions;
use crate::gcs::{Commit, EmbeddedGcs, GcsOptions};
use crate::s3::store::{
    Algorithm, Attributes, Body, Change, ChangeKind, Checksum, Kind, NewObject, Part, RawChecksum,
    WriteCondition, composite,
};
use crate::s3::{EmbeddedS3, S3Options, event_json};

pub(super) const SOURCE: &str = "causeway-bench-source";
pub(super) const DESTINATION: &str = "causeway-bench-destination";
pub(super) const ACCESS_KEY_ID: &str = "CAUSEWAYBENCH";
pub(super) const SECRET_ACCESS_KEY: &str = "a-key-of-the-bench-only";
pub(super) const REGION: &str = "us-east-1";
/// With no commit for this long, a run has failed.
const PATIENCE: Duration = Duration::from_mins(2);
/// A large object is this many bytes again and again: it takes no more memory.
const BLOCK: u64 = 1 << 20;
/// Blocks in a part.
const PART: usize = 8;

/// What S3 knows of an object's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// A CRC32C of the whole object, which GCS can check: no byte has to be looked at.
    Crc32c,
    /// A CRC64NVME of the whole object, as S3 stores by default: it is computed and compared, and a
    /// CRC32C for GCS beside it.
    Crc64Nvme,
    /// A CRC32C of each part of 8 MiB, and of these a composite: the whole's is put together.
    Composite,
    /// None: CRC32C is computed.
    Nothing,
}

impl Known {
    fn algorithm(self) -> Option<(Algorithm, CrcAlgorithm, usize)> {
        match self {
            Self::Crc32c => Some((Algorithm::Crc32c, CrcAlgorithm::Crc32Iscsi, 4)),
            Self::Crc64Nvme => Some((Algorithm::Crc64Nvme, CrcAlgorithm::Crc64Nvme, 8)),
            Self::Composite | Self::Nothing => None,
        }
    }
}

/// Objects that are copied together, and the events that tell of them.
pub(super) struct Batch {
    /// What their keys begin with, ending in a slash.
    pub(super) prefix: String,
    /// One event an object, as S3 sends it.
    pub(super) events: Vec<Bytes>,
}

impl Batch {
    pub(super) fn objects(&self) -> usize {
        self.events.len()
    }
}

/// What copying a batch took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// From the beginning to the last commit.
    pub(super) elapsed: Duration,
    /// Of whoever copied; none where the system does not tell.
    pub(super) usage: Option<Usage>,
}

pub(super) struct Stage {
    pub(super) s3: EmbeddedS3,
    pub(super) gcs: EmbeddedGcs,
    changes: mpsc::UnboundedReceiver<Change>,
    batches: u32,
}

impl Stage {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let s3 = EmbeddedS3::start(S3Options {
            listen,
            access_key_id: ACCESS_KEY_ID.into(),
            secret_access_key: SECRET_ACCESS_KEY.into(),
            region: REGION.into(),
            throttle: None,
        })
        .await?;
        let gcs = EmbeddedGcs::start(GcsOptions {
            listen,
            discard_bodies: true,
            ..GcsOptions::default()
        })
        .await?;
        s3.store().create_bucket(SOURCE)?;
        gcs.state().create_bucket(DESTINATION)?;
        let changes = s3.store().subscribe();
        Ok(Self {
            s3,
            gcs,
            changes,
            batches: 0,
        })
    }

    /// Has both stores answer as if they were far away.
    pub(super) fn move_away(&self, delay: Delays) {
        let milliseconds = |delay: u32| Duration::from_millis(delay.into());
        self.s3.delay().set(milliseconds(delay.s3));
        self.gcs.delay().set(milliseconds(delay.gcs));
    }

    /// What a worker has to be told to copy here, its route having `options`.
    pub(super) fn bindings(&self, options: &Value) -> Map<String, Value> {
        let mut bindings = json!({
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": self.s3.endpoint(),
            "STORAGE_EMULATOR_HOST": self.gcs.endpoint(),
            "ROUTE_BENCH": {
                "source": format!("s3://{SOURCE}"),
                "destination": format!("gs://{DESTINATION}"),
            },
        });
        if let (Some(route), Some(options)) =
            (bindings["ROUTE_BENCH"].as_object_mut(), options.as_object())
        {
            route.extend(options.clone());
        }
        match bindings {
            Value::Object(bindings) => bindings,
            _ => Map::new(),
        }
    }

    /// Puts `count` new objects of `size` bytes into the source.
    pub(super) fn objects(
        &mut self,
        count: usize,
        size: u64,
        known: Known,
    ) -> anyhow::Result<Batch> {
        self.batches += 1;
        let prefix = format!("{:04}/", self.batches);
        let (body, checksum, parts) = content(size, known);
        for number in 0..count {
            let new = NewObject {
                key: format!("{prefix}{number:06}"),
                body: body.clone(),
                // Of the form that a multipart upload leaves: it is no MD5.
                etag: format!("{number:032x}-1"),
                attributes: Attributes::content_type("application/octet-stream"),
                checksum: checksum.clone(),
                parts: parts.clone(),
                kind: ChangeKind::Put,
            };
            self.s3
                .store()
                .commit(SOURCE, new, &WriteCondition::default())?;
        }
        let changes = std::iter::from_fn(|| self.changes.try_recv().ok());
        let events = changes.map(|change| event_json(&change).to_string().into());
        Ok(Batch {
            prefix,
            events: events.collect(),
        })
    }

    /// Forgets the objects of `batch` on both sides.
    pub(super) fn forget(&mut self, batch: &Batch) -> anyhow::Result<()> {
        for number in 0..batch.objects() {
            let key = format!("{}{number:06}", batch.prefix);
            self.s3
                .store()
                .delete(SOURCE, &key, None, &WriteCondition::default())?;
            self.gcs
                .state()
                .delete(DESTINATION, &key, None, &Preconditions::default())?;
        }
        while self.changes.try_recv().is_ok() {}
        Ok(())
    }

    pub(super) fn commits(&self) -> Commits {
        Commits(self.gcs.commits())
    }

    /// A URL that reads object `number` of `batch`, for who cannot sign.
    pub(super) fn source_url(&self, batch: &Batch, number: usize) -> anyhow::Result<String> {
        let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None)?;
        let signer = Signer::s3(credentials, REGION)?;
        let url = format!(
            "{}/{SOURCE}/{}{number:06}",
            self.s3.endpoint(),
            batch.prefix
        );
        let request = Request::get(url).body(())?;
        let hour = Duration::from_hours(1);
        let url = signer.presign(&request, &PayloadHash::Unsigned, hour, Timestamp::now())?;
        Ok(url.to_string())
    }

    /// The URL that writes it.
    pub(super) fn sink_url(&self, batch: &Batch, number: usize) -> String {
        let name = batch.prefix.replace('/', "%2F");
        format!(
            "{}/upload/storage/v1/b/{DESTINATION}/o?uploadType=media&name={name}{number:06}",
            self.gcs.endpoint()
        )
    }
}

/// What is committed at the destination.
pub(super) struct Commits(broadcast::Receiver<Commit>);

impl Commits {
    /// The next commit of one of the bench's objects.
    ///
    /// # Errors
    /// When there is none for two minutes.
    pub(super) async fn next(&mut self) -> anyhow::Result<Commit> {
        loop {
            let commit = tokio::time::timeout(PATIENCE, self.0.recv()).await;
            let commit = commit.context("nothing was copied for two minutes")??;
            let is_object = !commit.name.starts_with(PARTS_FOLDER);
            if is_object && !commit.deleted && commit.bucket == DESTINATION {
                return Ok(commit);
            }
        }
    }

    /// When the last of `count` objects was committed.
    ///
    /// # Errors
    /// As [`Commits::next`].
    pub(super) async fn last(&mut self, count: usize) -> anyhow::Result<Timestamp> {
        let mut last = Timestamp::UNIX_EPOCH;
        for _ in 0..count {
            last = self.next().await?.at;
        }
        Ok(last)
    }
}

/// The time from `began` to `ended`.
pub(super) fn between(began: Timestamp, ended: Timestamp) -> Duration {
    ended.duration_since(began).try_into().unwrap_or_default()
}

/// The parts of `blocks`, with the CRC32C of each.
fn parts(blocks: &[Bytes]) -> Vec<Part> {
    let parts = (1..).zip(blocks.chunks(PART));
    let parts = parts.map(|(number, blocks)| {
        let mut crc = crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi);
        for block in blocks {
            crc.update(block);
        }
        let bodies: Vec<Body> = blocks.iter().cloned().map(Body::from).collect();
        Part {
            number,
            body: Body::concat(&bodies),
            md5: [0; 16],
            checksums: vec![RawChecksum {
                algorithm: Algorithm::Crc32c,
                value: crc.finalize().to_be_bytes()[4..].to_vec(),
            }],
            last_modified: Timestamp::now(),
        }
    });
    parts.collect()
}

fn content(size: u64, known: Known) -> (Body, Option<Checksum>, Vec<Part>) {
    let block: Bytes = (0..BLOCK.min(size))
        .map(|index| (index * 31 % 251) as u8)
        .collect();
    let mut blocks = Vec::new();
    let mut left = size;
    while left > 0 {
        let length = left.min(BLOCK);
        blocks.push(block.slice(..usize::try_from(length).unwrap_or(block.len())));
        left -= length;
    }
    let checksum = known.algorithm().map(|(algorithm, crc, width)| {
        let mut digest = crc_fast::Digest::new(crc);
        for block in &blocks {
            digest.update(block);
        }
        Checksum {
            algorithm,
            kind: Kind::FullObject,
            value: BASE64_STANDARD.encode(&digest.finalize().to_be_bytes()[8 - width..]),
        }
    });
    let (checksum, parts) = match known {
        Known::Composite => {
            let parts = parts(&blocks);
            (composite(Algorithm::Crc32c, &parts), parts)
        }
        _ => (checksum, Vec::new()),
    };
    let blocks: Vec<Body> = blocks.into_iter().map(Body::from).collect();
    (Body::concat(&blocks), checksum, parts)
}
