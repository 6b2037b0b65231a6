//! Reads every object back from GCS and compares it with what was uploaded to S3.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{StreamExt as _, stream};
use tokio::io::AsyncWrite;

use super::{Sample, Screen};
use crate::client::{Attributes, ClientError, GcsClient, Progress};

/// Objects read back at once.
const AT_ONCE: usize = 8;

/// Compares all `samples` with the objects of the same names in `bucket`: what is wrong, by key.
pub(super) async fn verify(
    gcs: &GcsClient,
    bucket: &str,
    samples: &[Sample],
    screen: &Screen,
) -> BTreeMap<String, String> {
    stream::iter(samples)
        .map(|sample| async move {
            let problem = compare(gcs, bucket, sample).await.err()?;
            Some((sample.key.clone(), format!("{problem:#}")))
        })
        .buffer_unordered(AT_ONCE)
        .inspect(|_| screen.verified())
        .filter_map(std::future::ready)
        .collect()
        .await
}

async fn compare(gcs: &GcsClient, bucket: &str, sample: &Sample) -> anyhow::Result<()> {
    let mut bytes = Comparison::with(sample.content.open()?);
    let info = gcs
        .get(bucket, &sample.key, &mut bytes, &Progress::default())
        .await
        .map_err(|error: ClientError| anyhow::anyhow!("{}", error.what))?;
    let size = sample.content.size()?;
    anyhow::ensure!(
        info.size == size,
        "has {} bytes instead of {size}",
        info.size
    );
    if let Some(at) = bytes.difference {
        anyhow::bail!("differs at byte {at}");
    }
    compare_attributes(&sample.attributes, &info.attributes)
}

/// Compares what is written to it with what is expected, without keeping either.
struct Comparison {
    expected: Box<dyn io::Read + Send>,
    offset: usize,
    difference: Option<usize>,
}

impl Comparison {
    fn with(expected: Box<dyn io::Read + Send>) -> Self {
        Self {
            expected,
            offset: 0,
            difference: None,
        }
    }

    fn compare(&mut self, found: &[u8]) -> io::Result<()> {
        let mut expected = Vec::with_capacity(found.len());
        let wanted = found.len() as u64;
        io::Read::take(&mut self.expected, wanted).read_to_end(&mut expected)?;
        let equal = expected
            .iter()
            .zip(found)
            .take_while(|(a, b)| a == b)
            .count();
        if equal < found.len() {
            self.difference.get_or_insert(self.offset + equal);
        }
        self.offset += found.len();
        Ok(())
    }
}

impl AsyncWrite for Comparison {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.compare(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Every header and every piece of user metadata must be there and equal; beside them only what
/// Causeway itself writes.
fn compare_attributes(expected: &Attributes, found: &Attributes) -> anyhow::Result<()> {
    let headers = |attributes: &Attributes| -> BTreeMap<&'static str, String> {
        attributes
            .headers()
            .map(|(name, value)| (name, value.to_owned()))
            .collect()
    };
    let (expected_headers, found_headers) = (headers(expected), headers(found));
    anyhow::ensure!(
        expected_headers == found_headers,
        "has the headers {found_headers:?} instead of {expected_headers:?}"
    );
    let own = |name: &String| name.starts_with("causeway-");
    let user: BTreeMap<_, _> = found
        .metadata
        .iter()
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    anyhow::ensure!(
        user == expected.metadata,
        "has the metadata {user:?} instead of {:?}",
        expected.metadata
    );
    anyhow::ensure!(
        found.metadata.contains_key("causeway-source-etag"),
        "does not say where it came from"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn attributes(content_type: &str, metadata: &[(&str, &str)]) -> Attributes {
        Attributes {
            content_type: Some(content_type.into()),
            metadata: metadata
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Attributes::default()
        }
    }

    #[test]
    fn a_changed_header_a_lost_value_and_a_missing_origin_are_found() {
        let expected = attributes("text/plain", &[("a", "1")]);
        let origin = ("causeway-source-etag", "\"e\"");
        let same = attributes("text/plain", &[("a", "1"), origin]);
        assert!(compare_attributes(&expected, &same).is_ok());
        for found in [
            attributes("text/html", &[("a", "1"), origin]),
            attributes("text/plain", &[origin]),
            attributes("text/plain", &[("a", "1"), ("b", "2"), origin]),
            attributes("text/plain", &[("a", "1")]),
        ] {
            assert!(compare_attributes(&expected, &found).is_err(), "{found:?}");
        }
    }

    #[test]
    fn a_single_wrong_byte_is_found() {
        let difference = |expected: &'static [u8]| {
            let mut comparison = Comparison::with(Box::new(expected));
            comparison.compare(b"abc").unwrap();
            comparison.compare(b"def").unwrap();
            comparison.difference
        };
        assert_eq!(difference(b"abcdef"), None);
        assert_eq!(difference(b"abcdxf"), Some(4));
        assert_eq!(difference(b"xbcdxf"), Some(0));
        assert_eq!(difference(b"abcd"), Some(4));
    }
}
