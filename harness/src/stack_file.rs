//! The file by which a running local stack (`causeway dev`) tells the other commands where it is.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the file is, below the project's folder.
pub const STACK_FILE: &str = "target/causeway/dev.json";

/// A local stack's addresses and keys. The keys open nothing but the stack, yet have no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct StackFile {
    /// Base URL of the embedded S3
    pub s3_endpoint: String,
    /// The embedded S3's access key
    pub access_key_id: String,
    /// Its secret
    pub secret_access_key: String,
    /// The region it expects requests to be signed for
    pub region: String,
    /// Base URL of the embedded GCS
    pub gcs_endpoint: String,
    /// Base URL of the embedded BigQuery
    #[serde(default)]
    pub bigquery_endpoint: String,
    /// A service account's key: its JSON, as an object or as a string
    pub google_credentials: serde_json::Value,
    /// Base URL of the worker
    pub worker_url: String,
    /// Bearer token that the worker expects with events
    pub events_token: String,
    /// Bearer token that the worker expects of administrators
    pub admin_token: String,
}

/// A local stack and the file that told of it.
pub(crate) struct FoundStack {
    pub(crate) stack: StackFile,
    file: PathBuf,
}

impl fmt::Display for FoundStack {
    /// `local stack in /project`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self
            .file
            .ends_with(STACK_FILE)
            .then(|| self.file.ancestors().nth(STACK_FILE.split('/').count()));
        let place = folder.flatten().unwrap_or(&self.file);
        write!(f, "local stack in {}", place.display())
    }
}

impl StackFile {
    /// Looks for the file in the working folder and in those above it.
    ///
    /// # Errors
    /// When there is one that cannot be read, as a line of text.
    pub(crate) fn find() -> Result<Option<FoundStack>, String> {
        let Ok(folder) = std::env::current_dir() else {
            return Ok(None);
        };
        Self::find_above(&folder)
    }

    /// The stack of a project's folder, or the one that a file describes.
    ///
    /// # Errors
    /// When there is none or it cannot be read, as a line of text.
    pub(crate) fn at(path: &Path) -> Result<FoundStack, String> {
        let file = if path.is_dir() {
            path.join(STACK_FILE)
        } else {
            path.to_owned()
        };
        Self::read(file)
    }

    fn find_above(folder: &Path) -> Result<Option<FoundStack>, String> {
        let candidates = folder.ancestors().map(|folder| folder.join(STACK_FILE));
        let Some(file) = candidates.into_iter().find(|file| file.is_file()) else {
            return Ok(None);
        };
        Self::read(file).map(Some)
    }

    fn read(file: PathBuf) -> Result<FoundStack, String> {
        match Self::parsed(&file) {
            Ok(stack) => Ok(FoundStack { stack, file }),
            Err(why) => Err(format!("cannot read {}: {why}", file.display())),
        }
    }

    fn parsed(file: &Path) -> Result<Self, String> {
        let content = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        // serde_json's message would quote what it found; it holds keys.
        serde_json::from_str(&content).map_err(|error| {
            format!(
                "it is not what `causeway dev` writes (line {}, column {})",
                error.line(),
                error.column()
            )
        })
    }

    /// [`google_credentials`](Self::google_credentials) as JSON text; `None` when there are none.
    #[must_use]
    pub fn google_credentials_json(&self) -> Option<String> {
        match &self.google_credentials {
            serde_json::Value::Null => None,
            serde_json::Value::String(json) => Some(json.clone()),
            object => Some(object.to_string()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn is_found_from_a_folder_below() {
        let project = tempfile::tempdir().unwrap();
        let below = project.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert!(StackFile::find_above(&below).unwrap().is_none());
        let file = project.path().join(STACK_FILE);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "{\"secret_access_key\": \"hunter2\", }").unwrap();
        let error = StackFile::find_above(&below).err().unwrap();
        assert!(
            error.contains("dev.json") && !error.contains("hunter2"),
            "{error}"
        );
        for path in [project.path(), &file] {
            assert_eq!(StackFile::at(path).err().unwrap(), error);
        }
        let error = StackFile::at(&below).err().unwrap();
        assert!(error.contains("a/b/target/causeway/dev.json"), "{error}");
    }
}
