//! Either store behind one face.

use tokio::io::AsyncWrite;

use crate::client::{
    Attributes, ClientError, GcsClient, ListOptions, ListPage, ObjectInfo, Progress, S3Client,
    Source,
};

/// A client of the store that a name is in.
#[derive(Debug, Clone)]
pub enum Store {
    /// For `s3://`
    S3(S3Client),
    /// For `gs://`
    Gcs(GcsClient),
}

/// Each method does what the clients' of the same name does, with their errors.
#[allow(clippy::missing_errors_doc)]
impl Store {
    /// Uploads.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        source: Source,
        attributes: &Attributes,
        progress: &Progress,
    ) -> Result<ObjectInfo, ClientError> {
        match self {
            Self::S3(client) => client.put(bucket, key, source, attributes, progress).await,
            Self::Gcs(client) => client.put(bucket, key, source, attributes, progress).await,
        }
    }

    /// Downloads, as stored.
    pub async fn get(
        &self,
        bucket: &str,
        key: &str,
        sink: &mut (impl AsyncWrite + Unpin),
        progress: &Progress,
    ) -> Result<ObjectInfo, ClientError> {
        match self {
            Self::S3(client) => client.get(bucket, key, sink, progress).await,
            Self::Gcs(client) => client.get(bucket, key, sink, progress).await,
        }
    }

    /// Looks.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, ClientError> {
        match self {
            Self::S3(client) => client.head(bucket, key).await,
            Self::Gcs(client) => client.head(bucket, key).await,
        }
    }

    /// Lists one page.
    pub async fn list(&self, bucket: &str, what: &ListOptions) -> Result<ListPage, ClientError> {
        match self {
            Self::S3(client) => client.list(bucket, what).await,
            Self::Gcs(client) => client.list(bucket, what).await,
        }
    }

    /// Lists every object whose key begins with `prefix`, page after page.
    pub async fn list_all(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> Result<Vec<ObjectInfo>, ClientError> {
        let mut what = ListOptions {
            prefix: prefix.to_owned(),
            ..ListOptions::default()
        };
        let mut objects = Vec::new();
        loop {
            let page = self.list(bucket, &what).await?;
            objects.extend(page.objects);
            what.page_token = page.next;
            if what.page_token.is_none() {
                return Ok(objects);
            }
        }
    }

    /// Deletes.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), ClientError> {
        match self {
            Self::S3(client) => client.delete(bucket, key).await,
            Self::Gcs(client) => client.delete(bucket, key).await,
        }
    }
}
