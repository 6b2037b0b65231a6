//! What other people's tools need to talk to a local stack: files, and the lines that tell of them.

use std::path::{Path, PathBuf};

use crate::stack_file::StackFile;

/// The files; all of them go when this does.
pub struct OtherTools {
    /// A service account's key file.
    key_file: PathBuf,
    /// A folder for gcloud's configuration: the person's own stays as it is.
    gcloud: PathBuf,
}

impl OtherTools {
    /// Writes what `stack` has for them into `folder`, which is there.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn write(folder: &Path, stack: &StackFile) -> std::io::Result<Self> {
        let tools = Self {
            key_file: folder.join("google-credentials.json"),
            gcloud: folder.join("gcloud"),
        };
        std::fs::create_dir_all(&tools.gcloud)?;
        let key = stack.google_credentials_json().unwrap_or_default();
        std::fs::write(&tools.key_file, key)?;
        Ok(tools)
    }

    /// How to set each up, as lines for a shell, with an example between the two buckets.
    #[must_use]
    pub fn introduction(&self, stack: &StackFile, source: &str, destination: &str) -> Vec<String> {
        let StackFile {
            s3_endpoint: s3,
            access_key_id,
            secret_access_key,
            region,
            gcs_endpoint: gcs,
            bigquery_endpoint: bigquery,
            ..
        } = stack;
        let project = stack.google_credentials["project_id"].as_str();
        let project = project.unwrap_or("causeway");
        let key_file = quoted(&self.key_file);
        let gcloud = quoted(&self.gcloud);
        let text = format!(
            "\
aws, s3cmd, boto3, s3fs and the like, against the embedded S3:
  unset AWS_PROFILE AWS_SESSION_TOKEN
  export AWS_ENDPOINT_URL_S3={s3} AWS_ACCESS_KEY_ID={access_key_id} AWS_SECRET_ACCESS_KEY={secret_access_key} AWS_REGION={region}
  aws s3 cp README.md s3://{source}/
  s3cmd --no-ssl --host={s3_host} --host-bucket={s3_host} ls s3://{source}

Google's client libraries and gcsfs, against the embedded GCS, with the key file or without:
  export STORAGE_EMULATOR_HOST={gcs} GOOGLE_CLOUD_PROJECT={project} GOOGLE_APPLICATION_CREDENTIALS={key_file}
  export GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT=false   # without it gcsfs asks for more, by gRPC

Google's client libraries, against the embedded BigQuery:
  export BIGQUERY_EMULATOR_HOST={bigquery}

gcloud and bq, with a configuration of their own:
  export CLOUDSDK_CONFIG={gcloud} CLOUDSDK_CORE_PROJECT={project} CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE={gcs}/storage/v1/ CLOUDSDK_AUTH_TOKEN_HOST={gcs}/token
  gcloud auth activate-service-account --key-file={key_file}
  gcloud storage ls gs://{destination}
  bq --api {bigquery} --project_id {project} mk analytics

rclone, against both:
  export RCLONE_CONFIG_S3_TYPE=s3 RCLONE_CONFIG_S3_PROVIDER=Other RCLONE_CONFIG_S3_ENV_AUTH=true RCLONE_CONFIG_S3_ENDPOINT={s3}
  export RCLONE_CONFIG_GCS_TYPE='google cloud storage' RCLONE_CONFIG_GCS_ENDPOINT={gcs}/storage/v1/ RCLONE_CONFIG_GCS_PROJECT_NUMBER={project} RCLONE_CONFIG_GCS_SERVICE_ACCOUNT_FILE={key_file} RCLONE_CONFIG_GCS_BUCKET_POLICY_ONLY=true
  rclone check s3:{source} gcs:{destination}
",
            s3_host = s3.trim_start_matches("http://"),
        );
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for OtherTools {
    fn drop(&mut self) {
        // They may have been removed by hand; then there is nothing to do.
        let _ = std::fs::remove_file(&self.key_file);
        let _ = std::fs::remove_dir_all(&self.gcloud);
    }
}

/// A path as a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@".contains(c);
    if path.chars().all(plain) {
        return path;
    }
    format!("'{}'", path.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_any_path_for_one_word() {
        for (path, word) in [
            ("/home/me/a-b_c.json", "/home/me/a-b_c.json"),
            ("/home/my files/$x", "'/home/my files/$x'"),
            ("/it's", "'/it'\\''s'"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
